"""Noising and samplers against closed forms (Gaussian data, whose exact denoiser is known) and against
diffusers.
"""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch
from torch import Tensor

from gencore.models.diffusion.objective import (
    Denoiser,
    eps_from_v,
    flow_sample,
    flow_velocity,
    logit_normal_t,
    logit_normal_timesteps,
    q_sample,
    velocity,
    x_0_and_eps,
)
from gencore.models.diffusion.preconditioning import standardised
from gencore.models.diffusion.samplers import (
    ddim_invert,
    ddim_sample,
    ddpm_sample,
    dpm_solver_pp_sample,
    flow_euler_invert,
    flow_euler_sample,
)
from gencore.models.diffusion.schedules import SPACINGS, Schedule, linear_schedule, mixed_timesteps

MU, S = 0.3, 0.5  # data x_0 ~ N(MU, S^2 I)
ORDERS = pytest.mark.parametrize(("sampler", "order"), [(ddim_sample, 1), (dpm_solver_pp_sample, 2)])
STEPPED = (ddim_sample, ddim_invert, dpm_solver_pp_sample)


@pytest.fixture(scope="module")
def schedule() -> Schedule:
    return linear_schedule(1000, 1e-4, 0.02)


@pytest.fixture
def rng() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def noise(*shape: int, seed: int = 1, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def gaussian_eps(schedule: Schedule) -> Denoiser:
    """The exact E[eps | x_t] of data N(MU, S^2 I): sigma_t (x_t - alpha_t MU) / (alpha_t^2 S^2 +
    sigma_t^2).
    """

    def eps_model(x_t: Tensor, t: int) -> Tensor:
        alpha_bar = schedule.alpha_bar[t].view(-1, *[1] * (x_t.ndim - 1))
        return (1 - alpha_bar).sqrt() * (x_t - alpha_bar.sqrt() * MU) / (alpha_bar * S**2 + 1 - alpha_bar)

    return eps_model


def gaussian_flow(x_T: Tensor, alpha_bar_T: float, alpha_bar: float) -> Tensor:
    """The exact solution of the probability-flow ODE of that data: mean and spread are carried along."""
    spread, spread_T = (math.sqrt(a * S**2 + 1 - a) for a in (alpha_bar, alpha_bar_T))
    return math.sqrt(alpha_bar) * MU + spread / spread_T * (x_T - math.sqrt(alpha_bar_T) * MU)


def curved_eps(x_t: Tensor, t: int) -> Tensor:
    """Some eps model that depends on x and t and on nothing else."""
    return torch.sin(2 * x_t) * 0.8 + math.cos(t / 300.0) * 0.3


# Schedule, noising, conversions


def test_alpha_bar_is_the_running_product_of_one_minus_beta(schedule):
    assert schedule.beta[0] == 1e-4 and schedule.beta[-1] == 0.02 and schedule.timesteps == 1000
    assert schedule.beta.diff().diff().abs().max() < 1e-15
    product = 1.0
    for beta, alpha_bar in zip(schedule.beta.tolist(), schedule.alpha_bar.tolist(), strict=False):
        product *= 1 - beta
        assert alpha_bar == pytest.approx(product, rel=1e-12)


def test_signal_and_noise_powers_add_to_one_and_follow_to_a_device(schedule):
    moved = schedule.to("meta")
    assert (moved.alpha.is_meta, moved.sigma.is_meta, moved.alpha_bar.is_meta) == (True, True, False)
    torch.testing.assert_close(schedule.alpha**2 + schedule.sigma**2, torch.ones(1000))


def test_q_sample_has_the_moments_of_equation_4(schedule):
    n, x_0 = 200_000, 0.7
    for t in (0, 300, 999):
        x_t = q_sample(schedule, torch.full((n, 1), x_0), torch.full((n,), t), noise(n, 1))
        mean, variance = schedule.alpha_bar[t].sqrt().item() * x_0, 1 - schedule.alpha_bar[t].item()
        assert x_t.mean().item() == pytest.approx(mean, abs=5 * math.sqrt(variance / n))
        assert x_t.var().item() == pytest.approx(variance, rel=5 * math.sqrt(2 / n))


def test_q_sample_takes_each_image_at_its_own_timestep(schedule):
    x_0, eps = noise(3, 1, 4, 4), torch.ones(3, 1, 4, 4, dtype=torch.float64)
    t = torch.tensor([0, 500, 999])
    alpha_bar = schedule.alpha_bar[t].view(3, 1, 1, 1)
    expected = alpha_bar.sqrt() * x_0 + (1 - alpha_bar).sqrt() * eps
    torch.testing.assert_close(q_sample(schedule, x_0, t, eps), expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize("kind", ["eps", "v"])
def test_a_true_prediction_gives_back_x_0_and_eps(schedule, kind):
    t = torch.tensor([0, 1, 400, 999])
    x_0, eps = torch.tanh(noise(4, 3, 8, 8)), noise(4, 3, 8, 8, seed=2)
    x_t = q_sample(schedule, x_0, t, eps)
    prediction = eps if kind == "eps" else velocity(schedule, x_0, t, eps)
    for got, true in zip(x_0_and_eps(schedule, x_t, t, prediction, kind), (x_0, eps), strict=False):
        torch.testing.assert_close(got, true, atol=2e-7, rtol=1e-6)


def test_velocity_is_the_derivative_along_the_circle_of_signal_and_noise(schedule):
    # With alpha = cos(phi), sigma = sin(phi), x = alpha x_0 + sigma eps, and v = dx/dphi.
    x_0, eps, t = noise(1, 4), noise(1, 4, seed=2), torch.tensor([400])
    phi, d = math.acos(math.sqrt(schedule.alpha_bar[400].item())), 1e-5
    ahead, behind = (math.cos(p) * x_0 + math.sin(p) * eps for p in (phi + d, phi - d))
    v = velocity(schedule, x_0, t, eps)
    torch.testing.assert_close(v, (ahead - behind) / (2 * d), atol=1e-6, rtol=0)


def test_samplers_do_not_care_whether_the_network_speaks_eps_or_v(schedule):
    eps_model = gaussian_eps(schedule)

    def v_model(x_t: Tensor, t: int) -> Tensor:
        x_0, eps = x_0_and_eps(schedule, x_t, t, eps_model(x_t, t), "eps")
        return velocity(schedule, x_0, t, eps)

    x_T = noise(8, 1, 4, 4)
    by_eps = ddim_sample(eps_model, x_T, schedule, 10)
    by_v = ddim_sample(eps_from_v(v_model, schedule), x_T, schedule, 10)
    torch.testing.assert_close(by_v, by_eps, atol=1e-4, rtol=0)


STANDARDISED = {"mean": torch.tensor(MU), "std": torch.tensor(S)}


def test_a_silent_network_of_standardised_images_gives_the_best_linear_guess(schedule):
    x_t, t = noise(3, 1, 4, 4), torch.tensor([0, 500, 999])
    alpha_bar = schedule.alpha_bar[t]
    _, eps = standardised(torch.zeros_like, x_t, alpha_bar.sqrt(), (1 - alpha_bar).sqrt(), **STANDARDISED)
    torch.testing.assert_close(eps, gaussian_eps(schedule)(x_t, t), atol=1e-6, rtol=0)


@pytest.mark.parametrize("step", [0, 300, 999])
def test_a_network_of_standardised_images_sees_and_has_to_say_what_has_variance_1(schedule, step):
    x_0, eps = MU + S * noise(4096, 1, 4, 4), noise(4096, 1, 4, 4, seed=2)
    alpha_bar = schedule.alpha_bar[step].expand(4096)
    alpha, sigma = alpha_bar.sqrt(), (1 - alpha_bar).sqrt()
    x_t = alpha.view(-1, 1, 1, 1) * x_0 + sigma.view(-1, 1, 1, 1) * eps
    seen: list[Tensor] = []

    def eps_where_it_says(v: float) -> Tensor:
        def network(y: Tensor) -> Tensor:
            seen.append(y)
            return torch.full_like(y, v)

        return standardised(network, x_t, alpha, sigma, **STANDARDISED)[1]

    at_0, at_1 = eps_where_it_says(0), eps_where_it_says(1)
    has_to_say = (eps - at_0) / (at_1 - at_0)  # eps is linear in what the network says
    for of in (seen[0], has_to_say):
        assert abs(of.mean()) < 0.02 and abs(of.std() - 1) < 0.02


# Samplers against closed forms


@pytest.mark.parametrize("clip", [True, False])
@pytest.mark.parametrize("steps", [1, 2, 7, 20, 1000])
@pytest.mark.parametrize("sampler", [ddim_sample, dpm_solver_pp_sample])
def test_a_sampler_that_is_told_the_true_eps_returns_x_0(schedule, sampler, steps, clip):
    x_0, eps = noise(2, 1, 4, 4).clamp(-1, 1), noise(2, 1, 4, 4, seed=2)
    alpha_bar = schedule.alpha_bar[-1]
    x_T = alpha_bar.sqrt() * x_0 + (1 - alpha_bar).sqrt() * eps
    sampled = sampler(lambda x_t, t: eps, x_T, schedule, steps, clip=clip)
    torch.testing.assert_close(sampled, x_0, atol=1e-9, rtol=0)


def test_samples_of_a_single_image_are_that_image(schedule, rng):
    x_0 = noise(1, 1, 4, 4).clamp(-1, 1)

    def eps_model(x_t: Tensor, t: int) -> Tensor:
        alpha_bar = schedule.alpha_bar[t].view(-1, 1, 1, 1)
        return (x_t - alpha_bar.sqrt() * x_0) / (1 - alpha_bar).sqrt()

    sampled = ddpm_sample(eps_model, noise(3, 1, 4, 4), schedule, rng)
    torch.testing.assert_close(sampled, x_0.expand(3, -1, -1, -1), atol=1e-9, rtol=0)


def test_ancestral_samples_of_a_gaussian_have_its_mean_and_variance(schedule, rng):
    n = 10_000
    x_0 = ddpm_sample(gaussian_eps(schedule), noise(1, n), schedule, rng, clip=False)
    assert x_0.mean().item() == pytest.approx(MU, abs=5 * S / math.sqrt(n))
    assert x_0.var().item() == pytest.approx(S**2, rel=0.01 + 5 * math.sqrt(2 / n))


@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0])
def test_ddim_samples_of_a_gaussian_have_its_mean_and_variance_at_any_eta(schedule, rng, eta):
    n = 10_000
    x_0 = ddim_sample(gaussian_eps(schedule), noise(1, n), schedule, 500, eta, rng, clip=False)
    assert x_0.mean().item() == pytest.approx(MU, abs=5 * S / math.sqrt(n))
    assert x_0.var().item() == pytest.approx(S**2, rel=0.02 + 5 * math.sqrt(2 / n))


