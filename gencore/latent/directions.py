"""Principal directions of a latent space: those that change images most."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from gencore.latent.interpolation import EPSILON, Features, features_along
from gencore.models.base import GenerativeModel, HasLatent
from gencore.store.checkpoints import CheckpointError, load_checkpoint, save_checkpoint
from gencore.store.runs import Run

DIRECTIONS = 10
DECODES = 2000
"""About how many images the search for directions takes."""
COARSE = 8
"""Directions among as many pixels as an image has are sought among COARSE x COARSE waves a channel."""


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
    """The top right singular vectors of the stacked Jacobians df/dz at random latents; DIRECTIONS at most.

    Among all directions, or in the span of an orthonormal `basis` (d, *latent shape). By forward differences:
    d + 1 images a latent in d dimensions, at as many latents as DECODES allows and at least one. Signs are
    fixed: the largest component is positive. Raises ValueError where images do not depend on z.
    """
    z = model.draw_latent(1, rng)
    if basis is None:
        basis = torch.eye(z[0].numel(), device=z.device).view(-1, *z.shape[1:])
    d = len(basis)
    z = model.draw_latent(max(1, DECODES // (d + 1)), rng)
    steps = EPSILON * torch.cat([torch.zeros_like(basis[:1]), basis])
    f = features_along(model, features, z[:, None] + steps).double()  # (P, d + 1, D)
    change = (f[:, 1:] - f[:, :1]).transpose(0, 1).flatten(1)  # (d, P D): all Jacobians, transposed
    vectors, sigma, _ = torch.linalg.svd(change, full_matrices=False)
    if sigma[0] == 0:
        raise ValueError(
            f"the images around {len(z)} latents do not change with them: the model draws one image there"
        )
    vectors = vectors.T[:DIRECTIONS] @ basis.flatten(1).double()  # (K, all of z)
    vectors *= vectors.gather(1, vectors.abs().argmax(dim=1, keepdim=True)).sign()
    shares = sigma.square() / sigma.square().sum()
    return Directions(vectors.to(z.dtype).view(-1, *z.shape[1:]), tuple(shares[:DIRECTIONS].tolist()), len(z))


def model_directions(model: GenerativeModel, features: Features) -> Directions:
    """The `principal_directions` of a model, from a fixed seed; for image latents in `coarse_waves`."""
    assert isinstance(model, HasLatent)
    shape = model.draw_latent(1, Generator(model.device)).shape[1:]
    basis = coarse_waves(shape).to(model.device) if len(shape) == 3 else None
    return principal_directions(model, features, Generator(model.device).manual_seed(0), basis)


def run_directions(
    run: Run, model: GenerativeModel, weights: str, features: Features, features_digest: str
) -> Directions:
    """The `model_directions` of a run's model, stored in its results folder.

    They are recomputed if a digest or the sampler changes: `weights` is the digest of the model's weights,
    `features_digest` that of the network behind `features`.
    """
    key = {"weights": weights, "features": features_digest, "sampling": model.sampling}
    assert isinstance(model, HasLatent)
    shape = model.draw_latent(1, Generator(model.device)).shape[1:]
    path = run.results / "directions.safetensors"
    return cached_directions(path, key, shape, partial(model_directions, model, features))


def cached_directions(
    path: Path, of: Mapping[str, str], latent_shape: torch.Size, find: Callable[[], Directions]
) -> Directions:
    """The directions stored in `path` if their key is `of`; else those of `find`, stored if possible.

    `of` has all that directions depend on: weights, features, sampler.
    """
    most = min(DIRECTIONS, latent_shape.numel())
    with contextlib.suppress(OSError, CheckpointError):
        kept = load_checkpoint(path, {"vectors": (most, *latent_shape), "shares": (most,)})
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
    """Orthonormal cosine waves (COARSE^2 C, C, H, W): the lowest frequencies of image latents (C, H, W).

    A change of these in a DDPM's x_T has a visible effect on every image; a change of one pixel has not.
    """
    c, h, w = shape
    rows, columns = (_cosines(side) for side in (h, w))  # (COARSE, side)
    waves = torch.einsum("ih,jw->ijhw", rows, columns).flatten(0, 1)  # (COARSE^2, H, W)
    return torch.einsum("cd,nhw->cndhw", torch.eye(c), waves).flatten(0, 1)


def _cosines(side: int) -> Tensor:
    """The first COARSE vectors (COARSE, side) of the orthonormal DCT-II."""
    k, x = torch.arange(COARSE)[:, None], torch.arange(side)
    return F.normalize(torch.cos(math.pi / side * (x + 0.5) * k), dim=1)


def rotate_towards(z: Tensor, vectors: Tensor, amounts: Tensor) -> Tensor:
    """Rotations (B, *latent shape) of z (*latent shape) towards orthonormal `vectors` (K, *latent shape).

    They keep the length of z. `amounts` (B, K) are in lengths of z: 1 rotates by 45 degrees where z is
    orthogonal to the vector.
    """
    length = z.norm()
    shifted = z + length * torch.einsum("bk,k...->b...", amounts, vectors)
    return shifted * (length / shifted.flatten(1).norm(dim=1).view(-1, *[1] * z.ndim))
