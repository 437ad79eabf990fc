"""Noising and its reversal, as pure functions of tensors: no networks, no weighting of losses.

The one idea: x_t = alpha_t x_0 + sigma_t eps, so a network that knows one of eps, x_0 or v knows all three,
and a sampler is arithmetic around it. As in Salimans & Ho (2022) and Lu et al. (2022b), alpha_t is
sqrt(alpha_bar_t) and sigma_t is sqrt(1 - alpha_bar_t); Ho et al.'s (2020) alpha_t is 1 - beta_t here.
Timesteps are integers 0..T-1, 0 the least noisy; flows run over real t in [0, 1], 1 the noise.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Generator, Tensor

Denoiser = Callable[[Tensor, Tensor], Tensor]
"""(x_t (B, ...), t (B,) int64) → prediction (B, ...). An `eps_model` predicts eps."""

OnStep = Callable[[int, Tensor, Tensor], None]
"""Told (step from 1, x after that step, the x_0 the step aimed at); both (B, ...), on the device."""


@dataclass(frozen=True, eq=False)
class Schedule:
    """How much signal and noise each timestep holds; all fields (T,).

    `beta` and `alpha_bar` are float64 and stay on the CPU, where samplers read their coefficients without
    waiting for a device. `alpha` and `sigma` are float32 on the device of `to`; training gathers them by t.
    """

    beta: Tensor
    alpha_bar: Tensor
    alpha: Tensor
    sigma: Tensor

    @property
    def timesteps(self) -> int:
        return len(self.beta)

    def to(self, device: torch.device | str) -> Schedule:
        return replace(self, alpha=self.alpha.to(device), sigma=self.sigma.to(device))


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


# Targets and conversions


def q_sample(schedule: Schedule, x_0: Tensor, t: Tensor, eps: Tensor) -> Tensor:
    """x_t (B, ...) of q(x_t | x_0) for the noise eps ~ N(0, I) (Ho et al. 2020, eq. 4); t (B,) int64."""
    alpha, sigma = _alpha_sigma(schedule, t, x_0.ndim)
    return alpha * x_0 + sigma * eps


def velocity(schedule: Schedule, x_0: Tensor, t: Tensor, eps: Tensor) -> Tensor:
    """v = alpha_t eps - sigma_t x_0, (B, ...) (Salimans & Ho 2022, section 4)."""
    alpha, sigma = _alpha_sigma(schedule, t, x_0.ndim)
    return alpha * eps - sigma * x_0


def x_0_and_eps(
    schedule: Schedule, x_t: Tensor, t: Tensor, prediction: Tensor, kind: Literal["eps", "v"]
) -> tuple[Tensor, Tensor]:
    """The (x_0, eps) that a prediction of eps or v at x_t implies; each (B, ...), t (B,) int64."""
    alpha, sigma = _alpha_sigma(schedule, t, x_t.ndim)
    if kind == "eps":
        return (x_t - sigma * prediction) / alpha, prediction  # eq. 4 solved for x_0
    return alpha * x_t - sigma * prediction, sigma * x_t + alpha * prediction  # Salimans & Ho 2022, section 4


def eps_from_v(v_model: Denoiser, schedule: Schedule) -> Denoiser:
    """The eps model, as samplers take it, of a network that predicts v; `schedule` is on its device."""
    return lambda x_t, t: x_0_and_eps(schedule, x_t, t, v_model(x_t, t), "v")[1]


def standardised(
    network: Callable[[Tensor], Tensor], x_t: Tensor, alpha: Tensor, sigma: Tensor, mean: Tensor, std: Tensor
) -> tuple[Tensor, Tensor]:
    """The (x_0, eps) of x_t = alpha x_0 + sigma eps by a network that knows images of mean 0 and variance 1 only.

    It is shown x_t as such a noisy image, y (B, ...), and says the v of that. Where it says 0, x_0 and eps are the best
    linear guesses; what it has to say has variance 1 at every t (Karras et al. 2022, section 5: c_in, c_skip, c_out).
    alpha and sigma (B,) are of the times, `mean` and `std` (scalars) of the images' pixels.
    """
    alpha, sigma = _per_image(alpha, x_t.ndim), _per_image(sigma, x_t.ndim)
    scale = (alpha.square() * std.square() + sigma.square()).sqrt()
    signal, noise = alpha * std / scale, sigma / scale  # alpha and sigma of y
    y = (x_t - alpha * mean) / scale
    v = network(y)
    return mean + std * (signal * y - noise * v), noise * y + signal * v  # Salimans & Ho 2022, section 4


def flow_sample(x_0: Tensor, t: Tensor, eps: Tensor) -> Tensor:
    """x_t = (1 - t) x_0 + t eps, on the line from image to noise (Liu et al. 2023, eq. 1); t (B,) in [0, 1]."""
    t = _per_image(t, x_0.ndim)
    return (1 - t) * x_0 + t * eps


def flow_velocity(x_0: Tensor, eps: Tensor) -> Tensor:
    """dx_t/dt = eps - x_0 of that line, (B, ...): what a flow network predicts, the same at every t."""
    return eps - x_0


def logit_normal_t(n: int, rng: Generator) -> Tensor:
    """Flow times (n,) in (0, 1) on rng's device, densest at 1/2 (Esser et al. 2024, section 3.1)."""
    return torch.randn(n, generator=rng, device=rng.device).sigmoid()


