"""Devices: which are accepted, and float32 that is float32."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import torch

from gencore import __version__, devices
from gencore.store.results import Origin


@pytest.fixture
def torchs_default() -> None:
    """cuDNN may round to TF32, as torch has it when a process starts."""
    torch.backends.cudnn.allow_tf32 = True


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("mps", "device mps is not supported: .* float64"),
        ("mps:0", "device mps is not supported"),
        ("gpu", "use auto, cpu or cuda"),
        ("cuda:many", "use auto, cpu or cuda"),
        ("cuda:99", "device cuda:99 was asked for, but torch finds"),
    ],
)
def test_a_device_that_is_unknown_unsupported_or_absent_is_refused(name: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint) as refusal:
        devices.pick(name)
    assert "\n" not in str(refusal.value)


def test_figures_are_computed_without_tf32_and_the_origin_says_so(torchs_default: None) -> None:
    assert devices.origin_here(torch.device("cpu"), ["evaluate", "x"]).tf32 is True
    device = devices.pick("cpu")
    assert devices.origin_here(device, ["evaluate", "x"]).tf32 is False


def test_an_origin_names_the_package_and_the_commit_of_its_checkout() -> None:
    version = devices.origin_here(torch.device("cpu"), ["evaluate", "x"]).versions["gencore"]
    here = Path(devices.__file__).parent
    asked = subprocess.run(
        ["git", "-C", here, "rev-parse", "--short", "HEAD"], capture_output=True, text=True
    )
    expected = f"{__version__}+{asked.stdout.strip()}" if asked.returncode == 0 else __version__
    assert version.removesuffix("-dirty") == expected


def test_an_origin_of_before_tf32_was_recorded_still_reads() -> None:
    old = devices.origin_here(torch.device("cpu"), ["evaluate", "x"]).model_dump_json(exclude={"tf32"})
    assert Origin.model_validate_json(old).tf32 is None


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_convolution_on_a_gpu_agrees_with_the_cpu_to_float32(torchs_default: None) -> None:
    device = devices.pick("cuda")
    rng = torch.Generator().manual_seed(0)
    x, w = torch.randn(16, 64, 28, 28, generator=rng), torch.randn(64, 64, 3, 3, generator=rng)
    exact = torch.nn.functional.conv2d(x.double(), w.double())
    found = torch.nn.functional.conv2d(x.to(device), w.to(device)).cpu().double()
    assert (found - exact).abs().max() / exact.abs().max() < 1e-5  # with TF32 about 3e-4