def test_ddim_at_eta_1_with_all_steps_is_ddpm(schedule):
    x_T = noise(4, 1, 4, 4)
    ancestral = ddpm_sample(curved_eps, x_T, schedule, torch.Generator().manual_seed(3))
    noisy = ddim_sample(curved_eps, x_T, schedule, 1000, 1.0, torch.Generator().manual_seed(3))
    torch.testing.assert_close(noisy, ancestral, atol=1e-9, rtol=0)


def error_at_half_time(sampler, schedule: Schedule, steps: int) -> float:
    """Distance from the exact solution of the ODE where half of an even number of steps is taken: always one
    timestep.
    """
    states, asked = [], []

    def eps_model(x_t: Tensor, t: int) -> Tensor:
        states.append(x_t)
        asked.append(schedule.alpha_bar[t].item())
        return gaussian_eps(schedule)(x_t, t)

    sampler(eps_model, noise(64, 1), schedule, steps, clip=False)
    half = steps // 2
    return (states[half] - gaussian_flow(noise(64, 1), asked[0], asked[half])).abs().max().item()


@ORDERS
def test_halving_the_step_divides_the_error_by_two_to_the_order(schedule, sampler, order):
    errors = [error_at_half_time(sampler, schedule, steps) for steps in (20, 40, 80, 160)]
    for coarse, fine in pairwise(errors):
        assert math.log2(coarse / fine) == pytest.approx(order, abs=0.35)


