"""The page Translate without a browser: drawing, test pictures, uploads, and every state of a run."""

from __future__ import annotations

import io
import json
from base64 import b64decode, b64encode
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import streamlit as st
import torch
from PIL import Image
from streamlit.testing.v1 import AppTest
from support import QUIET, pairs_of, record
from visits import pictures, text_of, visit

from dashboard.components import drawing_board
from dashboard.components.drawing_board import Drawing, Start
from dashboard.data import translations
from dashboard.views.translate_pictures import BRIGHTER, DARKER, EQUAL, difference_map
from gencore.config.options import (
    DataConfig,
    ModelConfig,
    PaletteConfig,
    Pix2PixConfig,
    RunConfig,
    TrainingConfig,
)
from gencore.data.filters import edges
from gencore.data.registry import find
from gencore.store.runs import Run, run

MODELS: dict[str, ModelConfig] = {
    "pix2pix": Pix2PixConfig(width=8),
    "pix2pix-l1": Pix2PixConfig(width=8, adversarial=False),
    "palette": PaletteConfig(width=16, sampling_steps=2),
}
LINE = np.zeros((1, 28, 28), np.uint8)
LINE[0, 14, 4:24] = 255


def planned(name: str, preset: str, dataset: str = "edges:digits") -> Run:
    one = run(name)
    training = TrainingConfig(**QUIET | {"epochs": 1})
    one.create(
        RunConfig(data=DataConfig(dataset=dataset, batch_size=16), model=MODELS[preset], training=training)
    )
    return one


@pytest.fixture
def translators(home: Path, fresh_caches: None) -> Path:
    """A pix2pix, its L1 variant and a Palette, two steps old."""
    for preset in MODELS:
        record(planned(f"edges-digits-{preset}", preset), pairs_of("digits", 32))
    return home


def board(app: AppTest) -> dict:
    """What the drawing board was given."""
    [part] = [json.loads(part.proto.json) for part in app.main.get("bidi_component")]
    return part


def image(png: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(b64decode(png))).convert("L"))


def png_of(pixels: np.ndarray) -> bytes:
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, "PNG")
    return content.getvalue()


def test_before_the_first_run_the_page_says_what_to_train(home: Path) -> None:
    seen = text_of(visit("translate"))
    assert "press **Start**" in seen and "gencore train pix2pix --dataset edges:mnist" in seen


def test_it_opens_with_the_edges_of_a_test_picture_and_what_each_model_makes_of_them(
    translators: Path,
) -> None:
    given = board(visit("translate", pair="5"))
    real = translations.test_pair(find("edges:digits"), 5).real
    drawn = torch.frombuffer(bytearray(b64decode(given["drawn"])), dtype=torch.uint8).view(1, 1, 28, 28)
    assert torch.equal(drawn, edges(real)) and given["start"]["pixels"] == given["drawn"]
    titles = [tile["title"].split(" · ")[0] for tile in given["tiles"]]
    assert titles == ["pix2pix", "L1 U-Net", "Palette", "real image 5"]
    made = [image(tile["picture"]) for tile in given["tiles"]]
    assert all(one.shape == (28, 28) for one in made)
    assert np.array_equal(made[-1], real[0, 0].numpy())
    assert [bool(tile["model"]) for tile in given["tiles"]] == [True, True, True, False]
    assert len(given["tiles"][2]["model"]["steps"]) == 2 and given["thin"]


