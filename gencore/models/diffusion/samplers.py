"""Samplers as pure functions: noise x_T (B, ...) → images x_0 (B, ...).

Each is arithmetic around a `Denoiser`. Coefficients are Python floats, so that no step waits for a device.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Generator, Tensor

from gencore.models.base import OnStep
from gencore.models.diffusion.objective import Denoiser
from gencore.models.diffusion.schedules import Schedule, Spacing, trailing_timesteps


@torch.no_grad()
def ddpm_sample(
    eps_model: Denoiser,
    x_T: Tensor,
    schedule: Schedule,
    rng: Generator,
    *,
    clip: bool = True,
    on_step: OnStep | None = None,
) -> Tensor:
    """x_0 by ancestral sampling with variance beta-tilde (Ho et al. 2020, eqs. 6-7); T network evaluations.

    `rng` is on the device of x_T. `clip` keeps each predicted x_0 in [-1, 1]: right for images, wrong for
    data outside that range."""
    x_t, alpha_bars = x_T, schedule.alpha_bars(range(schedule.timesteps))
    for step, t in enumerate(reversed(range(schedule.timesteps)), start=1):
        alpha_bar, alpha_bar_prev = alpha_bars[t], alpha_bars[t - 1] if t else 1.0
        beta = 1 - alpha_bar / alpha_bar_prev
        x_0, _ = _denoise(eps_model, x_t, t, alpha_bar, clip)
        x_t = (  # eq. 7, the mean
            math.sqrt(alpha_bar_prev) * beta / (1 - alpha_bar) * x_0
            + math.sqrt(1 - beta) * (1 - alpha_bar_prev) / (1 - alpha_bar) * x_t
        )
        if t:
            variance = (1 - alpha_bar_prev) / (1 - alpha_bar) * beta  # eq. 7, beta-tilde
            x_t = x_t + math.sqrt(variance) * _noise(x_t, rng)
        if on_step:
            on_step(step, x_t, x_0)
    return x_t


@torch.no_grad()
def ddim_sample(
    eps_model: Denoiser,
    x_T: Tensor,
    schedule: Schedule,
    steps: int,
    eta: float = 0.0,
    rng: Generator | None = None,
    *,
    start: int = 0,
    spacing: Spacing = trailing_timesteps,
    clip: bool = True,
    on_step: OnStep | None = None,
) -> Tensor:
    """x_0 by DDIM (Song et al. 2021, eq. 12), first order; `steps` network evaluations.

    eta = 0 is deterministic, eta = 1 with steps = T is `ddpm_sample`. The first `start` steps are left out:
    x_T is then x_t at `spacing(schedule, steps)[start]`. `clip` as in `ddpm_sample`; eps follows the
    clipped x_0. Raises ValueError unless 1 <= steps <= T, 0 <= start < steps and 0 <= eta <= 1, and if eta >
    0 comes without `rng`."""
    if not 0 <= eta <= 1:
        raise ValueError(f"eta is {eta}; use 0 (deterministic) to 1 (as noisy as DDPM)")
    if eta > 0 and rng is None:
        raise ValueError(f"eta is {eta} but rng is None; give a torch.Generator, or eta 0")
    timesteps = spacing(schedule, steps)
    if not 0 <= start < steps:
        raise ValueError(f"start is {start}; of {steps} steps, 0 to {steps - 1} can be done before")
    alpha_bars = [*schedule.alpha_bars(timesteps), 1.0]
    x_t = x_T
    for i in range(start, steps):
        t = timesteps[i]
        alpha_bar, alpha_bar_prev = alpha_bars[i : i + 2]
        x_0, eps = _denoise(eps_model, x_t, t, alpha_bar, clip)
        beta = 1 - alpha_bar / alpha_bar_prev
        variance = eta**2 * (1 - alpha_bar_prev) / (1 - alpha_bar) * beta  # eq. 16
        x_t = math.sqrt(alpha_bar_prev) * x_0 + math.sqrt(1 - alpha_bar_prev - variance) * eps  # eq. 12
        if variance > 0:
            x_t = x_t + math.sqrt(variance) * _noise(x_t, rng)
        if on_step:
            on_step(i + 1, x_t, x_0)
    return x_t


@torch.no_grad()
def ddim_invert(
    eps_model: Denoiser,
    x_0: Tensor,
    schedule: Schedule,
    steps: int,
    *,
    spacing: Spacing = trailing_timesteps,
    on_step: OnStep | None = None,
) -> Tensor:
    """The noise x_T from which `ddim_sample` with eta = 0 returns about x_0; `steps` network evaluations.

    DDIM's ODE run backwards (Song et al. 2021, section 4.3). The sampler evaluates eps at the noisier end of
    a step, so the inverse uses that timestep too, with the x it has; the round trip errs by O(1 / steps).
    Nothing is clipped: use clip=False in `ddim_sample` to return. Raises ValueError unless 1 <= steps <= T.
    """
    x_t, alpha_bar = x_0, 1.0
    timesteps = spacing(schedule, steps)[::-1]
    for step, (t_next, alpha_bar_next) in enumerate(
        zip(timesteps, schedule.alpha_bars(timesteps), strict=True), start=1
    ):
        x_0_hat, eps = _denoise(eps_model, x_t, t_next, alpha_bar, clip=False)
        x_t = math.sqrt(alpha_bar_next) * x_0_hat + math.sqrt(1 - alpha_bar_next) * eps  # eq. 12, backwards
        alpha_bar = alpha_bar_next
        if on_step:
            on_step(step, x_t, x_0_hat)
    return x_t


@torch.no_grad()
def dpm_solver_pp_sample(
    eps_model: Denoiser,
    x_T: Tensor,
    schedule: Schedule,
    steps: int,
    *,
    spacing: Spacing = trailing_timesteps,
    clip: bool = True,
    on_step: OnStep | None = None,
) -> Tensor:
    """x_0 by DPM-Solver++(2M) (Lu et al. 2022b, algorithm 2), deterministic; `steps` network evaluations.

    Second order, made for 5 to 20 steps. The first step is first order because it has no step before it, the
    last because it ends at no noise, where log SNR is infinite. `clip` keeps each predicted x_0 in [-1, 1]; a
    clipped step is neither the solver's closed form nor second order. Raises ValueError unless 1 <= steps <=
    T."""
    timesteps = spacing(schedule, steps)
    alpha_bars = [*schedule.alpha_bars(timesteps), 1.0]
    return _dpm_solver_pp(eps_model, x_T, timesteps, alpha_bars, clip, on_step)


@torch.no_grad()
def dpm_solver_pp_between(
    eps_model: Denoiser, x_t: Tensor, schedule: Schedule, timesteps: Sequence[int], end: int | None
) -> Tensor:
    """x at timestep `end`, None for the image, from x_t (B, ...) at the first of the falling `timesteps`.

    By a step of DPM-Solver++(2M) from each of them; predicted images are clipped to [-1, 1]."""
    alpha_bars = [*schedule.alpha_bars(timesteps), 1.0 if end is None else schedule.alpha_bars([end])[0]]
    return _dpm_solver_pp(eps_model, x_t, timesteps, alpha_bars, clip=True)


def _dpm_solver_pp(
    eps_model: Denoiser,
    x_t: Tensor,
    timesteps: Sequence[int],
    alpha_bars: Sequence[float],
    clip: bool,
    on_step: OnStep | None = None,
) -> Tensor:
    """From x_t at the first of `timesteps` to the noise level that `alpha_bars` has beyond the last."""
    x_0_prev = x_t
    for i, (t, alpha_bar, by_previous, keep, add) in enumerate(dpm_solver_pp_steps(timesteps, alpha_bars)):
        x_0, _ = _denoise(eps_model, x_t, t, alpha_bar, clip)
        D = (1 + by_previous) * x_0 - by_previous * x_0_prev if by_previous else x_0  # algorithm 2, D_i
        x_t = keep * x_t + add * D  # algorithm 2
        x_0_prev = x_0
        if on_step:
            on_step(i + 1, x_t, x_0)
    return x_t


class SolverStep(NamedTuple):
    """The numbers of a step of DPM-Solver++(2M): x = keep x_t + add D, D = x_0 + by_previous (x_0 - the x_0
    of the step before).
    """

    t: int
    alpha_bar: float
    by_previous: float
    """0 where the step is first order, as DDIM's are."""
    keep: float
    add: float