def test_dpm_solver_pp_comes_closer_than_ddim_with_a_quarter_of_the_steps(schedule):
    eps_model, x_T = gaussian_eps(schedule), noise(64, 1)
    exact = gaussian_flow(x_T, schedule.alpha_bar[-1].item(), 1.0)
    second_order = dpm_solver_pp_sample(eps_model, x_T, schedule, 40, clip=False)
    first_order = ddim_sample(eps_model, x_T, schedule, 160, clip=False)
    assert (second_order - exact).abs().max() < 0.5 * (first_order - exact).abs().max()


def test_inversion_then_sampling_returns_the_image_and_more_steps_return_it_better(schedule):
    x_0, eps_model = MU + S * noise(16, 1, 4, 4), gaussian_eps(schedule)
    errors = []
    for steps in (25, 50, 100):
        x_T = ddim_invert(eps_model, x_0, schedule, steps)
        returned = ddim_sample(eps_model, x_T, schedule, steps, clip=False)
        errors.append((returned - x_0).abs().max().item())
    assert errors[0] < 0.25 and errors[1] < 0.6 * errors[0] and errors[2] < 0.6 * errors[1]


def test_inversion_of_gaussian_data_is_standard_noise(schedule):
    x_0 = MU + S * noise(1, 20_000)
    x_T = ddim_invert(gaussian_eps(schedule), x_0, schedule, 200)
    assert x_T.mean().item() == pytest.approx(0, abs=0.03) and x_T.std().item() == pytest.approx(1, abs=0.03)


