"""Pictures of any origin to arrays: what is read, how it is split, what is refused. All files are real."""

from __future__ import annotations

import gzip
import io
import json
import lzma
import os
import struct
import subprocess
import sys
import tarfile
import tracemalloc
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
from made_files import as_idx, assert_is_sound, huge_npz, npz, picture, png_header, written
from PIL import Image

from gencore.data.importing import limits
from gencore.data.importing.names import natural_key
from gencore.data.importing.options import ImportOptions
from gencore.data.importing.reading import read
from gencore.data.importing.report import Imported
from gencore.data.verification import DataError

HALF = ImportOptions(holdout=0.5)


def noise(n: int, *shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(256, size=(n, *(shape or (28, 28))), dtype=np.uint8)


GREY = noise(40)
LABELS = (np.arange(40) % 4).astype(np.uint8)


def flat(folder: Path, images: np.ndarray = GREY) -> Path:
    for number, image in enumerate(images):
        written(folder / f"{number:03d}.png", picture(image))
    return folder


def in_classes(folder: Path, names: tuple[str, ...] = ("2", "10", "cat", "dog"), seed: int = 0) -> Path:
    for number, image in enumerate(noise(40, seed=seed)):
        written(folder / names[number % len(names)] / f"{number:03d}.png", picture(image))
    return folder


def one_picture(tmp_path: Path, content: bytes, name: str = "a.png", **options: object) -> np.ndarray:
    """The pixels (C, S, S) of one picture among others, which are noise."""
    others = noise(20, seed=99)
    written(flat(tmp_path / "one", others) / name, content)
    found = read(tmp_path / "one", ImportOptions(holdout=0.5, **options))
    (mine,) = (image for image in found.images if not any((image == other).all() for other in others))
    return mine


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    content = io.BytesIO()
    image.save(content, kind, **options)
    return content.getvalue()


def in_order(found: Imported) -> list[bytes]:
    return sorted(image.tobytes() for image in found.images)


def notes(found: Imported) -> str:
    return " ".join(found.report.notes)


def labelled(found: Imported) -> dict[bytes, str]:
    return {
        image.tobytes(): found.class_names[label]
        for image, label in zip(found.images, found.labels, strict=True)
    }


# Folders of pictures


def test_class_folders_are_the_classes_in_natural_order(tmp_path: Path) -> None:
    found = read(in_classes(tmp_path), ImportOptions())
    assert_is_sound(found)
    assert found.class_names == ("2", "10", "cat", "dog") and found.images.shape == (40, 1, 28, 28)
    wanted = {image.tobytes(): ("2", "10", "cat", "dog")[i % 4] for i, image in enumerate(GREY)}
    assert labelled(found) == wanted
    assert found.report.source == "folder of pictures" and found.report.files == 40
    assert [(s.width, s.height, s.count) for s in found.report.sizes] == [(28, 28, 40)]
    assert (found.report.grey, found.report.colour) == (40, 0)


def test_pictures_side_by_side_have_no_labels(tmp_path: Path) -> None:
    found = read(flat(tmp_path), ImportOptions())
    assert_is_sound(found)
    assert found.class_names == () and not found.labels.any() and "unlabelled" in notes(found)
    assert in_order(found) == sorted(image.tobytes() for image in GREY)


def test_one_class_folder_is_no_label(tmp_path: Path) -> None:
    found = read(in_classes(tmp_path, ("cat",)), ImportOptions())
    assert_is_sound(found)
    assert found.class_names == () and "count as unlabelled" in notes(found)


def test_folders_around_the_classes_and_below_them_say_nothing(tmp_path: Path) -> None:
    in_classes(tmp_path / "dataset" / "images")
    moved = tmp_path / "dataset" / "images" / "cat" / "002.png"
    written(moved.parent / "deeper" / "x.png", moved.read_bytes())
    moved.unlink()
    found = read(tmp_path, ImportOptions())
    assert len(found.images) == 40 and found.class_names == ("2", "10", "cat", "dog")
    assert labelled(found)[GREY[2].tobytes()] == "cat"


def test_pictures_beside_class_folders_are_left_out_and_named(tmp_path: Path) -> None:
    in_classes(tmp_path)
    written(tmp_path / "preview.png", picture(noise(1, seed=7)[0]))
    found = read(tmp_path, ImportOptions())
    assert len(
        found.images
    ) == 40 and "1 picture that lay outside the class folders, left out: preview.png" in notes(found)


def test_hidden_files_are_skipped_and_others_named(tmp_path: Path) -> None:
    in_classes(tmp_path)
    written(tmp_path / ".cache/a.png", picture(GREY[0]))
    written(tmp_path / "cat/._002.png", b"\0\5\x16\7")
    written(tmp_path / "__MACOSX/cat/a.png", b"")
    written(tmp_path / "readme.txt", b"about these")
    found = read(tmp_path, ImportOptions())
    assert found.report.files == 41 and not found.report.unreadable
    assert "Files of other kinds were not read: readme.txt." in notes(found)


def test_pictures_are_recognised_by_their_content(tmp_path: Path) -> None:
    for number, image in enumerate(GREY):
        written(tmp_path / f"{number:03d}{('', '.dat', '.jpg')[number % 3]}", picture(image))
    assert len(read(tmp_path, ImportOptions()).images) == 40


# Labels


def test_rows_of_file_and_label_give_the_classes_with_and_without_header(tmp_path: Path) -> None:
    flat(tmp_path / "x")
    rows = [f"{number:03d}.png,{'ab'[number % 2]}" for number in range(40)]
    for header in ([], ["file,label"]):
        table = written(tmp_path / "labels.csv", "\r\n".join(header + rows).encode("utf-8-sig"))
        found = read(tmp_path / "x", ImportOptions(), table)
        assert_is_sound(found)
        assert labelled(found) == {image.tobytes(): "ab"[i % 2] for i, image in enumerate(GREY)}
        assert "named no picture" not in notes(found)


def test_rows_may_name_files_by_path_or_without_suffix_and_what_has_no_row_is_left_out(
    tmp_path: Path,
) -> None:
    flat(tmp_path / "x" / "deep", GREY[:20])
    flat(tmp_path / "x" / "other", GREY[20:])
    rows = [f"deep/{number:03d},{'ab'[number % 2]}" for number in range(20)] + ["gone.png,a"]
    found = read(tmp_path / "x", HALF, written(tmp_path / "l.csv", "\n".join(rows).encode()))
    assert labelled(found) == {image.tobytes(): "ab"[i % 2] for i, image in enumerate(GREY[:20])}
    assert "20 pictures that had no label" in notes(
        found
    ) and "1 row of l.csv named no picture: gone.png" in notes(found)


def test_one_label_a_line_is_in_the_order_of_file_names(tmp_path: Path) -> None:
    lines = "\n".join("ab"[i % 2] for i in range(40))
    found = read(flat(tmp_path / "x"), ImportOptions(), written(tmp_path / "l.txt", lines.encode()))
    assert labelled(found) == {image.tobytes(): "ab"[i % 2] for i, image in enumerate(GREY)}


BAD_LABELS: dict[str, tuple[str, str]] = {
    "too few": ("a\nb", "holds 2 labels; .* holds 40 images"),
    "nothing": ("", "rows of no columns; expected file,label"),
    "three columns": ("a,b,c\nd,e,f", "rows of 3 columns"),
    "columns that differ": ("a,b\nc", "rows of 1, 2 columns"),
    "no known file": ("x.png,1\ny.png,2", "names no file of .* begins with x.png, y.png"),
    "two labels for one": ("000.png,a\n000.png,b", "labels 000.png both a and b; leave one"),
    "no text": ("\udcff\udcfe", "cannot be read as labels"),
    "an open quote": ('"000.png,a\n', "cannot be read as labels"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "says"), BAD_LABELS.values(), ids=BAD_LABELS)
def test_labels_that_do_not_fit_are_refused_with_their_file(tmp_path: Path, text: str, says: str) -> None:
    path = written(tmp_path / "l.csv", text.encode(errors="surrogateescape"))
    with pytest.raises(DataError, match=says) as refusal:
        read(flat(tmp_path / "x"), ImportOptions(), path)
    assert "l.csv" in str(refusal.value)


def test_labels_that_fit_several_files_or_two_orders_are_refused(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        written(tmp_path / "x" / folder / "1.png", picture(noise(1, seed=ord(folder))[0]))
    with pytest.raises(DataError, match=r"names 1.png, which fits a/1.png, b/1.png; give their paths"):
        read(tmp_path / "x", ImportOptions(), written(tmp_path / "l.csv", b"1.png,3"))
    for number in (2, 10):
        written(tmp_path / "y" / f"{number}.png", picture(GREY[number]))
    with pytest.raises(DataError, match="two orders"):
        read(tmp_path / "y", ImportOptions(), written(tmp_path / "l.txt", b"a\nb"))
    with pytest.raises(DataError, match="does not exist"):
        read(tmp_path / "y", ImportOptions(), tmp_path / "none.txt")


# The split


@pytest.mark.parametrize("test", ["test", "val", "Validation"])
def test_train_and_test_folders_give_the_split(tmp_path: Path, test: str) -> None:
    in_classes(tmp_path / "d" / "Train")
    in_classes(tmp_path / "d" / test, ("cat", "2"), seed=1)
    found = read(tmp_path, ImportOptions())
    assert_is_sound(found)
    assert sorted(x.tobytes() for x in found.images[~found.is_test]) == sorted(x.tobytes() for x in GREY)
    assert [(c.name, c.train, c.test) for c in found.report.classes] == [
        *(("2", 10, 20), ("10", 10, 0)),
        *(("cat", 10, 20), ("dog", 10, 0)),
    ]
    assert "No test images: 2 classes, 10, dog." in notes(found)
    assert ("Validation images count as test images" in notes(found)) == (test != "test")


def test_folders_of_a_split_may_repeat_its_name(tmp_path: Path) -> None:
    in_classes(tmp_path / "seg_train" / "seg_train")
    in_classes(tmp_path / "seg_test" / "seg_test", seed=1)
    found = read(tmp_path, ImportOptions())
    assert_is_sound(found)
    assert found.class_names == ("2", "10", "cat", "dog") and found.report.test == 40


def test_validation_images_are_for_training_beside_test_images(tmp_path: Path) -> None:
    for seed, folder in enumerate(("train", "valid", "test")):
        flat(tmp_path / folder, noise(10, seed=seed))
    written(tmp_path / "sample.png", picture(noise(1, seed=9)[0]))
    found = read(tmp_path, ImportOptions())
    assert (found.report.train, found.report.test) == (20, 10)
    assert "count as training images" in notes(found) and "left out: sample.png" in notes(found)


def test_a_training_folder_alone_is_split_by_content(tmp_path: Path) -> None:
    found = read(in_classes(tmp_path / "train").parent, ImportOptions())
    assert_is_sound(found)
    assert found.report.train + found.report.test == 40 and len(found.class_names) == 4


def test_test_images_of_classes_without_training_images_are_left_out_and_named(tmp_path: Path) -> None:
    in_classes(tmp_path / "train", ("a", "b"))
    in_classes(tmp_path / "test", ("a", "b", "c", "d"), seed=1)
    found = read(tmp_path, ImportOptions())
    assert_is_sound(found)
    assert found.class_names == ("a", "b") and found.report.test == 20
    assert "20 test images of 2 classes without training images, left out: c, d." in notes(found)


def test_the_split_by_content_does_not_change_when_images_are_added(tmp_path: Path) -> None:
    def parts(found: Imported) -> dict[bytes, bool]:
        return {image.tobytes(): bool(test) for image, test in zip(found.images, found.is_test, strict=True)}

    before = parts(read(flat(tmp_path, noise(400)), ImportOptions()))
    flat(tmp_path / "more", noise(100, seed=1))
    after = parts(read(tmp_path, ImportOptions()))
    assert len(after) == 500 and before.items() <= after.items()
    assert 30 < sum(before.values()) < 90  # 60 of 400 are expected, with a standard deviation of 7


def test_repeated_pictures_are_kept_once_the_first_by_name(tmp_path: Path) -> None:
    flat(tmp_path)
    for name in ("img10.png", "img2.png"):
        written(tmp_path / name, picture(noise(1, seed=5)[0]))
    found = read(tmp_path, ImportOptions())
    assert_is_sound(found)
    assert len(found.images) == 41 and found.report.images == 42
    assert [(d.name, d.repeats) for d in found.report.duplicates] == [("img10.png", "img2.png")]


def test_a_copy_of_a_training_image_is_no_test_image(tmp_path: Path) -> None:
    in_classes(tmp_path / "train")
    in_classes(tmp_path / "test", seed=1)
    written(tmp_path / "test/dog/copy.png", picture(GREY[2]))
    found = read(tmp_path, ImportOptions())
    assert_is_sound(found)
    assert [(d.name, d.repeats) for d in found.report.duplicates] == [
        ("test/dog/copy.png", "train/cat/002.png")
    ]
    assert "1 test image with the pixels of a training image" in notes(found)
    assert "test/dog/copy.png (dog) and train/cat/002.png (cat)" in notes(found)


def test_long_lists_of_a_report_are_cut(tmp_path: Path) -> None:
    in_classes(tmp_path)
    for number in range(70):
        written(tmp_path / "2" / f"again{number}.png", picture(GREY[0]))
        written(tmp_path / "2" / f"torn{number}.png", b"torn")
        written(tmp_path / f"{number}.txt", b"")
    report = read(tmp_path, ImportOptions()).report
    assert len(report.duplicates) == len(report.unreadable) == limits.MOST_LISTED
    assert report.more_duplicates == report.more_unreadable == 20 and "and 60 more" in " ".join(report.notes)


# Pixels


def test_pictures_are_cut_to_the_middle_or_padded_with_the_colour_of_their_border(tmp_path: Path) -> None:
    wide = np.full((28, 56), 30, np.uint8)
    wide[:, 14:42] = 201
    wide[0, 0] = 0  # the median takes no notice
    assert (one_picture(tmp_path, picture(wide)) == 201).all()
    padded = one_picture(tmp_path, picture(wide), fit="pad")[0]
    assert (padded[:7] == 30).all() and (padded[21:] == 30).all() and padded[14, 14] == 201


def test_scaling_down_is_antialiased(tmp_path: Path) -> None:
    stripes = np.zeros((280, 280), np.uint8)
    stripes[:, ::2] = 255
    assert abs(one_picture(tmp_path, picture(stripes)).astype(int) - 127).max() <= 4


def test_very_long_pictures_are_padded_without_much_memory(tmp_path: Path) -> None:
    line = np.full((1, 10_000), 90, np.uint8)
    line[0, :5000] = 91
    assert set(np.unique(one_picture(tmp_path, picture(line), fit="pad"))) <= {90, 91}


@pytest.mark.parametrize("size", [16, 32, 64])
@pytest.mark.parametrize("channels", [1, 3])
def test_images_have_the_size_and_channels_that_are_asked_for(
    tmp_path: Path, size: int, channels: int
) -> None:
    found = read(flat(tmp_path), ImportOptions(size=size, channels=channels))
    assert found.images.shape == (40, channels, size, size)


def test_images_are_grey_if_all_are_grey_whatever_their_files_could_hold(tmp_path: Path) -> None:
    for number, image in enumerate(GREY):
        written(tmp_path / f"{number}.png", picture(np.stack([image] * 3, -1)))
    assert in_order(read(tmp_path, ImportOptions())) == sorted(image.tobytes() for image in GREY)
    written(tmp_path / "red.png", saved(Image.new("RGB", (9, 9), (200, 0, 0)), "PNG"))
    found = read(tmp_path, ImportOptions())
    assert found.images.shape == (41, 3, 28, 28) and (found.report.grey, found.report.colour) == (40, 1)
    assert (200, 0, 0) in {tuple(image[:, 3, 3]) for image in found.images}
    as_grey = read(tmp_path, ImportOptions(channels=1))
    assert 60 in as_grey.images[:, 0, 3, 3] and as_grey.report.colour == 1  # 0.299 of red


@pytest.mark.parametrize("kind", ["PNG", "BMP", "GIF", "TIFF", "PPM", "JPEG", "WEBP"])
def test_each_format_is_read(tmp_path: Path, kind: str) -> None:
    exact = kind not in ("JPEG", "WEBP")
    shade = np.add.outer(np.arange(28), np.arange(28)).astype(np.uint8) * 4
    found = one_picture(tmp_path, picture(shade, kind), f"a.{kind.lower()}")
    assert abs(found[0].astype(int) - shade).max() <= (0 if exact else 12)


HALF_CLEAR = np.zeros((28, 28, 4), np.uint8)
HALF_CLEAR[:14] = (200, 10, 10, 255)
HALF_CLEAR[14:] = (0, 0, 0, 128)


def palette_with_transparency() -> Image.Image:
    image = Image.fromarray(np.repeat([[0], [1]], 14, 0).repeat(28, 1).astype(np.uint8), "P")
    image.putpalette([200, 10, 10, 0, 0, 0])
    return image


MODES: dict[str, tuple[Callable[[], bytes], tuple[int, ...], tuple[int, ...]]] = {
    "RGBA": (lambda: saved(Image.fromarray(HALF_CLEAR), "PNG"), (200, 10, 10), (127, 127, 127)),
    "LA": (lambda: saved(Image.fromarray(HALF_CLEAR).convert("LA"), "PNG"), (67,), (127,)),
    "palette": (lambda: saved(palette_with_transparency(), "PNG"), (200, 10, 10), (0, 0, 0)),
    "palette with transparency": (
        lambda: saved(palette_with_transparency(), "PNG", transparency=1), (200, 10, 10), (255, 255, 255),
    ),
    "GIF with transparency": (
        lambda: saved(palette_with_transparency(), "GIF", transparency=1), (200, 10, 10), (255, 255, 255),
    ),
    "one bit": (
        lambda: saved(Image.fromarray(HALF_CLEAR[..., 0] > 100), "PNG"), (255,), (0,),
    ),
    "CMYK": (
        lambda: saved(Image.new("CMYK", (28, 28), (0, 255, 255, 0)), "TIFF"), (255, 0, 0), (255, 0, 0),
    ),
}  # fmt: skip


@pytest.mark.parametrize(("make", "above", "below"), MODES.values(), ids=MODES)
def test_each_kind_of_pixel_is_read_and_transparency_lies_on_white(
    tmp_path: Path, make: Callable[[], bytes], above: tuple[int, ...], below: tuple[int, ...]
) -> None:
    found = one_picture(tmp_path, make())
    assert (
        abs(found[:, 3, 3].astype(int) - above).max() <= 1
        and abs(found[:, 24, 24].astype(int) - below).max() <= 1
    )


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "PPM"])
def test_sixteen_bits_are_scaled_and_not_clipped(tmp_path: Path, kind: str) -> None:
    values = (GREY[0].astype(np.uint16) * 257).astype(np.uint16)
    assert np.array_equal(one_picture(tmp_path, picture(values, kind))[0], GREY[0])


