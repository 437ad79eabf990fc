"""Measured runs, read from files and grouped: runs that differ only in their seed are one model.

A run that cannot be read, was never measured or translates images is listed with the reason; the others are
used without it.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from PIL import Image, UnidentifiedImageError

from gencore.analysis.colours import appearances
from gencore.analysis.comparison import MeanInterval
from gencore.analysis.reported import Source, reported
from gencore.analysis.scores import Score, scores, unlike_machines
from gencore.config.families import translates
from gencore.config.options import RunConfig
from gencore.evaluation.records import BUDGETS_FILE, Budgets, Ladder
from gencore.metrics import catalog
from gencore.store import events, results, runs
from gencore.store.events import Event, Sheet
from gencore.store.extractor_runs import features_run
from gencore.store.results import Results, UnreadableError
from gencore.store.runs import Run

Measured = TypeVar("Measured")


@dataclass(frozen=True)
class Model:
    """What a figure shows under one name: results of one configuration, one a training seed."""

    name: str
    colour: str
    results: tuple[Results, ...]
    unlike: str = ""
    """On which different machines it and the models shown with it were trained or timed; see `alongside`."""
    place: int = 0
    """Its number among the shown models of its variant; see `gencore.analysis.colours.Appearance`."""

    @cached_property
    def scores(self) -> dict[str, Score]:
        """The four scores over all seeds."""
        return scores(self.results, unlike=self.unlike)

    def estimate(self, metric: str) -> MeanInterval | None:
        """The metric over the seeds; None where a seed has no value."""
        values = [value for one in self.results if (value := one.value(metric)) is not None]
        return MeanInterval.of(values) if len(values) == len(self.results) else None

    def floor(self, metric: str) -> float | None:
        """The metric between real images, of the first seed that has it; None where none was measured."""
        return next((one.metrics[metric].floor for one in self.results if metric in one.metrics), None)

    def metric_score(self, metric: str) -> float | None:
        """The metric between 0 and 1: a part of quality, or its share of the floor; None without a scale."""
        estimate, floor = self.estimate(metric), self.floor(metric)
        info = catalog.METRICS.get(metric)
        if estimate is None or info is None:
            return None
        if info.quality_part:
            return self.scores["quality"].parts.get(info.quality_part)
        match info.better:
            case "nearer 1" if estimate.mean > 0:
                return min(estimate.mean, 1 / estimate.mean)
            case "larger" if floor:
                return max(0.0, min(1.0, estimate.mean / floor))
        return None


def alongside(models: Sequence[Model]) -> list[Model]:
    """These models, each knowing whether the machines of all of them allow costs to be compared."""
    unlike = unlike_machines([one for model in models for one in model.results])
    return [replace(model, unlike=unlike) for model in models]


@dataclass(frozen=True)
class RunLog:
    """The event log of one run, with its model's name and colour."""

    model: str
    run: str
    colour: str
    events: tuple[Event, ...]


@dataclass(frozen=True)
class MeasuredRun:
    """One measured run."""

    run: Run
    config: RunConfig
    results: Results
    events: tuple[Event, ...]
    sheet: bytes | None
    """Its samples as a PNG; None where it has none that can be read."""
    budgets: Budgets | None = None
    """How good it was after growing parts of its training; None where that was not measured."""


@dataclass(frozen=True)
class MeasuredModels:
    """All that was read about some runs of one data set."""

    dataset: str
    models: tuple[Model, ...]
    members: dict[str, tuple[MeasuredRun, ...]]
    """By the model's name, in the order of its results."""
    left_out: dict[str, str]
    """Runs that were asked for and cannot be used, with the reason."""
    reported: list[Source]
    ladder: Ladder | None

    @property
    def every(self) -> list[MeasuredRun]:
        """All runs, model by model."""
        return [member for model in self.models for member in self.members[model.name]]

    @property
    def logs(self) -> list[RunLog]:
        """The event logs of all runs, model by model."""
        return [
            RunLog(model.name, member.run.name, model.colour, member.events)
            for model in self.models
            for member in self.members[model.name]
        ]


