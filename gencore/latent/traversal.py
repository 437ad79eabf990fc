"""Images along paths, squares and planes in a model's latent space.

A point is a latent with a condition; both are interpolated.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from itertools import cycle

import numpy as np
import torch
from PIL import Image
from torch import Generator, Tensor

from gencore import devices
from gencore.data.batches import dequantise, quantise
from gencore.latent.directions import (
    rotate_towards,
)
from gencore.latent.interpolation import lerp, slerp
from gencore.models.base import GenerativeModel, HasLatent, Inverts
from gencore.models.feature_extractor import FeatureExtractor

BETWEEN: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {"slerp": slerp, "lerp": lerp}
FRAME_MS = 80
MORPH_FRAMES = 41
_CANDIDATES = 128


@dataclass(frozen=True, eq=False)
class LatentPoints:
    """N latents (N, *latent shape) with conditions (N, condition_dim)."""

    z: Tensor
    condition: Tensor

    @classmethod
    def of(cls, parts: list[LatentPoints]) -> LatentPoints:
        """The points of all parts, one after another."""
        return cls(torch.cat([part.z for part in parts]), torch.cat([part.condition for part in parts]))


@dataclass(frozen=True)
class LatentSpace:
    """The latent space of a model that has one: points from seeds or images, and the images at points."""

    model: GenerativeModel
    dtype: torch.dtype

    @property
    def inverts(self) -> bool:
        """Whether the model finds the latent of a given image."""
        return isinstance(self.model, Inverts)

    @property
    def encodes(self) -> bool:
        """Whether the model finds an image's latent in one pass, so that thousands of images take seconds."""
        return isinstance(self.model, Inverts) and self.model.inversion_passes == 1

    @property
    def latent_size(self) -> int:
        """How many numbers a latent has."""
        assert isinstance(self.model, HasLatent)
        return self.model.draw_latent(1, Generator(self.model.device)).numel()

    @property
    def morphs(self) -> bool:
        """Whether the model takes a condition, which may then lie between two classes or clusters."""
        return self.model.condition_dim > 0

    def morph(self, extractor: FeatureExtractor, seed: int) -> Tensor:
        """The images (MORPH_FRAMES, C, H, W) uint8 on a path between the classes of the data set's `morph`,
        with ends as in `ends_of_classes`.
        """
        ends = self.ends_of_classes(extractor, self.model.spec.morph, seed)
        return quantise(self.draw(path(ends, MORPH_FRAMES - 1, "slerp")))

    def ends_of_classes(
        self, extractor: FeatureExtractor, classes: tuple[int, int], seed: int
    ) -> LatentPoints:
        """Of _CANDIDATES random latents, the two that `extractor` assigns to `classes` with the highest
        probability.

        A model that takes labels keeps one latent, the best one for both.
        """
        labels = classes if self.model.conditional else (None, None)
        by_class = [self._random(_CANDIDATES, seed, label) for label in labels]
        distinct = by_class if self.model.conditional else by_class[:1]
        device = self.model.device
        log_p = [
            extractor(quantise(self.draw(points)).to(device)).logits.log_softmax(1) for points in distinct
        ]
        confidence = torch.stack([one[:, c] for one, c in zip(cycle(log_p), classes)])  # (2, N)
        best = confidence.sum(0).argmax().expand(2) if self.model.conditional else confidence.argmax(1)
        return LatentPoints.of(
            [
                LatentPoints(points.z[[i]], points.condition[[i]])
                for points, i in zip(by_class, best.tolist(), strict=True)
            ]
        )

    def random(self, seed: int, label: int | None) -> LatentPoints:
        """One random latent, under `label`: a class, or a cluster, which is random where it is None."""
        return self._random(1, seed, label)

    @torch.no_grad()
    def invert(self, images: Tensor, label: int | Tensor | None) -> LatentPoints:
        """The latents of images (N, C, H, W) uint8 of class `label`, or of classes (N,), for a model that
        `inverts`.

        A model with clusters takes the nearest ones instead."""
        assert isinstance(self.model, Inverts)
        x = dequantise(images.to(self.model.device))
        condition = self.model.condition_of(x, self._labels(len(x), label))
        with devices.autocast(self.model.device, self.dtype):
            return LatentPoints(self.model.invert(x, condition).float(), condition)

    @torch.no_grad()
    def draw(self, points: LatentPoints) -> Tensor:
        """The images (N, C, H, W) in [-1, 1] at these points, on the CPU."""
        assert isinstance(self.model, HasLatent)
        with devices.autocast(self.model.device, self.dtype):
            return self.model.decode(points.z, points.condition).cpu()

    def _random(self, n: int, seed: int, label: int | None) -> LatentPoints:
        assert isinstance(self.model, HasLatent)
        rng = Generator(self.model.device).manual_seed(seed)
        z = self.model.draw_latent(n, rng)
        return LatentPoints(z, self.model.draw_condition(n, self._labels(n, label), rng))

    def _labels(self, n: int, label: int | Tensor | None) -> Tensor | None:
        if label is None or isinstance(label, Tensor):
            return None if label is None else label.to(self.model.device)
        return torch.full((n,), label, device=self.model.device)


