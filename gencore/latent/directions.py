"""Walks through a model's latent space: how straight they look, how far, and which directions change images most.

Distances are taken in features of the images before these are rounded to pixels, in float32: small steps need both.
Where a model takes labels, they run through its classes from one latent to the next.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from gencore.checkpoints import CheckpointError, load_checkpoint, save_checkpoint
from gencore.models.base import HasLatent

Features = Callable[[Tensor], Tensor]
"""(B, C, H, W) in [-1, 1] -> (B, D): `network.features` of a feature extractor, or pixels by `torch.flatten`."""

DIRECTIONS = 10
DECODES = 2000
"""About how many images the search for directions takes."""
PATHS = 64
STEPS = 8
PAIRS = 500
COARSE = 8
"""Directions among as many pixels as an image has are sought among COARSE x COARSE waves a channel."""
_EPSILON = 1e-3  # on MNIST within 2 % of what the paper's 1e-4 gives, and ten times as far from float32's rounding
_CHUNK = 500


def lerp(a: Tensor, b: Tensor, weights: Tensor) -> Tensor:
    """(1 - t) a + t b of a, b (B, ...): (B, K, ...) for weights t (K,), or (B, K) of each pair; the ends are exact."""
    return _mix(a, b, 1 - weights, weights)


def slerp(a: Tensor, b: Tensor, weights: Tensor) -> Tensor:
    """As `lerp`, but along the great circle from a to b (Shoemake 1985): a norm that both ends have is kept.

    Straight where a and b point the same way, or opposite ways, between which no great circle is the shortest.
    """
    u, v = (F.normalize(x.flatten(1), dim=1) for x in (a, b))
    omega = 2 * torch.atan2((u - v).norm(dim=1, keepdim=True), (u + v).norm(dim=1, keepdim=True))  # (B, 1)
    sine = omega.sin()
    is_straight = sine < 1e-6
    of_a, of_b = (
        torch.where(is_straight, t, (t * omega).sin() / sine.masked_fill(is_straight, 1)) for t in (1 - weights, weights)
    )
    return _mix(a, b, of_a, of_b)


def _mix(a: Tensor, b: Tensor, of_a: Tensor, of_b: Tensor) -> Tensor:
    """(B, ...) twice, weights (K,) or (B, K) twice -> (B, K, ...)."""
    of_a, of_b = (w.expand(len(a), -1).reshape(len(a), -1, *[1] * (a.ndim - 1)) for w in (of_a, of_b))
    return of_a * a[:, None] + of_b * b[:, None]


@torch.no_grad()
def decoded(model: HasLatent, z: Tensor, labels: Tensor | None, view: Callable[[Tensor], Tensor]) -> Tensor:
    """What `view` makes of the images of z (N, *latent shape) and labels (N,), a chunk at a time: (N, ...)."""
    chunks = [slice(start, start + _CHUNK) for start in range(0, len(z), _CHUNK)]
    return torch.cat([view(model.decode(z[chunk], None if labels is None else labels[chunk])) for chunk in chunks])


def straightness(paths: Tensor) -> float:
    """||f_1 - f_0|| / sum ||df|| of features (P, T, D) along P paths, averaged: 1 is straight, 0 leads back.

    Raises ValueError on T < 3 (two places are always straight), and where nothing moves along a path.
    """
    if paths.ndim != 3 or paths.shape[1] < 3:
        raise ValueError(f"paths have shape {tuple(paths.shape)}; expected (P, T, D) with at least 3 places a path")
    walked = paths.diff(dim=1).norm(dim=2).sum(dim=1)  # (P,)
    still = int((walked == 0).sum())
    if still:
        raise ValueError(f"nothing moves along {still} of {len(paths)} paths: the model draws one image there")
    return ((paths[:, -1] - paths[:, 0]).norm(dim=1) / walked).mean().item()


def path_straightness(model: HasLatent, features: Features, rng: Generator, paths: int = PATHS) -> float:
    """`straightness` along great circles between drawn latents, STEPS steps each. Raises ValueError as that does."""
    a, b = model.draw_latent(paths, rng), model.draw_latent(paths, rng)
    return straightness(_along(model, features, slerp(a, b, torch.linspace(0, 1, STEPS + 1, device=a.device))))


@dataclass(frozen=True)
class PathLength:
    """A mean over pairs of latents; its standard error is large where images jump between classes."""

    value: float
    standard_error: float


def perceptual_path_length(model: HasLatent, features: Features, rng: Generator, pairs: int = PAIRS) -> PathLength:
    """E ||f(z(t)) - f(z(t + epsilon))||^2 / epsilon^2 on great circles z, t ~ U(0, 1) (Karras et al. 2019, eq. 2).

    epsilon is 1e-3. Compares latents of one model; never models, whose units of z differ.
    """
    a, b = model.draw_latent(pairs, rng), model.draw_latent(pairs, rng)
    t = torch.rand(pairs, 1, device=a.device, generator=rng)
    f = _along(model, features, slerp(a, b, torch.cat([t, t + _EPSILON], dim=1)))  # (P, 2, D)
    lengths = f.diff(dim=1).square().sum(dim=(1, 2)) / _EPSILON**2
    return PathLength(lengths.mean().item(), lengths.std().item() / math.sqrt(pairs))


@dataclass(frozen=True)
class Directions:
    """Orthonormal directions of latent space, the one that changes images most first."""

    vectors: Tensor  # (K, *latent shape)
    shares: tuple[float, ...]
    """Of the squared change of features along all directions."""
    places: int
    """Latents around which the change was measured."""


def principal_directions(
    model: HasLatent, features: Features, rng: Generator, basis: Tensor | None = None
) -> Directions:
    """The top right singular vectors of the Jacobians df/dz at drawn latents, stacked; ten, or as many as z has.

    Sought among all directions, or in the span of an orthonormal `basis` (d, *latent shape). By forward differences,
    d + 1 images a place in d dimensions, at as many places as DECODES pays for and at least one. Signs are fixed: the
    largest component is positive. Raises ValueError where images do not follow z.
    """
    z = model.draw_latent(1, rng)
    if basis is None:
        basis = torch.eye(z[0].numel(), device=z.device).view(-1, *z.shape[1:])
    d = len(basis)
    z = model.draw_latent(max(1, DECODES // (d + 1)), rng)
    steps = _EPSILON * torch.cat([torch.zeros_like(basis[:1]), basis])
    f = _along(model, features, z[:, None] + steps).double()  # (P, d + 1, D)
    change = (f[:, 1:] - f[:, :1]).transpose(0, 1).flatten(1)  # (d, P D): all Jacobians, transposed
    vectors, sigma, _ = torch.linalg.svd(change, full_matrices=False)
    if sigma[0] == 0:
        raise ValueError(f"the images around {len(z)} latents do not change with them: the model draws one image there")
    vectors = vectors.T[:DIRECTIONS] @ basis.flatten(1).double()  # (K, all of z)
    vectors *= vectors.gather(1, vectors.abs().argmax(dim=1, keepdim=True)).sign()
    shares = sigma.square() / sigma.square().sum()
    return Directions(vectors.to(z.dtype).view(-1, *z.shape[1:]), tuple(shares[:DIRECTIONS].tolist()), len(z))


def kept_directions(path: Path, of: Mapping[str, str], find: Callable[[], Directions]) -> Directions:
    """What `path` keeps, where that is `of` the same; else what `find` finds, kept there if it can be written.

    `of` names all that directions depend on: weights, features, sampler.
    """
    with contextlib.suppress(OSError, CheckpointError):
        kept = load_checkpoint(path)
        if all(kept.metadata.get(name) == value for name, value in of.items()):
            return Directions(
                kept.tensors["vectors"], tuple(kept.tensors["shares"].tolist()), int(kept.metadata["places"])
            )
    found = find()
    tensors = {"vectors": found.vectors, "shares": torch.tensor(found.shares, dtype=torch.float64)}
    with contextlib.suppress(OSError):  # of a folder that is only to be read: found anew next time
        save_checkpoint(path, tensors, {**of, "places": str(found.places)})
    return found


def coarse_waves(shape: torch.Size) -> Tensor:
    """Orthonormal cosine waves (COARSE^2 C, C, H, W), the lowest frequencies of latents that are images (C, H, W).

    What these change at a DDPM's x_T is seen in any of its images; a single pixel changes only the one before us.
    """
    c, h, w = shape
    rows, columns = (_cosines(side) for side in (h, w))  # (COARSE, side)
    waves = torch.einsum("ih,jw->ijhw", rows, columns).flatten(0, 1)  # (COARSE^2, H, W)
    return torch.einsum("cd,nhw->cndhw", torch.eye(c), waves).flatten(0, 1)


def _cosines(side: int) -> Tensor:
    """The first COARSE vectors (COARSE, side) of the orthonormal DCT-II."""
    k, x = torch.arange(COARSE)[:, None], torch.arange(side)
    return F.normalize(torch.cos(math.pi / side * (x + 0.5) * k), dim=1)


def turned(z: Tensor, vectors: Tensor, amounts: Tensor) -> Tensor:
    """z (*latent shape) turned towards orthonormal `vectors` (K, *latent shape), its length kept: (B, *latent shape).

    `amounts` (B, K) are in lengths of z: 1 turns a z at right angles to the vector by 45 degrees.
    """
    length = z.norm()
    moved = z + length * torch.einsum("bk,k...->b...", amounts, vectors)
    return moved * (length / moved.flatten(1).norm(dim=1).view(-1, *[1] * z.ndim))


def _along(model: HasLatent, features: Features, z: Tensor) -> Tensor:
    """Features (P, T, D) of latents (P, T, *latent shape), a class a path where the model takes labels."""
    labels = None
    if model.conditional:
        labels = (torch.arange(len(z), device=z.device) % len(model.spec.class_names)).repeat_interleave(z.shape[1])
    return decoded(model, z.flatten(0, 1), labels, features).unflatten(0, z.shape[:2])
