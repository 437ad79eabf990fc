"""Preconditioning: what the network sees and predicts, scaled to mean 0 and variance 1 (Karras et al. 2022,
section 5).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from gencore.data.batches import dequantise
from gencore.models.diffusion.schedules import per_image


@dataclass(frozen=True, eq=False)
class Standardise:
    """Mean and standard deviation of the training images' pixels, as scalars on the network's device."""

    mean: Tensor
    std: Tensor

    def fit(self, pixels: Tensor) -> None:
        """Take both, in place, from uint8 images of any shape."""
        levels = dequantise(torch.arange(256, device=self.mean.device))
        shares = torch.bincount(pixels.flatten(), minlength=256).to(self.mean.device) / pixels.numel()
        self.mean.copy_((shares * levels).sum())
        self.std.copy_((shares * (levels - self.mean).square()).sum().sqrt())

    def denoise(
        self, network: Callable[[Tensor], Tensor], x_t: Tensor, alpha: Tensor, sigma: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The (x_0, eps), each (B, ...), of x_t = alpha x_0 + sigma eps; alpha and sigma (B,) of the images'
        times.
        """
        return standardised(network, x_t, alpha, sigma, self.mean, self.std)


def standardised(
    network: Callable[[Tensor], Tensor], x_t: Tensor, alpha: Tensor, sigma: Tensor, mean: Tensor, std: Tensor
) -> tuple[Tensor, Tensor]:
    """The (x_0, eps) of x_t = alpha x_0 + sigma eps by a network for images of mean 0 and variance 1.

    The network sees x_t as such a noisy image, y (B, ...), and predicts the v of that. Where it predicts 0,
    x_0 and eps are the best linear guesses; its target has variance 1 at every t (Karras et al. 2022, section
    5: c_in, c_skip, c_out). alpha and sigma (B,) are of the times, `mean` and `std` (scalars) of the images'
    pixels."""
    alpha, sigma = per_image(alpha, x_t.ndim), per_image(sigma, x_t.ndim)
    scale = (alpha.square() * std.square() + sigma.square()).sqrt()
    signal, noise = alpha * std / scale, sigma / scale  # alpha and sigma of y
    y = (x_t - alpha * mean) / scale
    v = network(y)
    return mean + std * (signal * y - noise * v), noise * y + signal * v  # Salimans & Ho 2022, section 4
