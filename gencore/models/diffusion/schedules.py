"""Noise schedules: how much signal and noise each timestep holds, and which timesteps a sampler visits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn

LAST_NOISE = 0.002
"""Share of noise in the variance of the x_t from which the last step of a sampler leads to the image."""


@dataclass(frozen=True, eq=False)
class Schedule:
    """x_t = alpha_t x_0 + sigma_t eps for t of 0..T-1, 0 the least noisy; all fields (T,).

    `beta` and `alpha_bar` are float64 and stay on the CPU, where samplers read their coefficients without
    waiting for a device. `alpha` and `sigma` are float32 on the device of `to`; training gathers them by t.
    """

    beta: Tensor
    alpha_bar: Tensor
    alpha: Tensor
    sigma: Tensor

    def alpha_bars(self, timesteps: Sequence[int]) -> list[float]:
        """alpha_bar at these timesteps, as numbers of the host."""
        values = self.alpha_bar.tolist()
        return [values[t] for t in timesteps]

    def at(self, t: Tensor | int, ndim: int) -> tuple[Tensor, Tensor]:
        """alpha and sigma at t (B,) int64, each (B, 1, ...) with `ndim` dimensions; B is 1 for a number t."""
        return per_image(self.alpha[t], ndim), per_image(self.sigma[t], ndim)

    @property
    def timesteps(self) -> int:
        """T."""
        return len(self.beta)

    def to(self, device: torch.device | str) -> Schedule:
        """This schedule with `alpha` and `sigma` on `device`."""
        return replace(self, alpha=self.alpha.to(device), sigma=self.sigma.to(device))


class ScheduleOnDevice(nn.Module):
    """A schedule that follows the model which holds it to its device; no part of the model's state."""

    def __init__(self, schedule: Schedule) -> None:
        super().__init__()
        self._schedule = schedule
        self.register_buffer("alpha", schedule.alpha, persistent=False)
        self.register_buffer("sigma", schedule.sigma, persistent=False)

    @property
    def schedule(self) -> Schedule:
        """The schedule, `alpha` and `sigma` where the model is."""
        return replace(self._schedule, alpha=self.get_buffer("alpha"), sigma=self.get_buffer("sigma"))


Spacing = Callable[[Schedule, int], list[int]]
"""(schedule, steps) → the falling timesteps that a sampler visits."""


def linear_schedule(timesteps: int, beta_start: float, beta_end: float) -> Schedule:
    """Variances that rise linearly from beta_start to beta_end (Ho et al. 2020, section 4), on the CPU.

    Raises ValueError unless timesteps >= 1 and 0 < beta_start <= beta_end < 1.
    """
    if timesteps < 1:
        raise ValueError(f"timesteps is {timesteps}; a noising chain has at least 1, usually 1000")
    if not 0 < beta_start <= beta_end < 1:
        raise ValueError(f"betas go from {beta_start} to {beta_end}; use 0 < beta_start <= beta_end < 1")
    beta = torch.linspace(beta_start, beta_end, timesteps, dtype=torch.float64)
    alpha_bar = torch.cumprod(1 - beta, dim=0)
    return Schedule(beta, alpha_bar, alpha_bar.sqrt().float(), (1 - alpha_bar).sqrt().float())


def mixed_timesteps(schedule: Schedule, steps: int) -> list[int]:
    """`steps` falling, distinct timesteps from T-1 to about LAST_NOISE.

    They are means of timesteps even in t and of timesteps even in log SNR.

    Even timesteps ("trailing": `trailing_timesteps`) take long steps where noise is light, and even log SNRs
    (Lu et al. 2022b) take long ones where it is heavy. Raises ValueError unless 1 <= steps <= T."""
    _check_steps(schedule, steps)
    last_timestep = schedule.timesteps - 1
    noise_share = 1 - np.array(schedule.alpha_bar.tolist())
    end = min(int(np.searchsorted(noise_share, LAST_NOISE)), last_timestep)
    minus_log_snr = np.log(noise_share / (1 - noise_share))
    by_log_snr = np.interp(
        np.linspace(minus_log_snr[-1], minus_log_snr[end], steps), minus_log_snr, np.arange(last_timestep + 1)
    )
    falling = ((by_log_snr + np.linspace(last_timestep, end, steps)) / 2).round().astype(int).tolist()
    for i in range(1, steps):  # what rounding made equal is moved apart
        falling[i] = min(falling[i], falling[i - 1] - 1)
    return [max(t, steps - 1 - i) for i, t in enumerate(falling)]


def trailing_timesteps(schedule: Schedule, steps: int) -> list[int]:
    """`steps` falling, distinct timesteps from T-1 on, evenly spaced (Lin et al. 2024, section 3.3).

    The last one is T / steps above 0. Raises ValueError unless 1 <= steps <= T."""
    _check_steps(schedule, steps)
    T = schedule.timesteps
    return [round(T * (1 - i / steps)) - 1 for i in range(steps)]


def _check_steps(schedule: Schedule, steps: int) -> None:
    if not 1 <= steps <= schedule.timesteps:
        raise ValueError(f"steps is {steps}; use 1 to {schedule.timesteps}, the length of the noising chain")


SPACINGS: dict[str, Spacing] = {"trailing": trailing_timesteps, "mixed": mixed_timesteps}
"""By the name in a config."""


def per_image(scale: Tensor, ndim: int) -> Tensor:
    """(B,) → (B, 1, ...) with `ndim` dimensions, to multiply images by."""
    return scale.view(-1, *[1] * (ndim - 1))
