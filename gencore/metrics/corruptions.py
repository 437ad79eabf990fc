"""Images that are wrong in a known way: the rungs of a metric's ladder, and its anchor for `bad`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import torch
from torch import Generator, Tensor
from torch.nn import functional as F

FEWEST_OF_A_CLASS = 6
"""Images that a class needs for figures about it: five neighbours of each."""
_NOISE_SIGMA = 0.1  # of the range of a pixel
_SHIFT = 2  # pixels


class Rung(NamedTuple):
    """What a corruption returns: images (M, C, H, W) uint8, and for each the label (M,) of its original."""

    images: Tensor
    labels: Tensor


Corruption = Callable[[Tensor, Tensor, Generator], Rung]


def pure_noise(shape: tuple[int, ...], rng: Generator) -> Tensor:
    """Images (N, C, H, W) uint8 of pixels independent and uniform over 0 to 255, on the device of `rng`."""
    return torch.randint(256, shape, dtype=torch.uint8, generator=rng, device=rng.device)


def _blurred(images: Tensor, labels: Tensor, rng: Generator, width: int = 3) -> Rung:
    """Each pixel the mean of the `width` x `width` about it, an odd number; edges repeated outwards."""
    padded = F.pad(images.float(), (width // 2,) * 4, mode="replicate")
    return Rung(F.avg_pool2d(padded, width, stride=1).round().to(torch.uint8), labels)


def _noisy(images: Tensor, labels: Tensor, rng: Generator) -> Rung:
    """Gaussian noise of σ = 0.1 on the scale 0 to 1, clamped."""
    noise = torch.randn(images.shape, generator=rng, device=rng.device)
    return Rung((images + 255 * _NOISE_SIGMA * noise).round().clamp(0, 255).to(torch.uint8), labels)


def _shifted(images: Tensor, labels: Tensor, rng: Generator) -> Rung:
    """Moved 2 pixels to the right, the left edge repeated."""
    width = images.shape[3]
    return Rung(images[..., (torch.arange(width, device=images.device) - _SHIFT).clamp(min=0)], labels)


def _binarised(images: Tensor, labels: Tensor, rng: Generator) -> Rung:
    """255 from 128 up, else 0."""
    return Rung((images >= 128).to(torch.uint8) * 255, labels)


def _half_duplicated(images: Tensor, labels: Tensor, rng: Generator) -> Rung:
    """Every image of a random half twice; of an odd number, one less."""
    half = torch.randperm(len(images), generator=rng, device=rng.device)[: len(images) // 2].repeat(2)
    return Rung(images[half], labels[half])


def _one_class_missing(images: Tensor, labels: Tensor, rng: Generator) -> Rung:
    """All but the images of a random class."""
    kept = labels != _random_class(labels, rng)
    return Rung(images[kept], labels[kept])


def _single_class(images: Tensor, labels: Tensor, rng: Generator) -> Rung:
    """Only the images of a random class, so far fewer."""
    kept = labels == _random_class(labels, rng)
    return Rung(images[kept], labels[kept])


def _pure_noise(images: Tensor, labels: Tensor, rng: Generator) -> Rung:
    return Rung(pure_noise(images.shape, rng), labels)


class FewOfAClassError(ValueError):
    """A rung about classes cannot be made of these images; the message says why."""


def _random_class(labels: Tensor, rng: Generator) -> Tensor:
    """A class with FEWEST_OF_A_CLASS of the images with labels (N,), each as probable.

    Raises FewOfAClassError if there is none, or all images are of one class."""
    present, counts = labels.unique(return_counts=True)
    if len(present) < 2:
        raise FewOfAClassError(f"all {len(labels)} images are of class {present.item()}; expected 2 or more")
    present = present[counts >= FEWEST_OF_A_CLASS]
    if not len(present):
        raise FewOfAClassError(
            f"no class has {FEWEST_OF_A_CLASS} of {len(labels)} images; the largest has {int(counts.max())}"
        )
    return present[torch.randint(len(present), (), generator=rng, device=rng.device)]


def _checked(corruption: Corruption) -> Corruption:
    def checked(images: Tensor, labels: Tensor, rng: Generator) -> Rung:
        pixels = images.dtype == torch.uint8 and images.ndim == 4 and len(images) >= 2
        if not pixels or labels.shape != images.shape[:1]:
            raise ValueError(
                f"images have shape {tuple(images.shape)} and {images.dtype}, labels {tuple(labels.shape)}; "
                "expected (N, C, H, W) uint8 and (N,), N at least 2"
            )
        return corruption(images, labels, rng)

    return checked


LADDER: dict[str, Corruption] = {
    name: _checked(corruption)
    for name, corruption in {
        "blurred": _blurred,
        "noisy": _noisy,
        "shifted": _shifted,
        "binarised": _binarised,
        "half duplicated": _half_duplicated,
        "one class missing": _one_class_missing,
        "single class": _single_class,
        "pure noise": _pure_noise,
    }.items()
}
"""By name, a function of images (N, C, H, W) uint8, their labels (N,) and a generator on their device.

Each returns new images that depend on nothing else, at least as many as one class holds. Raises ValueError on
N < 2, another type or shape; the two about classes FewOfAClassError where classes are too few or too small.
"""


def ladder_for(size: int, native_size: int | None) -> dict[str, Corruption]:
    """The ladder for images of this size: of enlarged ones, the blur is over 3 x 3 of their own pixels.

    Otherwise a blur of 8 x 8 digits that were enlarged to 28 x 28 would hardly be one."""
    width = 2 * round((3 * size / (native_size or size) - 1) / 2) + 1  # odd
    return LADDER | {"blurred": _checked(partial(_blurred, width=width))}
