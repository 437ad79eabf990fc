"""Which device computes, in which arithmetic, and what it is called in results."""

from __future__ import annotations

import platform
import resource
import shlex
import sys
import time
from collections.abc import Mapping, Sequence
from importlib import metadata

import torch

from gencore.results import Origin

LIBRARIES = ("torch", "torchvision", "numpy", "scipy", "scikit-learn", "safetensors", "pydantic")


def pick(name: str = "auto") -> torch.device:
    """`auto` takes the GPU where there is one. Raises ValueError for a device that is not there."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise ValueError("device cuda was asked for, but torch finds no GPU; use --device cpu")
    return torch.device(name)


def precision(wanted: str, device: torch.device) -> torch.dtype:
    """The arithmetic of the networks; `auto` is bfloat16 where the hardware multiplies it natively."""
    if wanted == "auto":
        native = torch.cuda.is_bf16_supported() if device.type == "cuda" else _cpu_has_bfloat16()
        return torch.bfloat16 if native else torch.float32
    return getattr(torch, wanted)


def _cpu_facts() -> Mapping[str, object]:
    """What torch knows of the CPU; nothing where it is too old to tell (torch 2.10), and then float32 is taken."""
    return getattr(torch.cpu, "get_capabilities", dict)()


def _cpu_has_bfloat16() -> bool:
    capabilities = _cpu_facts()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16") or capabilities.get("bf16"))


def autocast(device: torch.device, dtype: torch.dtype) -> torch.autocast:
    """Networks inside compute in `dtype`; weights stay float32."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=dtype == torch.bfloat16)


def describe(device: torch.device) -> str:
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
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10  # macOS counts bytes, Linux KiB


def origin_here(device: torch.device, words: Sequence[str]) -> Origin:
    """Where a number comes from that the command `gencore words…` measures now."""
    return Origin(
        kind="measured",
        command=shlex.join(["gencore", *words]),
        device=describe(device),
        threads=torch.get_num_threads(),
        versions=versions(),
        unix_time=time.time(),
    )


def versions() -> dict[str, str]:
    """Python's and the libraries' versions that figures depend on."""
    return {"python": platform.python_version()} | {name: metadata.version(name) for name in LIBRARIES}
