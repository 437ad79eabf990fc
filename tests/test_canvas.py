"""What a browser sends of a drawing, and how it becomes a digit like the data set's."""

from __future__ import annotations

from base64 import b64encode

import numpy as np
import pytest
import torch

from dashboard.components.canvas import BOXES, fitted, received
from gencore.config.datasets import DATASETS
from gencore.data.registry import availability, data_folder
from gencore.data.sources import load

SIZE = 28


def stroke(top: int, left: int, height: int, width: int) -> np.ndarray:
    drawing = np.zeros((SIZE, SIZE), np.uint8)
    drawing[top : top + height, left : left + width] = 255
    return drawing


def sent(pixels: np.ndarray) -> str:
    return b64encode(pixels.tobytes()).decode()


def centre(pixels: np.ndarray) -> list[float]:
    """Of mass: row and column."""
    return [float(np.average(np.arange(SIZE), weights=pixels.sum(axis))) for axis in (1, 0)]


def test_a_drawing_arrives_as_it_was_sent() -> None:
    drawing = stroke(4, 5, 12, 3)
    assert np.array_equal(received(sent(drawing), SIZE), drawing)


@pytest.mark.parametrize(
    "wrong",
    [
        None,
        7,
        ["AAAA"],
        {"pixels": "AAAA"},
        b64encode(stroke(4, 5, 12, 3).tobytes()),
        "",
        "AAAA",
        sent(stroke(4, 5, 12, 3)[:, :-1]),
        sent(stroke(4, 5, 12, 3)) + "AAAA",
        "A" * 1048,
        "!" * 1048,
        "é" * 1048,
    ],
    ids=lambda wrong: repr(wrong)[:12],
)
def test_anything_else_is_no_drawing(wrong: object) -> None:
    assert received(wrong, SIZE) is None


@pytest.mark.parametrize("grey", [0, 1, 100])
def test_nothing_to_see_is_no_drawing(grey: int) -> None:
    assert received(sent(np.full((SIZE, SIZE), grey, np.uint8)), SIZE) is None


@pytest.mark.parametrize(
    "drawing", [stroke(2, 3, 8, 4), stroke(17, 20, 11, 7), stroke(0, 0, 28, 28), stroke(9, 9, 1, 1)]
)
def test_ink_fills_its_box_and_its_centre_of_mass_is_the_pictures(drawing: np.ndarray) -> None:
    digit = fitted(drawing, 20)
    rows, columns = (np.flatnonzero(digit.any(axis)) for axis in (1, 0))
    assert max(np.ptp(rows), np.ptp(columns)) + 1 == 20
    assert centre(digit) == pytest.approx([SIZE / 2, SIZE / 2], abs=0.5)
    assert digit.shape == (SIZE, SIZE) and digit.dtype == np.uint8


def test_ink_whose_mass_is_at_one_end_stays_inside_the_picture() -> None:
    flag = stroke(0, 0, 4, 20) | stroke(0, 0, 28, 1)
    rows = np.flatnonzero(fitted(flag, 28).any(1))
    assert rows[0] == 0 and rows[-1] == SIZE - 1


@pytest.mark.mnist
def test_mnists_own_digits_stay_as_they_are() -> None:
    if availability("mnist") == "would be downloaded":
        pytest.skip(f"MNIST is not in {data_folder()}")
    digits = load(DATASETS["mnist"], "test", data_folder()).images[:200, 0]
    assert torch.equal(
        torch.from_numpy(np.stack([fitted(digit, BOXES["mnist"]) for digit in digits.numpy()])), digits
    )
