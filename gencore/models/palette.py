"""Image-to-image translation by diffusion (Saharia et al. 2022, Palette; their SR3 did it for small sources):
a DDPM whose U-Net gets the source next to the noisy image.

Objective, preconditioning and samplers are those of `gencore.models.diffusion`, the network is the DDPM's."""

from __future__ import annotations

import torch
from torch import Generator, Tensor, nn

from gencore.config.datasets import DatasetSpec
from gencore.config.options import PaletteConfig
from gencore.data.batches import Batch
from gencore.data.sources import ImageData
from gencore.models.base import Parts, Player, Trainable, sources_of
from gencore.models.diffusion.objective import ChainObjective, Denoiser, denoising_loss
from gencore.models.diffusion.preconditioning import Standardise
from gencore.models.diffusion.schedules import ScheduleOnDevice, linear_schedule, mixed_timesteps
from gencore.models.diffusion.solvers import ChainSolver
from gencore.networks.unet import UNet

BETA_START, BETA_END = 1e-4, 0.02
"""Of the linear schedule (Ho et al. 2020)."""


class Palette(Trainable):
    """A U-Net of x_t and the source, which predicts v."""

    def __init__(self, config: PaletteConfig, spec: DatasetSpec) -> None:
        super().__init__()
        self.config, self.spec = config, spec
        self.unet = UNet(
            spec.channels,
            spec.size,
            config.width,
            depth=config.depth,
            attention=config.attention,
            source_channels=spec.source_channels,
        )
        self.unet.register_buffer("mean", torch.zeros(()))  # saved and averaged with the weights
        self.unet.register_buffer("std", torch.ones(()))
        self.players = {"unet": Player(self.unet, config.learning_rate)}
        self._schedule = ScheduleOnDevice(linear_schedule(config.timesteps, BETA_START, BETA_END))

    @property
    def objective(self) -> ChainObjective:
        """v at logit-normal noise levels."""
        return ChainObjective(self._schedule.schedule, "v", "logit-normal")

    @property
    def preconditioning(self) -> Standardise:
        """How the network's input and output are scaled."""
        return Standardise(self.unet.get_buffer("mean"), self.unet.get_buffer("std"))

    @property
    def solver(self) -> ChainSolver:
        """The configured sampler; its last step leads from little noise to the image."""
        return ChainSolver(
            self._schedule.schedule, self.config.sampler, self.config.sampling_steps, mixed_timesteps
        )

    @property
    def averaged(self) -> nn.Module:
        """The U-Net."""
        return self.unet

    def fit_to_data(self, data: ImageData, seed: int) -> None:
        """Take mean and deviation of the pixels of the images that sources are turned into."""
        self.preconditioning.fit(data.images)

    def network(self, x_t: Tensor, t: Tensor, source: Tensor) -> Tensor:
        """v at x_t (B, C, H, W) and timesteps t (B,), given the source (B, Cs, H, W)."""

        def unet(y: Tensor) -> Tensor:
            return self.unet(torch.cat([y, source], dim=1), t).float()

        objective = self.objective
        x_0, eps = self.preconditioning.denoise(unet, x_t, *objective.alpha_sigma(t))
        return objective.target(x_0, t, eps)

    def loss(self, player: str, batch: Batch, rng: Generator) -> tuple[Tensor, Parts]:
        """Mean squared error of v at a random time of each image."""
        source = sources_of(batch)
        loss = denoising_loss(self.objective, lambda x_t, t: self.network(x_t, t, source), batch.images, rng)
        return loss, {"mse": loss.detach()}

    def denoiser(self, source: Tensor) -> Denoiser:
        """The network as samplers take it, given sources (B, Cs, H, W)."""
        objective = self.objective
        return objective.denoiser(lambda x_t, t: self.network(x_t, objective.at(t, len(x_t)), source))

    def translate(self, source: Tensor, rng: Generator) -> Tensor:
        """As in `Translates`: noise from `rng`, by the configured sampler."""
        x_T = self.draw_noise(len(source), rng)
        return self.solver.sample(self.denoiser(source), x_T, rng).clamp(-1, 1)

    def draw_noise(self, n: int, rng: Generator) -> Tensor:
        """x_T (n, C, H, W), on the model's device."""
        spec = self.spec
        return torch.randn(n, spec.channels, spec.size, spec.size, device=self.device, generator=rng)

    def step_table(self) -> list[tuple[float, ...]]:
        """A row for each step of `translate`: t, alpha, sigma, and by_previous, keep and add of `SolverStep`.

        Raises ValueError for the ancestral sampler, which adds noise at each step."""
        if self.config.sampler == "ddpm":
            raise ValueError("the ancestral sampler adds noise at each step, which is not in a table")
        steps = self.solver.steps_of_decode()
        return [(float(t), a**0.5, (1 - a) ** 0.5, *numbers) for t, a, *numbers in steps]

    def step(self, x_t: Tensor, previous: Tensor, row: Tensor, source: Tensor) -> tuple[Tensor, Tensor]:
        """As in `TranslatesByTable`: by a row of `step_table` (6,) as a tensor."""
        t, alpha, sigma, by_previous, keep, add = row.unbind()
        x_0 = alpha * x_t - sigma * self.network(x_t, t.long().expand(len(x_t)), source)
        x_0 = x_0.clamp(-1, 1)
        return keep * x_t + add * (x_0 + by_previous * (x_0 - previous)), x_0

    @property
    def translation(self) -> str:
        """How `translate` makes its images, in words."""
        return f"{self.solver.title}, {len(self.solver.times)} network evaluations an image"
