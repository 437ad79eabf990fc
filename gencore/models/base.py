"""What training and evaluation ask of a model.

A model names its players: the modules that are trained in turn, each on its own loss with its own Adam. How a step
runs, averages, saves and logs lives in `state.py` and `training.py`; a family is only its losses and its sampler.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from torch import Generator, Tensor, nn

from gencore.data.batches import Batch
from gencore.data.registry import DatasetSpec
from gencore.data.sources import ImageData

Parts = dict[str, Tensor]
"""Named scalars of a loss, for the curves; detached."""


@dataclass(frozen=True)
class Player:
    """A module with its own loss, and the settings of its Adam (Kingma & Ba 2015)."""

    module: nn.Module
    learning_rate: float
    betas: tuple[float, float] = (0.9, 0.999)


class Trainable(nn.Module, ABC):
    """A model that `train` can train."""

    players: Mapping[str, Player]

    def meet(self, data: ImageData) -> None:
        """Take from the training images, before the first step, what the model needs to know of all of them."""

    @property
    @abstractmethod
    def averaged(self) -> nn.Module:
        """The part whose weights are averaged over training (EMA) and used to sample."""

    @abstractmethod
    def loss(self, player: str, batch: Batch, rng: Generator) -> tuple[Tensor, Parts]:
        """What `player` minimises on this batch (a scalar), and its parts."""


class GenerativeModel(Trainable):
    """A model that draws images."""

    spec: DatasetSpec
    conditional: bool

    @abstractmethod
    def sample(self, n: int, labels: Tensor | None, rng: Generator) -> Tensor:
        """n images (n, C, H, W) float32 in [-1, 1]; `labels` (n,) int64 where the model is conditional, else ignored."""

    @property
    @abstractmethod
    def sampling(self) -> str:
        """In words, how `sample` draws its images; stands beside every figure."""

    @property
    def device(self) -> torch.device:
        return next(self.parameters()).device

    def one_hot(self, n: int, labels: Tensor | None) -> Tensor:
        """The condition vectors (n, classes), or (n, 0) where the model takes none."""
        if not self.conditional:
            return torch.empty(n, 0, device=self.device)
        if labels is None:
            raise ValueError(f"this model draws what it is asked for; give a label (0 to {len(self.spec.class_names) - 1}) an image")
        return nn.functional.one_hot(labels, len(self.spec.class_names)).float()


@runtime_checkable
class Reconstructs(Protocol):
    """A model that gives an image back from what it keeps of it."""

    def reconstruct(self, x: Tensor) -> Tensor:
        """(B, C, H, W) in [-1, 1] -> the same shape and range, without chance."""


@runtime_checkable
class HasLatent(Protocol):
    """A model whose images follow from a latent alone: the same z and labels, the same image."""

    spec: DatasetSpec
    conditional: bool

    def draw_latent(self, n: int, rng: Generator) -> Tensor:
        """Latents (n, *latent shape) as `sample` draws them."""

    def decode(self, z: Tensor, labels: Tensor | None) -> Tensor:
        """(B, *latent shape), labels (B,) as in `sample` -> (B, C, H, W) in [-1, 1], without chance."""


@runtime_checkable
class Inverts(HasLatent, Protocol):
    """A model that finds the latent of an image."""

    inversion_passes: int
    """Passes of a network through one image that it takes."""

    def invert(self, x: Tensor, labels: Tensor | None) -> Tensor:
        """(B, C, H, W) in [-1, 1], labels (B,) as in `decode` -> latents from which `decode` gives back about x."""


@runtime_checkable
class TakesSoftLabels(Protocol):
    """What every conditional model is: its condition can lie between classes; a one-hot draws as `decode` does."""

    def generate(self, z: Tensor, condition: Tensor) -> Tensor:
        """(B, *latent shape), (B, classes or 0) -> (B, C, H, W) in [-1, 1], without chance."""


@runtime_checkable
class FitsPrior(Protocol):
    """A model whose sampling is completed after training, from the training images."""

    def fit_prior(self, data: ImageData, seed: int) -> None: ...