def logit_normal_timesteps(schedule: Schedule, n: int, rng: Generator) -> Tensor:
    """Timesteps (n,) int64 on rng's device at the noise levels of `logit_normal_t`: log SNR is N(0, 2^2).

    `schedule` is on that device. Evenly drawn timesteps of the linear schedule spend nearly half of the training
    where the image is all but gone.
    """
    sigma = torch.sigmoid(2 * torch.randn(n, generator=rng, device=rng.device)).sqrt()  # SNR = (1 - sigma^2) / sigma^2
    return torch.searchsorted(schedule.sigma, sigma).clamp(max=schedule.timesteps - 1)


# Samplers: noise x_T (B, ...) → images x_0 (B, ...). Coefficients are Python floats: no step waits for a device.


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

    `rng` is on the device of x_T. `clip` keeps each predicted x_0 in [-1, 1]: right for images, wrong for data
    that exceeds it.
    """
    x_t, alpha_bars = x_T, schedule.alpha_bar.tolist()
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
    clip: bool = True,
    on_step: OnStep | None = None,
) -> Tensor:
    """x_0 by DDIM (Song et al. 2021, eq. 12), first order; `steps` network evaluations.

    eta = 0 is deterministic, eta = 1 with steps = T is `ddpm_sample`. The first `start` steps are taken to be done:
    x_T is then x_t at `spaced_timesteps(schedule, steps)[start]`. `clip` as there; eps follows the clipped x_0. Raises
    ValueError unless 1 <= steps <= T, 0 <= start < steps and 0 <= eta <= 1, and if eta > 0 comes without `rng`.
    """
    if not 0 <= eta <= 1:
        raise ValueError(f"eta is {eta}; use 0 (deterministic) to 1 (as noisy as DDPM)")
    if eta > 0 and rng is None:
        raise ValueError(f"eta is {eta} but rng is None; give a torch.Generator, or eta 0")
    timesteps = spaced_timesteps(schedule, steps)
    if not 0 <= start < steps:
        raise ValueError(f"start is {start}; of {steps} steps, 0 to {steps - 1} can be done before")
    alpha_bars = schedule.alpha_bar[timesteps].tolist() + [1.0]
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
    eps_model: Denoiser, x_0: Tensor, schedule: Schedule, steps: int, *, on_step: OnStep | None = None
) -> Tensor:
    """The noise x_T from which `ddim_sample` with eta = 0 returns about x_0; `steps` network evaluations.

    DDIM's ODE run backwards (Song et al. 2021, section 4.3). The sampler asks for eps at the noisier end of a
    step, so the inverse asks at that timestep too, with the x it has; the round trip errs by O(1 / steps).
    Nothing is clipped: give `ddim_sample` clip=False on the way back. Raises ValueError unless 1 <= steps <= T.
    """
    x_t, alpha_bar = x_0, 1.0
    for step, t_next in enumerate(reversed(spaced_timesteps(schedule, steps)), start=1):
        alpha_bar_next = schedule.alpha_bar[t_next].item()
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
    clip: bool = True,
    on_step: OnStep | None = None,
) -> Tensor:
    """x_0 by DPM-Solver++(2M) (Lu et al. 2022b, algorithm 2), deterministic; `steps` network evaluations.

    Second order, made for 5 to 20 steps. The first step is first order for want of a past, the last because it
    ends at no noise, where log SNR is infinite. `clip` keeps each predicted x_0 in [-1, 1]; a clipped step is
    no longer the solver's closed form, nor second order. Raises ValueError unless 1 <= steps <= T.
    """
    timesteps = spaced_timesteps(schedule, steps)
    alpha_bars = schedule.alpha_bar[timesteps].tolist() + [1.0]
    x_t, x_0_prev, h_prev = x_T, x_T, math.inf
    for i, t in enumerate(timesteps):
        alpha_bar, alpha_bar_next = alpha_bars[i : i + 2]
        x_0, _ = _denoise(eps_model, x_t, t, alpha_bar, clip)
        h = _half_log_snr(alpha_bar_next) - _half_log_snr(alpha_bar)
        if 0 < i < steps - 1:
            r = h_prev / h
            D = (1 + 1 / (2 * r)) * x_0 - 1 / (2 * r) * x_0_prev  # algorithm 2, D_i
        else:
            D = x_0
        sigma_ratio = math.sqrt((1 - alpha_bar_next) / (1 - alpha_bar))
        x_t = sigma_ratio * x_t - math.sqrt(alpha_bar_next) * math.expm1(-h) * D  # algorithm 2
        x_0_prev, h_prev = x_0, h
        if on_step:
            on_step(i + 1, x_t, x_0)
    return x_t


@torch.no_grad()
def flow_euler_sample(
    velocity_model: Denoiser, x_1: Tensor, steps: int, *, on_step: OnStep | None = None
) -> Tensor:
    """x_0 from noise x_1 by equal Euler steps along dx/dt = v (Liu et al. 2023); `steps` network evaluations.

    `velocity_model` takes t (B,) as real numbers in x_1's dtype. First order. Raises ValueError if steps < 1.
    """
    if steps < 1:
        raise ValueError(f"steps is {steps}; use at least 1, usually 10 to 50")
    x_t = x_1
    for i in range(steps):
        t = 1 - i / steps
        v = velocity_model(x_t, x_t.new_full((len(x_t),), t))
        x_0 = x_t - t * v
        x_t = x_t - v / steps
        if on_step:
            on_step(i + 1, x_t, x_0)
    return x_t


@torch.no_grad()
def flow_euler_invert(velocity_model: Denoiser, x_0: Tensor, steps: int) -> Tensor:
    """The noise x_1 from which `flow_euler_sample` returns about x_0; `steps` network evaluations.

    As in `ddim_invert`, each step asks at its noisier end; the round trip errs by O(1 / steps).
    """
    if steps < 1:
        raise ValueError(f"steps is {steps}; use at least 1, usually 10 to 50")
    x_t = x_0
    for i in range(1, steps + 1):
        x_t = x_t + velocity_model(x_t, x_t.new_full((len(x_t),), i / steps)) / steps
    return x_t


def _denoise(eps_model: Denoiser, x_t: Tensor, t: int, alpha_bar: float, clip: bool) -> tuple[Tensor, Tensor]:
    """The model's (x_0, eps) at x_t, related by eq. 4 also when x_0 was clipped to [-1, 1]."""
    alpha, sigma = math.sqrt(alpha_bar), math.sqrt(1 - alpha_bar)
    eps = eps_model(x_t, torch.full((len(x_t),), t, dtype=torch.int64, device=x_t.device))
    x_0 = (x_t - sigma * eps) / alpha
    if clip:
        x_0 = x_0.clamp(-1, 1)
        eps = (x_t - alpha * x_0) / sigma
    return x_0, eps


