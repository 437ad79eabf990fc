"""What training, evaluation and pages ask of a model.

A model names its players: the modules that are trained in turn, each on its own loss with its own optimiser.
How a step runs, averages, saves and logs lives in `gencore.training`; a family is only its losses and its
sampler. What only some families can do (a latent space, inversion, sampling in steps) is a protocol: ask with
`isinstance`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol, runtime_checkable

import torch
from torch import Generator, Tensor, nn

from gencore.config.datasets import DatasetSpec
from gencore.config.options import Sampler
from gencore.data.batches import Batch
from gencore.data.sources import ImageData
from gencore.models.clusters import Clusters

Parts = dict[str, Tensor]
"""Named scalars of a loss, for the training curves; detached."""

OnStep = Callable[[int, Tensor, Tensor], None]
"""Called with (step from 1, x after that step, the x_0 which that step predicted); both (B, ...), on the
device.
"""


@dataclass(frozen=True)
class Player:
    """A module with its own loss, and the settings of its optimiser; the betas are Adam's alone."""

    module: nn.Module
    learning_rate: float
    betas: tuple[float, float] = (0.9, 0.999)
    turns: int = 1
    """In each step, one after the other, each on a share of the batch."""


class Trainable(nn.Module, ABC):
    """A model that `train` can train."""

    players: Mapping[str, Player]

    def fit_to_data(self, data: ImageData, seed: int) -> None:
        """Before the first step: take from all training images what the model needs to know of them."""

    @property
    @abstractmethod
    def averaged(self) -> nn.Module:
        """The part whose weights are averaged over training (EMA) and used to sample."""

    @abstractmethod
    def loss(self, player: str, batch: Batch, rng: Generator) -> tuple[Tensor, Parts]:
        """What `player` minimises on this batch (a scalar), and its parts."""

    @property
    def device(self) -> torch.device:
        """Where the weights lie."""
        return next(self.parameters()).device


class GenerativeModel(Trainable):
    """A model that generates images."""

    spec: DatasetSpec
    conditional: bool

    @abstractmethod
    def sample(self, n: int, labels: Tensor | None, rng: Generator) -> Tensor:
        """n images (n, C, H, W) float32 in [-1, 1].

        `labels` (n,) int64 are the classes of a conditional model, or the clusters of one that has clusters,
        which are random where it is None. Other models ignore it."""

    @property
    @abstractmethod
    def sampling(self) -> str:
        """How `sample` generates its images, in words; reported with every metric."""

    @property
    def network_evaluations(self) -> int:
        """Passes of a network that one image of `sample` takes."""
        return 1

    @property
    def clusters(self) -> Clusters | None:
        """The clusters that the model is conditioned on; None where it has none. Saved with `averaged`."""
        found = dict(self.averaged.named_children()).get("clusters")
        return found if isinstance(found, Clusters) else None

    @property
    def condition_dim(self) -> int:
        """Length of a condition: the number of classes or of clusters, or 0 for neither."""
        return self.spec.classes if self.conditional else len(self.clusters or ())

    def draw_condition(self, n: int, labels: Tensor | None, rng: Generator) -> Tensor:
        """One-hot conditions (n, condition_dim) of n samples with `labels` (n,): classes or clusters.

        Where a model with clusters is given none, they are drawn by their shares. Raises ValueError where the
        model is conditional and there are no labels."""
        return self._one_hot(n, self.clusters.draw(n, rng) if self.clusters and labels is None else labels)

    def condition_of(self, images: Tensor, labels: Tensor | None) -> Tensor:
        """One-hot conditions (B, condition_dim) of images (B, C, H, W) in [-1, 1]: labels or nearest cluster.

        Raises as `draw_condition`."""
        return self._one_hot(len(images), self.clusters.of(images) if self.clusters else labels)

    def _one_hot(self, n: int, indices: Tensor | None) -> Tensor:
        if not self.condition_dim:
            return torch.empty(n, 0, device=self.device)
        return nn.functional.one_hot(self.required(indices), self.condition_dim).float()

    def required(self, labels: Tensor | None) -> Tensor:
        """The labels that a conditional model was given. Raises ValueError where it was given none."""
        if labels is None:
            last = self.spec.classes - 1
            raise ValueError(f"this model is conditional; give a label (0 to {last}) for each image")
        return labels


@runtime_checkable
class Translates(Protocol):
    """A model that makes an image of a source image."""

    spec: DatasetSpec

    @property
    def device(self) -> torch.device:
        """Where the weights lie."""

    def translate(self, source: Tensor, rng: Generator) -> Tensor:
        """(B, source_channels, H, W) in [-1, 1] -> (B, C, H, W) in [-1, 1], float32.

        All noise is from `rng`, on the same device: the same sources and state of it, the same images."""

    @property
    def translation(self) -> str:
        """How `translate` makes its images, in words."""


@runtime_checkable
class TranslatesInOnePass(Translates, Protocol):
    """A model whose `translate` is one pass of a network with noise in it."""

    def with_noise(self, rng: Generator) -> Callable[[Tensor], Tensor]:
        """`translate` of one source (1, ...) with noise that is drawn from `rng` now: a function."""