def load_measured_models(names: Sequence[str], folder: Path | None = None) -> MeasuredModels:
    """The runs `names`, read from `folder` (default: the home folder) and grouped into models.

    Raises FileNotFoundError for a run that does not exist, ValueError if no run is usable or if data sets
    differ.
    """
    if not names:
        raise ValueError("name at least one run; `gencore runs` lists them")
    members, left_out = [], {}
    for run in [runs.run(name, folder) for name in dict.fromkeys(names)]:
        try:
            config, measured = run.config(), run.load_results()
            log = tuple(events.tail(run.events_path).events)
        except UnreadableError as error:
            left_out[run.name] = str(error)
            continue
        if measured is None:
            left_out[run.name] = f"not measured yet; `gencore evaluate {run.name}` does it"
            continue
        if translates(config.model):
            left_out[run.name] = (
                "translates images, so it does not compare with models that generate them; "
                f"`gencore evaluate {run.name}` prints its figures"
            )
            continue
        try:
            budgets = _budgets(run)
        except UnreadableError as error:
            budgets, left_out[f"{run.name}, quality at equal budgets"] = None, str(error)
        members.append(MeasuredRun(run, config, measured, log, _sheet(run, log), budgets))
    if not members:
        raise ValueError(
            "no run to report on: " + "; ".join(f"{name}: {reason}" for name, reason in left_out.items())
        )
    datasets = {member.results.dataset: member.run.name for member in members}
    if len(datasets) > 1:
        found = ", ".join(f"{name} is on {dataset}" for dataset, name in datasets.items())
        raise ValueError(f"these runs are on different data sets ({found}); make a report of each")
    [dataset] = datasets
    groups = group_by_model(members, lambda member: (member.config, member.results))
    looks = appearances({group[0].run.name: group[0].results.label for group in groups}, dataset).values()
    grouped = {
        look.name: tuple(sorted(group, key=lambda member: member.results.seed))
        for look, group in zip(looks, groups, strict=True)
    }
    models = alongside(
        [
            Model(look.name, look.colour, tuple(one.results for one in grouped[look.name]), place=look.place)
            for look in looks
        ]
    )
    try:
        ladder = _ladder(members[0], folder)
    except UnreadableError as error:
        ladder, left_out["self-test"] = None, str(error)
    return MeasuredModels(dataset, tuple(models), grouped, left_out, reported(dataset), ladder)


def group_by_model(
    members: Iterable[Measured], read: Callable[[Measured], tuple[RunConfig, Results]]
) -> list[list[Measured]]:
    """`members` grouped into models over training seeds; `read` gives a member's config and results.

    Members of one model have the same config but for the seed, the same label and sampler, and were measured
    through the same feature classifier. A second member of the same seed starts a model of its own. Groups
    and their members are in the order of `members`.
    """
    groups: dict[tuple[str, ...], list[dict[int, Measured]]] = {}
    ordered: list[dict[int, Measured]] = []
    for member in members:
        config, found = read(member)
        alike = groups.setdefault(_configuration(config, found), [])
        group = next((group for group in alike if found.seed not in group), None)
        if group is None:
            group = {}
            alike.append(group)
            ordered.append(group)
        group[found.seed] = member
    return [list(group.values()) for group in ordered]


def _configuration(config: RunConfig, found: Results) -> tuple[str, ...]:
    """What runs of one model share: options but the seed, label, sampler and feature classifier."""
    training = config.training.model_copy(update={"seed": 0})
    options = config.model_copy(update={"training": training}).model_dump_json()
    extractors = " ".join((found.extractor_digest, *found.extractor_digests.values()))
    return options, found.label, found.sampler, extractors


def _sheet(run: Run, log: Sequence[Event]) -> bytes | None:
    """The newest readable sample sheet as PNG, that of the evaluation first; None where there is none."""
    drawn = [event.file for event in events.without_void(list(log)) if isinstance(event, Sheet)]
    for file in ["samples.png", *reversed(drawn)]:
        try:
            content = (run.results / file).read_bytes()
            with Image.open(io.BytesIO(content), formats=["PNG"]) as image:
                image.verify()
        except (
            OSError,
            SyntaxError,
            UnidentifiedImageError,
            Image.DecompressionBombError,
        ):  # Pillow's, torn files
            continue
        return content
    return None


def _budgets(run: Run) -> Budgets | None:
    """What was measured of its growing budgets, or None. Raises UnreadableError."""
    path = run.results / BUDGETS_FILE
    return results.load(path, Budgets) if path.exists() else None


def _ladder(member: MeasuredRun, folder: Path | None) -> Ladder | None:
    """The self-test of the classifier that measured `member`, or None. Raises UnreadableError."""
    path = features_run(member.results.dataset, folder).results / "selftest.json"
    if not path.exists():
        return None
    found = results.load(path, Ladder)
    return found if found.extractor_digest == member.results.extractor_digest else None


def origin(one: Results) -> str:
    """`measured here`, `shipped`, or `unknown` where the results do not say."""
    found = one.origins.get("evaluation")
    return found.words if found else "unknown"
