"""Walks through a model's latent space, as pictures: places, paths, squares and planes between them.

A place is a latent with a condition, both of which a walk can mix.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import cycle

import numpy as np
import torch
from PIL import Image
from torch import Generator, Tensor

from gencore import devices, latent
from gencore.data.batches import dequantise, quantise
from gencore.data.registry import MORPH
from gencore.features import FeatureExtractor
from gencore.latent import Directions, Features, lerp, slerp
from gencore.models.base import GenerativeModel, HasLatent, Inverts, TakesSoftLabels
from gencore.runs import Run

BETWEEN: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {"slerp": slerp, "lerp": lerp}
FRAME_MS = 80
MORPH_FRAMES = 41
_CANDIDATES = 128


@dataclass(frozen=True, eq=False)
class Places:
    """N places: latents (N, *latent shape) and conditions (N, classes), or (N, 0) of a model that takes none."""

    z: Tensor
    condition: Tensor

    @classmethod
    def of(cls, parts: list[Places]) -> Places:
        return cls(torch.cat([part.z for part in parts]), torch.cat([part.condition for part in parts]))


@dataclass(frozen=True)
class Walker:
    """A model that finds places in its latent space and draws them."""

    model: GenerativeModel
    dtype: torch.dtype

    @property
    def inverts(self) -> bool:
        return isinstance(self.model, Inverts)

    @property
    def encodes(self) -> bool:
        """Whether it finds an image's latent in one pass, so that thousands can be asked for."""
        return self.inverts and self.model.inversion_passes == 1

    @property
    def morphs(self) -> bool:
        """Whether it takes a label, which then can lie between two classes."""
        return isinstance(self.model, TakesSoftLabels) and self.model.conditional

    def morph(self, judge: FeatureExtractor, seed: int) -> Tensor:
        """The pictures (MORPH_FRAMES, C, H, W) uint8 from one class of MORPH to the other.

        Its ends are where, of some drawn latents, `judge` is surest of these classes; a model that takes labels stays
        at the one latent that is best for both.
        """
        z = self.model.draw_latent(_CANDIDATES, Generator(self.model.device).manual_seed(seed))
        asked = [Places(z, self._condition(len(z), digit)) for digit in MORPH]
        distinct = asked if self.model.conditional else asked[:1]
        seen = [judge(quantise(self.draw(places)).to(z.device)).logits.log_softmax(1) for places in distinct]
        sure = torch.stack([of[:, digit] for of, digit in zip(cycle(seen), MORPH)])  # (2, N)
        best = sure.sum(0).argmax().expand(2) if self.model.conditional else sure.argmax(1)
        ends = Places.of([Places(places.z[[i]], places.condition[[i]]) for places, i in zip(asked, best.tolist(), strict=True)])
        return quantise(self.draw(path(ends, MORPH_FRAMES - 1, "slerp")))

    def random(self, seed: int, digit: int | None) -> Places:
        """One place drawn as a sample's, asked for `digit` where the model takes labels."""
        z = self.model.draw_latent(1, Generator(self.model.device).manual_seed(seed))
        return Places(z, self._condition(1, digit))

    @torch.no_grad()
    def found(self, images: Tensor, digit: int | None) -> Places:
        """The places of images (N, C, H, W) uint8, by a model that inverts."""
        x = dequantise(images.to(self.model.device))
        condition = self._condition(len(x), digit)
        with devices.autocast(self.model.device, self.dtype):
            return Places(self.model.invert(x, self._labels(condition)).float(), condition)

    @torch.no_grad()
    def draw(self, places: Places) -> Tensor:
        """Images (N, C, H, W) in [-1, 1]."""
        with devices.autocast(self.model.device, self.dtype):
            if self.morphs:
                return self.model.generate(places.z, places.condition).cpu()
            return self.model.decode(places.z, None).cpu()

    def _condition(self, n: int, digit: int | None) -> Tensor:
        given = torch.full((n,), digit, device=self.model.device) if self.model.conditional else None
        return self.model.one_hot(n, given)

    def _labels(self, condition: Tensor) -> Tensor | None:
        return condition.argmax(1) if self.model.conditional else None


def directions(model: HasLatent, features: Features) -> Directions:
    """`latent.principal_directions`, of latents that are images among their coarse waves."""
    shape = model.draw_latent(1, Generator(model.device)).shape[1:]
    basis = latent.coarse_waves(shape).to(model.device) if len(shape) == 3 else None
    return latent.principal_directions(model, features, Generator(model.device).manual_seed(0), basis)


