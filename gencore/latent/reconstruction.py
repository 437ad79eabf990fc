"""Real images next to what a model gives back of them, with PSNR and SSIM by image and by class.

A model that `Reconstructs` encodes an image and decodes the code. Another model that `Inverts` finds the
latent of the image first, a diffusion model by its sampler's equation run backwards, and draws from it.
Errors are of images that are not rounded to pixels, as in the metrics of an evaluation.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from gencore import devices
from gencore.config.datasets import DatasetSpec
from gencore.data.batches import dequantise
from gencore.data.sources import ImageData, Split
from gencore.latent.traversal import LatentSpace
from gencore.metrics.reconstruction import psnr_by_image, ssim_by_image
from gencore.models.base import Inverts, Reconstructs
from gencore.store.results import Origin

_ENCODED, _INVERTED = 1000, 100
"""Images at a time, by an encoder and by a diffusion model, whose U-Net holds more of each."""
EXTREMES = 5
"""How many best and how many worst images are named."""


def can_reconstruct(latent_space: LatentSpace) -> bool:
    """Whether the model gives back an image that it is shown."""
    return isinstance(latent_space.model, Reconstructs) or latent_space.inverts


def passes_per_image(latent_space: LatentSpace) -> int:
    """Passes of a network that the reconstruction of one image takes, both ways together."""
    model = latent_space.model
    if isinstance(model, Reconstructs):
        return 2
    assert isinstance(model, Inverts)
    return model.inversion_passes + model.network_evaluations


@torch.no_grad()
def given_back(latent_space: LatentSpace, images: Tensor, labels: Tensor) -> Tensor:
    """What a model that `can_reconstruct` gives back of images (N, C, H, W) uint8 with labels (N,).

    (N, C, H, W) float in [0, 1] on the device of `images`, which is the model's. Only a conditional model
    that inverts looks at the labels."""
    model = latent_space.model
    if isinstance(model, Reconstructs):
        with devices.autocast(images.device, latent_space.dtype):
            parts = [model.reconstruct(dequantise(chunk)) for chunk in images.split(_ENCODED)]
    else:
        chunks = zip(images.split(_INVERTED), labels.split(_INVERTED), strict=True)
        parts = [latent_space.draw(latent_space.invert(*chunk)).to(images.device) for chunk in chunks]
    return ((torch.cat(parts) + 1) / 2).clamp(0, 1)


def in_turn(labels: Tensor, count: int) -> Tensor:
    """The first image of each class, then the second of each, …: `count` indices of labels (N,), int64.

    Data sets may be sorted by class, so that the first `count` images could all be of one."""
    by_class = labels.argsort(stable=True)
    counts = labels.bincount()
    starts = counts.cumsum(0) - counts
    place = torch.empty_like(by_class)  # of each image within its class
    place[by_class] = torch.arange(len(labels), device=labels.device) - starts[labels[by_class]]
    return (place * len(counts) + labels).argsort(stable=True)[:count]


@dataclass(frozen=True, eq=False)
class Reconstructions:
    """N real images, what a model gives back of them, and how alike the two are; all on the CPU."""

    spec: DatasetSpec
    numbers: Tensor  # (N,) int64, from 0: which images of the split
    labels: Tensor  # (N,) int64
    originals: Tensor  # (N, C, H, W) uint8
    images: Tensor  # (N, C, H, W) uint8
    psnr: Tensor  # (N,) float64, decibels; infinite for a perfect copy
    ssim: Tensor  # (N,) float64
    latent_size: int
    """Numbers in the latent that each image passes through."""

    @property
    def differences(self) -> Tensor:
        """Absolute differences of the pixels, (N, C, H, W) uint8."""
        return (self.originals.int() - self.images.int()).abs().to(torch.uint8)

    def only(self, chosen: Tensor | slice) -> Reconstructions:
        """Those at the indices `chosen` (M,), in their order, where `chosen` (N,) is true, or of a slice."""
        return Reconstructions(
            self.spec,
            self.numbers[chosen],
            self.labels[chosen],
            self.originals[chosen],
            self.images[chosen],
            self.psnr[chosen],
            self.ssim[chosen],
            self.latent_size,
        )

    @property
    def best_first(self) -> Tensor:
        """Indices (N,) by falling PSNR."""
        return self.psnr.argsort(descending=True, stable=True)

    @property
    def best(self) -> Reconstructions:
        """The EXTREMES of largest PSNR, the best first."""
        return self.only(self.best_first[:EXTREMES])

    @property
    def worst(self) -> Reconstructions:
        """The EXTREMES of smallest PSNR, the worst first."""
        return self.only(self.best_first.flip(0)[:EXTREMES])

    def rows(self, columns: int) -> Tensor:
        """Originals, reconstructions and differences as rows of `columns` images (M, C, H, W) uint8.

        More than `columns` images go on below, in three more rows; what is left of the last ones is black."""
        kinds = torch.stack([self.originals, self.images, self.differences])  # (3, N, C, H, W)
        missing = -kinds.shape[1] % columns
        filled = F.pad(kinds, (0, 0, 0, 0, 0, 0, 0, missing))
        return filled.unflatten(1, (-1, columns)).transpose(0, 1).flatten(0, 2)


def reconstruct(latent_space: LatentSpace, data: ImageData, count: int) -> Reconstructions:
    """Reconstructions of `count` images of `data`, of the classes `in_turn`.

    For a model that `can_reconstruct`. The same weights and images give the same result."""
    chosen = in_turn(data.labels, count)
    originals, labels = data.images[chosen], data.labels[chosen]
    on_device = originals.to(latent_space.model.device)
    x_hat = given_back(latent_space, on_device, labels).cpu()
    x = originals.float() / 255
    pixels = (x_hat * 255).round().to(torch.uint8)
    return Reconstructions(
        data.spec,
        chosen,
        labels,
        originals,
        pixels,
        psnr_by_image(x_hat, x),
        ssim_by_image(x_hat, x),
        latent_space.latent_size,
    )


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


PSNR = "Decibels; null for a perfect copy, and for a mean over one, as it is infinite."


class ReconstructedImage(_Record):
    """How well one image was given back."""

    number: int = Field(description="Which image of the split, from 0.")
    class_name: str
    psnr: float | None = Field(description=PSNR)
    ssim: float


class ReconstructedClass(_Record):
    """Means over the images of one class."""

    class_name: str
    images: int
    psnr: float | None = Field(description=PSNR)
    ssim: float


class ReconstructionReport(_Record):
    """How well a run's model gives images of a split back."""

    run: str
    dataset: str
    split: Split
    checkpoint_digest: str
    origin: Origin
    latent_size: int = Field(description="Numbers in the latent that each image passes through.")
    psnr: float | None = Field(description=PSNR)
    ssim: float
    images: list[ReconstructedImage]
    classes: list[ReconstructedClass] = Field(description="Those with images among these.")
    best: list[int] = Field(description="Numbers of the images of largest PSNR, the best first.")
    worst: list[int] = Field(description="Numbers of the images of smallest PSNR, the worst first.")