def spaced_timesteps(schedule: Schedule, steps: int) -> list[int]:
    """`steps` falling, distinct timesteps from T-1 on, evenly spaced ("trailing": Lin et al. 2024, section 3.3).

    The last one stands T / steps above 0, so few steps end with a long one from light noise to the image. Measured on
    the MNIST DDPM, spacing that crowds steps at light noise (Song et al. 2021, appendix D.2) has a larger fd at 10
    to 50 steps of DPM-Solver++ and of DDIM, though with an exact denoiser it follows the ODE more closely.
    """
    T = schedule.timesteps
    if not 1 <= steps <= T:
        raise ValueError(f"steps is {steps}; use 1 to {T}, the length of the noising chain")
    return [round(T * (1 - i / steps)) - 1 for i in range(steps)]


def _half_log_snr(alpha_bar: float) -> float:
    """lambda = log(alpha / sigma), infinite where there is no noise."""
    return math.inf if alpha_bar == 1 else 0.5 * math.log(alpha_bar / (1 - alpha_bar))


def _noise(like: Tensor, rng: Generator | None) -> Tensor:
    return torch.randn(like.shape, generator=rng, dtype=like.dtype, device=like.device)


def _alpha_sigma(schedule: Schedule, t: Tensor, ndim: int) -> tuple[Tensor, Tensor]:
    return _per_image(schedule.alpha[t], ndim), _per_image(schedule.sigma[t], ndim)


def _per_image(scale: Tensor, ndim: int) -> Tensor:
    return scale.view(-1, *[1] * (ndim - 1))  # (B,) → (B, 1, ...)
