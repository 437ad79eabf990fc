"""What the views of the latent page share: the run that is walked through, its directions, its pictures."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import streamlit as st

from dashboard import drawing, sheets
from dashboard.catalog import Entry
from dashboard.drawing import Recipe
from dashboard.words import figure
from gencore import latent, walks
from gencore.config import DDPMConfig
from gencore.data.registry import DATASETS
from gencore.latent import Directions
from gencore.walks import Walker

DDPM_STEPS = 10
"""Sampler steps of a DDPM here: a slider is answered at once."""
LARGE, SMALL = 360, 90
"""Pixels that a large picture and a picture of a row may be wide."""
SLIDER = 220
SIDE = 9
"""Pictures along the side of a square."""
REACH = 1.0
"""How far directions turn a latent at most, in its lengths: 45 degrees."""


@dataclass(frozen=True)
class Subject:
    """The run whose latent space is walked through."""

    one: Entry
    recipe: Recipe
    version: int
    walker: Walker
    step: int
    """Training step of the weights."""

    @property
    def size(self) -> int:
        return DATASETS[self.one.dataset].size

    def scale(self, width: int) -> int:
        return max(1, width // self.size)


def subject(one: Entry) -> Subject:
    """Raises what `drawing.FAULTS` names."""
    recipe = _recipe(one)
    loaded = drawing.load(recipe)
    return Subject(one, recipe, drawing.written(one.run), Walker(loaded.model, loaded.dtype), loaded.step)


def _recipe(one: Entry) -> Recipe:
    model = one.config.model
    if not isinstance(model, DDPMConfig):
        return Recipe(one.run)
    sampler = "ddim" if model.prediction == "flow" else "dpm-solver++"
    steps = min(DDPM_STEPS, model.timesteps)
    return Recipe(one.run, changes=(("sampler", sampler), ("sampling_steps", steps)))


def digit(of: Subject, label: str, key: str, default: int = 0) -> int | None:
    """The class asked for; None where the model takes none."""
    if not of.walker.model.conditional:
        return None
    names = DATASETS[of.one.dataset].class_names
    return names.index(
        st.selectbox(label, names, default, key=key, bind="query-params", width=SLIDER // 2)
    )


def picture(of: Subject, pictures: np.ndarray, words: str, columns: int = 1, width: int = LARGE) -> None:
    """A sheet of pictures, each up to `width` pixels wide."""
    st.image(sheets.draw(pictures, columns, of.scale(width)), alt=f"{words}, {drawn_by(of)}")


def drawn_by(of: Subject) -> str:
    """Whose a picture is, for its alternative text."""
    return f"drawn by the {of.one.label} of run {of.one.run.name}"


def directions(of: Subject) -> Directions:
    """Found once for these weights, and kept with the run."""
    features, digest = drawing.features(of.one.dataset)
    if digest == "pixels":
        st.caption("This data set has no feature classifier yet, so change is counted in pixels.")
    return _found(of.recipe, of.version, digest, of.walker, features)


@st.cache_resource(
    max_entries=16, show_spinner="Looking for the directions that change its pictures most, once for these weights …", show_time=True
)
def _found(recipe: Recipe, version: int, digest: str, _walker: Walker, _features: latent.Features) -> Directions:
    return walks.kept_directions(recipe.run, _walker, drawing.load(recipe).digest, _features, digest)


def named(share: float) -> str:
    """`24 % of change`."""
    return f"{figure(100 * share, 2)} % of change"