def kept_directions(run: Run, walker: Walker, weights: str, features: Features, judge: str) -> Directions:
    """The directions of a run: found once for weights, features (of a judge) and sampler, then kept in its folder."""
    of = {"weights": weights, "features": judge, "sampling": walker.model.sampling}
    return latent.kept_directions(run.results / "directions.safetensors", of, partial(directions, walker.model, features))


def moved(base: Places, vectors: Tensor, amounts: list[float], coordinates: dict[int, float]) -> Places:
    """One place turned by `amounts` towards each of `vectors`, then by `coordinates` of its flat latent."""
    z = latent.turned(base.z[0], vectors, torch.tensor([amounts], device=base.z.device)).flatten(1)
    for place, offset in coordinates.items():
        z[0, place] += offset
    return Places(z.view_as(base.z), base.condition)


def path(ends: Places, steps: int, how: str) -> Places:
    """From end to end in `steps` each: ((E - 1) steps + 1) places, the ends among them."""
    t = torch.arange(steps, device=ends.z.device) / steps
    z, condition = (
        torch.cat([between(x[:-1], x[1:], t).flatten(0, 1), x[-1:]])
        for between, x in ((BETWEEN[how], ends.z), (lerp, ends.condition))
    )
    return Places(z, condition)


def square(corners: Places, side: int, how: str) -> Places:
    """side^2 places, row by row, of four corners: upper left and right, lower left and right."""
    t = torch.linspace(0, 1, side, device=corners.z.device)
    z, condition = (
        _rows(x, t, between) for between, x in ((BETWEEN[how], corners.z), (lerp, corners.condition))
    )
    return Places(z, condition)


def _rows(x: Tensor, t: Tensor, between: Callable[[Tensor, Tensor, Tensor], Tensor]) -> Tensor:
    left, right = between(x[:2], x[2:], t).flatten(0, 1).chunk(2)  # the sides, from top to bottom: (side, ...) each
    return between(left, right, t).flatten(0, 1)


def turns(base: Places, vectors: Tensor, side: int, reach: float) -> Places:
    """side^2 places, row by row: `base` turned up to `reach` towards the second of two vectors down, the first across."""
    t = torch.linspace(-reach, reach, side, device=base.z.device)
    z = latent.turned(base.z[0], vectors, torch.cartesian_prod(t, t).flip(1))
    return Places(z, base.condition.expand(len(z), -1))


@dataclass(frozen=True, eq=False)
class Plane:
    """The two principal axes of codes (N, d): where they vary most."""

    mean: Tensor  # (d,)
    axes: Tensor  # (2, d), orthonormal
    coordinates: np.ndarray  # (N, 2)
    share: float
    """Of the codes' variance."""

    @classmethod
    def of(cls, codes: Tensor) -> Plane:
        mean = codes.mean(dim=0)
        _, sigma, axes = torch.linalg.svd(codes - mean, full_matrices=False)
        on_plane = (codes - mean) @ axes[:2].T
        share = (sigma[:2].square().sum() / sigma.square().sum()).item()
        return cls(mean, axes[:2], on_plane.cpu().numpy(), share)

    def grid(self, side: int) -> Places:
        """side^2 places, row by row, over nine tenths of the codes each way; up is the second axis."""
        ranges = np.quantile(self.coordinates, (0.05, 0.95), axis=0)
        across = torch.linspace(*ranges[:, 0].tolist(), side)
        down = torch.linspace(*ranges[::-1, 1].tolist(), side)
        on_plane = torch.cartesian_prod(down, across).flip(1).to(self.mean)
        z = self.mean + on_plane @ self.axes
        return Places(z, z.new_empty(len(z), 0))


def gif(pictures: np.ndarray, scale: int) -> bytes:
    """A loop there and back through pictures (N, H, W, 3), every pixel `scale` pixels wide."""
    there = [Image.fromarray(picture.repeat(scale, axis=0).repeat(scale, axis=1)) for picture in pictures]
    content = io.BytesIO()
    there[0].save(content, "GIF", save_all=True, append_images=[*there[1:], *there[-2:0:-1]], duration=FRAME_MS, loop=0)
    return content.getvalue()
