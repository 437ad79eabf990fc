"""The latent page without a browser: every view of every family, and every state of a run."""

from __future__ import annotations

import io
import json
from base64 import b64decode
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import streamlit as st
from PIL import Image
from streamlit.testing.v1 import AppTest
from support import TINY, record, tiny_config
from visits import pictures, text_of, trained, visit

from dashboard.components import canvas, latent_sliders
from dashboard.components.latent_sliders import Slider
from dashboard.views.latent_interpolation import FRAMES
from gencore.data.registry import DATASETS
from gencore.data.sources import ImageData
from gencore.latent import directions
from gencore.latent.traversal import LatentSpace
from gencore.store.runs import run

DRAWN = "drawn by the"


def film(app: AppTest) -> tuple[dict, str, str, str]:
    """The one tile under the page's film slider, the slider's ends and where it is to stand."""
    parts = [json.loads(element.proto.json) for element in app.main.get("bidi_component")]
    [data] = [part for part in parts if "tiles" in part]
    return data["tiles"][0], data["first"], data["last"], data["place"]


@pytest.fixture
def models(home: Path, few_digits: ImageData, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A VAE, a cGAN and a DDPM, an epoch old."""
    monkeypatch.setattr(directions, "DECODES", 100)
    st.cache_resource.clear()
    st.cache_data.clear()
    for family in ("vae", "cgan", "ddpm"):
        trained(home, family, few_digits)
    return home


def test_before_the_first_run_the_page_says_what_to_do(home: Path) -> None:
    assert "press **Start**" in text_of(visit("latent"))


@pytest.mark.parametrize("family", ["vae", "cgan", "ddpm"])
def test_a_place_in_the_address_moves_the_picture(models: Path, family: str) -> None:
    (still,) = pictures(visit("latent", [family])).values()
    ((alt, moved),) = pictures(visit("latent", [family], d1="1.0")).items()
    assert moved != still and "direction 1 at 1" in alt


@pytest.mark.parametrize(
    ("sent", "stand"),
    [
        ({"d1": 0.25, "d2": -9, "z3": 4}, {"d1": 0.25, "d2": -1.0}),  # within its reach; others are not asked
        ({"d1": "<img>", "d2": float("nan")}, {"d1": 0.0, "d2": 0.0}),
        ({"d1": None}, {"d1": 0.0, "d2": 0.0}),
        ("all of them", {"d1": 0.5, "d2": 0.0}),  # nothing that sliders send, so the address stands
    ],
)
def test_what_a_browser_says_of_its_sliders_is_checked(
    monkeypatch: pytest.MonkeyPatch, sent: object, stand: dict[str, float]
) -> None:
    monkeypatch.setattr(st, "session_state", {"sliders": {"places": sent}})
    monkeypatch.setattr(st, "query_params", SimpleNamespace(to_dict=lambda: {"d1": "0.5"}))
    assert latent_sliders.places([Slider("d1", "", 1.0, 0.05), Slider("d2", "", 1.0, 0.05)]) == stand


def test_directions_are_kept_with_the_run_and_found_once(
    models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = pictures(visit("latent", ["vae"], d1="0.5"))
    assert (run("vae").results / "directions.safetensors").exists()
    st.cache_resource.clear()
    monkeypatch.setattr(directions, "principal_directions", lambda *_: pytest.fail("sought again"))
    assert pictures(visit("latent", ["vae"], d1="0.5")) == first


def test_a_raw_coordinate_moves_the_picture(models: Path) -> None:
    app = visit("latent", ["vae"], coordinates="2", z2="3.0")
    ((alt, moved),) = pictures(app).items()
    assert "coordinate 2 by 3" in alt and moved not in pictures(visit("latent", ["vae"])).values()


def test_the_digit_asked_for_and_the_seed_are_in_the_picture(models: Path) -> None:
    asked = [visit("latent", ["cgan"], **address) for address in ({}, {"ask": "7"}, {"seed": "4"})]
    assert len({url for app in asked for url in pictures(app).values()}) == 3


def test_a_walk_begins_and_ends_at_its_ends_and_four_span_a_square(models: Path) -> None:
    app = visit("latent", ["vae"], walk="interpolation", ends="4", end2="test picture", test2="7")
    seen = pictures(app)
    assert [alt.split(",")[0] for alt in seen if alt.startswith("End 2")] == [
        "End 2: the test picture and what the model gives back of it"
    ]
    assert any(alt.startswith("Square of 9 by 9") for alt in seen)
    tile, first, last, _ = film(app)
    assert (first, last) == ("end 1", "end 4") and tile["frames"] == 3 * FRAMES + 1
    assert tile["strip"] != film(visit("latent", ["vae"], walk="interpolation", ends="4"))[0]["strip"]


def test_a_model_that_finds_no_latent_offers_neither_test_pictures_nor_drawings_and_says_so(
    models: Path,
) -> None:
    app = visit("latent", ["cgan"], walk="interpolation", digit1="3", digit2="8")
    assert "cannot find the latent of a picture" in text_of(app)
    assert not [box for box in app.main.selectbox if box.label == "End 1"]


def test_a_drawing_is_an_end_only_where_pictures_are_grey(
    home: Path, few_digits: ImageData, monkeypatch: pytest.MonkeyPatch
) -> None:
    coloured = replace(few_digits.spec, channels=3)
    trained(home, "vae", few_digits)
    assert visit("latent", ["vae"], walk="interpolation").selectbox(key="end1").options == [
        "random",
        "test picture",
        "drawn",
    ]
    monkeypatch.setitem(DATASETS, "digits", coloured)
    trained(
        home,
        "vae",
        replace(few_digits, images=few_digits.images.expand(-1, 3, -1, -1), spec=coloured),
        "coloured",
    )
    assert visit("latent", ["coloured"], walk="interpolation").selectbox(key="end1").options == [
        "random",
        "test picture",
    ]


def test_a_ddpm_walks_from_a_test_picture_by_running_its_sampler_backwards(models: Path) -> None:
    seen = pictures(visit("latent", ["ddpm"], walk="interpolation", end1="test picture"))
    assert any(alt.startswith("End 1: the test picture") for alt in seen)


def test_a_walk_sets_out_from_a_drawing_and_from_a_random_place_before_there_is_one(
    models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blank = visit("latent", ["vae"], walk="interpolation", end1="drawn")
    assert "Draw a digit" in text_of(blank) and f"End 1, {DRAWN} VAE of run vae" in pictures(blank)
    monkeypatch.setattr(canvas, "drawn", lambda key, size: np.eye(size, dtype=np.uint8) * 255)
    for family in ("vae", "ddpm"):
        app = visit("latent", [family], walk="interpolation", end1="drawn")
        assert any(
            alt.startswith("End 1: the drawing and what the model gives back") for alt in pictures(app)
        )
        assert "Draw a digit" not in text_of(app)


def test_a_model_that_takes_labels_is_told_what_the_drawing_is(
    models: Path, few_digits: ImageData, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(TINY, "ddpm", TINY["ddpm"].model_copy(update={"conditional": True}))
    trained(models, "ddpm", few_digits, "cddpm")
    monkeypatch.setattr(canvas, "drawn", lambda key, size: np.eye(size, dtype=np.uint8) * 255)
    told, found = [], LatentSpace.invert
    monkeypatch.setattr(
        LatentSpace,
        "invert",
        lambda latent_space, images, digit: told.append(digit) or found(latent_space, images, digit),
    )
    visit("latent", ["cddpm"], walk="interpolation", end1="drawn", digit1="7")
    assert told == [7]


def test_a_label_is_morphed_where_it_can_lie_between_two_and_elsewhere_the_page_says_why_not(
    models: Path,
) -> None:
    tile, first, last, place = film(visit("latent", ["cgan"], walk="class morph", morph="50", to="9"))
    assert (first, last, place) == ("3", "9", "50") and tile["name"] == f"Picture {DRAWN} cGAN of run cgan"
    row = Image.open(io.BytesIO(b64decode(tile["strip"].partition(",")[2])))
    frames = np.split(np.asarray(row), tile["frames"], axis=1)
    assert len({frame.tobytes() for frame in frames}) > FRAMES // 2
    assert "takes no labels" in text_of(visit("latent", ["vae"], walk="class morph"))


def test_the_map_is_of_test_pictures_where_they_are_encoded_and_of_directions_for_all(models: Path) -> None:
    codes = visit("latent", ["vae"], walk="map", point="5")
    assert any(alt.startswith("Test picture 5 and") for alt in pictures(codes))
    assert len(codes.main.get("vega_lite_chart")) == 1
    for family, address in (("vae", {"plane": "principal directions"}), ("cgan", {}), ("ddpm", {})):
        seen = pictures(visit("latent", [family], walk="map", **address))
        assert any(alt.startswith("9 by 9 pictures over directions 1 and 2") for alt in seen)


def test_without_a_feature_classifier_change_is_counted_in_pixels(models: Path) -> None:
    assert "counted in pixels" in text_of(visit("latent", ["vae"]))


def test_with_a_feature_classifier_change_is_counted_in_its_features(with_extractor: Path) -> None:
    st.cache_resource.clear()
    app = visit("latent", ["vae"])
    assert "pixels" not in text_of(app) and len(pictures(app)) == 1


def test_a_run_without_weights_says_when_they_come_or_how_to_get_them(home: Path) -> None:
    new = run("new", home)
    new.create(tiny_config("vae"))
    assert "train it first" in text_of(visit("latent", ["new"]))
    with new.claim():
        assert "first weights are saved after epoch 1000" in text_of(visit("latent", ["new"]))


def test_a_run_that_died_is_walked_through_by_its_newest_weights(home: Path, few_digits: ImageData) -> None:
    one = run("died", home)
    one.create(tiny_config("vae", epochs=2, checkpoint_every=1))
    record(one, few_digits, stop_at=6)
    assert len(pictures(visit("latent", ["died"]))) == 1


def test_damaged_weights_and_an_unreadable_config_are_said_in_a_line_and_others_still_walk(
    models: Path,
) -> None:
    weights = run("cgan").checkpoints / "final.safetensors"
    weights.write_bytes(weights.read_bytes()[:-5])
    run("ddpm").config_path.write_text('{"model": {"family": "<img src=x>"}}')
    assert "damaged" in text_of(visit("latent", ["cgan"]))
    assert "unreadable" in text_of(visit("latent", ["ddpm"]))
    assert len(pictures(visit("latent", ["vae"]))) == 1
