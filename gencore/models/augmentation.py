"""Differentiable augmentation for GANs (Zhao et al. 2020): what a discriminator sees, real and generated, is
augmented by one policy, and gradients flow through to the generator. It is for small data sets, which a
discriminator would learn by heart.

Each image (B, C, H, W) is changed by its own noise. Pixels that a shift uncovers or a cutout covers are 0."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Generator, Tensor

from gencore.config.options import Augmentation

_Change = Callable[[Tensor, Generator], Tensor]


def augment(images: Tensor, policy: Augmentation, rng: Generator) -> Tensor:
    """`images` (B, C, H, W), each changed by the steps of `policy`; the same images under `none`."""
    for change in _POLICIES[policy]:
        images = change(images, rng)
    return images


def recolour(images: Tensor, rng: Generator, strength: float = 1.0) -> Tensor:
    """Brightness by up to ±0.5, saturation 0 to 2 times, contrast 0.5 to 1.5 times, at `strength` 1.

    Grey images stay as they are."""
    if images.shape[1] != 3:
        return images
    brightness, saturation, contrast = strength * (
        torch.rand(3, len(images), 1, 1, 1, device=images.device, generator=rng) - 0.5
    )
    images = images + brightness
    grey = images.mean(dim=1, keepdim=True)
    images = images + 2 * saturation * (images - grey)
    mean = images.mean(dim=(1, 2, 3), keepdim=True)
    return images + contrast * (images - mean)


def translate(images: Tensor, rng: Generator, share: float = 1 / 8) -> Tensor:
    """Shifted by up to `share` of the side along both axes, by whole pixels."""
    side, most = images.shape[2], round(share * images.shape[2])
    shifts = torch.randint(-most, most + 1, (2, len(images), 1, 1), device=images.device, generator=rng)
    places = torch.arange(side, device=images.device)
    rows, columns = (places[:, None] == places + shifts).float()[:, :, None]  # each (B, 1, side, side)
    with torch.autocast(images.device.type, enabled=False):
        return rows @ images.float() @ columns.mT


def cut_out(images: Tensor, rng: Generator, share: float = 1 / 2) -> Tensor:
    """Without a square of `share` of the side around a random place, which may reach over the border."""
    side = images.shape[2]
    length = round(share * side)
    centres = torch.randint(side + 1, (2, len(images), 1), device=images.device, generator=rng)
    places = torch.arange(side, device=images.device) - centres + length // 2  # (2, B, side)
    rows, columns = (places >= 0) & (places < length)
    hidden = rows[:, None, :, None] & columns[:, None, None, :]  # (B, 1, side, side)
    return images * ~hidden


_POLICIES: Mapping[Augmentation, tuple[_Change, ...]] = {
    "none": (),
    "translation": (translate,),
    "translation-cutout": (translate, cut_out),
    "colour-translation-cutout": (recolour, translate, cut_out),
}
