"""Classifier-free guidance (Ho & Salimans 2022): labels hidden in training, predictions extrapolated in
sampling.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

LabelledNetwork = Callable[[Tensor, Tensor, Tensor], Tensor]
"""(x_t (B, ...), t (B,), labels (B,) int64 or their weights (B, classes)) → prediction (B, ...)."""


@dataclass(frozen=True)
class Guidance:
    """Guidance of `scale` with `null_label` for "no class". Scale 1 is none; the paper's weight is scale -
    1.

    It acts where the share of noise in x_t's variance is at most `most_noise`: with more noise it drives
    images of a class to the same place (Kynkäänniemi et al. 2024)."""

    scale: float
    null_label: int
    most_noise: float = 1.0

    def acts_at(self, noise_share: float) -> bool:
        """Whether a prediction at this share of noise is guided."""
        return self.scale != 1 and noise_share <= self.most_noise

    def predict(self, network: LabelledNetwork, x_t: Tensor, t: Tensor, labels: Tensor) -> Tensor:
        """(1 - scale) unlabelled + scale labelled, (B, ...) (Ho & Salimans 2022, eq. 6)."""
        return self.predict_at(self.scale, network, x_t, t, labels)

    def predict_at(
        self, scale: float | Tensor, network: LabelledNetwork, x_t: Tensor, t: Tensor, labels: Tensor
    ) -> Tensor:
        """As `predict`, at another scale."""
        labelled = network(x_t, t, labels)
        unlabelled = network(x_t, t, torch.full((len(labels),), self.null_label, device=labels.device))
        return unlabelled + scale * (labelled - unlabelled)

    def hide(self, labels: Tensor, share: float, rng: Generator) -> Tensor:
        """Labels (B,) with about `share` of them replaced by the null label, at random."""
        hidden = torch.rand(len(labels), device=labels.device, generator=rng) < share
        return labels.masked_fill(hidden, self.null_label)
