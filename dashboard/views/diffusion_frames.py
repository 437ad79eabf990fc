"""The steps of a diffusion model from noise to image, for the page that shows them; cached by what was
asked.
"""

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
    """One image while it is generated: before each of K steps, x_t = alpha x_0 + the noise that the model
    predicts.
    """

    times: tuple[float, ...]
    """K falling: timesteps 0..T-1, or the real times of a flow in (0, 1]."""
    alpha: tuple[float, ...]
    x_t: Tensor  # (K + 1, C, H, W) float32, the last one the image
    x_0: Tensor  # (K, C, H, W), the image that each step predicts
    sampling: str
    condition: Tensor  # (1, condition_dim), under which it was generated
    branches: bool
    """Whether `branch` works from every step; a flow has no sampler that adds noise."""

    @property
    def noise(self) -> Tensor:
        """x_t - alpha x_0, (K, C, H, W)."""
        return self.x_t[:-1] - torch.tensor(self.alpha).view(-1, 1, 1, 1) * self.x_0


def denoising_frames(sampling_options: SamplingOptions, digit: int | None, seed: int) -> DenoisingFrames:
    """One image by a run of a diffusion model, kept step by step. Raises what FAULTS names."""
    return _denoising_frames(sampling_options, generation.written(sampling_options.run), digit, seed)


@st.cache_data(max_entries=32, show_spinner=False)
@torch.no_grad()
def _denoising_frames(
    sampling_options: SamplingOptions, version: int, digit: int | None, seed: int
) -> DenoisingFrames:
    loaded = generation.load(sampling_options)
    model = _in_steps(loaded)
    device = loaded.model.device
    rng = Generator(device).manual_seed(seed)
    x_T = model.draw_latent(1, rng)
    condition = model.draw_condition(1, loaded.labels(1, digit), rng)
    x_t, x_0 = [x_T], []

    def keep(step: int, x: Tensor, aim: Tensor) -> None:
        x_t.append(x)
        x_0.append(aim)

    with devices.autocast(device, loaded.dtype):
        model.decode(x_T, condition, keep)
    levels = model.noise_levels()
    return DenoisingFrames(
        tuple(level.time for level in levels),
        tuple(level.alpha for level in levels),
        torch.cat(x_t).cpu(),
        torch.cat(x_0).cpu(),
        loaded.model.sampling,
        condition.cpu(),
        branches=model.can_branch,
    )


def _in_steps(loaded: Loaded) -> SamplesInSteps:
    if not isinstance(loaded.model, SamplesInSteps):
        raise ValueError("only a diffusion model goes from noise to image in steps; choose a run of one")
    return loaded.model


def branch(sampling_options: SamplingOptions, digit: int | None, seed: int, place: int, n: int) -> Tensor:
    """n images (n, C, H, W) uint8 from the x_t of `denoising_frames` before step `place`, each with fresh
    noise.

    By DDIM with eta 1, as noisy as the ancestral sampler, on the same timesteps. Raises what FAULTS names.
    """
    return _branch(sampling_options, generation.written(sampling_options.run), digit, seed, place, n)


@st.cache_data(max_entries=64, show_spinner=False)
def _branch(
    sampling_options: SamplingOptions, version: int, digit: int | None, seed: int, place: int, n: int
) -> Tensor:
    loaded = generation.load(sampling_options)
    model = _in_steps(loaded)
    device = loaded.model.device
    frames = _denoising_frames(sampling_options, version, digit, seed)
    x_t, condition = frames.x_t[place].to(device), frames.condition.to(device)
    rng = Generator(device).manual_seed(seed)
    with torch.no_grad(), devices.autocast(device, loaded.dtype):
        x_0 = model.branch(x_t.expand(n, *x_t.shape), condition.expand(n, -1), rng, start=place)
    return quantise(x_0).cpu()


@dataclass(frozen=True)
class Timed:
    """Generated images and their cost."""

    images: Tensor  # (N, C, H, W) uint8
    evaluations: int
    """Passes of the network an image took."""
    seconds: float


def timed(sampling_options: SamplingOptions, n: int, digit: int | None, seed: int) -> Timed:
    """n images of one batch and how long they took, measured when they were first asked for."""
    return _timed(sampling_options, generation.written(sampling_options.run), n, digit, seed)


@st.cache_data(max_entries=128, show_spinner=False)
def _timed(sampling_options: SamplingOptions, version: int, n: int, digit: int | None, seed: int) -> Timed:
    loaded = generation.load(sampling_options)
    model = loaded.model
    generation.refuse_too_much(model, n)
    labels = loaded.labels(n, digit)
    rng = Generator(model.device).manual_seed(seed)
    noise = _in_steps(loaded).draw_latent(n, rng)
    condition = model.draw_condition(n, labels, rng)
    with torch.no_grad(), devices.autocast(model.device, loaded.dtype):  # warm-up
        _in_steps(loaded).network(noise, torch.zeros(n, dtype=torch.int64, device=model.device), condition)
    devices.synchronise(model.device)
    start = time.perf_counter()
    images = generate(model, n, labels, seed, loaded.dtype)
    devices.synchronise(model.device)
    return Timed(images.cpu(), model.network_evaluations, time.perf_counter() - start)
