"""Images from a run's model for the pages. Of `dashboard.data`, only this one and `translations` load torch.

Models are loaded once a server, and images are cached by their options; newer weights replace both.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

import numpy as np
import streamlit as st
import torch
from pydantic import ValidationError
from torch import Generator, Tensor

from dashboard.data.run_catalog import Entry
from dashboard.widgets.text import plain
from gencore import devices
from gencore.config.datasets import DatasetSpec
from gencore.data import sources
from gencore.data.batches import quantise
from gencore.data.registry import availability, data_folder
from gencore.data.verification import DataError
from gencore.evaluation.training_features import training_features
from gencore.latent.interpolation import Features
from gencore.metrics.memorisation import nearest
from gencore.models.base import GenerativeModel, HasLatent
from gencore.models.feature_extractor import FeatureExtractor, MissingFeaturesError, load_extractor
from gencore.models.load import load_model
from gencore.sampling import sheets as sample_sheets
from gencore.sampling.generate import generate
from gencore.store.extractor_runs import features_run
from gencore.store.results import explain
from gencore.store.runs import Run

FAULTS = (ValueError, OSError)
"""Errors of a run's files or a visitor's options; the message says what to do."""
MAX_PASSES = 100_000
"""Most network passes, each of one image, that a page computes: minutes, on a CPU."""


@dataclass(frozen=True)
class SamplingOptions:
    """A run's model and how to sample from it: `changes` as in `models.load.load_model`."""

    run: Run
    averaged: bool = True
    changes: tuple[tuple[str, object], ...] = ()


@dataclass(frozen=True)
class Loaded:
    """A model ready to sample from, the arithmetic of its networks, and the digest of its weights."""

    model: GenerativeModel
    dtype: torch.dtype
    step: int
    """Training step of the weights."""
    digest: str

    def labels(self, n: int, label: int | None) -> Tensor | None:
        """(n,): the class or cluster `label`, or all classes in turn; None for a model that takes neither,
        and where its clusters are to be random.
        """
        if not self.model.conditional and (label is None or not self.model.clusters):
            return None
        every = torch.arange(n, device=self.model.device) % self.model.spec.classes
        return every if label is None else torch.full_like(every, label)


def load(sampling_options: SamplingOptions) -> Loaded:
    """Raises what FAULTS names."""
    return _load(sampling_options, written(sampling_options.run))


def written(run: Run) -> int:
    """When the run's newest weights were written, in nanoseconds; 0 before any are."""
    return max((path.stat().st_mtime_ns for path in run.checkpoints.glob("*.safetensors")), default=0)


@contextmanager
def explained_errors(one: Entry) -> Iterator[None]:
    """Shows an error of the model of `one` on the page, which then continues."""
    try:
        yield
    except FAULTS as fault:
        if one.run.process() and not written(one.run):
            epoch = one.readable_config.training.checkpoint_every
            st.info(
                f"**{plain(one.run.name)}** is training; its first weights are saved after epoch {epoch}.",
                icon=":material/hourglass_top:",
            )
        else:
            st.warning(plain(str(fault)), icon=":material/broken_image:")


@st.cache_resource(max_entries=16, show_spinner=False)
def _load(sampling_options: SamplingOptions, version: int) -> Loaded:
    try:
        model, checkpoint = load_model(
            sampling_options.run, devices.pick(), sampling_options.averaged, dict(sampling_options.changes)
        )
    except ValidationError as error:
        raise ValueError(explain(error)) from error
    dtype = devices.precision(sampling_options.run.config().training.precision, model.device)
    return Loaded(model, dtype, int(checkpoint.metadata["step"]), checkpoint.digest)


@dataclass(frozen=True)
class Samples:
    """Generated images with their labels, how they were sampled, and the training step of the weights."""

    images: Tensor  # (N, C, H, W) uint8
    labels: Tensor | None  # (N,) int64, what was asked for
    sampling: str
    step: int

    def only(self, chosen: np.ndarray) -> Samples:
        """Those at which `chosen` (N,) is true."""
        mask = torch.from_numpy(chosen)
        return Samples(
            self.images[mask], None if self.labels is None else self.labels[mask], self.sampling, self.step
        )