def test_flow_times_are_logit_normal(rng):
    t = logit_normal_t(100_000, rng)
    assert t.min() > 0 and t.max() < 1
    assert t.logit().mean().item() == pytest.approx(0, abs=0.02)
    assert t.logit().std().item() == pytest.approx(1, abs=0.02)


def test_logit_normal_timesteps_have_the_noise_levels_of_the_flow_times(schedule, rng):
    t = logit_normal_timesteps(schedule, 100_000, rng)
    assert t.dtype == torch.int64 and t.min() >= 0 and t.max() < schedule.timesteps
    log_snr = 2 * (schedule.alpha.log() - schedule.sigma.log())[t]
    assert log_snr.mean().item() == pytest.approx(0, abs=0.05) and log_snr.std().item() == pytest.approx(
        2, abs=0.05
    )


def test_flow_velocity_is_the_derivative_of_the_flow():
    x_0, eps = noise(5, 1, 2, 2), noise(5, 1, 2, 2, seed=2)
    t = torch.linspace(0, 0.9, 5, dtype=torch.float64)
    ahead, here = flow_sample(x_0, t + 0.1, eps), flow_sample(x_0, t, eps)
    torch.testing.assert_close((ahead - here) / 0.1, flow_velocity(x_0, eps))
    torch.testing.assert_close(here[0], x_0[0])


@pytest.mark.parametrize("steps", [1, 3, 10])
def test_euler_along_a_straight_flow_is_exact(steps):
    x_0, x_1 = noise(2, 1, 4, 4), noise(2, 1, 4, 4, seed=2)
    sampled = flow_euler_sample(lambda x_t, t: flow_velocity(x_0, x_1), x_1, steps)
    torch.testing.assert_close(sampled, x_0)


