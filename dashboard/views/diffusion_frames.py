"""Denoising steps, branches and timed samples of a diffusion model, cached by their options."""

from __future__ import annotations

import time
from dataclasses import dataclass

import streamlit as st
import torch
from torch import Generator, Tensor

from dashboard.data import generation
from dashboard.data.generation import Loaded, SamplingOptions
from gencore import devices
from gencore.data.batches import quantise
from gencore.models.base import SamplesInSteps
from gencore.sampling.generate import generate


@dataclass(frozen=True)
class DenoisingFrames:
    """One image at each of K sampling steps: x_t = alpha x_0 + noise, as the network predicts them."""

    times: tuple[float, ...]
    """K falling: timesteps 0..T-1, or the real times of a flow in (0, 1]."""
    alpha: tuple[float, ...]
    x_t: Tensor  # (K + 1, C, H, W) float32: before each step, and the final image
    x_0: Tensor  # (K, C, H, W), the image that each step predicts
    sampling: str
    condition: Tensor  # (1, condition_dim), under which it was generated
    branches: bool
    """Whether `branch` works from every step; no sampler of a flow or a distilled model adds noise."""

    @property
    def noise(self) -> Tensor:
        """x_t - alpha x_0, (K, C, H, W)."""
        return self.x_t[:-1] - torch.tensor(self.alpha).view(-1, 1, 1, 1) * self.x_0


def denoising_frames(sampling_options: SamplingOptions, condition: int | None, seed: int) -> DenoisingFrames:
    """All steps of one image by the model of a run. Raises what `generation.FAULTS` names."""
    return _denoising_frames(sampling_options, generation.written(sampling_options.run), condition, seed)


@st.cache_data(max_entries=32, show_spinner=False)
@torch.no_grad()
def _denoising_frames(
    sampling_options: SamplingOptions, version: int, condition: int | None, seed: int
) -> DenoisingFrames:
    loaded = generation.load(sampling_options)
    model = _stepwise_model(loaded)
    device = loaded.model.device
    rng = Generator(device).manual_seed(seed)
    x_T = model.draw_latent(1, rng)
    weights = model.draw_condition(1, loaded.labels(1, condition), rng)
    x_t, x_0 = [x_T], []

    def keep(step: int, x: Tensor, predicted_x_0: Tensor) -> None:
        x_t.append(x)
        x_0.append(predicted_x_0)

    with devices.autocast(device, loaded.dtype):
        model.decode(x_T, weights, keep)
    levels = model.noise_levels()
    return DenoisingFrames(
        tuple(level.time for level in levels),
        tuple(level.alpha for level in levels),
        torch.cat(x_t).cpu(),
        torch.cat(x_0).cpu(),
        loaded.model.sampling,
        weights.cpu(),
        branches=model.can_branch,
    )


def _stepwise_model(loaded: Loaded) -> SamplesInSteps:
    if not isinstance(loaded.model, SamplesInSteps):
        raise ValueError(
            "only a diffusion model generates an image in steps; choose a run of a diffusion model"
        )
    return loaded.model


def branch(sampling_options: SamplingOptions, condition: int | None, seed: int, start: int, n: int) -> Tensor:
    """n images (n, C, H, W) uint8 from the x_t of `denoising_frames` before step `start`.

    Each gets fresh noise, by DDIM with eta 1: as noisy as the ancestral sampler, on the same timesteps.
    Raises what `generation.FAULTS` names.
    """
    return _branch(sampling_options, generation.written(sampling_options.run), condition, seed, start, n)


@st.cache_data(max_entries=64, show_spinner=False)
def _branch(
    sampling_options: SamplingOptions, version: int, condition: int | None, seed: int, start: int, n: int
) -> Tensor:
    loaded = generation.load(sampling_options)
    model = _stepwise_model(loaded)
    device = loaded.model.device
    frames = _denoising_frames(sampling_options, version, condition, seed)
    x_t, weights = frames.x_t[start].to(device), frames.condition.to(device)
    rng = Generator(device).manual_seed(seed)
    with torch.no_grad(), devices.autocast(device, loaded.dtype):
        x_0 = model.branch(x_t.expand(n, *x_t.shape), weights.expand(n, -1), rng, start=start)
    return quantise(x_0).cpu()


@dataclass(frozen=True)
class TimedSamples:
    """Generated images and their cost."""

    images: Tensor  # (N, C, H, W) uint8
    network_evaluations: int
    """Passes through the network per image."""
    seconds: float


def timed(sampling_options: SamplingOptions, n: int, condition: int | None, seed: int) -> TimedSamples:
    """n images in one batch and the time it took when they were first generated."""
    return _timed(sampling_options, generation.written(sampling_options.run), n, condition, seed)


@st.cache_data(max_entries=128, show_spinner=False)
def _timed(
    sampling_options: SamplingOptions, version: int, n: int, condition: int | None, seed: int
) -> TimedSamples:
    loaded = generation.load(sampling_options)
    model = loaded.model
    generation.refuse_too_much(model, n)
    labels = loaded.labels(n, condition)
    rng = Generator(model.device).manual_seed(seed)
    noise = _stepwise_model(loaded).draw_latent(n, rng)
    times = torch.zeros(n, dtype=torch.int64, device=model.device)
    with torch.no_grad(), devices.autocast(model.device, loaded.dtype):  # warm-up
        _stepwise_model(loaded).network(noise, times, model.draw_condition(n, labels, rng))
    devices.synchronise(model.device)
    start = time.perf_counter()
    images = generate(model, n, labels, seed, loaded.dtype)
    devices.synchronise(model.device)
    return TimedSamples(images.cpu(), model.network_evaluations, time.perf_counter() - start)