def pictures(images: Tensor) -> np.ndarray:
    """Images (N, C, H, W), uint8 or in [-1, 1], as pixels (N, H, W, 3) uint8 for `sheets.draw`."""
    n, _, h, w = images.shape
    pixels = quantise(images) if images.is_floating_point() else images
    return pixels.expand(n, 3, h, w).permute(0, 2, 3, 1).numpy()


def grey(pixels: bytes, size: int) -> Tensor:
    """A grey picture's bytes, row by row, as an image (1, 1, size, size) uint8."""
    return torch.frombuffer(bytearray(pixels), dtype=torch.uint8).view(1, 1, size, size)


def draw(sampling_options: SamplingOptions, n: int, label: int | None, seed: int) -> Samples:
    """As `gencore sample` draws them, at most MAX_PASSES of a network. Raises what FAULTS names."""
    return _draw(sampling_options, written(sampling_options.run), n, label, seed)


@st.cache_data(max_entries=128, show_spinner=False)
def _draw(sampling_options: SamplingOptions, version: int, n: int, label: int | None, seed: int) -> Samples:
    loaded = _load(sampling_options, version)
    refuse_too_much(loaded.model, n)
    labels = loaded.labels(n, label)
    images = generate(loaded.model, n, labels, seed, loaded.dtype)
    return Samples(images.cpu(), None if labels is None else labels.cpu(), loaded.model.sampling, loaded.step)


def refuse_too_much(model: GenerativeModel, n: int) -> None:
    """Raises ValueError where n images take more than MAX_PASSES passes of the network."""
    passes = model.network_evaluations
    if n * passes > MAX_PASSES:
        raise ValueError(
            f"{n} images of {passes:,} passes each would take long; a page computes at most {MAX_PASSES:,} "
            f"passes, so ask for {MAX_PASSES // passes} images or fewer steps"
        )


@st.cache_data(max_entries=32, show_spinner=False)
@torch.no_grad()
def _grid(sampling_options: SamplingOptions, version: int, columns: int, seed: int) -> Samples:
    loaded = _load(sampling_options, version)
    model, classes = loaded.model, loaded.model.spec.classes
    assert isinstance(model, HasLatent), "every conditional family has a latent"
    z = model.draw_latent(columns, Generator(loaded.model.device).manual_seed(seed))
    labels = torch.arange(classes, device=loaded.model.device).repeat_interleave(columns)
    with devices.autocast(loaded.model.device, loaded.dtype):
        rng = Generator(loaded.model.device).manual_seed(seed)
        condition = model.draw_condition(len(labels), labels, rng)
        images = model.decode(z.repeat(classes, *[1] * (z.ndim - 1)), condition)
    return Samples(quantise(images).cpu(), labels.cpu(), loaded.model.sampling, loaded.step)


@st.cache_data(max_entries=8, show_spinner=False)
def _cluster_images(sampling_options: SamplingOptions, version: int) -> np.ndarray:
    model = _load(sampling_options, version).model
    assert model.clusters, "asked of models with clusters only"
    return pictures(model.clusters.images(model.spec).cpu())


def cluster_images(sampling_options: SamplingOptions) -> np.ndarray:
    """The centre of each cluster of a model with clusters, (k, H, W, 3) uint8. Raises what FAULTS names."""
    return _cluster_images(sampling_options, written(sampling_options.run))


def grid(sampling_options: SamplingOptions, columns: int, seed: int) -> Samples:
    """Samples of a conditional model: a row for each class, the same latent in each column."""
    return _grid(sampling_options, written(sampling_options.run), columns, seed)