def test_euler_on_a_gaussian_flow_is_first_order():
    def velocity_model(x_t: Tensor, t: float) -> Tensor:  # E[eps - x_0 | x_t] of data N(MU, S^2)
        variance = (1 - t) ** 2 * S**2 + t**2
        return -MU + (t - (1 - t) * S**2) / variance * (x_t - (1 - t) * MU)

    x_1 = noise(64, 1)
    errors = [
        (flow_euler_sample(velocity_model, x_1, steps) - (MU + S * x_1)).abs().max().item()
        for steps in (20, 40, 80)
    ]
    for coarse, fine in pairwise(errors):
        assert coarse / fine == pytest.approx(2, abs=0.3)


def test_inverting_a_flow_returns_its_noise_exactly_where_it_is_straight_and_better_with_more_steps():
    x_0, x_1 = noise(2, 1, 4, 4), noise(2, 1, 4, 4, seed=2)
    straight = flow_euler_invert(lambda x_t, t: flow_velocity(x_0, x_1), x_0, 3)
    torch.testing.assert_close(straight, x_1)
    errors = []
    for steps in (20, 40, 80):
        found = flow_euler_invert(lambda x_t, t: -x_t, x_0, steps)
        errors.append((flow_euler_sample(lambda x_t, t: -x_t, found, steps) - x_0).abs().max().item())
    for coarse, fine in pairwise(errors):
        assert coarse / fine == pytest.approx(2, abs=0.3)


# What every sampler keeps


def samplers(schedule: Schedule, eps_model: Denoiser, x: Tensor, **options) -> dict[str, Tensor]:
    """What each of the samplers returns for the same model and start, by name."""
    rng = torch.Generator().manual_seed(5)
    return {
        "ddpm": ddpm_sample(eps_model, x, schedule, rng, **options),
        "ddim": ddim_sample(eps_model, x, schedule, 6, **options),
        "ddim, eta 1": ddim_sample(eps_model, x, schedule, 6, 1.0, rng, **options),
        "dpm-solver++": dpm_solver_pp_sample(eps_model, x, schedule, 6, **options),
        "inversion": ddim_invert(eps_model, x, schedule, 6, **options),
        "flow": flow_euler_sample(eps_model, x, 6, **options),
    }


def test_the_same_seed_gives_the_same_samples(schedule):
    x = noise(2, 1, 4, 4, dtype=torch.float32)
    first, second = samplers(schedule, curved_eps, x), samplers(schedule, curved_eps, x)
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert all(sample.dtype == torch.float32 and sample.shape == x.shape for sample in first.values())


def test_each_sampler_asks_the_network_as_often_as_it_says(schedule):
    calls: list[int] = []

    def counting(x_t: Tensor, t: int) -> Tensor:
        calls.append(1)
        return curved_eps(x_t, t)

    samplers(schedule, counting, noise(2, 1, 4, 4))
    assert len(calls) == 1000 + 5 * 6


def test_the_trajectory_counts_from_one_and_ends_at_the_sample(schedule):
    seen: list[tuple[int, Tensor, Tensor]] = []
    results = samplers(schedule, curved_eps, noise(2, 1, 4, 4), on_step=lambda *told: seen.append(told))
    for name, sample in results.items():
        steps = 1000 if name == "ddpm" else 6
        told, seen = seen[:steps], seen[steps:]
        assert [step for step, _, _ in told] == list(range(1, steps + 1))
        _, x_t, x_0 = told[-1]
        assert torch.equal(x_t, sample)
        if name != "inversion":  # the others end where their last step aimed
            torch.testing.assert_close(x_0, sample, atol=1e-12, rtol=0)
    assert not seen


def test_clipped_samples_stay_in_range_and_unclipped_ones_need_not(schedule):
    x_T = 3 * noise(4, 1, 4, 4)
    for sampler in (ddim_sample, dpm_solver_pp_sample):
        assert sampler(curved_eps, x_T, schedule, 6).abs().max() <= 1
        assert sampler(curved_eps, x_T, schedule, 6, clip=False).abs().max() > 1