def test_a_drawing_changes_the_images_of_all_models(
    translators: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = board(visit("translate"))["tiles"]
    monkeypatch.setattr(drawing_board, "drawing", lambda start: Drawing(LINE, True))
    after = board(visit("translate"))["tiles"]
    assert [old["picture"] != new["picture"] for old, new in zip(before, after, strict=True)] == [
        *[True] * 3,
        False,
    ]


def test_in_mid_stroke_the_server_draws_with_the_chosen_model_alone(
    translators: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drawing_board, "drawing", lambda start: Drawing(LINE, False))
    tiles = board(visit("translate"))["tiles"]
    assert [tile["picture"] is not None for tile in tiles] == [True, False, False, True]


@pytest.mark.parametrize(
    ("sent", "is_drawn"),
    [
        ({"name": "a", "pixels": b64encode(LINE.tobytes()).decode()}, True),
        ({"name": "b", "pixels": b64encode(LINE.tobytes()).decode()}, False),  # of another start
        ({"name": "a", "pixels": "AAAA"}, False),
        ({"name": "a", "pixels": 7}, False),
        ({"name": "a"}, False),
        ("a", False),
        (None, False),
    ],
)
def test_what_a_browser_says_of_a_drawing_is_checked(
    monkeypatch: pytest.MonkeyPatch, sent: object, is_drawn: bool
) -> None:
    monkeypatch.setattr(st, "session_state", SimpleNamespace(get=lambda key, other: {"drawing": sent}))
    start = Start("a", np.zeros_like(LINE), True)
    assert np.array_equal(drawing_board.drawing(start).pixels, LINE if is_drawn else start.pixels)


def test_a_test_picture_has_its_real_image_differences_and_figures(translators: Path) -> None:
    app = visit("translate", source="test picture", pair="7")
    assert [alt.split(" generated")[0] for alt in pictures(app)] == [
        "Source of test-7",
        "Image of test-7",
        "Real image of test-7",
        "Difference of the pix2pix's image from the real one",
        "Image of test-7",
        "Image of test-7",
    ]
    assert text_of(app).count("PSNR") == 3 and "darker" in str(app.main.get("html")[0].proto.body)


def test_buttons_go_to_the_next_the_previous_and_another_pair(translators: Path) -> None:
    app = visit("translate", source="test picture")
    last = find("edges:digits").test_count - 1
    press = {button.label: button for button in app.main.button}
    press["Previous"].click().run()
    assert app.number_input(key="pair").value == last and f"Source of test-{last}" in pictures(app)
    {button.label: button for button in app.main.button}["Next"].click().run()
    assert app.number_input(key="pair").value == 0 and "Source of test-0" in pictures(app)


def test_a_pair_that_is_not_there_gives_the_first(translators: Path) -> None:
    assert "Source of test-0" in pictures(visit("translate", source="test picture", pair="99999"))


def test_the_chosen_run_comes_first_and_one_run_of_each_other_model_beside_it(translators: Path) -> None:
    record(planned("another", "pix2pix"), pairs_of("digits", 32))
    tiles = board(visit("translate", run=["edges-digits-palette"]))["tiles"]
    runs = [tile["title"].split(" · ")[1] for tile in tiles[:-1]]
    assert runs == ["edges-digits-palette", "edges-digits-pix2pix-l1", "edges-digits-pix2pix"]


# Uploads


def uploaded(pixels: np.ndarray, is_source: bool = False) -> translations.Pair:
    return translations.uploaded_pair(png_of(pixels), find("edges:digits"), is_source)


def test_the_filter_makes_the_source_of_a_photo_whose_middle_is_the_real_image() -> None:
    photo = np.zeros((56, 90, 3), np.uint8)
    photo[14:42, 30:60] = (250, 200, 150)
    pair = uploaded(photo)
    assert pair.source.shape == pair.real.shape == (1, 1, 28, 28)
    assert torch.equal(pair.source, edges(pair.real)) and pair.source.max() == 255
    assert pair.real[0, 0, 14, 14] > 150 and pair.real[0, 0, 0, 0] < 10


def test_a_picture_that_is_a_source_already_is_taken_as_it_is_and_has_no_real_image() -> None:
    pair = uploaded(LINE[0], is_source=True)
    assert np.array_equal(pair.source[0].numpy(), LINE) and pair.real is None


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"no picture at all", "it is no PNG, JPEG"),
        (b"", "it is no PNG, JPEG"),
        (png_of(np.zeros((40, 40), np.uint8))[:50], "cannot be read as a picture"),
        (png_of(np.zeros((30_000, 4), np.uint8)), "30,000 pixels; at most"),
    ],
    ids=["text", "nothing", "half a picture", "huge"],
)
def test_a_file_that_is_no_picture_is_refused_in_a_sentence(content: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message) as refusal:
        translations.uploaded_pair(content, find("edges:digits"), False)
    assert str(refusal.value).endswith("Choose a PNG, JPEG or WebP picture.")