def edit_latent(
    base: LatentPoints, vectors: Tensor, amounts: list[float], coordinates: dict[int, float]
) -> LatentPoints:
    """One point rotated by `amounts` towards `vectors`, then with `coordinates` of its flat latent added."""
    z = rotate_towards(base.z[0], vectors, torch.tensor([amounts], device=base.z.device)).flatten(1)
    for index, offset in coordinates.items():
        z[0, index] += offset
    return LatentPoints(z.view_as(base.z), base.condition)


def path(ends: LatentPoints, steps: int, how: str) -> LatentPoints:
    """Points from each of E ends to the next in `steps` steps: (E - 1) steps + 1 in all, with the ends."""
    t = torch.arange(steps, device=ends.z.device) / steps
    z, condition = (
        torch.cat([between(x[:-1], x[1:], t).flatten(0, 1), x[-1:]])
        for between, x in ((BETWEEN[how], ends.z), (lerp, ends.condition))
    )
    return LatentPoints(z, condition)


def square(corners: LatentPoints, side: int, how: str) -> LatentPoints:
    """side^2 points, row by row, between four corners: upper left and right, lower left and right."""
    t = torch.linspace(0, 1, side, device=corners.z.device)
    z, condition = (
        _rows(x, t, between) for between, x in ((BETWEEN[how], corners.z), (lerp, corners.condition))
    )
    return LatentPoints(z, condition)


def _rows(x: Tensor, t: Tensor, between: Callable[[Tensor, Tensor, Tensor], Tensor]) -> Tensor:
    left, right = (
        between(x[:2], x[2:], t).flatten(0, 1).chunk(2)
    )  # the sides, from top to bottom: (side, ...) each
    return between(left, right, t).flatten(0, 1)


def rotation_grid(base: LatentPoints, vectors: Tensor, side: int, reach: float) -> LatentPoints:
    """side^2 points, row by row: `base` rotated by up to `reach` towards two vectors.

    Rows differ in the second vector, columns in the first.
    """
    t = torch.linspace(-reach, reach, side, device=base.z.device)
    z = rotate_towards(base.z[0], vectors, torch.cartesian_prod(t, t).flip(1))
    return LatentPoints(z, base.condition.expand(len(z), -1))


@dataclass(frozen=True, eq=False)
class Plane:
    """The first two principal components of codes (N, d)."""

    mean: Tensor  # (d,)
    axes: Tensor  # (2, d), orthonormal
    coordinates: np.ndarray  # (N, 2)
    share: float
    """Of the codes' variance, 0 to 1."""

    @classmethod
    def of(cls, codes: Tensor) -> Plane:
        """The plane through the mean of codes (N, d)."""
        mean = codes.mean(dim=0)
        _, sigma, axes = torch.linalg.svd(codes - mean, full_matrices=False)
        on_plane = (codes - mean) @ axes[:2].T
        share = (sigma[:2].square().sum() / sigma.square().sum()).item()
        return cls(mean, axes[:2], on_plane.cpu().numpy(), share)

    def grid(self, side: int) -> LatentPoints:
        """side^2 points, row by row, over the central 90 % of the codes; the second axis points up."""
        (left, bottom), (right, top) = np.quantile(self.coordinates, (0.05, 0.95), axis=0).tolist()
        across, down = torch.linspace(left, right, side), torch.linspace(top, bottom, side)
        on_plane = torch.cartesian_prod(down, across).flip(1).to(self.mean)
        z = self.mean + on_plane @ self.axes
        return LatentPoints(z, z.new_empty(len(z), 0))


def gif(pictures: np.ndarray, scale: int) -> bytes:
    """A looping GIF through pictures (N, H, W, 3) and back; each pixel becomes `scale` x `scale` pixels."""
    there = [Image.fromarray(picture.repeat(scale, axis=0).repeat(scale, axis=1)) for picture in pictures]
    content = io.BytesIO()
    there[0].save(
        content, "GIF", save_all=True, append_images=[*there[1:], *there[-2:0:-1]], duration=FRAME_MS, loop=0
    )
    return content.getvalue()