def test_no_sampler_reads_from_the_device():
    schedule = linear_schedule(20, 1e-4, 0.02)
    x = torch.empty(2, 1, 4, 4, device="meta")  # a meta tensor has no values: reading one raises
    for sample in samplers(schedule, lambda x_t, t: x_t * t, x).values():
        assert sample.device.type == "meta"


@pytest.mark.parametrize("spacing", SPACINGS.values(), ids=SPACINGS)
@pytest.mark.parametrize("T", [1, 2, 5, 37])
def test_timesteps_are_distinct_and_begin_at_the_noisiest_for_every_number_of_steps(T, spacing):
    schedule, asked = linear_schedule(T, 1e-4, 0.02), []

    def recording(x_t: Tensor, t: int) -> Tensor:
        asked.append(t)
        return x_t

    for steps in range(1, T + 1):
        asked.clear()
        ddim_sample(recording, noise(1, 1), schedule, steps, spacing=spacing)
        assert len(asked) == steps and asked[0] == T - 1 and asked[-1] >= 0
        assert all(t > t_next for t, t_next in pairwise(asked))


@pytest.mark.parametrize("steps", [3, 10, 50])
def test_mixed_timesteps_end_at_little_noise_and_are_half_way_in_log_snr_and_in_time(schedule, steps):
    mixed = mixed_timesteps(schedule, steps)
    log_snr = (schedule.alpha_bar / (1 - schedule.alpha_bar)).log()
    by_time = torch.linspace(mixed[0], mixed[-1], steps)
    wanted = torch.linspace(log_snr[mixed[0]], log_snr[mixed[-1]], steps)
    by_log_snr = (log_snr[:, None] - wanted).abs().argmin(dim=0)
    assert 1 - schedule.alpha_bar[mixed[-1]].item() == pytest.approx(0.002, rel=0.15)
    assert (torch.tensor(mixed) - (by_time + by_log_snr) / 2).abs().max() <= 1


def test_ddim_started_midway_goes_on_as_it_would_have(schedule):
    states = trajectory(ddim_sample, curved_eps, noise(3, 1, 4, 4), schedule, 10)
    for start in (1, 4, 9):
        rest = ddim_sample(curved_eps, states[start - 1], schedule, 10, start=start)
        assert torch.equal(rest, states[-1])


@pytest.mark.parametrize("start", [-1, 10])
def test_ddim_does_not_start_outside_its_steps(schedule, start):
    with pytest.raises(ValueError, match="0 to 9"):
        ddim_sample(curved_eps, noise(1, 1, 4, 4), schedule, 10, start=start)


# Parity with diffusers, whose schedulers take one step at a time


def diffusers_scheduler(name: str, **options):
    scheduler = getattr(pytest.importorskip("diffusers"), name)
    return scheduler(
        num_train_timesteps=1000, beta_start=1e-4, beta_end=0.02, beta_schedule="linear", **options
    )


def trajectory(sampler, *given, **options) -> list[Tensor]:
    """x after each step."""
    states: list[Tensor] = []
    sampler(*given, **options, on_step=lambda step, x_t, x_0: states.append(x_t))
    return states


def timesteps_of(sampler, schedule: Schedule, steps: int) -> list[int]:
    asked: list[int] = []
    sampler(lambda x_t, t: asked.append(t) or x_t, noise(1, 1), schedule, steps)
    return asked


def assert_follows(scheduler, timesteps, x: Tensor, states: list[Tensor], **options) -> None:
    """Steps the scheduler from each of our states and holds where it lands against the next of ours."""
    assert len(timesteps) == len(states)
    for t, ours in zip(timesteps, states, strict=False):
        eps = curved_eps(x, int(t))
        x = scheduler.step(eps, t, x, **options).prev_sample
        torch.testing.assert_close(ours, x, atol=1e-4, rtol=1e-4)
        x = ours  # not its own, so that its float32 coefficients do not add up


