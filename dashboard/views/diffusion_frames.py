"""A DDPM's way from noise to image, for the page that shows it; kept by what was asked, as in `drawing`."""

from __future__ import annotations

import time
from dataclasses import dataclass

import streamlit as st
import torch
from torch import Generator, Tensor

from dashboard import drawing
from dashboard.drawing import Loaded, Recipe
from gencore import devices, diffusion, sampling
from gencore.data.batches import quantise
from gencore.models.ddpm import DDPM


@dataclass(frozen=True)
class Film:
    """One image on its way: before each of K steps, x_t = alpha x_0 + what is noise by the model's word."""

    times: tuple[float, ...]
    """K falling: timesteps 0..T-1, or the real times of a flow in (0, 1]."""
    alpha: tuple[float, ...]
    x_t: Tensor  # (K + 1, C, H, W) float32, the last one the image
    x_0: Tensor  # (K, C, H, W), what each step takes the image to be
    sampling: str
    branches: bool
    """Whether a sampler that adds noise can go on from every step; flows have none."""

    @property
    def noise(self) -> Tensor:
        """x_t - alpha x_0, (K, C, H, W)."""
        return self.x_t[:-1] - torch.tensor(self.alpha).view(-1, 1, 1, 1) * self.x_0


def film(recipe: Recipe, digit: int | None, seed: int) -> Film:
    """One generation by a run of a DDPM, kept step by step. Raises what FAULTS names."""
    return _film(recipe, drawing.written(recipe.run), digit, seed)


@st.cache_data(max_entries=32, show_spinner=False)
@torch.no_grad()
def _film(recipe: Recipe, version: int, digit: int | None, seed: int) -> Film:
    loaded = drawing.load(recipe)
    model = _denoiser(loaded)
    x_T = model.draw_latent(1, Generator(model.device).manual_seed(seed))
    x_t, x_0 = [x_T], []

    def keep(step: int, x: Tensor, aim: Tensor) -> None:
        x_t.append(x)
        x_0.append(aim)

    with devices.autocast(model.device, loaded.dtype):
        model.decode(x_T, loaded.labels(1, digit), keep)
    steps, flow = model.config.sampling_steps, model.config.prediction == "flow"
    if flow:
        times = [1 - step / steps for step in range(steps)]
        alpha = [1 - t for t in times]
    else:
        times = diffusion.spaced_timesteps(model.schedule, steps)
        alpha = model.schedule.alpha_bar[times].sqrt().tolist()
    return Film(
        tuple(times),
        tuple(alpha),
        torch.cat(x_t).cpu(),
        torch.cat(x_0).cpu(),
        model.sampling,
        branches=not flow,
    )


def _denoiser(loaded: Loaded) -> DDPM:
    if not isinstance(loaded.model, DDPM):
        raise ValueError("only a DDPM goes from noise to image in steps; choose a run of one")
    return loaded.model


def branch(recipe: Recipe, digit: int | None, seed: int, place: int, n: int) -> Tensor:
    """n images (n, C, H, W) uint8 that share `film`'s x_t before step `place`, each with noise of its own from there.

    By DDIM with eta 1, as noisy as the ancestral sampler, on the same timesteps. Raises what FAULTS names.
    """
    return _branch(recipe, drawing.written(recipe.run), digit, seed, place, n)


@st.cache_data(max_entries=64, show_spinner=False)
def _branch(recipe: Recipe, version: int, digit: int | None, seed: int, place: int, n: int) -> Tensor:
    loaded = drawing.load(recipe)
    model = _denoiser(loaded)
    x_t = _film(recipe, version, digit, seed).x_t[place].to(model.device)
    rng = Generator(model.device).manual_seed(seed)
    with devices.autocast(model.device, loaded.dtype):
        x_0 = diffusion.ddim_sample(
            model.eps_model(loaded.labels(n, digit)), x_t.expand(n, *x_t.shape), model.schedule,
            model.config.sampling_steps, eta=1.0, rng=rng, start=place,
        )  # fmt: skip
    return quantise(x_0).cpu()


@dataclass(frozen=True)
class Timed:
    images: Tensor  # (N, C, H, W) uint8
    evaluations: int
    """Passes of the network an image took."""
    seconds: float


def timed(recipe: Recipe, n: int, digit: int | None, seed: int) -> Timed:
    """n images drawn together and how long that took, measured when they were first asked for."""
    return _timed(recipe, drawing.written(recipe.run), n, digit, seed)


@st.cache_data(max_entries=128, show_spinner=False)
def _timed(recipe: Recipe, version: int, n: int, digit: int | None, seed: int) -> Timed:
    loaded = drawing.load(recipe)
    model = _denoiser(loaded)
    drawing.refuse_too_much(model, n)
    labels = loaded.labels(n, digit)
    noise = model.draw_latent(n, Generator(model.device).manual_seed(seed))
    with torch.no_grad(), devices.autocast(model.device, loaded.dtype):
        model.predict(noise, torch.zeros(n, dtype=torch.int64, device=model.device), labels)  # warm-up
    devices.synchronise(model.device)
    start = time.perf_counter()
    images = sampling.generate(model, n, labels, seed, loaded.dtype)
    devices.synchronise(model.device)
    return Timed(images.cpu(), model.network_evaluations, time.perf_counter() - start)
