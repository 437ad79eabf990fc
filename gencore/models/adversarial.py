"""The losses of a generator and a discriminator, and the penalties on a discriminator's slope.

Losses are functions of outputs D(x) (B,), higher for real images, that are finite but unbounded; each returns
the mean over the batch. Penalties are computed in float32, since their gradients are second derivatives."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from gencore.config.options import AdversarialLoss

Discriminate = Callable[[Tensor, Tensor], Tensor]
"""D(x|y): images (B, C, H, W), conditions (B, condition_dim) -> (B,)."""


class Losses(NamedTuple):
    """What the two players of a GAN minimise."""

    discriminator: Callable[[Tensor, Tensor, float], Tensor]
    """Of D(real) (B,), D(generated) (B,) and the target for real images; a scalar."""
    generator: Callable[[Tensor], Tensor]
    """Of D(generated) (B,); a scalar."""


def bce_discriminator(real: Tensor, generated: Tensor, real_label: float) -> Tensor:
    """Cross-entropy of the logits (Goodfellow et al. 2014, algorithm 1), `real_label` for real images."""
    return _cross_entropy(real, real_label) + _cross_entropy(generated, 0.0)


def bce_generator(generated: Tensor) -> Tensor:
    """-log D(G(z)), the non-saturating loss (Goodfellow et al. 2014, section 3)."""
    return _cross_entropy(generated, 1.0)


def hinge_discriminator(real: Tensor, generated: Tensor, real_label: float) -> Tensor:
    """max(0, 1 - D(x)) + max(0, 1 + D(G(z))) (Lim & Ye 2017; Miyato et al. 2018, eq. 16); has no target."""
    return F.relu(1 - real).mean() + F.relu(1 + generated).mean()


def least_squares_discriminator(real: Tensor, generated: Tensor, real_label: float) -> Tensor:
    """(D(x) - b)² / 2 + D(G(z))² / 2 (Mao et al. 2017, eq. 2), b = `real_label`, a = 0."""
    return ((real - real_label).square().mean() + generated.square().mean()) / 2


def least_squares_generator(generated: Tensor) -> Tensor:
    """(D(G(z)) - 1)² / 2 (Mao et al. 2017, eq. 2, c = 1)."""
    return (generated - 1).square().mean() / 2


def wasserstein_discriminator(real: Tensor, generated: Tensor, real_label: float) -> Tensor:
    """D(G(z)) - D(x) (Arjovsky et al. 2017, eq. 2); its negative estimates the distance where D has slope 1.

    It has no target."""
    return generated.mean() - real.mean()


def raise_output(generated: Tensor) -> Tensor:
    """-D(G(z)): the generator's side of both the hinge and the Wasserstein loss."""
    return -generated.mean()


LOSSES: Mapping[AdversarialLoss, Losses] = {
    "bce": Losses(bce_discriminator, bce_generator),
    "hinge": Losses(hinge_discriminator, raise_output),
    "least-squares": Losses(least_squares_discriminator, least_squares_generator),
    "wasserstein": Losses(wasserstein_discriminator, raise_output),
}
"""By the name in a config."""


def gradient_penalty(
    discriminate: Discriminate,
    real: Tensor,
    generated: Tensor,
    condition: Tensor,
    rng: Generator,
    one_sided: bool = False,
) -> Tensor:
    """(‖∇D(x̂)‖ - 1)² on random interpolates x̂ of real and generated images (Gulrajani et al. 2017, eq. 3).

    One-sided it is max(0, ‖∇D(x̂)‖ - 1)² (their section 4): slopes below 1 are free. Images (B, C, H, W),
    conditions (B, condition_dim); a scalar, without its weight λ."""
    eps = torch.rand(len(real), 1, 1, 1, device=real.device, generator=rng)
    slope = _gradients(discriminate, eps * real + (1 - eps) * generated, condition).norm(dim=1)
    excess = slope - 1
    return (F.relu(excess) if one_sided else excess).square().mean()


def r1_penalty(discriminate: Discriminate, real: Tensor, condition: Tensor) -> Tensor:
    """‖∇D(x)‖² / 2 on real images x (Mescheder et al. 2018, eq. 9): a scalar, without its weight γ."""
    return _gradients(discriminate, real, condition).square().sum(dim=1).mean() / 2


def _gradients(discriminate: Discriminate, images: Tensor, condition: Tensor) -> Tensor:
    """∇D by pixel at each image, (B, C H W) float32, which can be differentiated once more."""
    images = images.detach().float().requires_grad_(True)
    with torch.autocast(images.device.type, enabled=False):
        (gradients,) = torch.autograd.grad(discriminate(images, condition).sum(), images, create_graph=True)
    return gradients.flatten(1)


def _cross_entropy(logit: Tensor, target: float) -> Tensor:
    return F.binary_cross_entropy_with_logits(logit, torch.full_like(logit, target))
