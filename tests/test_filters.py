"""Pairs that a filter makes of a data set: what filters compute, what the sets are called, and faults."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from pydantic import ValidationError
from scipy.ndimage import gaussian_filter, label
from torch import Tensor

from gencore.config.datasets import DATASETS, derived, in_file_names
from gencore.config.filters import FILTERS
from gencore.config.options import PRESETS, RunConfig
from gencore.data import filters
from gencore.data.filters import MID_GREY, blurred, edges, luminance, masked, sources_of, thinned
from gencore.data.registry import availability, find, known, pairs
from gencore.data.sources import load
from gencore.store.extractor_runs import features_run
from gencore.store.runs import run
from tests.support import Result
from tests.test_own_data import write_pictures

Gencore = Callable[..., Result]
SIZES = 28, 64, 256
QUICK = "--width 8 --steps 4 --batch-size 16 --sheets 0".split()
EIGHT = [[1] * 3] * 3  # neighbours that touch, in scipy's form


def disc(size: int, radius: float) -> Tensor:
    """A white disc (1, 1, size, size) uint8 on black, its rim as smooth as a picture's."""
    places = torch.arange(size) - (size - 1) / 2
    distance = torch.hypot(places[:, None], places[None])
    return ((radius - distance).clamp(0, 1) * 255).round().to(torch.uint8)[None, None]


def random_images(channels: int, n: int = 3) -> Tensor:
    rng = torch.Generator().manual_seed(0)
    return torch.randint(256, (n, channels, 28, 28), generator=rng, dtype=torch.uint8)


def has_blocks(lines: Tensor) -> bool:
    """Whether four pixels of the lines make a square: then they are not thin."""
    line = lines > 0
    return bool((line[..., :-1, :-1] & line[..., 1:, :-1] & line[..., :-1, 1:] & line[..., 1:, 1:]).any())


def test_each_filter_of_the_table_has_a_function_and_gives_the_channels_that_its_row_states() -> None:
    assert set(filters._FILTERS) == set(FILTERS)
    for name, row in FILTERS.items():
        for channels in (3,) if row.needs_colour else (1, 3):
            sources = sources_of(name, random_images(channels))
            assert sources.shape == (3, row.source_channels or channels, 28, 28)
            assert sources.dtype == torch.uint8


@pytest.mark.parametrize("name", FILTERS)
def test_an_image_is_filtered_the_same_alone_and_among_many(name: str) -> None:
    images = random_images(3, 60)  # more than one part
    alone = torch.cat([sources_of(name, image[None]) for image in images])
    assert torch.equal(sources_of(name, images), alone)


@pytest.mark.parametrize("size", SIZES)
def test_the_edge_of_a_disc_is_one_closed_thin_line_along_its_rim(size: int) -> None:
    radius = size / 4
    line = edges(disc(size, radius))
    assert set(line.unique().tolist()) == {0, 255} and not has_blocks(line)
    rows, columns = (line[0, 0] > 0).nonzero(as_tuple=True)
    away = torch.hypot(rows - (size - 1) / 2, columns - (size - 1) / 2) - radius
    assert away.abs().max() < 1.5, "no pixel of it lies elsewhere"
    assert label(line[0, 0], EIGHT)[1] == 1
    assert label(line[0, 0] == 0)[1] == 2, "it parts the inside from the outside"


@pytest.mark.parametrize("name", ["edges:digits", "edges:mnist"])
def test_edges_of_digits_are_thin_and_neither_absent_nor_all_over(name: str) -> None:
    if availability(name) not in ("bundled", "on disk"):
        pytest.skip(f"{name} is not at hand")
    sources = load(find(name), "test").sources
    assert sources is not None
    share = (sources > 0).float().mean((1, 2, 3))
    assert 0.03 < share.min() and share.max() < 0.4
    blocks = sum(has_blocks(one) for one in sources[:300])
    assert blocks == 0
    assert torch.equal(thinned(sources), sources)


