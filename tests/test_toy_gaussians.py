"""The counts of benchmarks/toy_gaussians.py on points whose modes are known."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import Generator, Tensor

from benchmarks import toy_gaussians
from benchmarks.toy_gaussians import POINTS, RECIPES, Mixture, coverage, grid, is_high_quality, ring

MIXTURES = [ring(), grid()]
FAR = torch.tensor([100.0, 100.0])


def placed(mixture: Mixture, counts: dict[int, int]) -> Tensor:
    """2,500 points: `counts` of them on the centres named by number, the others far away."""
    points = FAR.expand(POINTS, 2).clone()
    modes = [mode for mode, count in counts.items() for _ in range(count)]
    points[: len(modes)] = mixture.centres[modes]
    return points


def test_the_mixtures_have_8_and_25_modes_of_which_none_reaches_another() -> None:
    for mixture, modes in zip(MIXTURES, (8, 25), strict=True):
        assert mixture.centres.shape == (modes, 2)
        assert torch.pdist(mixture.centres).min() > 2 * toy_gaussians.NEAR * mixture.std


@pytest.mark.parametrize("mixture", MIXTURES, ids=lambda mixture: mixture.name)
def test_points_on_all_centres_cover_every_mode_and_points_on_one_cover_one(mixture: Mixture) -> None:
    modes = len(mixture.centres)
    assert coverage(mixture.centres.repeat(POINTS // modes, 1), mixture) == (modes, 1.0)
    assert coverage(placed(mixture, {3: POINTS}), mixture) == (1, 1.0)
    assert coverage(placed(mixture, {}), mixture) == (0, 0.0)


@pytest.mark.parametrize(("mixture", "least"), [(ring(), 63), (grid(), 20)], ids=["ring", "grid"])
def test_a_mode_counts_from_a_fifth_of_its_fair_share_on(mixture: Mixture, least: int) -> None:
    enough = placed(mixture, {0: least, 5: least - 1})
    assert coverage(enough, mixture) == (1, pytest.approx((2 * least - 1) / POINTS))
    assert coverage(placed(mixture, {0: least, 5: least}), mixture).modes == 2


@pytest.mark.parametrize("mixture", MIXTURES, ids=lambda mixture: mixture.name)
def test_a_point_is_of_high_quality_up_to_three_standard_deviations_in_any_direction(
    mixture: Mixture,
) -> None:
    directions = torch.tensor([[1.0, 0.0], [0.0, -1.0], [0.6, 0.8]])
    for distance, expected in ((0.0, True), (2.99, True), (3.01, False)):
        points = mixture.centres[4] + distance * mixture.std * directions
        assert is_high_quality(points, mixture).tolist() == [expected] * 3


@pytest.mark.parametrize("mixture", MIXTURES, ids=lambda mixture: mixture.name)
def test_real_points_cover_every_mode_and_are_as_often_of_high_quality_as_gaussians_are(
    mixture: Mixture,
) -> None:
    points = mixture.draw(100_000, Generator().manual_seed(0))
    modes, share = coverage(points, mixture)
    assert modes == len(mixture.centres)
    assert share == pytest.approx(1 - math.exp(-4.5), abs=0.002)


def test_the_command_prints_a_row_for_each_loss_and_writes_a_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(toy_gaussians, "STEPS", 2)
    monkeypatch.setattr(
        sys, "argv", ["toy_gaussians.py", "--seeds", "1", "--picture", str(tmp_path / "a.png")]
    )
    toy_gaussians.main()
    rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith(("| ring", "| grid"))]
    assert len(rows) == 2 * (1 + len(RECIPES))
    real = [row for row in rows if "*real*" in row]
    assert "8.0 (8 to 8)" in real[0] and "25.0 (25 to 25)" in real[1]
    assert Image.open(tmp_path / "a.png").size == (1500, 2 * 324)
