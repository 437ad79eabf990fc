"""Checkpoints: whole or refused by name, whatever was done to the file or to its writer."""

from __future__ import annotations

import json
import math
import os
import pickle
import random
import resource
import signal
import struct
import time
from pathlib import Path

import pytest
import torch
from torch import Tensor

from gencore.store.checkpoints import CheckpointError, MisfitError, load_checkpoint, save_checkpoint

TENSORS = {
    "model.w": torch.arange(12.0).view(3, 4),
    "model.n": torch.tensor(3),
    "average.w": torch.full((2,), 0.5),
}
METADATA = {"config": "{}", "step": "7"}


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    save_checkpoint(tmp_path / "a.safetensors", TENSORS, METADATA)
    return tmp_path / "a.safetensors"


def with_header(path: Path, header: bytes, data: bytes = b"", claimed: int | None = None) -> Path:
    path.write_bytes(struct.pack("<Q", len(header) if claimed is None else claimed) + header + data)
    return path


def entry(dtype: str, shape: list[int], end: int) -> dict[str, object]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [0, end]}


def equal(ours: dict[str, Tensor], theirs: dict[str, Tensor]) -> bool:
    return ours.keys() == theirs.keys() and all(
        ours[name].dtype == theirs[name].dtype and torch.equal(ours[name], theirs[name]) for name in ours
    )


def test_a_checkpoint_comes_back_as_it_was_saved(tmp_path: Path) -> None:
    tensors = TENSORS | {
        "empty": torch.empty(0, 3),
        "bytes": torch.arange(5, dtype=torch.uint8),
        "half": torch.randn(4, dtype=torch.bfloat16),
        "transposed": torch.randn(3, 5).T,
        "channels last": torch.randn(2, 3, 4, 4).to(memory_format=torch.channels_last),
    }
    digest = save_checkpoint(tmp_path / "a.safetensors", tensors, METADATA)
    loaded = load_checkpoint(tmp_path / "a.safetensors")
    assert equal(dict(loaded.tensors), tensors)
    assert loaded.metadata == METADATA and loaded.digest == digest
    assert set(loaded.section("model")) == {"w", "n"}


def test_the_digest_is_a_function_of_content_and_changes_with_every_part_of_it(tmp_path: Path) -> None:
    def digest(tensors: dict[str, Tensor] = TENSORS, metadata: dict[str, str] = METADATA) -> str:
        return save_checkpoint(tmp_path / "x.safetensors", tensors, metadata)

    same = [
        digest(),
        digest(dict(reversed(TENSORS.items()))),
        digest(metadata=dict(reversed(METADATA.items()))),
    ]
    other = [
        digest(TENSORS | {"model.w": TENSORS["model.w"] + 1e-6}),
        digest(TENSORS | {"model.w": TENSORS["model.w"].view(4, 3)}),
        digest(TENSORS | {"model.n": TENSORS["model.n"].int()}),
        digest({"model.v": TENSORS["model.w"]}),
        digest(metadata=METADATA | {"step": "8"}),
    ]
    assert len(set(same)) == 1 and len({*same, *other}) == 1 + len(other)


def test_a_checkpoint_cut_short_at_any_length_is_refused_by_name(saved: Path) -> None:
    content = saved.read_bytes()
    for length in range(len(content)):
        saved.write_bytes(content[:length])
        with pytest.raises(CheckpointError, match=r"a\.safetensors"):
            load_checkpoint(saved)


@pytest.mark.parametrize("mask", [0x01, 0x80, 0xFF])
def test_a_checkpoint_with_one_changed_byte_anywhere_is_refused_by_name(saved: Path, mask: int) -> None:
    content = saved.read_bytes()
    for position in range(len(content)):
        damaged = bytearray(content)
        damaged[position] ^= mask
        saved.write_bytes(damaged)
        with pytest.raises(CheckpointError, match=r"a\.safetensors"):
            load_checkpoint(saved)