@runtime_checkable
class TranslatesByTable(Translates, Protocol):
    """A model whose `translate` is a loop over a table of numbers, so that another program can run it."""

    def draw_noise(self, n: int, rng: Generator) -> Tensor:
        """The x_T (n, C, H, W) from which `translate` starts."""

    def step_table(self) -> list[tuple[float, ...]]:
        """A row for each step. Raises ValueError for a sampler that has no such table."""

    def step(self, x_t: Tensor, previous: Tensor, row: Tensor, source: Tensor) -> tuple[Tensor, Tensor]:
        """The next x_t and the predicted x_0, both (B, C, H, W); `previous` is the x_0 of the step before."""


def sources_of(batch: Batch) -> Tensor:
    """The sources (B, source_channels, H, W) of a batch of pairs, which configs of translation ask for."""
    assert batch.sources is not None, "a translation model learns from pairs"
    return batch.sources


@runtime_checkable
class Reconstructs(Protocol):
    """A model that encodes an image and decodes it again."""

    def reconstruct(self, x: Tensor) -> Tensor:
        """(B, C, H, W) in [-1, 1] -> the same shape and range; deterministic."""


@runtime_checkable
class HasLatent(Protocol):
    """A model whose images are a function of a latent and a condition: the same two, the same image.

    A condition is a row of weights: one-hot for a label or cluster, or a mean of several of these."""

    spec: DatasetSpec
    conditional: bool
    clusters: Clusters | None
    condition_dim: int

    def draw_condition(self, n: int, labels: Tensor | None, rng: Generator) -> Tensor:
        """As in `GenerativeModel`."""

    def condition_of(self, images: Tensor, labels: Tensor | None) -> Tensor:
        """As in `GenerativeModel`."""

    def draw_latent(self, n: int, rng: Generator) -> Tensor:
        """Latents (n, *latent shape), distributed as those of `sample`."""

    def decode(self, z: Tensor, condition: Tensor) -> Tensor:
        """(B, *latent shape), (B, condition_dim) -> (B, C, H, W) in [-1, 1]; deterministic."""


@runtime_checkable
class Inverts(HasLatent, Protocol):
    """A model that finds the latent of an image."""

    inversion_passes: int
    """Passes of a network that the inversion of one image takes."""

    def invert(self, x: Tensor, condition: Tensor) -> Tensor:
        """(B, C, H, W) in [-1, 1], (B, condition_dim) -> latents that `decode` turns into about x."""


@runtime_checkable
class FitsPrior(Protocol):
    """A model that samples latents from a distribution fitted to the training images' codes."""

    prior_buffers: tuple[str, ...]
    """Names of the buffers of `averaged` that hold it."""

    def fit_prior(self, data: ImageData, seed: int, quick: bool = False) -> None:
        """Fit the distribution of latents to the codes of `data`; the same seed, the same fit.

        A `quick` fit takes a few seconds, for samples along a training."""


@runtime_checkable
class Imitates(Protocol):
    """A model that may learn from another, its teacher, which is there during training only."""

    def imitate(self, teacher: GenerativeModel) -> None:
        """Start from the weights of `teacher` and learn from it.

        Raises ValueError where its network is another."""


class NoiseLevel(NamedTuple):
    """A point on the way from noise to image: x_t = alpha x_0 + noise."""

    time: float
    """Timestep 0..T-1, or the real time of a flow in (0, 1]; falls towards the image."""
    alpha: float


@runtime_checkable
class SamplesInSteps(HasLatent, Protocol):
    """A model that goes from noise to image in several steps: denoising diffusion, flows.

    Its latent is the noise x_T (B, C, H, W). The sampler and its number of steps come from the model's
    config; `load_model(..., changes=...)` replaces them."""

    samplers: tuple[Sampler, ...]
    """Samplers that this model can use."""
    step_counts: range
    """The numbers of steps that a sampler of this model may take."""
    can_branch: bool
    """Whether `branch` works: a flow has no sampler that adds noise, a distilled model one way alone."""
    prediction_meaning: Mapping[str, str]
    """What `network` predicts and what its inputs mean, by name, for a sampler written elsewhere."""

    def network(self, x_t: Tensor, t: Tensor, labels: Tensor | None = None) -> Tensor:
        """The network's raw prediction (B, C, H, W), without guidance; x_t (B, C, H, W), t (B,), labels (B,)
        int64: classes or clusters.
        """

    def decode(self, z: Tensor, condition: Tensor, on_step: OnStep | None = None) -> Tensor:
        """As in `HasLatent`; `on_step` sees every step."""

    def noise_levels(self) -> list[NoiseLevel]:
        """The noise level before each step of `decode`."""

    def branch(self, x_t: Tensor, condition: Tensor, rng: Generator, start: int) -> Tensor:
        """Images (B, C, H, W) in [-1, 1] from the x_t before step `start` (from 0), each with fresh noise.

        By DDIM with eta 1 on the timesteps of `decode`. Raises ValueError where `can_branch` is false.
        """


@runtime_checkable
class StepsByTable(SamplesInSteps, Protocol):
    """A model whose `decode` is a loop over a table of numbers, so that another program can run it."""

    def step_table(self) -> list[tuple[float, ...]]:
        """A row for each step. Raises ValueError for a sampler that has no such table."""

    def step(
        self, x_t: Tensor, previous: Tensor, row: Tensor, condition: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """The next x_t and the predicted x_0, both (B, C, H, W); `previous` is the x_0 of the step before."""
