"""What the files of some runs say together: runs that differ in nothing but their seed are one model.

A run that cannot be read or was never measured is named with the reason; the others go on without it.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from gencore import events, results, runs
from gencore.config import RunConfig
from gencore.curves import Log
from gencore.events import Event, Sheet
from gencore.figures import Model, run_colours
from gencore.judge import SelfTest
from gencore.reported import Source, reported
from gencore.results import Results, UnreadableError
from gencore.runs import Run


@dataclass(frozen=True)
class Member:
    """One measured run."""

    run: Run
    config: RunConfig
    results: Results
    events: tuple[Event, ...]
    sheet: bytes | None
    """Its samples as a PNG; None where it has none that can be read."""

    @property
    def recipe(self) -> tuple[str, ...]:
        """What runs of one model share: everything asked for but the seed, and how images were drawn."""
        training = self.config.training.model_copy(update={"seed": 0})
        asked = self.config.model_copy(update={"training": training}).model_dump_json()
        return asked, self.results.label, self.results.sampler


@dataclass(frozen=True)
class Evidence:
    """What there is to say about some runs of one data set."""

    dataset: str
    models: tuple[Model, ...]
    members: dict[str, tuple[Member, ...]]
    """By the model's name, in the order of its results."""
    left_out: dict[str, str]
    """What was asked for and cannot be used, with the reason."""
    reported: list[Source]
    ladder: SelfTest | None

    @property
    def every(self) -> list[Member]:
        return [member for model in self.models for member in self.members[model.name]]

    @property
    def logs(self) -> list[Log]:
        return [Log(model.name, member.run.name, model.colour, member.events) for model in self.models for member in self.members[model.name]]


def gather(names: Sequence[str], folder: Path | None = None) -> Evidence:
    """What the files of the runs `names` say.

    Raises FileNotFoundError for a run that does not exist, ValueError where no run is usable or where data sets differ.
    """
    if not names:
        raise ValueError("name at least one run; `gencore runs` lists them")
    members, left_out = [], {}
    for run in [runs.run(name, folder) for name in dict.fromkeys(names)]:
        try:
            config, measured = run.config(), run.load_results()
        except UnreadableError as error:
            left_out[run.name] = str(error)
            continue
        if measured is None:
            left_out[run.name] = f"not measured yet; `gencore evaluate {run.name}` does it"
            continue
        log = tuple(events.tail(run.events_path).events)
        members.append(Member(run, config, measured, log, _sheet(run, log)))
    if not members:
        raise ValueError("no run to report on: " + "; ".join(f"{name}: {reason}" for name, reason in left_out.items()))
    datasets = {member.results.dataset: member.run.name for member in members}
    if len(datasets) > 1:
        told = ", ".join(f"{name} is on {dataset}" for dataset, name in datasets.items())
        raise ValueError(f"these runs are on different data sets ({told}); make a report of each")
    [dataset] = datasets
    grouped = _grouped(members)
    colours = run_colours({name: group[0].results.label for name, group in grouped.items()})
    models = tuple(Model(name, colours[name], tuple(member.results for member in group)) for name, group in grouped.items())
    try:
        ladder = _ladder(members[0], folder)
    except UnreadableError as error:
        ladder, left_out["self-test"] = None, str(error)
    return Evidence(dataset, models, grouped, left_out, reported(dataset), ladder)


def _grouped(members: Sequence[Member]) -> dict[str, tuple[Member, ...]]:
    """Members by the name of their model: its label, with the run's name where a label stands for several models."""
    groups: list[list[Member]] = []
    for member in members:
        fitting = (
            group for group in groups
            if group[0].recipe == member.recipe and member.results.seed not in {other.results.seed for other in group}
        )  # fmt: skip
        if group := next(fitting, None):
            group.append(member)
        else:
            groups.append([member])
    labels = [group[0].results.label for group in groups]
    named = {}
    for label, group in zip(labels, groups, strict=True):
        name = label if labels.count(label) == 1 else f"{label} · {group[0].run.name}"
        named[name] = tuple(sorted(group, key=lambda member: member.results.seed))
    return named


def _sheet(run: Run, log: Sequence[Event]) -> bytes | None:
    """The samples drawn for the evaluation, else the last sheet of the training."""
    drawn = [event.file for event in events.without_void(list(log)) if isinstance(event, Sheet)]
    for file in ["samples.png", *reversed(drawn)]:
        try:
            content = (run.results / file).read_bytes()
            with Image.open(io.BytesIO(content), formats=["PNG"]) as image:
                image.verify()
        except (OSError, SyntaxError, UnidentifiedImageError, Image.DecompressionBombError):  # Pillow's for torn files
            continue
        return content
    return None


def _ladder(member: Member, folder: Path | None) -> SelfTest | None:
    """The self-test of the classifier that measured `member`; None where there is none. Raises UnreadableError."""
    path = runs.run(f"features-{member.results.dataset}", folder).results / "selftest.json"
    if not path.exists():
        return None
    found = results.load(path, SelfTest)
    return found if found.extractor_digest == member.results.extractor_digest else None


def origin(one: Results) -> str:
    """`measured here`, `shipped`, or `unknown` where the results do not say."""
    found = one.origins.get("evaluation")
    return found.words if found else "unknown"