def test_a_flat_image_and_faint_noise_have_no_edges() -> None:
    flat = torch.full((1, 3, 64, 64), 90, dtype=torch.uint8)
    noise = torch.randint(0, 20, flat.shape, generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    assert not edges(flat).any() and not edges(flat + noise).any()


@pytest.mark.parametrize("size", SIZES)
def test_a_thick_stroke_is_thinned_to_one_connected_line_that_keeps_its_length(size: int) -> None:
    stroke = torch.zeros(1, 1, size, size, dtype=torch.uint8)
    stroke[..., size // 2 - 2 : size // 2 + 3, 4:-4] = 200  # a bar five pixels thick
    line = thinned(stroke)
    assert not has_blocks(line) and label(line[0, 0], EIGHT)[1] == 1
    assert (line > 0).any(2).sum() >= size - 8 - 6
    assert ((line > 0) <= (stroke > 0)).all()


def test_edges_of_the_bundled_photographs_have_no_blocks() -> None:
    from sklearn.datasets import load_sample_image

    for name in ("china.jpg", "flower.jpg"):
        picture = torch.from_numpy(load_sample_image(name).copy()).permute(2, 0, 1)[None, :, :256, 200:456]
        line = edges(picture)
        assert not has_blocks(line) and 0.005 < (line > 0).float().mean() < 0.2


def test_blur_is_scipys_gaussian_of_a_sixteenth_of_the_side() -> None:
    image = random_images(1, 1)
    expected = gaussian_filter(image[0, 0].double().numpy(), 28 / 16, mode="mirror", truncate=3.2)
    assert (blurred(image)[0, 0].double() - torch.from_numpy(expected)).abs().max() <= 1


def test_grey_is_the_luminance_that_pillow_computes() -> None:
    image = random_images(3, 1)
    expected = Image.fromarray(image[0].permute(1, 2, 0).numpy()).convert("L")
    ours = luminance(image)[0, 0].int()
    assert (ours - torch.from_numpy(np.array(expected)).int()).abs().max() <= 1
    grey = random_images(1)
    assert torch.equal(luminance(grey), grey)


@pytest.mark.parametrize("size", SIZES)
def test_masked_hides_the_middle_half_by_half_and_nothing_else(size: int) -> None:
    image = torch.zeros(1, 3, size, size, dtype=torch.uint8)
    covered = masked(image) == MID_GREY
    assert covered[0, 0].sum() == (size // 2) ** 2
    assert covered[0, 0].any(0).nonzero().flatten().tolist() == list(range(size // 4, size - size // 4))
    assert not image.any(), "the target stays as it was"


def test_derived_pairs_are_the_images_and_labels_of_their_original_with_sources() -> None:
    original, made = (load(find(name), "train") for name in ("digits", "masked:digits"))
    assert torch.equal(made.images, original.images) and torch.equal(made.labels, original.labels)
    assert made.sources is not None and torch.equal(made.sources, masked(original.images))
    assert made.spec.is_paired and made.spec.original == original.spec == made.alone.spec
    assert made.alone.digest == original.digest != made.digest
    assert made.spec.title == "scikit-learn digits from masked images"


def test_the_table_of_pairs_has_each_filter_of_each_set_that_it_suits() -> None:
    made = pairs()
    assert {f"{name}:cifar10" for name in FILTERS} <= set(made) and "grey:mnist" not in made
    assert all(find(name) == spec and spec.is_paired for name, spec in made.items())
    assert not any(":" in name for name in known())


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("edge:digits", "edge:digits names no filter; the filters are edges, blur, grey, masked"),
        (":digits", "names no filter"),
        ("edges:blur:digits", "applies a filter to pairs.* as in blur:digits"),
        ("grey:digits", "scikit-learn digits is grey already, .*colour data set, or another filter"),
        ("edges:digit", "there is no data set digit; perhaps digits"),
    ],
)
def test_a_name_that_means_no_pairs_is_refused_in_a_sentence(name: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        find(name)


def test_a_config_of_pairs_that_cannot_be_is_not_valid() -> None:
    given = PRESETS["pix2pix"].model_dump()
    for name, words in (("edge:mnist", "names no filter"), ("grey:mnist", "is grey already")):
        given["data"]["dataset"] = name
        with pytest.raises(ValidationError, match=words):
            RunConfig.model_validate(given)


def test_a_config_of_derived_pairs_describes_them_and_is_read_back() -> None:
    config = PRESETS["pix2pix"].on(find("edges:digits"))
    assert config.describes_data and config.dataset_spec == find("edges:digits") and config.own_data is None
    assert RunConfig.model_validate_json(config.model_dump_json()) == config


def test_pairs_share_the_feature_extractors_of_their_original(tmp_path: Path) -> None:
    assert features_run("edges:mnist", tmp_path) == features_run("mnist", tmp_path)


def test_the_default_name_of_a_run_on_pairs_is_a_file_name(gencore: Gencore) -> None:
    assert gencore("train", "pix2pix-quick", "--dataset", "edges:digits", *QUICK).code == 0
    assert run("edges-digits-pix2pix-quick").config().data.dataset == "edges:digits"
    assert in_file_names("edges:digits") == "edges-digits" and in_file_names("digits") == "digits"


def test_a_filter_makes_pairs_of_ones_own_set_and_refuses_it_when_it_has_changed(
    gencore: Gencore, tmp_path: Path
) -> None:
    write_pictures(tmp_path / "pictures", classes=3, count=12, colour=True)
    add = ["data", "add", tmp_path / "pictures", "--name", "mine", "--data-dir", tmp_path]
    assert gencore(*add).code == 0
    spec = find("grey:mine", tmp_path)
    made = load(spec, "train", tmp_path)
    assert made.sources is not None and torch.equal(made.sources, luminance(made.images))
    config = PRESETS["palette"].on(spec)
    assert config.own_data == spec and config.dataset_spec.original == find("mine", tmp_path)
    assert gencore(*add, "--size", 32, "--overwrite").code == 0
    with pytest.raises(ValueError, match="mine has changed: size was 28, is 32"):
        load(spec, "train", tmp_path)


def test_no_set_of_ones_own_can_be_called_like_pairs(gencore: Gencore, tmp_path: Path) -> None:
    write_pictures(tmp_path / "pictures", classes=2, count=2)
    refused = gencore("data", "add", tmp_path / "pictures", "--name", "edges:mine", "--data-dir", tmp_path)
    assert refused.code == 2 and "edges:mine names a filter" in refused.complaint


def test_pairs_are_not_filtered_again() -> None:
    with pytest.raises(ValueError, match="has pairs already; blur: is for data sets whose images come alone"):
        derived("blur", derived("edges", DATASETS["mnist"]))
