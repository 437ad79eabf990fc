"""Whatever files hold, reading them gives a sound data set or DataError, and takes little memory."""

from __future__ import annotations

import ast
import gzip
import io
import struct
import tarfile
import tempfile
import tracemalloc
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from made_files import as_idx, assert_is_sound, picture, written
from PIL import Image

from gencore.data.importing.options import ImportOptions
from gencore.data.importing.reading import read
from gencore.data.verification import DataError

settings.register_profile("same each time", max_examples=100, deadline=None, derandomize=True, database=None)
settings.load_profile("same each time")

IMAGES = np.random.default_rng(0).integers(256, size=(12, 16, 16), dtype=np.uint8)
COLOUR = np.random.default_rng(1).integers(256, size=(16, 16, 3), dtype=np.uint8)
LABELS = (np.arange(12) % 3).astype(np.uint8)
OPTIONS = ImportOptions(size=16, holdout=0.5)
LITTLE = 16 * 2**20


def assert_reads_or_refuses(path: Path, labels: Path | None = None, options: ImportOptions = OPTIONS) -> None:
    """Reads `path`: a sound data set, or a DataError of one line; in both cases with little memory."""
    tracemalloc.start()
    try:
        assert_is_sound(read(path, options, labels))
    except DataError as error:
        assert str(error) and "\n" not in str(error)
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < LITTLE