# Pictures


def test_the_difference_map_is_white_where_equal_and_has_a_colour_for_either_sign() -> None:
    real = torch.full((1, 1, 2, 2), 128, dtype=torch.uint8)
    output = torch.tensor([[[[128, 255], [0, 64]]]], dtype=torch.uint8)
    found = difference_map(output, real)[0].permute(1, 2, 0)
    assert tuple(found[0, 0].tolist()) == EQUAL and tuple(found[1, 0].tolist()) == DARKER
    assert np.abs(found[0, 1].numpy().astype(int) - BRIGHTER).max() <= 2  # 127 of 128 levels
    halfway = [(a + b) / 2 for a, b in zip(EQUAL, DARKER, strict=True)]
    assert np.abs(found[1, 1].numpy() - halfway).max() <= 0.5


def test_a_triptych_has_the_three_images_in_a_row_without_loss() -> None:
    images = torch.randint(
        0, 256, (3, 1, 28, 28), generator=torch.Generator().manual_seed(0), dtype=torch.uint8
    )
    pixels = np.asarray(Image.open(io.BytesIO(translations.triptych(*images[:, None]))))
    assert pixels.shape[0] >= 128 and pixels.shape[1] == 3 * pixels.shape[0]
    scale = pixels.shape[0] // 28
    assert np.array_equal(pixels[::scale, ::scale], np.concatenate(list(images[:, 0].numpy()), axis=1))


def test_errors_of_an_equal_image_are_none_and_of_its_opposite_all() -> None:
    black, white = (
        torch.zeros(1, 1, 16, 16, dtype=torch.uint8),
        torch.full((1, 1, 16, 16), 255, dtype=torch.uint8),
    )
    equal, opposite = translations.errors(black, black), translations.errors(black, white)
    assert (equal.l1, equal.psnr, equal.ssim) == (0, float("inf"), pytest.approx(1))
    assert (opposite.l1, opposite.psnr) == (1, 0) and opposite.ssim < 0.01


# States of runs


def test_a_run_without_weights_says_when_they_come_or_how_to_get_them(home: Path) -> None:
    new = planned("new", "pix2pix")
    assert "train it first" in text_of(visit("translate", ["new"]))
    with new.claim():
        assert "first weights are saved after epoch" in text_of(visit("translate", ["new"]))


def test_damaged_weights_are_reported_and_other_runs_still_work(translators: Path) -> None:
    weights = run("edges-digits-palette").checkpoints / "final.safetensors"
    weights.write_bytes(weights.read_bytes()[:-5])
    assert "damaged" in text_of(visit("translate", ["edges-digits-palette"]))
    app = visit("translate")
    assert "edges-digits-palette is left out" in text_of(app) and len(board(app)["tiles"]) == 3


def test_without_the_data_set_the_canvas_starts_empty_and_models_draw_all_the_same(
    home: Path, fresh_caches: None
) -> None:
    record(planned("edges-mnist-pix2pix", "pix2pix", "edges:mnist"), pairs_of("digits", 32))
    app = visit("translate")
    given = board(app)
    assert "The canvas starts empty" in text_of(app) and not any(b64decode(given["drawn"]))
    assert [tile["title"] for tile in given["tiles"]] == ["pix2pix · edges-mnist-pix2pix"]
    assert "is not in" in text_of(visit("translate", source="test picture"))


def test_an_ancestral_sampler_draws_on_the_server_and_the_page_says_why(
    home: Path, fresh_caches: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    ancestral = PaletteConfig(width=16, timesteps=4, sampling_steps=2, sampler="ddpm")
    monkeypatch.setitem(MODELS, "palette", ancestral)
    record(planned("ancestral", "palette"), pairs_of("digits", 32))
    [tile, _] = board(visit("translate"))["tiles"]
    assert tile["model"] is None and "adds noise at each step" in tile["why"]