def file(drawn: Samples, kind: Literal["png", "npz"]) -> bytes:
    """What `gencore sample` writes."""
    with TemporaryDirectory() as folder:
        path = Path(folder, f"samples.{kind}")
        sample_sheets.write(path, drawn.images, drawn.labels)
        return path.read_bytes()


@st.cache_resource(max_entries=4, show_spinner=False)
def _extractor(spec: DatasetSpec, run: Run, version: int) -> FeatureExtractor:
    return load_extractor(spec, devices.pick(), run.home)


def _extractor_of(spec: DatasetSpec) -> FeatureExtractor:
    run = features_run(spec.name)
    return _extractor(spec, run, written(run))


def recognised(spec: DatasetSpec, images: Tensor) -> np.ndarray:
    """The class that the data set's classifier sees in each image, (N,). Raises what FAULTS names."""
    extractor = _extractor_of(spec)
    return extractor(images.to(devices.pick())).predicted.cpu().numpy()


def features(spec: DatasetSpec) -> tuple[Features, str]:
    """Features in which images are compared, and their digest; pixels where there is no classifier yet."""
    try:
        extractor = _extractor_of(spec)
    except MissingFeaturesError:
        return partial(torch.flatten, start_dim=1), "pixels"
    return extractor.network.features, extractor.digest


def is_at_hand(spec: DatasetSpec) -> bool:
    """Whether the data set can be had without a download."""
    return availability(spec.name) != "would be downloaded"


def real(spec: DatasetSpec, split: sources.Split) -> Tensor:
    """The images (N, C, H, W) of a split on disk: pages download nothing. Raises what FAULTS names."""
    return real_data(spec, split).images


def real_labels(spec: DatasetSpec, split: sources.Split) -> np.ndarray:
    """The labels (N,) of `real`."""
    return real_data(spec, split).labels.numpy()


def real_data(spec: DatasetSpec, split: sources.Split) -> sources.ImageData:
    """Images and labels of a split on disk, as `real`."""
    if not is_at_hand(spec):
        raise DataError(
            f"{spec.title} is not in {data_folder()}; a training or `gencore features {spec.name}` "
            "downloads it there, or set GENCORE_DATA to a folder that holds it"
        )
    return _real(spec, split, data_folder())


@st.cache_resource(max_entries=4, show_spinner=False)
def _real(spec: DatasetSpec, split: sources.Split, folder: Path) -> sources.ImageData:
    return sources.load(spec, split, folder)


@dataclass(frozen=True)
class Neighbours:
    """For each of N images the nearest training image (N, C, H, W), and its distance (N,) in features."""

    images: Tensor
    distances: np.ndarray
    among: int
    """Training images that were searched."""


def nearest_training(
    spec: DatasetSpec, images: Tensor, progress: Callable[[float], None] = lambda share: None
) -> Neighbours:
    """The training image nearest to each of `images` (N, C, H, W) uint8, by the classifier's features.

    The first search extracts the features of all training images, of which `progress` gets the share that is
    done; they are then kept in memory and on disk. Raises what FAULTS names.
    """
    train, run = real_data(spec, "train"), features_run(spec.name)
    kept = _training_features(spec, data_folder(), run, written(run))
    extractor = _extractor_of(spec)
    with kept.lock:  # a second visitor waits for the features that the first one computes
        if kept.features is None:
            kept.features = training_features(extractor, run, train.to(devices.pick()), progress).features
    found = nearest(extractor(images.to(devices.pick())).features, kept.features)
    return Neighbours(train.images[found.indices.cpu()], found.distances.cpu().numpy(), len(train.images))


@dataclass
class _TrainingFeatures:
    """Filled outside the cached function: elements like a progress bar cannot be updated within one."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    features: Tensor | None = None


@st.cache_resource(max_entries=2, show_spinner=False)
def _training_features(spec: DatasetSpec, folder: Path, extractor: Run, version: int) -> _TrainingFeatures:
    """One for the whole server, empty at first; another once the classifier was trained again."""
    return _TrainingFeatures()