def test_pictures_stand_upright_as_exif_says(tmp_path: Path) -> None:
    image = Image.fromarray(np.zeros((28, 28), np.uint8))
    image.paste(255, (0, 0, 28, 14))
    exif = Image.Exif()
    exif[0x0112] = 6  # turn a quarter clockwise to show
    found = one_picture(tmp_path, saved(image, "JPEG", exif=exif), "a.jpg")[0]
    assert found[14, 24] > 250 and found[14, 3] < 5


def test_of_animations_the_first_frame_is_taken(tmp_path: Path) -> None:
    frames = [Image.fromarray(image) for image in GREY[:3]]
    animation = saved(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert np.array_equal(one_picture(tmp_path, animation, "a.gif")[0], GREY[0])
    assert "Of 1 file with several frames or pages, the first was taken." in notes(
        read(tmp_path / "one", HALF)
    )


def tiled_tiff(side: int) -> bytes:
    """A TIFF of 64 x 64 pixels that claims tiles of this side."""
    tags = {256: 64, 257: 64, 258: 8, 259: 8, 262: 1, 277: 1, 322: side, 323: side, 324: 8, 325: 9}
    directory = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + directory + bytes(4)


UNREADABLE: dict[str, tuple[bytes, str]] = {
    "torn": (picture(GREY[0])[:-60], ""),
    "empty": (b"", "it is no PNG"),
    "text": (b"a text", "it is no PNG"),
    "an archive": (gzip.compress(b"a text"), "it is no PNG"),
    "20,000 pixels a side": (png_header(20_000, 20_000), "larger than 25,000,000 pixels"),
    "11,000 pixels a side": (png_header(11_000, 10), "11,000 x 10 pixels; at most 10,000 a side"),
    "26 megapixels": (png_header(2_600, 10_000), "2,600 x 10,000 pixels"),
    "a decompression bomb": (png_header(60_000, 60_000), "larger than 25,000,000 pixels"),
    "large tiles": (tiled_tiff(16_384), "its tiles have 16,384 x 16,384 pixels"),
    "floating-point numbers": (saved(Image.new("F", (9, 9)), "TIFF"), "floating-point"),
    "32 bits": (saved(Image.new("I", (9, 9), 70_000), "TIFF"), "32 bits"),
    "another format": (saved(Image.new("L", (9, 9)), "ICO"), "it is no PNG"),
}


@pytest.mark.parametrize(("content", "says"), UNREADABLE.values(), ids=UNREADABLE)
def test_pictures_that_cannot_be_read_are_skipped_and_named(
    tmp_path: Path, content: bytes, says: str
) -> None:
    flat(tmp_path)
    written(tmp_path / "bad.png", content)
    found = read(tmp_path, ImportOptions())
    assert len(found.images) == 40
    (bad,) = found.report.unreadable
    assert bad.name == "bad.png" and says in bad.reason and bad.reason and "\n" not in bad.reason


def test_a_folder_where_no_picture_can_be_read_is_refused_with_a_reason(tmp_path: Path) -> None:
    written(tmp_path / "a.png", png_header(20_000, 20_000))
    with pytest.raises(DataError, match=r"1 picture, and none can be read; a.png: it is larger"):
        read(tmp_path, ImportOptions())


# IDX and NPZ


def idx_files(folder: Path, suffix: str = "") -> Path:
    packed = gzip.compress if suffix else bytes
    for part, seed in (("train", 0), ("t10k", 1)):
        written(folder / f"{part}-images-idx3-ubyte{suffix}", packed(as_idx(noise(40, seed=seed))))
        written(folder / f"{part}-labels-idx1-ubyte{suffix}", packed(as_idx(LABELS)))
    return folder


def assert_is_the_pair(found: Imported) -> None:
    assert_is_sound(found)
    assert (found.report.train, found.report.test) == (40, 40) and found.class_names == ("0", "1", "2", "3")
    training = found.images[~found.is_test][:, 0]
    assert np.array_equal(training, GREY) and np.array_equal(found.labels[~found.is_test], LABELS)


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_idx_files_are_paired_and_split_by_their_names(tmp_path: Path, suffix: str) -> None:
    found = read(idx_files(tmp_path, suffix), ImportOptions())
    assert_is_the_pair(found)
    assert found.report.source == "folder of IDX or NPZ arrays"


def test_idx_files_of_any_names_are_paired_by_number_and_likeness(tmp_path: Path) -> None:
    for name, n in (("left", 40), ("right", 40), ("third", 12)):
        written(tmp_path / f"{name}.pictures", as_idx(noise(n, seed=n + len(name))))
        written(tmp_path / f"{name}.digits", as_idx(np.full(n, len(name), np.uint8)))
    found = read(tmp_path, ImportOptions())
    assert_is_sound(found)
    wanted = {
        i.tobytes(): str(len(name))
        for name, n in (("left", 40), ("right", 40), ("third", 12))
        for i in noise(n, seed=n + len(name))
    }
    assert labelled(found) == wanted


def test_one_idx_file_is_read_with_and_without_labels(tmp_path: Path) -> None:
    images = written(tmp_path / "images", as_idx(GREY))
    assert read(images, ImportOptions()).class_names == ()
    for labels in (
        written(tmp_path / "l.idx", as_idx(LABELS)),
        written(tmp_path / "l.gz", gzip.compress(as_idx(LABELS))),
        written(tmp_path / "l.txt", "\n".join(["label", *map(str, LABELS)]).encode()),
    ):
        found = read(images, ImportOptions(), labels)
        assert labelled(found) == {image.tobytes(): str(k) for image, k in zip(GREY, LABELS, strict=True)}


@pytest.mark.parametrize("shape", [(40, 32, 32, 3), (40, 3, 32, 32)])
def test_colour_arrays_may_have_their_channels_last_or_first(tmp_path: Path, shape: tuple[int, ...]) -> None:
    images = noise(*shape)
    found = read(written(tmp_path / "x", as_idx(images)), ImportOptions(size=32))
    wanted = images if shape[1] == 3 else images.transpose(0, 3, 1, 2)
    assert in_order(found) == sorted(image.tobytes() for image in wanted)


@pytest.mark.parametrize(
    "names",
    [
        ("x_train", "y_train", "x_test", "y_test"),
        ("train_images", "train_labels", "test_images", "test_labels"),
    ],
)
def test_an_npz_of_training_and_test_arrays_gives_the_split(tmp_path: Path, names: tuple[str, ...]) -> None:
    arrays = (GREY, LABELS[:, None].astype(np.int32), noise(40, seed=1), LABELS)
    assert_is_the_pair(
        read(npz(tmp_path / "x.npz", **dict(zip(names, arrays, strict=True))), ImportOptions())
    )


def test_an_npz_of_images_and_labels_or_of_one_array_is_split_by_content(tmp_path: Path) -> None:
    words = np.array(["zero", "one", "two", "three"])[LABELS]
    found = read(npz(tmp_path / "x.npz", images=GREY, labels=words, more=np.zeros(3)), ImportOptions())
    assert_is_sound(found)
    assert labelled(found) == {image.tobytes(): w for image, w in zip(GREY, words.tolist(), strict=True)}
    assert read(npz(tmp_path / "y.npz", arr_0=GREY), ImportOptions()).class_names == ()


def test_labels_that_are_as_much_like_one_file_but_more_like_another_belong_to_that_one(
    tmp_path: Path,
) -> None:
    for number, name in enumerate(("ab", "abcd")):
        written(tmp_path / f"{name}-images", as_idx(noise(40, seed=number)))
        written(tmp_path / f"{name}-labels", as_idx(np.full(40, number, np.uint8)))
    assert labelled(read(tmp_path, ImportOptions()))[GREY[0].tobytes()] == "0"


def test_idx_files_without_labels_that_fit_are_refused(tmp_path: Path) -> None:
    written(tmp_path / "a-images", as_idx(GREY))
    written(tmp_path / "a-labels", as_idx(LABELS[:-1]))
    with pytest.raises(DataError, match=r"a-images holds 40 images, and no labels fit: a-labels holds 39"):
        read(tmp_path, ImportOptions())
    written(tmp_path / "b-labels", as_idx(LABELS))
    written(tmp_path / "c-labels", as_idx(LABELS))
    with pytest.raises(DataError, match="not clear which labels belong to a-images"):
        read(tmp_path, ImportOptions())


# Archives


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def zipped(path: Path, files: Mapping[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def tarred(path: Path, files: Mapping[str, bytes]) -> Path:
    with tarfile.open(path, "w:" + path.suffix.removeprefix(".").replace("tar", "")) as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


ARCHIVES = {"a.zip": zipped, "a.tar": tarred, "a.tar.gz": tarred, "a.tar.xz": tarred}


@pytest.mark.parametrize("name", ARCHIVES)
def test_an_archive_is_read_like_the_folder_it_holds(tmp_path: Path, name: str) -> None:
    in_classes(tmp_path / "x" / "d" / "train")
    in_classes(tmp_path / "x" / "d" / "test", seed=1)
    written(tmp_path / "x" / "__MACOSX" / "._a.png", b"")
    archive = ARCHIVES[name](tmp_path / name, files_of(tmp_path / "x"))
    found, of_folder = read(archive, ImportOptions()), read(tmp_path / "x", ImportOptions())
    assert_is_sound(found)
    assert np.array_equal(found.images, of_folder.images) and np.array_equal(found.labels, of_folder.labels)
    assert np.array_equal(found.is_test, of_folder.is_test) and found.class_names == of_folder.class_names
    assert found.report.model_copy(update={"source": of_folder.report.source}) == of_folder.report


@pytest.mark.parametrize("name", ARCHIVES)
@pytest.mark.parametrize("inside", ["idx", "npz"])
def test_archives_may_hold_idx_and_npz_files(tmp_path: Path, name: str, inside: str) -> None:
    folder = tmp_path / "x"
    if inside == "idx":
        idx_files(folder, ".gz")
    else:
        folder.mkdir()
        npz(folder / "a.npz", x_train=GREY, y_train=LABELS, x_test=noise(40, seed=1), y_test=LABELS)
    assert_is_the_pair(read(ARCHIVES[name](tmp_path / name, files_of(folder)), ImportOptions()))


@pytest.mark.parametrize("name", ["a.zip", "a.tar"])
@pytest.mark.parametrize("member", ["../evil.png", "/evil.png", "C:\\evil.png", "x\\..\\..\\evil.png"])
def test_members_that_lead_out_of_an_archive_are_refused_by_name(
    tmp_path: Path, name: str, member: str
) -> None:
    archive = ARCHIVES[name](tmp_path / name, files_of(flat(tmp_path / "x")) | {member: picture(GREY[0])})
    with pytest.raises(DataError, match=r"evil\.png, whose path leads out"):
        read(archive, ImportOptions())


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_in_a_tar_are_refused_by_name(tmp_path: Path, kind: bytes) -> None:
    path = tarred(tmp_path / "a.tar", files_of(flat(tmp_path / "x")))
    with tarfile.open(path, "a") as archive:
        member = tarfile.TarInfo("evil.png")
        member.type, member.linkname = kind, "/etc/passwd"
        archive.addfile(member)
    with pytest.raises(DataError, match=r"evil\.png is a link, a device"):
        read(path, ImportOptions())


def test_links_in_a_zip_are_refused_by_name(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", files_of(flat(tmp_path / "x")))
    with zipfile.ZipFile(path, "a") as archive:
        member = zipfile.ZipInfo("evil.png")
        member.external_attr = 0o120777 << 16
        archive.writestr(member, "/etc/passwd")
    with pytest.raises(DataError, match=r"evil\.png is a link, a device"):
        read(path, ImportOptions())


def bomb(path: Path, size: int) -> Path:
    """An archive of one member that unpacks to `size` zeros."""
    if path.suffix == ".zip":
        with (
            zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
            archive.open("bomb.png", "w", force_zip64=True) as f,
        ):
            for _ in range(size // 2**20):
                f.write(bytes(2**20))
        return path
    member = tarfile.TarInfo("bomb.png")
    member.size = size
    packed = gzip.open if path.suffix == ".gz" else lzma.open
    with packed(path, "wb", *([1] if path.suffix == ".gz" else [])) as file:
        file.write(member.tobuf())
        for _ in range(size // 2**20):
            file.write(bytes(2**20))
    return path


@pytest.mark.parametrize("name", ["a.zip", "a.tar.gz", "a.tar.xz"])
def test_decompression_bombs_are_refused_by_name_and_take_little_memory(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gencore.data.importing.archives.MOST_UNPACKED_BYTES", 20 * 2**20)
    path = bomb(tmp_path / name, 40 * 2**20)
    tracemalloc.start()
    with pytest.raises(DataError, match=r"unpacks to") as refusal:
        read(path, ImportOptions())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert name in str(refusal.value) and peak < 16 * 2**20  # xz has a window of 8 MiB


def huge_tar_header(path: Path) -> Path:
    """A TAR archive whose first member is a long name of 8 GiB."""
    member = tarfile.TarInfo("x")
    member.type, member.size = tarfile.GNUTYPE_LONGNAME, 8 * 2**30
    return written(path, member.tobuf(tarfile.GNU_FORMAT) + bytes(1024))


CLAIMS: dict[str, Callable[[Path], Path]] = {
    "IDX": lambda p: written(p / "x", b"\0\0\x08\3" + struct.pack(">3I", 4_000_000, 28, 28)),
    "IDX, packed": lambda p: written(
        p / "x", gzip.compress(b"\0\0\x08\3" + struct.pack(">3I", 4_000_000, 28, 28))
    ),
    "NPZ": lambda p: huge_npz(p / "x"),
    "TAR": lambda p: huge_tar_header(p / "x"),
    "PNG": lambda p: written(p / "x/a.png", png_header(9_000, 2_700)).parent,
}


@pytest.mark.parametrize("make", CLAIMS.values(), ids=CLAIMS)
def test_headers_that_claim_more_than_is_there_take_little_memory(
    tmp_path: Path, make: Callable[[Path], Path]
) -> None:
    path = make(tmp_path)
    tracemalloc.start()
    with pytest.raises(DataError, match="x"):
        read(path, ImportOptions())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * 2**20


# What is refused


def encrypted_zip(path: Path) -> Path:
    content = bytearray(zipped(path, {"a.png": picture(GREY[0])}).read_bytes())
    for start in (content.index(b"PK\3\4") + 6, content.index(b"PK\1\2") + 8):
        content[start] |= 1
    return written(path, bytes(content))


def damaged_tar(path: Path) -> Path:
    """The header of the second member is damaged, which tarfile takes for the end."""
    content = bytearray(tarred(path, {"a.png": bytes(512), "b.png": bytes(512)}).read_bytes())
    content[1024 + 3] ^= 255
    return written(path, bytes(content))


def mixed(folder: Path) -> Path:
    written(folder / "x-images", as_idx(GREY))
    return flat(folder)


REFUSED: dict[str, tuple[Callable[[Path], Path], str]] = {
    "nothing there": (lambda p: p / "no", "does not exist"),
    "an empty folder": (lambda p: written(p / "d/a.txt", b"").parent, "holds no pictures.*: a.txt"),
    "one picture": (lambda p: written(p / "a", picture(GREY[0])), "is one picture; name a folder"),
    "a text": (lambda p: written(p / "a", b"some text"), "begins with 73 6f 6d 65 .*; expected a folder"),
    "an empty file": (lambda p: written(p / "a", b""), "begins with nothing"),
    "pictures and arrays": (lambda p: mixed(p / "d"), r"holds pictures \(000.png\) and arrays \(x-images\)"),
    "labels only": (lambda p: written(p / "a", as_idx(LABELS)), "a: labels without images"),
    "a torn IDX file": (lambda p: written(p / "a", as_idx(GREY)[:-9]), "a holds 31351 bytes or more"),
    "an IDX file of five axes": (lambda p: written(p / "a", as_idx(GREY[..., None, None])), "has 5 axes"),
    "IDX files of a million images and more": (
        lambda p: written(p / "a", as_idx(np.zeros((1_000_001, 1, 1), np.uint8))), "1,000,001 images",
    ),
    "a torn ZIP": (lambda p: written(p / "a", zipped(p / "b", {"a.png": picture(GREY[0])}).read_bytes()[:99]),
                   "cannot be read as a ZIP archive"),
    "an encrypted ZIP": (lambda p: encrypted_zip(p / "a"), "a.png is encrypted"),
    "a torn gzip": (lambda p: written(p / "a", gzip.compress(as_idx(GREY))[:-40]), "a cannot be read as IDX"),
    "a torn xz": (lambda p: written(p / "a", lzma.compress(bytes(999))[:-9]), "a cannot be unpacked"),
    "no TAR in a gzip": (lambda p: written(p / "a", gzip.compress(b"text")), "cannot be read as a TAR"),
    "a damaged TAR": (lambda p: damaged_tar(p / "a.tar"), "is damaged at byte 1,024"),
    "objects": (lambda p: npz(p / "a.npz", images=np.array([{}])), "holds Python objects"),
    "float pixels": (lambda p: npz(p / "a.npz", images=GREY / 255), "holds float64 of shape"),
    "four channels": (lambda p: npz(p / "a.npz", images=noise(9, 28, 28, 4)), r"\(9, 28, 28, 4\); expected"),
    "arrays of unknown names": (lambda p: npz(p / "a.npz", a=GREY, b=GREY), "holds a, b; call the arrays"),
    "labels that are no integers": (lambda p: npz(p / "a.npz", x=GREY, y=LABELS / 2), "float64 of shape"),
    "one image": (lambda p: flat(p / "d", GREY[:1]), "leaves no test images of 1 image; add more"),
    "a training set without test images": (
        lambda p: [written(p / f"d/train/{c}/{i}.png", picture(GREY[i])) for c in "ab" for i in range(9)]
        and flat(p / "d/test", GREY[20:]).parent,
        r"leaves no test images.* 20 pictures that lay outside the class folders",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("make", "says"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_used_is_refused_in_a_sentence_that_names_it(
    tmp_path: Path, make: Callable[[Path], Path], says: str
) -> None:
    path = make(tmp_path)
    with pytest.raises(DataError, match=says) as refusal:
        read(path, ImportOptions())
    assert path.name in str(refusal.value) and "\n" not in str(refusal.value)


def test_links_that_lead_out_of_a_folder_are_refused_and_others_not_followed(tmp_path: Path) -> None:
    flat(tmp_path / "x")
    (tmp_path / "x/again.png").symlink_to(tmp_path / "x/000.png")
    (tmp_path / "x/round").symlink_to(tmp_path / "x")
    (tmp_path / "x/self").symlink_to(tmp_path / "x/self")
    found = read(tmp_path / "x", ImportOptions())
    assert len(found.images) == 40 and not found.report.duplicates
    assert "3 symbolic links to places inside the folder were not followed" in notes(found)
    (tmp_path / "linked").symlink_to(tmp_path / "x")
    assert len(read(tmp_path / "linked", ImportOptions()).images) == 40
    (tmp_path / "x/out").symlink_to(tmp_path)
    with pytest.raises(DataError, match="out is a symbolic link that leads out"):
        read(tmp_path / "x", ImportOptions())


def test_more_than_a_thousand_classes_are_refused(tmp_path: Path) -> None:
    images = np.arange(1100 * 256, dtype=np.uint32).astype(np.uint8).reshape(1100, 16, 16)
    images[:, 0, :4] = np.arange(1100, dtype=">u4").view(np.uint8).reshape(1100, 4)
    path = npz(tmp_path / "x.npz", images=images, labels=np.arange(1100))
    with pytest.raises(DataError, match="classes; at most 1,000"):
        read(path, ImportOptions(size=16))


def test_the_number_of_files_and_the_size_of_all_images_are_limited(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flat(tmp_path)
    monkeypatch.setattr("gencore.data.importing.opening.MOST_FILES", 39)
    with pytest.raises(DataError, match="holds more than 39 files"):
        read(tmp_path, ImportOptions())
    monkeypatch.undo()
    monkeypatch.setattr("gencore.data.importing.pile.MOST_BYTES", 39 * 28 * 28)
    with pytest.raises(DataError, match="039.png is one image too many"):
        read(tmp_path, ImportOptions())


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_files_and_folders_that_may_not_be_read_are_named(tmp_path: Path) -> None:
    flat(tmp_path)
    (tmp_path / "007.png").chmod(0)
    assert [bad.name for bad in read(tmp_path, ImportOptions()).report.unreadable] == ["007.png"]
    (tmp_path / "closed").mkdir(mode=0)
    with pytest.raises(DataError, match="closed .* cannot be listed"):
        read(tmp_path, ImportOptions())


def test_names_that_are_no_text_are_escaped(tmp_path: Path) -> None:
    for name in (b"a\xff", b"b\nc"):
        folder = os.fsencode(tmp_path) + b"/" + name
        os.mkdir(folder)
        for number in range(20):
            with open(folder + b"/%d.png" % number, "wb") as file:
                file.write(picture(noise(1, seed=number + 99 * name[0])[0]))
    found = read(tmp_path, HALF)
    assert_is_sound(found)
    assert found.class_names == ("a\\udcff", "b\\nc")


def test_progress_is_told_and_nothing_loads_torch(tmp_path: Path) -> None:
    flat(tmp_path)
    code = (
        "import sys; from pathlib import Path; from gencore.data.importing.options import ImportOptions; "
        "from gencore.data.importing.reading import read; "
        "read(Path(sys.argv[1]), ImportOptions(), say=print); sys.exit('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "folder with 40 files" in done.stdout, done.stderr


def test_names_are_sorted_as_people_do() -> None:
    names = ["img10", "img2", "Img1", "img02", "", "10", "9", "9" * 5000]
    assert sorted(names, key=natural_key) == ["", "9", "10", "9" * 5000, "Img1", "img02", "img2", "img10"]


@pytest.mark.parametrize(
    "wrong", [{"size": 30}, {"size": 12}, {"size": 68}, {"holdout": 0.6}, {"channels": 2}]
)
def test_options_out_of_bounds_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        ImportOptions(**wrong)


def test_the_report_is_strict_json(tmp_path: Path) -> None:
    report = read(in_classes(tmp_path), ImportOptions()).report
    assert json.loads(report.model_dump_json())["classes"][1]["name"] == "10"