def decibels(psnr: Tensor) -> float | None:
    """The mean of PSNRs (N,), or None where it is infinite."""
    mean = psnr.mean().item()
    return mean if math.isfinite(mean) else None


def as_report(
    found: Reconstructions, run: str, split: Split, checkpoint_digest: str, origin: Origin
) -> ReconstructionReport:
    """Figures of the reconstructions of `run`, without the images."""
    return ReconstructionReport(
        run=run,
        dataset=found.spec.name,
        split=split,
        checkpoint_digest=checkpoint_digest,
        origin=origin,
        latent_size=found.latent_size,
        psnr=decibels(found.psnr),
        ssim=found.ssim.mean().item(),
        images=by_image(found),
        classes=by_class(found),
        best=found.best.numbers.tolist(),
        worst=found.worst.numbers.tolist(),
    )


def by_image(found: Reconstructions) -> list[ReconstructedImage]:
    """One row an image."""
    return [
        ReconstructedImage(
            number=int(number),
            class_name=found.spec.class_names[label],
            psnr=decibels(psnr),
            ssim=float(ssim),
        )
        for number, label, psnr, ssim in zip(found.numbers, found.labels, found.psnr, found.ssim, strict=True)
    ]


def by_class(found: Reconstructions) -> list[ReconstructedClass]:
    """One row for each class that has images."""
    return [
        ReconstructedClass(
            class_name=found.spec.class_names[label],
            images=len(members.numbers),
            psnr=decibels(members.psnr),
            ssim=members.ssim.mean().item(),
        )
        for label in found.labels.unique().tolist()
        for members in [found.only(found.labels == label)]
    ]
