"""Which device computes, in which arithmetic, and what it is called in results."""

from __future__ import annotations

import contextlib
import platform
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import metadata
from pathlib import Path

import torch
from torch import Tensor

from gencore import __version__
from gencore.store.results import Origin

LIBRARIES = ("torch", "torchvision", "numpy", "scipy", "scikit-learn", "safetensors", "pydantic")


def pick(name: str = "auto") -> torch.device:
    """The device to compute on, float32 set to be float32 there; `auto` takes the GPU where there is one.

    Raises ValueError for a device that is not there or not supported.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name.partition(":")[0] == "mps":
        raise ValueError(
            "device mps is not supported: metrics are computed in float64, which Apple's GPUs do not have; "
            "use --device cpu"
        )
    if not re.fullmatch(r"cpu|cuda(:\d+)?", name):
        raise ValueError(f"--device is {name!r}; use auto, cpu or cuda")
    device = torch.device(name)
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ValueError(
            f"device {name} was asked for, but torch finds {torch.cuda.device_count() or 'no'} GPU; "
            "use --device cpu"
        )
    use_full_float32()
    return device


def queue_copy(tensor: Tensor, device: torch.device) -> Tensor:
    """`tensor` on `device`, without making the host wait for a GPU; itself where it is there already."""
    if device.type == "cuda" and tensor.device != device:  # only copies from pinned memory are queued
        tensor = tensor.pin_memory()
    return tensor.to(device, non_blocking=True)


def use_full_float32() -> None:
    """Have matrix products and convolutions of float32 keep all its 24 bits on a GPU, for the whole process.

    By default cuDNN rounds the inputs of convolutions to TF32, which has 11 bits, so that figures differ
    from a CPU's in the third or fourth digit. Speed comes from bfloat16 (`precision`) instead.
    """
    # not by torch's newer `fp32_precision`: after that torch 2.10 to 2.15 raise where `allow_tf32` is read
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False


def uses_tf32() -> bool:
    """Whether float32 is rounded to TF32 in matrix products or convolutions on a GPU."""
    return bool(torch.backends.cuda.matmul.allow_tf32 or torch.backends.cudnn.allow_tf32)


def precision(wanted: str, device: torch.device) -> torch.dtype:
    """The arithmetic of the networks; `auto` is bfloat16 where the hardware multiplies it natively."""
    if wanted == "auto":
        native = torch.cuda.is_bf16_supported() if device.type == "cuda" else _cpu_has_bfloat16()
        return torch.bfloat16 if native else torch.float32
    return getattr(torch, wanted)


def _cpu_facts() -> Mapping[str, object]:
    """What torch knows of the CPU; nothing where torch is too old (2.10), and then float32 is taken."""
    return getattr(torch.cpu, "get_capabilities", dict)()


def _cpu_has_bfloat16() -> bool:
    capabilities = _cpu_facts()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16") or capabilities.get("bf16"))


def autocast(device: torch.device, dtype: torch.dtype) -> torch.autocast:
    """Networks inside compute in `dtype`; weights stay float32."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=dtype == torch.bfloat16)


def describe(device: torch.device) -> str:
    """What the device is called, as results and pages show it."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return str(_cpu_facts().get("cpu_name") or platform.processor() or platform.machine())


def synchronise(device: torch.device) -> None:
    """Wait for the device: before a clock is read."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def peak_memory_mib(device: torch.device) -> float:
    """Most memory held so far: on the GPU by tensors, on the CPU by the whole process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    import resource  # not on Windows, where this module must still load to say what is supported

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10  # macOS counts bytes, Linux KiB


@cache
def idle_memory_mib(device: torch.device) -> float:
    """Memory held when this was first asked: of a process that has imported torch and done nothing yet."""
    if device.type == "cuda":
        return torch.cuda.memory_allocated(device) / 2**20
    import psutil  # as `resource` below

    return psutil.Process().memory_info().rss / 2**20


def restart_peak_memory(device: torch.device) -> None:
    """Have `peak_memory_mib` tell of what comes from now on, where the system allows that (not on macOS)."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        return
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")  # proc_pid_clear_refs(5): peak resident set


def origin_here(device: torch.device, words: Sequence[str]) -> Origin:
    """Where a number comes from that the command `gencore words…` measures now."""
    return Origin(
        kind="measured",
        command=shlex.join(["gencore", *words]),
        device=describe(device),
        threads=torch.get_num_threads(),
        versions=versions(),
        unix_time=time.time(),
        tf32=uses_tf32(),
    )


def versions() -> dict[str, str]:
    """Versions that figures depend on: this package's, Python's and the libraries'."""
    libraries = {name: metadata.version(name) for name in LIBRARIES}
    return {"gencore": own_version(), "python": platform.python_version()} | libraries


@cache
def own_version() -> str:
    """This package's version; in a git checkout with the commit, as `0.1.0+1a2b3c4`, `-dirty` where its code
    is not that of the commit.
    """
    package = Path(__file__).resolve().parent

    def git(*words: str) -> str:
        asked = subprocess.run(
            ["git", "-C", str(package), *words], check=True, capture_output=True, timeout=10, text=True
        )
        return asked.stdout.strip()

    try:
        git("ls-files", "--error-unmatch", __file__)  # or it lies in the checkout of another project
        commit, changed = git("rev-parse", "--short", "HEAD"), git("status", "--porcelain", "--", ".")
    except (OSError, subprocess.SubprocessError):
        return __version__
    return f"{__version__}+{commit}{'-dirty' if changed else ''}"
