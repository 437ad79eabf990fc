"""What the pages that draw ask of a run's model. Only this module and `denoising` load torch.

Models are loaded once a server and drawings kept by what was asked; a run's newer weights make both anew.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

import numpy as np
import streamlit as st
import torch
from pydantic import ValidationError
from torch import Generator, Tensor

from dashboard.catalog import Entry
from dashboard.words import plain
from gencore import devices, sampling
from gencore.config import DatasetName
from gencore.data import sources
from gencore.data.batches import quantise
from gencore.data.registry import DATASETS, availability, data_folder
from gencore.features import FeatureExtractor, MissingFeaturesError, features_run, load_extractor
from gencore.latent import Features
from gencore.metrics.memorisation import nearest
from gencore.models.base import GenerativeModel
from gencore.models.ddpm import DDPM
from gencore.results import explain
from gencore.runs import Run

FAULTS = (ValueError, OSError)
"""What a run's files or a visitor's wishes can be guilty of; the message says what to do."""
MAX_PASSES = 100_000
"""Passes of a network through one image that a page asks for at most: minutes, on a CPU."""


@dataclass(frozen=True)
class Recipe:
    """A run's model and how it is to draw: `changes` as in `sampling.load_model`."""

    run: Run
    averaged: bool = True
    changes: tuple[tuple[str, object], ...] = ()


@dataclass(frozen=True)
class Loaded:
    model: GenerativeModel
    dtype: torch.dtype
    step: int
    """Training step of the weights."""
    digest: str

    def labels(self, n: int, digit: int | None) -> Tensor | None:
        """(n,): `digit`, or all classes in turn; None where the model takes no label."""
        if not self.model.conditional:
            return None
        every = torch.arange(n, device=self.model.device) % len(self.model.spec.class_names)
        return every if digit is None else torch.full_like(every, digit)


def load(recipe: Recipe) -> Loaded:
    """Raises what FAULTS names."""
    return _load(recipe, written(recipe.run))


def written(run: Run) -> int:
    """When the run's newest weights were written, in nanoseconds; 0 before any are."""
    return max((path.stat().st_mtime_ns for path in run.checkpoints.glob("*.safetensors")), default=0)


@contextmanager
def said(one: Entry) -> Iterator[None]:
    """Says on the page what keeps `one` from drawing, where something does, and lets the page go on."""
    try:
        yield
    except FAULTS as fault:
        if one.run.process() and not written(one.run):
            epoch = one.config.training.checkpoint_every
            st.info(
                f"**{plain(one.run.name)}** is training; its first weights are saved after epoch {epoch}.",
                icon=":material/hourglass_top:",
            )
        else:
            st.warning(plain(str(fault)), icon=":material/broken_image:")


@st.cache_resource(max_entries=16, show_spinner=False)
def _load(recipe: Recipe, version: int) -> Loaded:
    try:
        model, checkpoint = sampling.load_model(
            recipe.run, devices.pick(), recipe.averaged, dict(recipe.changes)
        )
    except ValidationError as error:
        raise ValueError(explain(error)) from error
    dtype = devices.precision(recipe.run.config().training.precision, model.device)
    return Loaded(model, dtype, int(checkpoint.metadata["step"]), checkpoint.digest)


@dataclass(frozen=True)
class Drawn:
    images: Tensor  # (N, C, H, W) uint8
    labels: Tensor | None  # (N,) int64, what was asked for
    sampling: str
    step: int

    def only(self, chosen: np.ndarray) -> Drawn:
        """Those at which `chosen` (N,) is true."""
        mask = torch.from_numpy(chosen)
        return Drawn(
            self.images[mask], None if self.labels is None else self.labels[mask], self.sampling, self.step
        )


def pictures(images: Tensor) -> np.ndarray:
    """Images (N, C, H, W), uint8 or in [-1, 1] and clamped to it, as `sheets.draw` takes them: (N, H, W, 3)."""
    n, _, h, w = images.shape
    pixels = quantise(images) if images.is_floating_point() else images
    return pixels.expand(n, 3, h, w).permute(0, 2, 3, 1).numpy()


def grey(pixels: bytes, size: int) -> Tensor:
    """A grey picture's bytes, row by row, as an image (1, 1, size, size) uint8."""
    return torch.frombuffer(bytearray(pixels), dtype=torch.uint8).view(1, 1, size, size)


def draw(recipe: Recipe, n: int, digit: int | None, seed: int) -> Drawn:
    """As `gencore sample` draws them, at most MAX_PASSES of a network. Raises what FAULTS names."""
    return _draw(recipe, written(recipe.run), n, digit, seed)


@st.cache_data(max_entries=128, show_spinner=False)
def _draw(recipe: Recipe, version: int, n: int, digit: int | None, seed: int) -> Drawn:
    loaded = _load(recipe, version)
    refuse_too_much(loaded.model, n)
    labels = loaded.labels(n, digit)
    images = sampling.generate(loaded.model, n, labels, seed, loaded.dtype)
    return Drawn(images.cpu(), None if labels is None else labels.cpu(), loaded.model.sampling, loaded.step)


