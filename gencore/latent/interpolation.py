"""Interpolation between latents, and how straight and how long its image paths are.

Distances are in float32 features of images that are not rounded to pixels: small steps need both. A path
keeps one condition: consecutive classes for a model that takes labels, random clusters for one that has them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from gencore.models.base import HasLatent

Features = Callable[[Tensor], Tensor]
"""(B, C, H, W) in [-1, 1] -> (B, D): `network.features` of an extractor, or pixels by `torch.flatten`."""
PATHS = 64
STEPS = 8
PAIRS = 500
EPSILON = (
    1e-3  # on MNIST within 2 % of what the paper's 1e-4 gives, and ten times as far from float32's rounding
)
_CHUNK = 500


def lerp(a: Tensor, b: Tensor, weights: Tensor) -> Tensor:
    """(1 - t) a + t b (B, K, ...) of a, b (B, ...) for weights t (K,), or (B, K); the ends are exact."""
    return _mix(a, b, 1 - weights, weights)


def slerp(a: Tensor, b: Tensor, weights: Tensor) -> Tensor:
    """As `lerp`, but along the great circle from a to b (Shoemake 1985): a norm that both ends have is kept.

    A straight line where a and b have the same or opposite directions: no great circle is the shortest then.
    """
    u, v = (F.normalize(x.flatten(1), dim=1) for x in (a, b))
    omega = 2 * torch.atan2((u - v).norm(dim=1, keepdim=True), (u + v).norm(dim=1, keepdim=True))  # (B, 1)
    sine = omega.sin()
    is_straight = sine < 1e-6
    of_a, of_b = (
        torch.where(is_straight, t, (t * omega).sin() / sine.masked_fill(is_straight, 1))
        for t in (1 - weights, weights)
    )
    return _mix(a, b, of_a, of_b)


def _mix(a: Tensor, b: Tensor, of_a: Tensor, of_b: Tensor) -> Tensor:
    """(B, ...) twice, weights (K,) or (B, K) twice -> (B, K, ...)."""
    of_a, of_b = (w.expand(len(a), -1).reshape(len(a), -1, *[1] * (a.ndim - 1)) for w in (of_a, of_b))
    return of_a * a[:, None] + of_b * b[:, None]


@torch.no_grad()
def decoded(model: HasLatent, z: Tensor, condition: Tensor, view: Callable[[Tensor], Tensor]) -> Tensor:
    """`view` of the images of z (N, *latent shape) and conditions (N, condition_dim), in chunks: (N, ...)."""
    chunks = zip(z.split(_CHUNK), condition.split(_CHUNK), strict=True)
    return torch.cat([view(model.decode(*chunk)) for chunk in chunks])


def straightness(paths: Tensor) -> float:
    """||f_1 - f_0|| / sum ||df|| of features (P, T, D) along P paths, averaged: 1 is straight, 0 leads back.

    Raises ValueError on T < 3 (two places are always straight), and where nothing moves along a path.
    """
    if paths.ndim != 3 or paths.shape[1] < 3:
        raise ValueError(
            f"paths have shape {tuple(paths.shape)}; expected (P, T, D) with at least 3 places a path"
        )
    walked = paths.diff(dim=1).norm(dim=2).sum(dim=1)  # (P,)
    still = int((walked == 0).sum())
    if still:
        raise ValueError(
            f"nothing moves along {still} of {len(paths)} paths: the model draws one image there"
        )
    return ((paths[:, -1] - paths[:, 0]).norm(dim=1) / walked).mean().item()


def path_straightness(model: HasLatent, features: Features, rng: Generator, paths: int = PATHS) -> float:
    """`straightness` along great circles between random latents, STEPS steps each; raises as that does."""
    a, b = model.draw_latent(paths, rng), model.draw_latent(paths, rng)
    return straightness(
        features_along(model, features, slerp(a, b, torch.linspace(0, 1, STEPS + 1, device=a.device)))
    )


@dataclass(frozen=True)
class PathLength:
    """A mean over pairs of latents; its standard error is large where images jump between classes."""

    value: float
    standard_error: float


def perceptual_path_length(
    model: HasLatent, features: Features, rng: Generator, pairs: int = PAIRS
) -> PathLength:
    """E ||f(z(t)) - f(z(t + epsilon))||^2 / epsilon^2 on great circles z, with t ~ U(0, 1).

    Karras et al. 2019, eq. 2; epsilon is 1e-3. Compares latents of one model, never models:
    their units of z differ.
    """
    a, b = model.draw_latent(pairs, rng), model.draw_latent(pairs, rng)
    t = torch.rand(pairs, 1, device=a.device, generator=rng)
    f = features_along(model, features, slerp(a, b, torch.cat([t, t + EPSILON], dim=1)))  # (P, 2, D)
    lengths = f.diff(dim=1).square().sum(dim=(1, 2)) / EPSILON**2
    return PathLength(lengths.mean().item(), lengths.std().item() / math.sqrt(pairs))


def features_along(model: HasLatent, features: Features, z: Tensor) -> Tensor:
    """Features (P, T, D) of latents (P, T, *latent shape), one condition a path."""
    labels = None
    if model.conditional:
        labels = torch.arange(len(z), device=z.device) % model.spec.classes
    condition = model.draw_condition(len(z), labels, Generator(z.device).manual_seed(0))
    condition = condition.repeat_interleave(z.shape[1], dim=0)
    return decoded(model, z.flatten(0, 1), condition, features).unflatten(0, z.shape[:2])
