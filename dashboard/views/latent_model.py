"""What the views of the latent page share: the run that is walked through, its directions, its pictures."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import streamlit as st

from dashboard.data import generation, sheets
from dashboard.data.generation import SamplingOptions
from dashboard.data.run_catalog import Entry
from dashboard.widgets.text import figure
from gencore.config.options import DatasetName, HasSamplers
from gencore.data.registry import DATASETS
from gencore.latent.directions import Directions, run_directions
from gencore.latent.interpolation import Features
from gencore.latent.traversal import LatentSpace

SAMPLER_STEPS = 10
"""Steps of a sampler on this page: few, so that a slider responds at once."""
LARGE, SMALL = 360, 90
"""Pixels that a large picture and a picture of a row may be wide."""
SLIDER = 220
SIDE = 9
"""Pictures along the side of a square."""
REACH = 1.0
"""How far directions turn a latent at most, in its lengths: 45 degrees."""


@dataclass(frozen=True)
class SelectedModel:
    """The run whose latent space is walked through."""

    one: Entry
    sampling_options: SamplingOptions
    version: int
    latent_space: LatentSpace
    step: int
    """Training step of the weights."""

    @property
    def dataset(self) -> DatasetName:
        """The data set that the model was trained on."""
        return self.one.readable_config.data.dataset

    @property
    def size(self) -> int:
        """Side of the images in pixels."""
        return DATASETS[self.dataset].size

    def scale(self, width: int) -> int:
        """Screen pixels for each pixel of an image that is about `width` wide."""
        return max(1, width // self.size)


def select_model(one: Entry) -> SelectedModel:
    """Raises what `drawing.FAULTS` names."""
    sampling_options = _sampling_options(one)
    loaded = generation.load(sampling_options)
    return SelectedModel(
        one,
        sampling_options,
        generation.written(one.run),
        LatentSpace(loaded.model, loaded.dtype),
        loaded.step,
    )


def _sampling_options(one: Entry) -> SamplingOptions:
    assert one.config, "a run without a readable config is not offered"
    model = one.config.model
    if not isinstance(model, HasSamplers):
        return SamplingOptions(one.run)
    sampler, steps = next(iter(model.samplers)), min(SAMPLER_STEPS, model.timesteps)
    return SamplingOptions(one.run, changes=(("sampler", sampler), ("sampling_steps", steps)))


def digit(of: SelectedModel, label: str, key: str, default: int = 0) -> int | None:
    """The class asked for; None where the model takes none."""
    if not of.latent_space.model.conditional:
        return None
    names = DATASETS[of.dataset].class_names
    return names.index(st.selectbox(label, names, default, key=key, bind="query-params", width=SLIDER // 2))


def picture(
    of: SelectedModel, pictures: np.ndarray, words: str, columns: int = 1, width: int = LARGE
) -> None:
    """A sheet of pictures, each up to `width` pixels wide."""
    st.image(sheets.draw(pictures, columns, of.scale(width)), alt=f"{words}, {drawn_by(of)}")


def drawn_by(of: SelectedModel) -> str:
    """Whose a picture is, for its alternative text."""
    return f"drawn by the {of.one.label} of run {of.one.run.name}"


def directions(of: SelectedModel) -> Directions:
    """Found once for these weights, and kept with the run."""
    features, digest = generation.features(of.dataset)
    if digest == "pixels":
        st.caption("This data set has no feature classifier yet, so change is counted in pixels.")
    return _found(of.sampling_options, of.version, digest, of.latent_space, features)


@st.cache_resource(
    max_entries=16,
    show_spinner="Looking for the directions that change its pictures most, once for these weights …",
    show_time=True,
)
def _found(
    sampling_options: SamplingOptions,
    version: int,
    digest: str,
    _latent_space: LatentSpace,
    _features: Features,
) -> Directions:
    return run_directions(
        sampling_options.run, _latent_space.model, generation.load(sampling_options).digest, _features, digest
    )


def named(share: float) -> str:
    """`24 % of change`."""
    return f"{figure(100 * share, 2)} % of change"
