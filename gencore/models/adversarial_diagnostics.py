"""How the two players of a GAN stand, from outputs and images that a step has anyway.

No pass of a network and no random number is added, so a training with these figures is the same as one
without. All figures are scalars on the device, finite wherever outputs and images are."""

from __future__ import annotations

import torch
from torch import Tensor

from gencore.config.options import AdversarialLoss
from gencore.models.base import Parts

_CLOSE = 1e-6  # images nearer than this count as so far apart
_SMALLEST_VARIANCE = 1e-12


@torch.no_grad()
def accuracies(loss: AdversarialLoss, real: Tensor, generated: Tensor, real_label: float) -> Parts:
    """Share of the real and of the generated images that D tells right, from D's outputs (B,) on both.

    A logit says "real" above 0, and so does an output under the hinge loss; under least squares one above
    half of the target `real_label`. A Wasserstein critic has no such bound: of it, the estimate of the
    distance, D(real) - D(generated) (Arjovsky et al. 2017, eq. 2)."""
    if loss == "wasserstein":
        return {"wasserstein_estimate": real.mean() - generated.mean()}
    bound = real_label / 2 if loss == "least-squares" else 0.0
    return {
        "accuracy_real": (real > bound).float().mean(),
        "accuracy_fake": (generated <= bound).float().mean(),
    }


@torch.no_grad()
def lipschitz_estimate(
    outputs_real: Tensor, outputs_generated: Tensor, real: Tensor, generated: Tensor
) -> Tensor:
    """The largest |D(x) - D(y)| ÷ ‖x - y‖ over the pairs of a real and a generated image of one condition.

    Outputs (B,), images (B, C, H, W); a scalar. A lower bound of D's Lipschitz constant, for pixels in
    [-1, 1], and cheap: gradients on interpolates would take one more pass forth and back. Where D sees its
    batch (batch normalisation, minibatch deviation) an output is not a function of its image alone, and the
    bound is rough."""
    apart = (real - generated).float().flatten(1).norm(dim=1).clamp(min=_CLOSE)
    return ((outputs_real - outputs_generated).abs() / apart).amax()


@torch.no_grad()
def variance_ratio(generated: Tensor, real: Tensor, condition: Tensor) -> Tensor:
    """Pixel variance of generated images within a condition, divided by that of the real images: a scalar.

    Images (B, C, H, W), B at least 2, conditions one-hot (B, K) of both; K = 0 makes the batch one group. A
    generator with one image a condition is so seen although its batch varies. Where no condition has two
    images in the batch, variances are those of the whole batch."""
    return variance_within(generated, condition) / variance_within(real, condition).clamp(
        min=_SMALLEST_VARIANCE
    )


@torch.no_grad()
def variance_within(images: Tensor, condition: Tensor) -> Tensor:
    """Unbiased variance of images (B, C, H, W) about the mean of their condition, mean over the pixels.

    Conditions are one-hot (B, K), or of width 0. Of the whole batch where each image has a condition of its
    own."""
    with torch.autocast(images.device.type, enabled=False):
        x = images.float().flatten(1)  # (B, D)
        batch = x.new_ones(len(x), 1)
        if condition.shape[1] < 2:
            return _pooled_variance(x, batch)[0]
        within, freedom = _pooled_variance(x, condition.float())
        if condition.shape[1] < len(x):  # some condition has two images
            return within
        return torch.where(freedom > 0, within, _pooled_variance(x, batch)[0])


def _pooled_variance(x: Tensor, members: Tensor) -> tuple[Tensor, Tensor]:
    """Variance of x (B, D) about the mean of its group, one-hot (B, K), and its degrees of freedom."""
    counts = members.sum(dim=0)  # (K,)
    means = members.T @ x / counts.clamp(min=1)[:, None]  # (K, D)
    freedom = len(x) - (counts > 0).sum()
    return (x - members @ means).square().mean(dim=1).sum() / freedom.clamp(min=1), freedom
