"""How near images are to their targets: L1, MSE, PSNR, and SSIM (Wang et al. 2004), with a data range of 1.

They compare images pair by pair, so they are for models that reconstruct or translate a given image. All
reward blur over a sharp but misplaced stroke; SSIM a little less. torchmetrics is only the tests' oracle:
its SSIM does not separate the window and takes twelve times as long, its PSNR is rounded to float32.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

_WINDOW, _SIGMA = 11, 1.5  # pixels
_C1, _C2 = 0.01**2, 0.03**2  # (K₁ L)², (K₂ L)² with L = 1


def mse(images: Tensor, targets: Tensor) -> float:
    """Mean squared error of images to targets, both (N, C, H, W) float in [0, 1].

    Raises ValueError on an empty set, unequal shapes, another type, NaN or values outside [0, 1].
    """
    return _mse_by_image(images, targets).mean().item()


def l1_by_image(images: Tensor, targets: Tensor) -> Tensor:
    """Mean absolute errors (N,) float64 of images to targets, both (N, C, H, W) float in [0, 1].

    Raises ValueError as `mse`."""
    _require_pairs(images, targets)
    return (images - targets).abs().mean(dim=(1, 2, 3), dtype=torch.float64)


def psnr(images: Tensor, targets: Tensor) -> float:
    """Mean of `psnr_by_image`: infinite where one image is a perfect copy."""
    return psnr_by_image(images, targets).mean().item()


def psnr_by_image(images: Tensor, targets: Tensor) -> Tensor:
    """-10 log₁₀ MSE in decibels (N,) float64, of images and targets (N, C, H, W) float in [0, 1].

    The PSNR of a perfect copy is infinite. Raises ValueError as `mse`.
    """
    return -10 * _mse_by_image(images, targets).log10()


def ssim(images: Tensor, targets: Tensor, chunk: int = 256) -> float:
    """Mean of `ssim_by_image`."""
    return ssim_by_image(images, targets, chunk).mean().item()


def ssim_by_image(images: Tensor, targets: Tensor, chunk: int = 256) -> Tensor:
    """Structural similarity (N,) float64, at most 1 (a perfect copy), of images and targets (N, C, H, W) in
    [0, 1].

    Wang et al. 2004, eq. 13 to 17: Gaussian window of 11 x 11, σ = 1.5, on each channel by itself; the mean
    over places and channels. The image is reflected at its border, as in torchmetrics; Wang's code
    and scikit-image leave the outer 5 pixels out, which differs. `chunk` images are converted at once. Raises
    ValueError as `mse`, or on images smaller than the window.
    """
    _require_pairs(images, targets)
    if min(images.shape[2:]) < _WINDOW:
        raise ValueError(
            f"images are {images.shape[2]} x {images.shape[3]} pixels; the window of SSIM needs {_WINDOW} x "
            f"{_WINDOW} at least, so use mse or psnr"
        )
    parts = zip(images.split(chunk), targets.split(chunk), strict=True)
    return torch.cat([_ssim(x.double(), y.double()) for x, y in parts])


def _ssim(x: Tensor, y: Tensor) -> Tensor:
    channels, margin = x.shape[1], _WINDOW // 2
    offsets = torch.arange(_WINDOW, dtype=x.dtype, device=x.device) - margin
    window = (-0.5 * (offsets / _SIGMA).square()).softmax(dim=0)
    x, y = (F.pad(side, (margin,) * 4, mode="reflect") for side in (x, y))
    signals = torch.cat([x, y, x * x, y * y, x * y], dim=1)  # (B, 5C, H + 10, W + 10)
    columns = window.view(1, 1, -1, 1).expand(5 * channels, 1, -1, 1)
    smooth = F.conv2d(F.conv2d(signals, columns, groups=5 * channels), columns.mT, groups=5 * channels)
    mu_x, mu_y, xx, yy, xy = smooth.chunk(5, dim=1)  # (B, C, H, W)
    variance_x, variance_y = (xx - mu_x**2).clamp(min=0), (yy - mu_y**2).clamp(min=0)
    alike = (2 * mu_x * mu_y + _C1) * (2 * (xy - mu_x * mu_y) + _C2)
    most = (mu_x**2 + mu_y**2 + _C1) * (variance_x + variance_y + _C2)
    return (alike / most).mean(dim=(1, 2, 3))


def _mse_by_image(images: Tensor, targets: Tensor, chunk: int = 1024) -> Tensor:
    """(N,) float64."""
    _require_pairs(images, targets)
    parts = zip(images.split(chunk), targets.split(chunk), strict=True)
    return torch.cat([(x.to(torch.float64) - y).square().mean(dim=(1, 2, 3)) for x, y in parts])


def _require_pairs(images: Tensor, targets: Tensor) -> None:
    if images.shape != targets.shape or images.ndim != 4 or images.numel() == 0:
        raise ValueError(
            f"images have shape {tuple(images.shape)}, targets {tuple(targets.shape)}; expected equal "
            "(N, C, H, W), N at least 1"
        )
    for name, side in (("images", images), ("targets", targets)):
        if not side.is_floating_point():
            raise ValueError(f"{name} are {side.dtype}; expected floats in [0, 1], so divide pixels by 255")
        low, high = (bound.item() for bound in side.aminmax())  # NaN where any is
        if not (low >= 0 and high <= 1):
            raise ValueError(
                f"{name} run from {low:.4g} to {high:.4g}; expected [0, 1] without NaN, so map [-1, 1] by "
                "(x + 1) / 2"
            )
