"""Pairs of pictures of one's own: which are taken, which are left out by name, and what is stored. All files
are real."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from made_files import picture, png_header, written
from pydantic import ValidationError

from gencore.config.datasets import DatasetSpec
from gencore.data import own
from gencore.data.adding import add
from gencore.data.batches import Batches, dequantise
from gencore.data.importing import pile
from gencore.data.importing.options import ImportOptions
from gencore.data.importing.reading import read
from gencore.data.importing.report import Imported
from gencore.data.registry import find
from gencore.data.sources import ImageData, load
from gencore.data.verification import DataError
from tests.support import Result

Gencore = Callable[..., Result]
FOLDERS = ImportOptions(holdout=0.5, pairs=("sketch", "photo"))
SIDE = 28


def photographs(n: int, seed: int = 0, side: int = SIDE) -> np.ndarray:
    return np.random.default_rng(seed).integers(1, 255, size=(n, side, side, 3), dtype=np.uint8)


def sketch_of(photograph: np.ndarray) -> np.ndarray:
    """A grey picture that tells which photograph it belongs to: the negative of one of its colours."""
    return 255 - photograph[..., 1]


def in_two_folders(root: Path, n: int = 20, seed: int = 0, side: int = SIDE) -> Path:
    """Sources are grey PNGs, targets coloured TIFFs, under the same names."""
    for number, one in enumerate(photographs(n, seed, side)):
        written(root / "sketch" / f"{number}.png", picture(sketch_of(one)))
        written(root / "photo" / f"{number}.tif", picture(one, "TIFF"))
    return root


def side_by_side(root: Path, n: int = 20) -> Path:
    for number, one in enumerate(photographs(n)):
        source = np.repeat(sketch_of(one)[..., None], 3, axis=2)
        written(root / f"{number}.png", picture(np.concatenate([source, one], axis=1)))
    return root


def assert_pairs_belong_together(found: Imported) -> None:
    assert found.sources is not None and found.sources.shape[1] == 1 and found.images.shape[1] == 3
    assert np.array_equal(found.sources[:, 0], 255 - found.images[:, 1])


def left_out(found: Imported) -> dict[str, str]:
    return {one.name: one.reason for one in found.report.unpaired}


def notes(found: Imported) -> str:
    return " ".join(found.report.notes)


def test_two_folders_are_paired_by_file_name_whatever_the_endings(tmp_path: Path) -> None:
    found = read(in_two_folders(tmp_path), FOLDERS)
    assert_pairs_belong_together(found)
    assert len(found.images) == 20 and not found.report.unpaired and not found.report.unreadable
    assert found.report.source == (
        "folder of pairs of pictures in folders sketch (sources) and photo (targets)"
    )
    assert "Sources: 20 grey, 0 coloured." in notes(found) and found.report.colour == 20


def test_the_first_folder_has_the_sources(tmp_path: Path) -> None:
    found = read(in_two_folders(tmp_path), FOLDERS.model_copy(update={"pairs": ("photo", "sketch")}))
    assert found.sources is not None and found.sources.shape[1] == 3 and found.images.shape[1] == 1


@pytest.mark.parametrize("order", ["left-to-right", "right-to-left"])
def test_a_picture_that_holds_both_sides_is_cut_in_half_in_the_order_that_is_named(
    tmp_path: Path, order: str
) -> None:
    found = read(side_by_side(tmp_path), ImportOptions(holdout=0.5, pairs=(order,)))
    assert found.sources is not None
    sources, targets = found.sources, found.images
    if order == "right-to-left":
        sources, targets = targets, sources
    assert sources.shape == (20, 1, SIDE, SIDE) and targets.shape == (20, 3, SIDE, SIDE)
    assert np.array_equal(sources[:, 0], 255 - targets[:, 1])


@pytest.mark.parametrize("outer", ["split", "side"])
def test_split_folders_may_hold_the_sides_or_lie_in_them(tmp_path: Path, outer: str) -> None:
    for seed, (part, n) in enumerate((("train", 9), ("test", 4))):
        in_two_folders(tmp_path / part, n, seed)
        if outer == "side":
            for side in ("sketch", "photo"):
                (tmp_path / side).mkdir(exist_ok=True)
                shutil.move(tmp_path / part / side, tmp_path / side / part)
    found = read(tmp_path, FOLDERS)
    assert_pairs_belong_together(found)
    assert (found.report.train, found.report.test) == (9, 4)


@pytest.mark.parametrize(
    ("parts", "counts"), [(("train", "val"), (9, 4)), (("train", "val", "test"), (13, 5))]
)
def test_validation_pairs_test_where_there_are_no_others_and_train_else(
    tmp_path: Path, parts: tuple[str, ...], counts: tuple[int, int]
) -> None:
    for seed, (part, n) in enumerate(zip(parts, (9, 4, 5), strict=False)):
        in_two_folders(tmp_path / part, n, seed)
    found = read(tmp_path, FOLDERS)
    assert (found.report.train, found.report.test) == counts and "Validation images count as" in notes(found)


def test_without_split_folders_the_target_decides_and_goes_on_deciding(tmp_path: Path) -> None:
    in_two_folders(tmp_path, 30)
    before = read(tmp_path, FOLDERS)
    (tmp_path / "sketch" / "a.png").write_bytes((tmp_path / "sketch" / "1.png").read_bytes())
    written(tmp_path / "photo" / "a.png", picture(photographs(1, seed=5)[0]))
    other = sketch_of(photographs(1, seed=6)[0])
    written(tmp_path / "sketch" / "b.png", picture(other))  # a second sketch of a photograph
    (tmp_path / "photo" / "b.tif").write_bytes((tmp_path / "photo" / "2.tif").read_bytes())
    after = read(tmp_path, FOLDERS)
    then, now = (
        {image.tobytes(): bool(test) for image, test in zip(one.images, one.is_test, strict=True)}
        for one in (before, after)
    )
    assert len(after.images) == 32 and now.items() >= then.items()
    drawn_twice = photographs(30)[2].transpose(2, 0, 1)
    splits = [
        test
        for image, test in zip(after.images, after.is_test, strict=True)
        if np.array_equal(image, drawn_twice)
    ]
    assert len(splits) == 2 and len(set(splits)) == 1, "pairs of one target are in one split"


def test_pictures_without_a_partner_are_named(tmp_path: Path) -> None:
    in_two_folders(tmp_path)
    (tmp_path / "photo" / "3.tif").unlink()
    (tmp_path / "sketch" / "7.png").unlink()
    found = read(tmp_path, FOLDERS)
    assert_pairs_belong_together(found)
    assert len(found.images) == 18
    assert left_out(found) == {
        "sketch/3.png": "it has no partner 3 in photo",
        "photo/7.tif": "it has no partner 7 in sketch",
    }


def test_pairs_of_two_sizes_are_named(tmp_path: Path) -> None:
    in_two_folders(tmp_path)
    written(tmp_path / "sketch" / "4.png", picture(np.zeros((40, 28), np.uint8)))
    assert left_out(read(tmp_path, FOLDERS)) == {
        "photo/4.tif": "it is 28 x 28, its partner sketch/4.png is 28 x 40"
    }


def test_a_second_file_of_the_same_name_is_named(tmp_path: Path) -> None:
    in_two_folders(tmp_path)
    written(tmp_path / "sketch" / "4.tif", picture(np.zeros((28, 28), np.uint8), "TIFF"))
    assert left_out(read(tmp_path, FOLDERS)) == {
        "sketch/4.tif": "sketch/4.png has the same name and was taken"
    }


def test_a_picture_of_odd_width_holds_no_two_sides(tmp_path: Path) -> None:
    written(side_by_side(tmp_path) / "odd.png", picture(np.zeros((28, 57), np.uint8)))
    found = read(tmp_path, ImportOptions(holdout=0.5, pairs=("left-to-right",)))
    assert left_out(found) == {"odd.png": "it is 57 x 28; two pictures side by side have an even width"}


def test_an_unreadable_side_takes_its_partner_along_and_is_named(tmp_path: Path) -> None:
    in_two_folders(tmp_path)
    whole = (tmp_path / "photo" / "5.tif").read_bytes()
    written(tmp_path / "photo" / "5.tif", whole[:100])
    written(tmp_path / "sketch" / "6.png", png_header(10_001, 100))
    found = read(tmp_path, FOLDERS)
    assert_pairs_belong_together(found)
    assert len(found.images) == 18
    unreadable = {one.name: one.reason for one in found.report.unreadable}
    assert set(unreadable) == {"photo/5.tif", "sketch/6.png"}
    assert "at most 10,000 a side" in unreadable["sketch/6.png"]


def test_pictures_in_neither_folder_are_named(tmp_path: Path) -> None:
    written(in_two_folders(tmp_path) / "cover.png", picture(np.zeros((28, 28), np.uint8)))
    assert "1 picture in neither sketch nor photo, left out: cover.png." in notes(read(tmp_path, FOLDERS))


def test_a_pair_that_repeats_another_is_left_out_and_one_side_alone_may_repeat(tmp_path: Path) -> None:
    in_two_folders(tmp_path)
    for side, ending in (("sketch", "png"), ("photo", "tif")):
        content = (tmp_path / side / f"1.{ending}").read_bytes()
        (tmp_path / side / f"99.{ending}").write_bytes(content)
    (tmp_path / "sketch" / "0.png").write_bytes((tmp_path / "sketch" / "2.png").read_bytes())
    found = read(tmp_path, FOLDERS)
    assert [(one.name, one.repeats) for one in found.report.duplicates] == [("photo/99.tif", "photo/1.tif")]
    assert len(found.images) == 20


@pytest.mark.parametrize(
    ("pairs", "words"),
    [
        (("drawing", "photo"), "no picture lies in a folder named drawing; the folders are photo, sketch"),
        (("sketch", "photos"), "no picture lies in a folder named photos"),
    ],
)
def test_wrong_names_of_sides_are_refused_in_a_sentence(
    tmp_path: Path, pairs: tuple[str, ...], words: str
) -> None:
    in_two_folders(tmp_path)
    with pytest.raises(DataError, match=words):
        read(tmp_path, ImportOptions(holdout=0.5, pairs=pairs))


def test_folders_without_one_common_name_are_refused_with_names(tmp_path: Path) -> None:
    for number, one in enumerate(photographs(3)):
        written(tmp_path / "sketch" / f"s{number}.png", picture(sketch_of(one)))
        written(tmp_path / "photo" / f"p{number}.png", picture(one))
    with pytest.raises(DataError, match="leaves no pair of 6 pictures; sketch/s0.png: it has no partner s0"):
        read(tmp_path, FOLDERS)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"pairs": ("sideways",)}, "pairs is sideways; give the folder names"),
        ({"pairs": ("a", "b", "c")}, "pairs is a b c"),
        ({"pairs": ("a", "a")}, "give two different folder names"),
        ({"pairs": ("a/train", "b")}, "without a path"),
        ({"size": 128}, "size is 128; images that come alone have at most 64 pixels a side, and pairs 256"),
    ],
)
def test_options_that_make_no_pairs_are_refused(given: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        ImportOptions.model_validate(given)


def test_options_of_images_that_come_alone_are_written_as_before_there_were_pairs() -> None:
    assert set(json.loads(ImportOptions().model_dump_json())) == {"size", "channels", "fit", "holdout"}


def test_both_sides_together_may_take_the_memory_of_images_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_two_folders(tmp_path)
    monkeypatch.setattr(pile, "MOST_BYTES", 2 * 3 * SIDE**2 * 10)  # ten coloured targets
    with pytest.raises(DataError, match=r"photo/10.tif is one image too many"):
        read(tmp_path, FOLDERS)


def stored(tmp_path: Path, side: int = SIDE, n: int = 20) -> tuple[DatasetSpec, Imported]:
    options = ImportOptions(holdout=0.5, pairs=("sketch", "photo"), size=side)
    found = read(in_two_folders(tmp_path / "pictures", n, side=side), options)
    return add(found, "mine", "pictures", options, tmp_path).spec, found


@pytest.mark.parametrize("side", [28, 100, 256])
def test_stored_pairs_are_read_back_as_they_were_found(tmp_path: Path, side: int) -> None:
    spec, found = stored(tmp_path, side)
    assert spec.is_paired and (spec.source_channels, spec.channels, spec.size) == (1, 3, side)
    assert find("mine", tmp_path) == spec and not spec.is_labelled and spec.classes >= 2
    for split, chosen in (("train", ~found.is_test), ("test", found.is_test)):
        data = load(spec, split, tmp_path)
        assert data.sources is not None and found.sources is not None
        assert np.array_equal(data.images, found.images[chosen])
        assert np.array_equal(data.sources, found.sources[chosen])


def test_a_filter_is_refused_on_pairs(tmp_path: Path) -> None:
    stored(tmp_path)
    with pytest.raises(ValueError, match="mine has pairs already"):
        find("edges:mine", tmp_path)


def resident_bytes() -> int:
    """Memory of this process that no file backs."""
    status = Path("/proc/self/status").read_text()
    return 1024 * int(status.partition("RssAnon:")[2].split()[0])


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux's /proc")
def test_large_pairs_stay_in_their_file_and_batches_are_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec, _ = stored(tmp_path, 256, 60)
    in_memory = load(spec, "train", tmp_path)
    size = in_memory.images.nbytes
    assert size > 4 * 2**20
    monkeypatch.setattr(own, "MAPPED_FROM", 2**20)
    before = resident_bytes()
    mapped = load(spec, "train", tmp_path)
    assert resident_bytes() - before < size / 2
    assert isinstance(mapped, ImageData) and mapped.digest == in_memory.digest
    for step in (0, 3):
        ours, theirs = (Batches(one, 4, seed=0).batch(step) for one in (mapped, in_memory))
        assert torch.equal(ours.images, theirs.images) and torch.equal(ours.labels, theirs.labels)
        assert ours.sources is not None and theirs.sources is not None
        assert torch.equal(ours.sources, theirs.sources)
        assert torch.equal(
            ours.sources[:, 0],
            dequantise(255 - in_memory.images[:, 1])[
                Batches(in_memory, 4, seed=0)._shuffled(0)[4 * step : 4 * step + 4]
            ],
        )
    mapped.images.zero_()
    assert load(spec, "train", tmp_path).digest == in_memory.digest, "the file keeps what it had"


def test_a_large_file_that_was_damaged_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec, _ = stored(tmp_path)
    monkeypatch.setattr(own, "MAPPED_FROM", 2**10)
    load(spec, "train", tmp_path)
    path = tmp_path / "own" / "mine" / "images.safetensors"
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(1, 1))
    with pytest.raises(DataError, match="is damaged; add the data set again"):
        load(spec, "train", tmp_path)


def test_the_command_names_what_it_left_out(gencore: Gencore, tmp_path: Path) -> None:
    in_two_folders(tmp_path / "pictures")
    (tmp_path / "pictures" / "photo" / "3.tif").unlink()
    words = ["data", "add", tmp_path / "pictures", "--name", "mine", "--size", 64]
    done = gencore(*words, "--pairs", "sketch", "photo", "--data-dir", tmp_path)
    assert done.code == 0, done.err
    assert "test pairs, 64x64 grey to colour" in done.out
    assert "left out: sketch/3.png: it has no partner 3 in photo" in done.out
    assert "left out: sketch/3.png" in gencore("data", "show", "mine", "--data-dir", tmp_path).out
    assert "64x64 grey to colour" in gencore("data", "list", "--data-dir", tmp_path).out
    wrong = gencore(*words, "--pairs", "sketch", "--overwrite", "--data-dir", tmp_path)
    assert wrong.code == 2 and "give the folder names of the sources and of the targets" in wrong.complaint


def test_pairs_in_an_archive_are_those_of_the_folder_that_it_was_made_of(tmp_path: Path) -> None:
    folder = in_two_folders(tmp_path / "pictures")
    archive = shutil.make_archive(str(tmp_path / "packed"), "zip", folder)
    ours, theirs = read(Path(archive), FOLDERS), read(folder, FOLDERS)
    assert_pairs_belong_together(ours)
    assert np.array_equal(ours.images, theirs.images) and np.array_equal(ours.is_test, theirs.is_test)