def zip_of(files: Mapping[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", method) as archive:
        for name, inside in files.items():
            archive.writestr(name, inside)
    return content.getvalue()


def tar_of(files: Mapping[str, bytes]) -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, inside in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(inside)
            archive.addfile(member, io.BytesIO(inside))
    return content.getvalue()


def npz_of(**arrays: np.ndarray) -> bytes:
    content = io.BytesIO()
    np.savez(content, **arrays)
    return content.getvalue()


def packed_tiff() -> bytes:
    content = io.BytesIO()
    Image.fromarray(COLOUR).save(content, "TIFF", compression="tiff_lzw")
    return content.getvalue()


PICTURES = {kind: picture(COLOUR, kind) for kind in ("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF", "PPM")}
PICTURES["16 bits"] = picture(COLOUR[..., 0].astype(np.uint16) * 9)
PICTURES["TIFF, packed"] = packed_tiff()
TREE = {f"{'ab'[i % 2]}/{'x' * (90 * (i == 3))}{i}.png": picture(image) for i, image in enumerate(IMAGES)}
ARRAYS = {
    "IDX": as_idx(IMAGES),
    "IDX, packed": gzip.compress(as_idx(IMAGES)),
    "NPZ": npz_of(images=IMAGES, labels=LABELS),
    "ZIP": zip_of(TREE),
    "ZIP, not packed": zip_of(TREE, zipfile.ZIP_STORED),
    "TAR": tar_of(TREE),
    "TAR, packed": gzip.compress(tar_of(TREE)),
    "NPZ in ZIP": zip_of({"a.npz": npz_of(x=IMAGES)}),
    "NPZ in TAR": tar_of({"a.npz": npz_of(x=IMAGES)}),
}


@st.composite
def mutated(draw: st.DrawFn, content: bytes) -> bytes:
    """`content` with some bytes changed, put in or taken out, or cut short."""
    changed = bytearray(content)
    for _ in range(draw(st.integers(1, 6))):
        at = draw(st.integers(0, max(len(changed) - 1, 0)))
        kind = draw(st.sampled_from(["change", "change", "change", "header", "insert", "remove", "cut"]))
        some = draw(st.binary(min_size=1, max_size=8))
        if kind == "header":
            at %= 64
        if kind in ("change", "header"):
            changed[at : at + len(some)] = some
        elif kind == "insert":
            changed[at:at] = some
        elif kind == "remove":
            del changed[at : at + len(some)]
        else:
            del changed[at:]
    return bytes(changed)


@pytest.mark.parametrize("kind", PICTURES)
@given(data=st.data())
@settings(max_examples=40)
def test_damaged_pictures_are_read_or_named(kind: str, data: st.DataObject) -> None:
    content = data.draw(mutated(PICTURES[kind]))
    assume(not content.startswith((b"\0\0\x08", b"\x1f\x8b")))  # an IDX file is no picture, whatever its name
    with tempfile.TemporaryDirectory() as folder:
        for number, image in enumerate(IMAGES):
            written(Path(folder, f"{number}.png"), picture(image))
        written(Path(folder, "damaged.png"), content)
        found = read(Path(folder), OPTIONS)
    assert_is_sound(found)
    assert len(found.report.unreadable) + found.report.images == 13
    assert [bad.name for bad in found.report.unreadable] in ([], ["damaged.png"])


@pytest.mark.parametrize("kind", ARRAYS)
@given(data=st.data())
@settings(max_examples=40)
def test_damaged_arrays_and_archives_are_read_or_refused(kind: str, data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        assert_reads_or_refuses(written(Path(folder, "x"), data.draw(mutated(ARRAYS[kind]))))


STARTS = [
    b"\x89PNG\r\n\x1a\n",
    b"PK\3\4",
    b"PK\5\6",
    b"\x1f\x8b",
    b"\xfd7zXZ\0",
    b"\0\0\x08",
    b"",
    b"\x93NUMPY",
]


@given(start=st.sampled_from(STARTS), rest=st.binary(max_size=600), labels=st.none() | st.binary(max_size=60))
def test_arbitrary_bytes_are_refused_as_a_source_and_as_labels(
    start: bytes, rest: bytes, labels: bytes | None
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        assert_reads_or_refuses(written(Path(folder, "x"), start + rest))
        assert_reads_or_refuses(
            written(Path(folder, "y"), as_idx(IMAGES)), written(Path(folder, "l"), labels or start + rest)
        )


@given(
    st.lists(st.integers(0, 2**32 - 1) | st.integers(0, 40), min_size=1, max_size=4), st.binary(max_size=99)
)
def test_idx_headers_take_no_memory_for_what_they_claim(lengths: list[int], content: bytes) -> None:
    header = bytes([0, 0, 8, len(lengths)]) + struct.pack(f">{len(lengths)}I", *lengths)
    with tempfile.TemporaryDirectory() as folder:
        assert_reads_or_refuses(written(Path(folder, "x"), header + content))
        assert_reads_or_refuses(written(Path(folder, "y"), gzip.compress(header + content)))


SHAPES = st.lists(st.integers(-1, 2**33) | st.integers(0, 9) | st.integers(2**63, 2**65), max_size=5).map(
    tuple
)
TYPES = st.sampled_from(["|u1", "<i8", ">f4", "|O", "<U1000000000", "|S0", "|V9", "M8[s]", "?", "nonsense"])


@given(SHAPES, TYPES, st.booleans(), st.binary(max_size=99))
def test_npz_headers_take_no_memory_for_what_they_claim(
    shape: tuple[int, ...], dtype: str, fortran_order: bool, content: bytes
) -> None:
    header = repr({"descr": dtype, "fortran_order": fortran_order, "shape": shape}).encode()
    assert ast.literal_eval(header.decode())["shape"] == shape
    array = b"\x93NUMPY\1\0" + struct.pack("<H", len(header)) + header + content
    with tempfile.TemporaryDirectory() as folder:
        assert_reads_or_refuses(written(Path(folder, "x"), zip_of({"images.npy": array})))
        labels = written(Path(folder, "l.npy"), array)
        assert_reads_or_refuses(written(Path(folder, "y"), as_idx(IMAGES)), labels)


@given(
    st.binary(max_size=40) | st.sampled_from([b"((" * 200, b"{" * 99, b"{[]: 1}", b"-" * 999, b"'\\N{x}'"])
)
def test_npz_headers_that_are_no_dictionary_are_refused(header: bytes) -> None:
    array = b"\x93NUMPY\1\0" + struct.pack("<H", len(header)) + header
    with tempfile.TemporaryDirectory() as folder:
        assert_reads_or_refuses(written(Path(folder, "x"), zip_of({"images.npy": array})))


FOLDERS = ["train", "test", "val", "a", "b", "2", "10", ".hidden", "__MACOSX", "train images", "é", "\udc80"]
FILES = [
    "1.png",
    "2.png",
    "x",
    "y.idx",
    "train-images",
    "train-labels",
    "t10k-images",
    "z.npz",
    "é.jpg",
    "l.csv",
]
CONTENTS = [
    *(picture(image) for image in IMAGES[:6]),
    *(picture(np.stack([image] * 3, -1)) for image in IMAGES[:2]),
    picture(COLOUR),
    *(b"", b"torn", b"1.png,a\n2.png,b", picture(IMAGES[0])[:40]),
]
ARRAY_CONTENTS = [
    as_idx(IMAGES),
    as_idx(IMAGES[::-1]),
    as_idx(LABELS),
    gzip.compress(as_idx(LABELS)),
    as_idx(IMAGES[0]),
    npz_of(x_train=IMAGES, y_train=LABELS, x_test=IMAGES[:4], y_test=LABELS[:4]),
    npz_of(images=IMAGES),
]


@st.composite
def trees(draw: st.DrawFn) -> dict[str, bytes]:
    """Files by their paths; none is also a folder."""
    contents = draw(st.sampled_from([CONTENTS, CONTENTS, ARRAY_CONTENTS, CONTENTS + ARRAY_CONTENTS]))
    folders = st.lists(st.sampled_from(FOLDERS), max_size=3).map("/".join)
    paths = st.tuples(folders, st.sampled_from(FILES)).map("/".join).map(lambda path: path.lstrip("/"))
    return draw(st.dictionaries(paths, st.sampled_from(contents), max_size=14))


@given(trees(), st.sampled_from([None, b"1.png,a\n2.png,b\nx,a", b"a\nb\na", b"train/1.png,7\ntest/2.png,7"]))
@settings(max_examples=120)
def test_any_tree_of_folders_is_read_or_refused_alike_from_disk_and_from_archives(
    tree: dict[str, bytes], labels: bytes | None
) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        folder, found = Path(temporary, "tree"), {}
        folder.mkdir()
        for path, content in tree.items():
            written(folder / path, content)
        label_file = labels and written(Path(temporary, "labels"), labels)
        is_text = all(path.isprintable() for path in tree)  # other names cannot be written into a ZIP
        sources = {"folder": folder, "tar": written(Path(temporary, "tar"), tar_of(tree))}
        if is_text:
            sources["zip"] = written(Path(temporary, "zip"), zip_of(tree))
        for kind, source in sources.items():
            assert_reads_or_refuses(source, label_file or None)
            try:
                data = read(source, OPTIONS, label_file or None)
                found[kind] = (
                    data.images.tobytes(),
                    data.labels.tolist(),
                    data.class_names,
                    data.is_test.tolist(),
                )
            except DataError:
                found[kind] = None
    assert found["folder"] == found["tar"] and (not is_text or found["zip"] == found["folder"])