@pytest.mark.parametrize("clip", [True, False])
def test_ddpm_agrees_with_diffusers_step_by_step(schedule, clip):
    scheduler = diffusers_scheduler("DDPMScheduler", variance_type="fixed_small", clip_sample=clip)
    x_T = noise(4, 1, 4, 4)
    rng = torch.Generator().manual_seed(7)
    states = trajectory(ddpm_sample, curved_eps, x_T, schedule, rng, clip=clip)
    assert_follows(scheduler, scheduler.timesteps, x_T, states, generator=torch.Generator().manual_seed(7))


@pytest.mark.parametrize("clip", [True, False])
@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0])
def test_ddim_agrees_with_diffusers_step_by_step(schedule, eta, clip):
    scheduler = diffusers_scheduler("DDIMScheduler", clip_sample=clip, set_alpha_to_one=True)
    scheduler.set_timesteps(1000)
    x_T, rng = noise(4, 1, 4, 4), torch.Generator().manual_seed(7)
    states = trajectory(ddim_sample, curved_eps, x_T, schedule, 1000, eta, rng, clip=clip)
    options = {"eta": eta, "use_clipped_model_output": clip}
    assert_follows(
        scheduler, scheduler.timesteps, x_T, states, generator=torch.Generator().manual_seed(7), **options
    )


@pytest.mark.parametrize("steps", [1, 2, 5, 10, 20, 50])
@ORDERS
def test_few_steps_agree_with_diffusers_multistep_solver_of_the_same_order(schedule, sampler, order, steps):
    # DPM-Solver++ of order 1 is DDIM (Lu et al. 2022b, section 4).
    timesteps = timesteps_of(sampler, schedule, steps)
    scheduler = diffusers_scheduler("DPMSolverMultistepScheduler", solver_order=order)
    scheduler.set_timesteps(timesteps=timesteps)
    x_T = noise(4, 1, 4, 4)
    states = trajectory(sampler, curved_eps, x_T, schedule, steps, clip=False)
    assert_follows(scheduler, timesteps, x_T, states)


# Mistakes


@pytest.mark.parametrize("steps", [0, -1, 1001])
@pytest.mark.parametrize("sampler", STEPPED)
def test_a_number_of_steps_outside_the_chain_is_refused(schedule, sampler, steps):
    with pytest.raises(ValueError, match=f"steps is {steps}; use 1 to 1000"):
        sampler(curved_eps, noise(1, 1, 4, 4), schedule, steps)


def test_a_flow_without_steps_is_refused():
    with pytest.raises(ValueError, match="steps is 0; use at least 1"):
        flow_euler_sample(curved_eps, noise(1, 1, 4, 4), 0)


@pytest.mark.parametrize("eta", [-0.1, 1.1, math.nan])
def test_an_eta_outside_0_to_1_is_refused(schedule, rng, eta):
    with pytest.raises(ValueError, match=f"eta is {eta}; use 0"):
        ddim_sample(curved_eps, noise(1, 1, 4, 4), schedule, 5, eta, rng)


def test_a_noisy_ddim_without_a_generator_is_refused(schedule):
    with pytest.raises(ValueError, match="rng is None; give a torch.Generator"):
        ddim_sample(curved_eps, noise(1, 1, 4, 4), schedule, 5, 0.5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, 1e-4, 0.02), "timesteps is 0; a noising chain has at least 1"),
        ((10, 0.0, 0.02), "betas go from 0.0 to 0.02; use 0 < beta_start"),
        ((10, 0.03, 0.02), "betas go from 0.03 to 0.02"),
        ((10, 1e-4, 1.0), "betas go from 0.0001 to 1.0"),
    ],
)
def test_an_impossible_schedule_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        linear_schedule(*arguments)
