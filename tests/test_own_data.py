"""Data sets of one's own: added, listed, trained on, measured, and refused where they have changed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from dashboard.data import run_catalog
from gencore.config.datasets import DATASETS
from gencore.config.options import PRESETS, RunConfig
from gencore.data import own
from gencore.data.adding import MOST_CLUSTERS
from gencore.data.registry import find, known
from gencore.data.sources import load
from gencore.data.verification import DataError
from gencore.store.runs import run
from tests.support import Result

Gencore = Callable[..., Result]
TINY = ["--network", "mlp", "--latent-dim", "4", "--epochs", "2", "--batch-size", "16", "--sheets", "0"]


def write_pictures(
    folder: Path, classes: int, count: int, *, colour: bool = False, labelled: bool = True
) -> None:
    """`count` different pictures a class, of 20 x 20 pixels: a bar at a place of its class, with noise."""
    rng = np.random.default_rng(0)
    for c in range(classes):
        inside = folder / f"kind {c}" if labelled else folder
        inside.mkdir(parents=True, exist_ok=True)
        for number in range(count):
            pixels = rng.integers(0, 60, (20, 20, 3) if colour else (20, 20), np.uint8)
            pixels[(5 * c) % 18 : (5 * c) % 18 + 3, c % 7 :] = 160 + 15 * (c % 6)
            Image.fromarray(pixels).save(inside / f"{c}-{number}.png")


@pytest.fixture
def two(gencore: Gencore, tmp_path: Path) -> Path:
    """The folder that the data set `two` was made of."""
    write_pictures(tmp_path / "two", 2, 60)
    assert gencore("data", "add", tmp_path / "two", "--name", "two", "--size", 16).code == 0
    return tmp_path / "two"


def test_a_folder_becomes_a_data_set_that_is_listed_shown_and_removed(gencore: Gencore, two: Path) -> None:
    spec = find("two")
    assert (spec.size, spec.channels, spec.class_names) == (16, 1, ("kind 0", "kind 1"))
    assert spec.train_count + spec.test_count == 120 and spec.is_own and spec.is_labelled
    for split, count in (("train", spec.train_count), ("test", spec.test_count)):
        data = load(spec, split)
        assert data.images.shape == (count, 1, 16, 16) and data.images.dtype == torch.uint8
        assert sorted(data.labels.unique().tolist()) == [0, 1]
    listed = gencore("data", "list").out
    assert "two" in listed and "your own" in listed and "2 classes" in listed and "digits" in listed
    shown = gencore("data", "show", "two").out
    assert "120 files" in shown and "20x20 (120)" in shown
    assert gencore("data", "show", "mnist").json["train_count"] == 60_000
    assert gencore("data", "list", "--json").json["datasets"][-1]["name"] == "two"
    assert gencore("data", "remove", "two").code == 0 and "two" not in known()
    assert "no data set of your own named two" in gencore("data", "remove", "two").complaint


def test_names_that_are_taken_or_not_allowed_are_refused(gencore: Gencore, two: Path) -> None:
    again = gencore("data", "add", two, "--name", "two")
    assert again.code == 2 and "there is a data set two; use --overwrite" in again.complaint
    forced = gencore("data", "add", two, "--name", "mnist", "--overwrite")
    assert forced.code == 2 and "mnist is a published data set" in forced.complaint
    assert "ends in mixer" in gencore("data", "add", two, "--name", "two-mixer").complaint
    for name in ("Upper", "../x", "a" * 41):
        refused = gencore("data", "add", two, "--name", name)
        assert refused.code == 2 and "use 1 to 40 small letters" in refused.err
    assert "perhaps two" in gencore("train", "vae", "--dataset", "tow").complaint
    assert "--grey and --colour" in gencore("data", "add", two, "--name", "x", "--grey", "--colour").complaint


def test_a_run_says_which_data_it_saw_and_is_not_resumed_on_others(gencore: Gencore, two: Path) -> None:
    assert gencore("train", "vae", "--dataset", "two", "--name", "mine", *TINY).code == 0
    config = run("mine").config()
    assert config.own_data == find("two") == config.dataset_spec
    shutil.rmtree(two / "kind 1")
    write_pictures(two, 2, 61)
    assert gencore("data", "add", two, "--name", "two", "--size", 16, "--overwrite").code == 0
    refused = gencore("train", "vae", "--dataset", "two", "--name", "mine", "--resume", *TINY)
    assert refused.code == 2 and "own_data.digest" in refused.complaint
    with pytest.raises(DataError, match="two has changed: train_count was"):
        load(config.dataset_spec, "train")
    assert gencore("sample", "mine", "--out", two.parent / "x.png").code == 0, "a model needs no data to draw"


def test_a_damaged_or_missing_set_is_named(gencore: Gencore, two: Path) -> None:
    spec, folder = find("two"), own.folder_of("two", Path(two.parent, "home", "data"))
    packed = folder / "images.safetensors"
    content = bytearray(packed.read_bytes())
    content[-1] ^= 1
    packed.write_bytes(content)
    assert "images.safetensors is damaged" in gencore("train", "vae", "--dataset", "two", *TINY).complaint
    (folder / "dataset.json").write_text("{")
    assert "unreadable" in gencore("data", "list").out and "two" not in known()
    shutil.rmtree(folder)
    with pytest.raises(DataError, match="gencore data add PATH --name two"):
        load(spec, "train")


def test_a_preset_takes_smaller_batches_of_a_small_set_and_says_so(gencore: Gencore, two: Path) -> None:
    trained = gencore("train", "vae", "--dataset", "two", "--name", "small", "--steps", 2, "--sheets", "0")
    assert trained.code == 0 and "batches of 32 images, as two is small" in trained.err
    config = run("small").config()
    assert config.data.batch_size == 32 <= config.dataset_spec.train_count // 2 < 64
    assert config.on(find("two")) == config, "so that a resumed run has the same"


def test_too_few_images_are_trained_on_but_not_measured(gencore: Gencore, two: Path) -> None:
    refused = gencore("features", "two")
    assert refused.code == 2 and "measuring needs 60 of each" in refused.complaint


def test_images_without_labels_are_put_into_clusters_and_refused_to_conditional_models(
    gencore: Gencore, tmp_path: Path
) -> None:
    write_pictures(tmp_path / "free", 3, 50, colour=True, labelled=False)
    added = gencore("data", "add", tmp_path / "free", "--name", "free", "--size", 16)
    assert added.code == 0 and "no labels; " in added.out
    spec = find("free")
    assert not spec.is_labelled and spec.channels == 3 and spec.noun == "cluster"
    assert spec.class_names[:2] == ("cluster 1", "cluster 2") and 2 <= spec.classes <= MOST_CLUSTERS
    labels = torch.cat([load(spec, split).labels for split in ("train", "test")])
    assert labels.bincount(minlength=spec.classes).all()
    refused = gencore("train", "cgan", "--dataset", "free")
    assert refused.code == 2 and "free has none; choose a model without labels" in refused.err


def test_a_config_that_does_not_describe_its_data_is_unreadable(gencore: Gencore, two: Path) -> None:
    assert gencore("train", "vae", "--dataset", "two", "--name", "mine", *TINY).code == 0
    path = run("mine").config_path
    stored = json.loads(path.read_text()) | {"own_data": None}
    path.write_text(json.dumps(stored))
    refused = gencore("evaluate", "mine")
    assert refused.code == 2 and "its data set two is no published one" in refused.complaint
    assert run_catalog.entry(run("mine")).faults and "two" in gencore("runs").out


def test_published_sets_are_as_they_were_in_configs_of_before() -> None:
    for preset in ("vae", "cgan"):
        stored = PRESETS[preset].model_dump(mode="json")
        del stored["own_data"]
        config = RunConfig.model_validate(stored)
        assert config == PRESETS[preset] and config.dataset_spec is DATASETS["mnist"]
