"""A study as its YAML file asks for it: a base, what varies, on which seeds, and how the trials are run.

Options go by the names of the fields of a run's config, such as `beta1` or `epochs`. Loads no torch.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, TypeAlias

import yaml
from pydantic import Field, ValidationError, field_validator, model_validator

from gencore.config.datasets import DatasetName
from gencore.config.options import PRESETS
from gencore.config.sections import Config
from gencore.metrics import catalog
from gencore.store.files import read_file
from gencore.store.results import explain

Level: TypeAlias = bool | int | float | str | None
"""The value of one option."""
QUICK_FD = "quick_fd"
"""The objective that needs no evaluation: the quick Fréchet distance at the end of a training."""
FIRST_SEED = 42
MAX_TRIALS = 10_000
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")


class Base(Config):
    """The config that every trial starts from: a preset on a data set, with some options changed."""

    preset: str = Field(description="A preset of `gencore train`.")
    dataset: DatasetName = "mnist"
    options: dict[str, Level] = Field({}, description="Options that are not the preset's, by name.")

    @field_validator("preset")
    @classmethod
    def _exists(cls, preset: str) -> str:
        if preset not in PRESETS:
            raise ValueError(f"there is no preset {preset}; presets: {', '.join(PRESETS)}")
        return preset


class Axis(Config):
    """One thing that varies: an option, or several that change together."""

    options: tuple[str, ...] = Field((), description="Options that take the value [the axis' own name].")
    values: tuple[Level, ...] | None = Field(None, description="The values themselves.")
    levels: dict[str, dict[str, Level]] | None = Field(
        None, description="Named settings of several options each, in place of values."
    )
    lower: float | None = Field(None, description="Lower end of a range.")
    upper: float | None = Field(None, description="Upper end of a range.")
    scale: Literal["linear", "log"] = "linear"
    number: int | None = Field(None, ge=2, le=1000, description="Values of a range in a grid.")

    @model_validator(mode="before")
    @classmethod
    def _of_a_list(cls, given: object) -> object:
        return {"values": given} if isinstance(given, list) else given

    @model_validator(mode="after")
    def _is_one_kind(self) -> Axis:
        kinds = [self.values is not None, self.levels is not None, self.is_range]
        if sum(kinds) != 1:
            raise ValueError("an axis is a list, or has values, or levels, or lower and upper: one of them")
        if self.values == () or self.levels == {}:
            raise ValueError("an axis without values makes an empty grid; list at least one")
        if self.levels is not None and self.options:
            raise ValueError("levels name their options themselves; leave out options")
        if self.is_range:
            self._check_range()
        return self

    @property
    def is_range(self) -> bool:
        """Whether it is given by its ends."""
        return self.lower is not None or self.upper is not None

    def _check_range(self) -> None:
        """Raises ValueError for ends that make no range."""
        if self.lower is None or self.upper is None:
            raise ValueError("a range has both lower and upper")
        if self.lower >= self.upper:
            raise ValueError(f"lower is {self.lower:g}, not below upper {self.upper:g}; swap them")
        if self.scale == "log" and self.lower <= 0:
            raise ValueError(f"lower is {self.lower:g}; a range with scale log lies above 0")


class Search(Config):
    """How points are chosen from the axes."""

    method: Literal["grid", "random", "tpe"] = Field(
        "grid",
        description="All combinations; independent draws (Bergstra & Bengio 2012); or draws that learn from "
        "the results before (tree-structured Parzen estimator, Bergstra et al. 2011; needs Optuna).",
    )
    points: int | None = Field(
        None, ge=1, le=MAX_TRIALS, description="Points of random and tpe; each is trained on every seed."
    )
    seed: int = Field(0, ge=0, lt=2**31, description="Seed of the draws.")

    @model_validator(mode="after")
    def _points_suit_the_method(self) -> Search:
        if self.method == "grid" and self.points is not None:
            raise ValueError("a grid has as many points as its axes make; leave out points")
        if self.method != "grid" and self.points is None:
            raise ValueError(f"search by {self.method} needs points, the number of points to try")
        return self


class Study(Config):
    """Everything that a study depends on, apart from the machines."""

    name: str = Field(description="1 to 40 small letters, digits and '-'.")
    about: str = Field("", description="What it is to find out, in a sentence.")
    base: Base
    axes: dict[str, Axis] = Field({}, description="By the option's name, or a title with options.")
    search: Search = Search()
    ablation: dict[str, dict[str, Level]] = Field(
        {}, description="Changes of the base by title, made one at a time; in place of axes."
    )
    seeds: tuple[int, ...] = Field(
        (FIRST_SEED,), description=f"Training seeds; a number n is n seeds from {FIRST_SEED} on."
    )
    objective: str = Field(
        QUICK_FD,
        description="What is compared: quick_fd, or a metric of `gencore evaluate`, which then measures "
        "every finished trial.",
    )
    samples: int | None = Field(None, ge=60, le=1_000_000, description="Images of that evaluation.")
    scheduler: Literal["none", "asha"] = Field(
        "none",
        description="asha cuts trials whose quick distance is not among the best 1/asha_factor at "
        "asha_first_epoch, at asha_factor times as many epochs, and so on (Li et al. 2020).",
    )
    asha_first_epoch: int = Field(1, ge=1, description="Epochs before which no trial is cut.")
    asha_factor: int = Field(3, ge=2, le=10, description="One in so many goes on.")
    confirmation_seeds: int = Field(
        3,
        ge=0,
        le=100,
        description="Fresh seeds on which the best point of a search is trained again, because the best of "
        "many is better by luck too; 0 is none.",
    )
    threads: int = Field(1, ge=1, le=1024, description="CPU threads of a trial.")
    gpus: float = Field(0, ge=0, le=64, description="GPUs of a trial, or a fraction of one.")
    retries: int = Field(1, ge=0, le=100, description="How often a trial that failed is tried again.")

    @field_validator("seeds", mode="before")
    @classmethod
    def _count(cls, given: object) -> object:
        if isinstance(given, int) and not isinstance(given, bool):
            if given < 1:
                raise ValueError(f"seeds is {given}; use 1 or more")
            return [*range(FIRST_SEED, FIRST_SEED + given)]
        return given

    @field_validator("seeds")
    @classmethod
    def _are_distinct(cls, seeds: tuple[int, ...]) -> tuple[int, ...]:
        if not seeds:
            raise ValueError("seeds is empty; give at least one")
        if repeated := sorted({seed for seed in seeds if seeds.count(seed) > 1}):
            raise ValueError(f"seed {', '.join(map(str, repeated))} is listed more than once")
        return seeds

    @field_validator("name")
    @classmethod
    def _is_a_name(cls, name: str) -> str:
        if not _NAME.fullmatch(name):
            raise ValueError(
                "use 1 to 40 small letters, digits and '-', with a letter or digit first; trials are named "
                "after the study"
            )
        return name

    @field_validator("objective")
    @classmethod
    def _can_be_compared(cls, objective: str) -> str:
        known = [QUICK_FD, *(info.id for info in catalog.compared() if _is_measured_by_default(info))]
        if objective not in known:
            raise ValueError(f"there is no objective {objective}; use one of {', '.join(known)}")
        return objective

    @model_validator(mode="after")
    def _varies_one_way(self) -> Study:
        if self.ablation and self.axes:
            raise ValueError("a study has axes or an ablation; make two studies of it")
        if not self.ablation and not self.axes:
            raise ValueError("the grid is empty: name axes, or an ablation with its changes")
        if self.ablation and self.search != Search():
            raise ValueError("an ablation makes its changes one at a time; leave out search")
        if empty := [title for title, changes in self.ablation.items() if not changes]:
            raise ValueError(f"ablation {', '.join(empty)} changes nothing; name an option and its value")
        if self.samples is not None and self.objective == QUICK_FD:
            raise ValueError(
                "samples are of an evaluation, and objective quick_fd has none; leave out samples"
            )
        if self.search.method == "grid":
            self._check_grid()
        return self

    def _check_grid(self) -> None:
        """Raises ValueError for a range without a number of values."""
        for title, axis in self.axes.items():
            if axis.is_range and axis.number is None:
                raise ValueError(f"axis {title} is a range; in a grid it needs number, how many values")

    @property
    def is_search(self) -> bool:
        """Whether it looks for the best of several points; an ablation asks what each change does."""
        return not self.ablation

    @property
    def is_smaller_better(self) -> bool:
        """Of the objective."""
        return self.objective == QUICK_FD or catalog.METRICS[self.objective].better == "smaller"

    @property
    def is_on_log_scale(self) -> bool:
        """Whether the objective is a distance, of which ratios count and not differences."""
        return self.objective in (QUICK_FD, "fd", "fd_over_floor")


def _is_measured_by_default(info: catalog.MetricInfo) -> bool:
    """Whether an evaluation without options has the metric, and it has a better end."""
    return info.better in ("smaller", "larger") and info.group in (*catalog.DEFAULT_GROUPS, "training")


def parse(text: bytes | str, source: str = "the study") -> Study:
    """The study in a YAML text. Raises ValueError that names `source` and what is wrong."""
    try:
        given = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(f"{source} is no YAML: {' '.join(str(error).split())}") from error
    if not isinstance(given, Mapping):
        raise ValueError(f"{source} holds no study; it is a mapping with name, base and axes or ablation")
    try:
        return Study.model_validate(given)
    except ValidationError as error:
        raise ValueError(f"{source}: {explain(error)}") from error


def read(path: Path) -> Study:
    """The study in the file `path`. Raises FileNotFoundError, UnreadableError, or ValueError as `parse`."""
    return parse(read_file(path), str(path))
