"""Training objectives: what the network predicts, at which noise levels, with which weight.

An objective is one of two small objects with the same methods: `ChainObjective` (eps or v on a noise
schedule) and `FlowObjective` (the velocity of a rectified flow). Both weight every image and pixel alike
(L_simple of Ho et al. 2020)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from gencore.models.diffusion.schedules import Schedule, per_image

Network = Callable[[Tensor, Tensor], Tensor]
"""(x_t (B, ...), t (B,)) → prediction (B, ...), as it is trained: every image has a time of its own."""

Denoiser = Callable[[Tensor, float], Tensor]
"""(x_t (B, ...), t) → prediction (B, ...), as samplers ask it: t is a number of the host, for all images.

An `eps_model` predicts eps at a whole number t; a `velocity_model` takes real t."""

NoiseLevels = Literal["uniform", "logit-normal"]
"""How training samples t: uniformly, or most often where signal and noise are alike."""

FLOW_TIME_SCALE = 1000.0  # the U-Net's sinusoids are made for times of this range


@dataclass(frozen=True)
class ChainObjective:
    """Predict eps (Ho et al. 2020) or v (Salimans & Ho 2022) at integer timesteps of a schedule on the
    device.
    """

    schedule: Schedule
    prediction: Literal["eps", "v"]
    noise_levels: NoiseLevels

    def sample_times(self, n: int, rng: Generator) -> Tensor:
        """Timesteps (n,) int64 on rng's device."""
        if self.noise_levels == "uniform":
            return torch.randint(self.schedule.timesteps, (n,), device=rng.device, generator=rng)
        return logit_normal_timesteps(self.schedule, n, rng)

    def network_time(self, t: Tensor) -> Tensor:
        """The network takes the timesteps as they are."""
        return t

    def alpha_sigma(self, network_time: Tensor) -> tuple[Tensor, Tensor]:
        """alpha and sigma, each (B,); timesteps are floats in an exported graph."""
        t = network_time.long()
        return self.schedule.alpha[t], self.schedule.sigma[t]

    def noised(self, x_0: Tensor, t: Tensor, eps: Tensor) -> Tensor:
        """x_t (B, ...)."""
        return q_sample(self.schedule, x_0, t, eps)

    def target(self, x_0: Tensor, t: Tensor, eps: Tensor) -> Tensor:
        """What the network should predict, (B, ...)."""
        return eps if self.prediction == "eps" else velocity(self.schedule, x_0, t.long(), eps)

    def at(self, t: float, n: int) -> Tensor:
        """The network's time of a sampler's t, for n images: (n,) int64 on the schedule's device."""
        return torch.full((n,), int(t), device=self.schedule.alpha.device)

    def noise_share(self, t: float) -> float:
        """sigma_t^2 / (alpha_t^2 + sigma_t^2), from 0 (image) to 1 (noise)."""
        return 1 - self.schedule.alpha_bars([int(t)])[0]

    def denoiser(self, predict: Denoiser) -> Denoiser:
        """The eps model, as samplers of a chain take it, of a network's `predict`."""
        return eps_from_v(predict, self.schedule) if self.prediction == "v" else predict


@dataclass(frozen=True)
class FlowObjective:
    """Predict the velocity eps - x_0 along the line from image to noise (Liu et al. 2023), t in [0, 1]."""

    noise_levels: NoiseLevels
    device: torch.device

    def sample_times(self, n: int, rng: Generator) -> Tensor:
        """Times (n,) in [0, 1] on rng's device."""
        if self.noise_levels == "uniform":
            return torch.rand(n, device=rng.device, generator=rng)
        return logit_normal_t(n, rng)

    def network_time(self, t: Tensor) -> Tensor:
        """t in [0, 1] in the range that the network's sinusoids are made for."""
        return t * FLOW_TIME_SCALE

    def alpha_sigma(self, network_time: Tensor) -> tuple[Tensor, Tensor]:
        """1 - t and t, each (B,)."""
        return 1 - network_time / FLOW_TIME_SCALE, network_time / FLOW_TIME_SCALE

    def noised(self, x_0: Tensor, t: Tensor, eps: Tensor) -> Tensor:
        """x_t (B, ...)."""
        return flow_sample(x_0, t, eps)

    def target(self, x_0: Tensor, t: Tensor, eps: Tensor) -> Tensor:
        """What the network should predict, (B, ...); the same at every t."""
        return flow_velocity(x_0, eps)

    def at(self, t: float, n: int) -> Tensor:
        """The network's time of a sampler's t, for n images: (n,) float32 on the device."""
        return self.network_time(torch.full((n,), t, device=self.device))

    def noise_share(self, t: float) -> float:
        """As a chain's, of alpha = 1 - t and sigma = t."""
        return t**2 / ((1 - t) ** 2 + t**2)

    def denoiser(self, predict: Denoiser) -> Denoiser:
        """The velocity model, as samplers of a flow take it, of a network's `predict`."""
        return predict