def dpm_solver_pp_steps(timesteps: Sequence[int], alpha_bars: Sequence[float]) -> Iterator[SolverStep]:
    """The steps at `timesteps`, falling; `alpha_bars` has one more, where the last step ends."""
    h_prev = math.inf
    for i, t in enumerate(timesteps):
        alpha_bar, alpha_bar_next = alpha_bars[i : i + 2]
        h = _half_log_snr(alpha_bar_next) - _half_log_snr(alpha_bar)
        by_previous = 1 / (2 * (h_prev / h)) if i and h < math.inf else 0.0
        keep = math.sqrt((1 - alpha_bar_next) / (1 - alpha_bar))
        yield SolverStep(t, alpha_bar, by_previous, keep, -math.sqrt(alpha_bar_next) * math.expm1(-h))
        h_prev = h


@torch.no_grad()
def flow_euler_sample(
    velocity_model: Denoiser, x_1: Tensor, steps: int, *, on_step: OnStep | None = None
) -> Tensor:
    """x_0 from noise x_1 by equal Euler steps along dx/dt = v (Liu et al. 2023); `steps` network evaluations.

    First order. Raises ValueError if steps < 1.
    """
    if steps < 1:
        raise ValueError(f"steps is {steps}; use at least 1, usually 10 to 50")
    x_t = x_1
    for i in range(steps):
        t = 1 - i / steps
        v = velocity_model(x_t, t)
        x_0 = x_t - t * v
        x_t = x_t - v / steps
        if on_step:
            on_step(i + 1, x_t, x_0)
    return x_t