def refuse_too_much(model: GenerativeModel, n: int) -> None:
    passes = model.network_evaluations if isinstance(model, DDPM) else 1
    if n * passes > MAX_PASSES:
        raise ValueError(
            f"{n} images of {passes:,} passes each would take long; a page draws at most {MAX_PASSES:,} passes, "
            f"so ask for {MAX_PASSES // passes} images or fewer steps"
        )


@st.cache_data(max_entries=32, show_spinner=False)
@torch.no_grad()
def _grid(recipe: Recipe, version: int, columns: int, seed: int) -> Drawn:
    loaded = _load(recipe, version)
    model, classes = loaded.model, len(loaded.model.spec.class_names)
    z = model.draw_latent(columns, Generator(model.device).manual_seed(seed))
    labels = torch.arange(classes, device=model.device).repeat_interleave(columns)
    with devices.autocast(model.device, loaded.dtype):
        images = model.decode(z.repeat(classes, *[1] * (z.ndim - 1)), labels)
    return Drawn(quantise(images).cpu(), labels.cpu(), model.sampling, loaded.step)


def grid(recipe: Recipe, columns: int, seed: int) -> Drawn:
    """A row a class, by a conditional model; one latent down each column, so only the class changes."""
    return _grid(recipe, written(recipe.run), columns, seed)


def file(drawn: Drawn, kind: Literal["png", "npz"]) -> bytes:
    """What `gencore sample` writes."""
    with TemporaryDirectory() as folder:
        path = Path(folder, f"samples.{kind}")
        sampling.write(path, drawn.images, drawn.labels)
        return path.read_bytes()


@st.cache_resource(max_entries=4, show_spinner=False)
def _judge(dataset: DatasetName, run: Run, version: int) -> FeatureExtractor:
    return load_extractor(dataset, devices.pick(), run.results.parent.parent)


def _judge_of(dataset: DatasetName) -> FeatureExtractor:
    run = features_run(dataset)
    return _judge(dataset, run, written(run))


def recognised(dataset: DatasetName, images: Tensor) -> np.ndarray:
    """The class that the data set's classifier sees in each image, (N,). Raises what FAULTS names."""
    judge = _judge_of(dataset)
    return judge(images.to(devices.pick())).predicted.cpu().numpy()


def features(dataset: DatasetName) -> tuple[Features, str]:
    """What images are compared by, and its digest: the classifier's, or `pixels` where the data set has none yet."""
    try:
        judge = _judge_of(dataset)
    except MissingFeaturesError:
        return partial(torch.flatten, start_dim=1), "pixels"
    return judge.network.features, judge.digest


def is_at_hand(dataset: DatasetName) -> bool:
    """Whether the data set can be had without a download."""
    return availability(dataset) != "would be downloaded"


def real(dataset: DatasetName, split: sources.Split) -> Tensor:
    """The images (N, C, H, W) of a split that is at hand: a page downloads nothing. Raises what FAULTS names."""
    return _at_hand(dataset, split).images


def real_labels(dataset: DatasetName, split: sources.Split) -> np.ndarray:
    """The labels (N,) of `real`."""
    return _at_hand(dataset, split).labels.numpy()


def _at_hand(dataset: DatasetName, split: sources.Split) -> sources.ImageData:
    if not is_at_hand(dataset):
        raise sources.DataError(
            f"{DATASETS[dataset].title} is not in {data_folder()}; a training or `gencore features {dataset}` "
            "downloads it there, or set GENCORE_DATA to a folder that holds it"
        )
    return _real(dataset, split, data_folder())


@st.cache_resource(max_entries=4, show_spinner=False)
def _real(dataset: DatasetName, split: sources.Split, folder: Path) -> sources.ImageData:
    return sources.load(dataset, split, folder)


@dataclass(frozen=True)
class Neighbours:
    """The training image (N, C, H, W) nearest to each of N images, by the classifier's features; of how many."""

    images: Tensor
    distances: np.ndarray
    among: int


def nearest_training(dataset: DatasetName, images: Tensor) -> Neighbours:
    """Raises what FAULTS names."""
    train, run = real(dataset, "train"), features_run(dataset)
    found = nearest(
        _judge_of(dataset)(images.to(devices.pick())).features,
        _training_features(dataset, data_folder(), run, written(run)),
    )
    return Neighbours(train[found.indices.cpu()], found.distances.cpu().numpy(), len(train))


@st.cache_resource(max_entries=2, show_spinner=False)
def _training_features(dataset: DatasetName, folder: Path, judge: Run, version: int) -> Tensor:
    return _judge(dataset, judge, version)(_real(dataset, "train", folder).images.to(devices.pick())).features
