"""From a study to its trials: each a complete config of an ordinary run, with a name that does not change.

All refusals come before anything is written. Loads no torch.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gencore.analysis.time_estimate import steps_per_epoch
from gencore.config.options import PRESETS, RunConfig
from gencore.data.registry import find
from gencore.store.extractor_runs import features_run
from gencore.store.results import explain
from gencore.studies.points import (
    Point,
    corners,
    options_of,
    points_before,
    refuse_unknown,
    title_of,
)
from gencore.studies.study import MAX_TRIALS, QUICK_FD, Level, Study

Phase = Literal["search", "confirmation"]


class Trial(BaseModel):
    """One training of a study."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    number: int = Field(ge=0, description="Its place in the study.")
    name: str = Field(description="Of its run.")
    point: dict[str, Level] = Field(description="The level of each axis.")
    seed: int
    phase: Phase = "search"
    config: RunConfig
    fault: str | None = Field(None, description="Why its training could not begin; null where it could.")

    @property
    def epochs(self) -> float:
        """Passes over the training split of the whole training."""
        steps = steps_per_epoch(self.config)
        return self.config.total_steps(steps) / steps


def base_config(study: Study, data_folder: Path | None = None) -> RunConfig:
    """The config that every trial starts from, on the data set as it is now.

    Raises ValueError for unknown options, an unknown data set, and options that contradict each other."""
    preset = PRESETS[study.base.preset]
    refuse_unknown(study, preset)
    if preset.training.steps and "epochs" in study.base.options and "steps" not in study.base.options:
        raise ValueError(
            f"base: preset {study.base.preset} trains for {preset.training.steps} steps, whatever its "
            "epochs; set steps, or steps to null and then epochs"
        )
    config = preset.on(find(study.base.dataset, data_folder))
    return _with_options(config, study.base.options, "base") if study.base.options else config


def expand(study: Study, data_folder: Path | None = None) -> list[Trial]:
    """The trials of `study` that are known before its first training: all but those of TPE.

    A TPE's axes are tried at their corners, so that impossible combinations are refused now. Raises
    ValueError for whatever cannot be trained, with the point."""
    base = base_config(study, data_folder)
    points = points_before(study, base)
    if points is None:
        for corner in corners(study, base):
            configure(study, base, corner)
        return []
    if (number := len(points) * len(study.seeds)) > MAX_TRIALS:
        raise ValueError(
            f"{len(points)} points on {len(study.seeds)} seeds are {number:,} trials; a study has at most "
            f"{MAX_TRIALS:,}"
        )
    trials = [trial for one in points for trial in trials_at(study, base, one)]
    _refuse_alike(trials)
    return [trial.model_copy(update={"number": number}) for number, trial in enumerate(trials)]


def trials_at(
    study: Study,
    base: RunConfig,
    point: Point,
    seeds: Sequence[int] | None = None,
    phase: Phase = "search",
    first_number: int = 0,
) -> list[Trial]:
    """The trials at `point`, one a seed (default: those of the study). Raises ValueError, with the point."""
    config = configure(study, base, point)
    return [
        Trial(
            number=first_number + place,
            name=_run_name(study, config, seed),
            point=dict(point.levels),
            seed=seed,
            phase=phase,
            config=_seeded(config, seed),
        )
        for place, seed in enumerate(study.seeds if seeds is None else seeds)
    ]


def configure(study: Study, base: RunConfig, point: Point) -> RunConfig:
    """The config at `point`. Raises ValueError where its options contradict each other, or where it would
    have no value of the study's objective."""
    config = _with_options(base, point.options, point.title)
    training, passes = config.training, steps_per_epoch(config)
    if (study.objective == QUICK_FD or study.scheduler == "asha") and (
        training.fd_every == 0 or config.total_steps(passes) < training.fd_every * passes
    ):
        needs = f"objective {QUICK_FD}" if study.objective == QUICK_FD else "scheduler asha"
        raise ValueError(
            f"{point.title}: {needs} needs quick Fréchet distances, and this training of "
            f"{config.total_steps(passes)} steps ({passes} an epoch) with fd_every {training.fd_every} has "
            "none; set fd_every to 1, and epochs to 1 or more (or enough steps), in base.options"
        )
    if study.scheduler == "asha" and study.asha_first_epoch * passes >= config.total_steps(passes):
        raise ValueError(
            f"{point.title}: asha_first_epoch is {study.asha_first_epoch}, but the training has no more "
            f"than {config.total_steps(passes) / passes:g} epochs, so nothing would be cut; lower it, or "
            "train longer"
        )
    return config.model_copy(update={"study": study.name})


def refuse_without_extractors(study: Study, folder: Path) -> None:
    """Raises ValueError where the data set has no feature classifier, which every objective needs."""
    run = features_run(study.base.dataset, folder)
    if run.weights_path is None:
        raise ValueError(
            f"{study.base.dataset} has no feature classifiers under {folder}; "
            f"`gencore features {study.base.dataset}` trains them"
        )


def _with_options(config: RunConfig, options: Mapping[str, Level], place: str) -> RunConfig:
    parts = {name: option.part for name, option in options_of(config).items()}
    given = config.model_dump()
    for name, value in options.items():
        given[parts[name]][name] = value
    try:
        return RunConfig.model_validate(given)
    except ValidationError as error:
        raise ValueError(f"{place}: {explain(error)}") from error


def _seeded(config: RunConfig, seed: int) -> RunConfig:
    given = config.model_dump()
    given["training"]["seed"] = seed
    return RunConfig.model_validate(given)


def _run_name(study: Study, config: RunConfig, seed: int) -> str:
    """Of what the trial is, not of its place: a study with one more level keeps the names of the others."""
    digest = hashlib.sha256(_seeded(config, 0).model_dump_json(exclude={"study"}).encode()).hexdigest()
    return f"{study.name}-{digest[:8]}-s{seed}"


def _refuse_alike(trials: Sequence[Trial]) -> None:
    """Raises ValueError for two points that are the same training."""
    seen: dict[str, Trial] = {}
    for trial in trials:
        if other := seen.get(trial.name):
            raise ValueError(
                f"{title_of(other.point)} and {title_of(trial.point)} are the same training; leave one of "
                "them out"
            )
        seen[trial.name] = trial