@torch.no_grad()
def flow_euler_invert(velocity_model: Denoiser, x_0: Tensor, steps: int) -> Tensor:
    """The noise x_1 from which `flow_euler_sample` returns about x_0; `steps` network evaluations.

    As in `ddim_invert`, each step evaluates v at its noisier end; the round trip errs by O(1 / steps).
    """
    if steps < 1:
        raise ValueError(f"steps is {steps}; use at least 1, usually 10 to 50")
    x_t = x_0
    for i in range(1, steps + 1):
        x_t = x_t + velocity_model(x_t, i / steps) / steps
    return x_t


def _denoise(eps_model: Denoiser, x_t: Tensor, t: int, alpha_bar: float, clip: bool) -> tuple[Tensor, Tensor]:
    """The model's (x_0, eps) at x_t, related by eq. 4 also when x_0 was clipped to [-1, 1]."""
    alpha, sigma = math.sqrt(alpha_bar), math.sqrt(1 - alpha_bar)
    eps = eps_model(x_t, t)
    x_0 = (x_t - sigma * eps) / alpha
    if clip:
        x_0 = x_0.clamp(-1, 1)
        eps = (x_t - alpha * x_0) / sigma
    return x_0, eps


def _half_log_snr(alpha_bar: float) -> float:
    """lambda = log(alpha / sigma), infinite where there is no noise."""
    return math.inf if alpha_bar == 1 else 0.5 * math.log(alpha_bar / (1 - alpha_bar))


def _noise(like: Tensor, rng: Generator | None) -> Tensor:
    return torch.randn(like.shape, generator=rng, dtype=like.dtype, device=like.device)