def test_bytes_after_the_end_are_refused(saved: Path) -> None:
    saved.write_bytes(saved.read_bytes() + b"\0")
    with pytest.raises(CheckpointError, match="damaged"):
        load_checkpoint(saved)


class _CreatesFile:
    """Unpickling it leaves a trace."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[object, ...]:
        return (open, (str(self.trace), "w"))


@pytest.mark.parametrize("protocol", [0, 2, 5])
def test_a_pickle_is_refused_and_never_unpickled(tmp_path: Path, protocol: int) -> None:
    trace, path = tmp_path / "trace", tmp_path / "final.safetensors"
    path.write_bytes(pickle.dumps(_CreatesFile(trace), protocol))
    with pytest.raises(CheckpointError, match=r"final\.safetensors is not a checkpoint"):
        load_checkpoint(path)
    torch.save(_CreatesFile(trace), path)
    with pytest.raises(CheckpointError, match=r"final\.safetensors is not a checkpoint"):
        load_checkpoint(path)
    assert not trace.exists()
    with path.open("rb") as file:
        torch.load(file, weights_only=False)
    assert trace.exists(), "the pickle was harmless, so this test showed nothing"


@pytest.mark.parametrize(
    ("header", "data", "claimed"),
    [
        pytest.param(b"{", b"", 2 * 2**30, id="claims 2 GB"),
        pytest.param(b"{", b"", 2**64 - 1, id="claims 16 EB"),
        pytest.param(b'{"a":' * 200_000 + b"1", b"", None, id="nested a million characters deep"),
        pytest.param(b"{" + b" " * 1_000_000 + b"}", b"", None, id="a million spaces"),
        pytest.param(b"[]", b"", None, id="a list"),
        pytest.param(b"{\xff}", b"", None, id="no UTF-8"),
        pytest.param(b'{"__metadata__": {"sha256": 5}}', b"", None, id="a digest that is a number"),
        pytest.param(entry("F32", [2**62], 2**64 - 1), b"", None, id="a tensor of 16 EB"),
        pytest.param(entry("F32", [2**33, 2**33], 4), b"0000", None, id="a shape that overflows"),
        pytest.param(entry("F32", [1_000_000_000], 4), b"0000", None, id="a shape beyond its data"),
        pytest.param(entry("F4", [8], 4), b"0000", None, id="an unusual type"),
        pytest.param(entry("PICKLE", [4], 4), b"0000", None, id="an unknown type"),
    ],
)
def test_a_hostile_header_is_refused_within_a_second_and_200_mb(
    tmp_path: Path, header: bytes | dict[str, object], data: bytes, claimed: int | None
) -> None:
    if isinstance(header, dict):
        header = json.dumps({"__metadata__": {"sha256": "0" * 64}, "a": header}).encode()
    path = with_header(tmp_path / "hostile.safetensors", header, data, claimed)
    memory, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
    with pytest.raises(CheckpointError, match=r"hostile\.safetensors"):
        load_checkpoint(path)
    assert time.perf_counter() - start < 1
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory < 200 * 2**10


def test_a_foreign_file_is_refused_before_its_data_are_read(tmp_path: Path) -> None:
    size = 2 * 2**30
    path = with_header(
        tmp_path / "foreign.safetensors", json.dumps({"a": entry("U8", [size], size)}).encode()
    )
    os.truncate(path, path.stat().st_size + size)  # sparse: it takes no room on the disk
    memory, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
    with pytest.raises(CheckpointError, match=r"foreign\.safetensors carries no SHA-256"):
        load_checkpoint(path)
    assert time.perf_counter() - start < 1
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory < 200 * 2**10


SHAPES = {name: tuple(tensor.shape) for name, tensor in TENSORS.items()}


def forged(path: Path, tensors: dict[str, list[int]]) -> Path:
    """A file with a SHA-256 and tensors of these names and shapes, all zeros; sparse, so it takes no room."""
    header: dict[str, object] = {"__metadata__": {"sha256": "0" * 64}}
    end = 0
    for name, shape in tensors.items():
        start, end = end, end + 4 * math.prod(shape)
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [start, end]}
    with_header(path, json.dumps(header).encode())
    os.truncate(path, path.stat().st_size + end)
    return path


@pytest.mark.parametrize(
    "tensors",
    [
        pytest.param({"model.w": [2**29]}, id="one tensor of 2 GB"),
        pytest.param({"model.w": [3, 4], "other": [2**29]}, id="2 GB beside the right tensors"),
        pytest.param({f"optimizer.{n}": [2**19] for n in range(1024)}, id="2 GB in a thousand tensors"),
    ],
)
def test_a_forged_file_of_2_gb_is_refused_within_a_second_and_200_mb(
    tmp_path: Path, tensors: dict[str, list[int]]
) -> None:
    path = forged(tmp_path / "forged.safetensors", tensors)
    assert path.stat().st_size > 2 * 2**30
    memory, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
    with pytest.raises(MisfitError, match=r"forged\.safetensors"):
        load_checkpoint(path, SHAPES)
    assert time.perf_counter() - start < 1
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory < 200 * 2**10


@pytest.mark.parametrize(
    ("tensors", "complaint"),
    [
        ({"model.w": [4, 3]}, r"model\.w in .* has shape \(4, 3\), expected \(3, 4\)"),
        ({"model.extra": [1]}, r"holds model\.extra, which the model does not have"),
    ],
)
def test_names_and_shapes_are_compared_before_the_hash(
    tmp_path: Path, tensors: dict[str, list[int]], complaint: str
) -> None:
    with pytest.raises(MisfitError, match=complaint):
        load_checkpoint(forged(tmp_path / "a.safetensors", tensors), SHAPES)


def test_what_fits_is_loaded_and_other_sections_and_missing_tensors_are_no_fault(saved: Path) -> None:
    assert equal(dict(load_checkpoint(saved, SHAPES).tensors), TENSORS)
    assert load_checkpoint(saved, {"average.w": (2,), "average.more": (5,)}).section("average")


def test_hashing_takes_no_memory_for_what_is_then_refused(tmp_path: Path) -> None:
    path = forged(tmp_path / "zeros.safetensors", {"model.w": [2**27]})  # 512 MB
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(CheckpointError, match="its SHA-256 does not match"):
        load_checkpoint(path, {"model.w": (2**27,)})
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory < 200 * 2**10


def test_a_checkpoint_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"absent\.safetensors"):
        load_checkpoint(tmp_path / "absent.safetensors")


def kill_in_mid_save(folder: Path, tries: int) -> int:
    """Save again and again in a process that is killed at a random moment; how often that left a torn
    temporary.

    After each kill the newest checkpoint must load, and be no older than the last save that was reported
    done."""
    tensors, chance, torn = {"model.w": torch.randn(500_000)}, random.Random(0), 0
    for _ in range(tries):
        reading, writing = os.pipe()
        if (child := os.fork()) == 0:
            signal.set_wakeup_fd(-1)
            for step in range(1_000_000):
                save_checkpoint(folder / f"step-{step:08d}.safetensors", tensors, {"step": str(step)})
                os.write(writing, struct.pack("<I", step))
                (folder / f"step-{step - 2:08d}.safetensors").unlink(missing_ok=True)
        os.close(writing)
        reported = os.read(reading, 4)
        time.sleep(chance.uniform(0, 0.05))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        with os.fdopen(reading, "rb") as pipe:
            reported = (reported + pipe.read())[-4:]
        newest = max(folder.glob("step-*.safetensors"))
        step = int(load_checkpoint(newest).metadata["step"])
        assert newest.name == f"step-{step:08d}.safetensors" and step >= struct.unpack("<I", reported)[0]
        for path in folder.iterdir():
            torn += path.name.endswith(".partial")
            path.unlink()
    return torn


def test_kill_9_at_any_moment_leaves_a_newest_checkpoint_that_loads(tmp_path: Path) -> None:
    assert kill_in_mid_save(tmp_path, tries=20) > 0, "no kill fell into a save"
