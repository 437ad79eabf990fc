"""A sampler with its settings: what a config's `sampler` and `sampling_steps` mean for a chain or a flow.

`ChainSolver` and `FlowSolver` have the same methods; each calls the functions of `samplers`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, get_args

from torch import Generator, Tensor

from gencore.config.options import Sampler
from gencore.models.base import NoiseLevel, OnStep
from gencore.models.diffusion.objective import Denoiser
from gencore.models.diffusion.samplers import (
    SolverStep,
    ddim_invert,
    ddim_sample,
    ddpm_sample,
    dpm_solver_pp_sample,
    dpm_solver_pp_steps,
    flow_euler_invert,
    flow_euler_sample,
)
from gencore.models.diffusion.schedules import Schedule, Spacing, trailing_timesteps


@dataclass(frozen=True)
class ChainSolver:
    """A sampler of a noising chain; denoisers are eps models."""

    schedule: Schedule
    sampler: Sampler
    steps: int
    spacing: Spacing = trailing_timesteps

    available: ClassVar[tuple[Sampler, ...]] = get_args(Sampler)
    can_branch: ClassVar[bool] = True

    @property
    def title(self) -> str:
        """Its name in reports."""
        return {"ddpm": "ancestral DDPM", "ddim": "DDIM, eta 0", "dpm-solver++": "DPM-Solver++(2M)"}[
            self.sampler
        ]

    def sample(self, eps_model: Denoiser, x_T: Tensor, rng: Generator) -> Tensor:
        """Images (B, ...) of the noise x_T; only the ancestral sampler takes more noise, from `rng`."""
        if self.sampler == "ddpm":
            return ddpm_sample(eps_model, x_T, self.schedule, rng)
        return self.decode(eps_model, x_T)

    def decode(self, eps_model: Denoiser, x_T: Tensor, on_step: OnStep | None = None) -> Tensor:
        """Images (B, ...) of x_T without further noise: by DPM-Solver++ where the sampler is the ancestral
        one.
        """
        solve = ddim_sample if self.sampler == "ddim" else dpm_solver_pp_sample
        return solve(eps_model, x_T, self.schedule, self.steps, spacing=self.spacing, on_step=on_step)

    def invert(self, eps_model: Denoiser, x_0: Tensor, steps: int) -> Tensor:
        """About the x_T of the images x_0, by DDIM's equation run backwards."""
        return ddim_invert(eps_model, x_0, self.schedule, steps, spacing=self.spacing)

    def branch(self, eps_model: Denoiser, x_t: Tensor, rng: Generator, start: int) -> Tensor:
        """Images (B, ...) from the x_t before step `start`, by DDIM with eta 1 (Song et al. 2021, eq. 16)."""
        return ddim_sample(
            eps_model, x_t, self.schedule, self.steps, eta=1.0, rng=rng, start=start, spacing=self.spacing
        )

    @property
    def times(self) -> Sequence[float]:
        """The timesteps at which `sample` asks for a prediction."""
        return range(self.schedule.timesteps) if self.sampler == "ddpm" else self.times_of_decode(self.steps)

    def times_of_decode(self, steps: int) -> Sequence[float]:
        """The timesteps at which `decode` or `invert` in `steps` steps asks for a prediction."""
        return self.spacing(self.schedule, steps)

    def steps_of_decode(self) -> list[SolverStep]:
        """The steps of `decode` in numbers; DDIM is the solver's first order (Lu et al. 2022a, 4.1)."""
        timesteps = self.spacing(self.schedule, self.steps)
        steps = dpm_solver_pp_steps(timesteps, [*self.schedule.alpha_bars(timesteps), 1.0])
        return [step._replace(by_previous=0.0) if self.sampler == "ddim" else step for step in steps]

    def noise_levels(self) -> list[NoiseLevel]:
        """The timestep and alpha before each step of `decode`."""
        timesteps = self.spacing(self.schedule, self.steps)
        alpha_bars = self.schedule.alpha_bars(timesteps)
        return [NoiseLevel(t, math.sqrt(a)) for t, a in zip(timesteps, alpha_bars, strict=True)]


@dataclass(frozen=True)
class FlowSolver:
    """Euler steps along a rectified flow, configured as `ddim`; denoisers are velocity models."""

    steps: int

    available: ClassVar[tuple[Sampler, ...]] = ("ddim",)
    can_branch: ClassVar[bool] = False
    title: ClassVar[str] = "Euler along the flow"

    def sample(self, velocity_model: Denoiser, x_1: Tensor, rng: Generator) -> Tensor:
        """Images (B, ...) of the noise x_1; takes nothing from `rng`."""
        return self.decode(velocity_model, x_1)

    def decode(self, velocity_model: Denoiser, x_1: Tensor, on_step: OnStep | None = None) -> Tensor:
        """Images (B, ...) of x_1."""
        return flow_euler_sample(velocity_model, x_1, self.steps, on_step=on_step)

    def invert(self, velocity_model: Denoiser, x_0: Tensor, steps: int) -> Tensor:
        """About the x_1 of the images x_0, by the flow run backwards."""
        return flow_euler_invert(velocity_model, x_0, steps)

    def branch(self, velocity_model: Denoiser, x_t: Tensor, rng: Generator, start: int) -> Tensor:
        """Raises ValueError: no sampler of a flow adds noise."""
        raise ValueError("a flow is sampled along straight lines and adds no noise; it cannot branch")

    @property
    def times(self) -> Sequence[float]:
        """The times at which `sample` asks for a prediction."""
        return self.times_of_decode(self.steps)

    def times_of_decode(self, steps: int) -> Sequence[float]:
        """The times at which `decode` or `invert` in `steps` steps asks for a prediction."""
        return [1 - i / steps for i in range(steps)]

    def noise_levels(self) -> list[NoiseLevel]:
        """The time and alpha before each step of `decode`."""
        return [NoiseLevel(t, 1 - t) for t in self.times]


Solver = ChainSolver | FlowSolver