Objective = ChainObjective | FlowObjective


def denoising_loss(objective: Objective, network: Network, x_0: Tensor, rng: Generator) -> Tensor:
    """Mean squared error of the prediction at a random time of each image (Ho et al. 2020, eq. 14), a scalar.

    `network` takes x_t (B, ...) and its own time (B,); x_0 (B, ...) in [-1, 1] on rng's device.
    """
    eps = torch.randn(x_0.shape, device=x_0.device, generator=rng)
    t = objective.sample_times(len(x_0), rng)
    prediction = network(objective.noised(x_0, t, eps), objective.network_time(t))
    return F.mse_loss(prediction, objective.target(x_0, t, eps))


def q_sample(schedule: Schedule, x_0: Tensor, t: Tensor, eps: Tensor) -> Tensor:
    """x_t (B, ...) of q(x_t | x_0) for the noise eps ~ N(0, I) (Ho et al. 2020, eq. 4); t (B,) int64."""
    alpha, sigma = schedule.at(t, x_0.ndim)
    return alpha * x_0 + sigma * eps


def velocity(schedule: Schedule, x_0: Tensor, t: Tensor, eps: Tensor) -> Tensor:
    """v = alpha_t eps - sigma_t x_0, (B, ...) (Salimans & Ho 2022, section 4); t (B,) int64."""
    alpha, sigma = schedule.at(t, x_0.ndim)
    return alpha * eps - sigma * x_0


def x_0_and_eps(
    schedule: Schedule, x_t: Tensor, t: Tensor | int, prediction: Tensor, kind: Literal["eps", "v"]
) -> tuple[Tensor, Tensor]:
    """The (x_0, eps) that a prediction of eps or v at x_t (B, ...) implies; t (B,) int64 or a number."""
    alpha, sigma = schedule.at(t, x_t.ndim)
    if kind == "eps":
        return (x_t - sigma * prediction) / alpha, prediction  # eq. 4 solved for x_0
    return alpha * x_t - sigma * prediction, sigma * x_t + alpha * prediction  # Salimans & Ho 2022, section 4


def eps_from_v(v_model: Denoiser, schedule: Schedule) -> Denoiser:
    """The eps model, as samplers take it, of a network that predicts v; `schedule` is on its device."""
    return lambda x_t, t: x_0_and_eps(schedule, x_t, int(t), v_model(x_t, t), "v")[1]


def flow_sample(x_0: Tensor, t: Tensor, eps: Tensor) -> Tensor:
    """x_t = (1 - t) x_0 + t eps, on the line from image to noise (Liu et al. 2023, eq. 1); t (B,) in [0,
    1].
    """
    t = per_image(t, x_0.ndim)
    return (1 - t) * x_0 + t * eps


def flow_velocity(x_0: Tensor, eps: Tensor) -> Tensor:
    """dx_t/dt = eps - x_0 of that line, (B, ...): what a flow network predicts, the same at every t."""
    return eps - x_0


def logit_normal_t(n: int, rng: Generator) -> Tensor:
    """Flow times (n,) in (0, 1) on rng's device, densest at 1/2 (Esser et al. 2024, section 3.1)."""
    return torch.randn(n, generator=rng, device=rng.device).sigmoid()


def logit_normal_timesteps(schedule: Schedule, n: int, rng: Generator) -> Tensor:
    """Timesteps (n,) int64 on rng's device at the noise levels of `logit_normal_t`: log SNR is N(0, 2^2).

    `schedule` is on that device. Uniform timesteps of the linear schedule spend nearly half of the training
    where almost nothing of the image is left."""
    sigma = torch.sigmoid(
        2 * torch.randn(n, generator=rng, device=rng.device)
    ).sqrt()  # SNR = 1 / sigma^2 - 1
    return torch.searchsorted(schedule.sigma, sigma).clamp(max=schedule.timesteps - 1)
