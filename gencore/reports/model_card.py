"""A run as a model card (Mitchell et al. 2019): the model, its training, its results and their limits.

Everything comes from the run's own files; the card names what they lack. The text is in
`model_card.md.jinja`; values put into it are escaped here. Hugging Face reads the front matter.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib import resources

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup
from safetensors import SafetensorError, safe_open

from gencore.analysis.warnings import find_warnings
from gencore.config import commands
from gencore.config.families import refuse_other_tasks
from gencore.metrics import catalog
from gencore.reports.html import day
from gencore.store import events
from gencore.store.events import Ended, Resumed, Started
from gencore.store.results import Results, UnreadableError
from gencore.store.runs import Run

DIGITS = 4
_ACTIVE = re.compile(r"[\\`*_{}\[\]<>|~&$#!@]|(?<=:)//|(?<=www)\.", re.IGNORECASE)


def card(run: Run) -> str:
    """The card as Markdown.

    Raises FileNotFoundError or UnreadableError if there is no config, ValueError for a run that generates no
    images.
    """
    config = run.config()
    refuse_other_tasks(run.name, config.model, "generation")
    unmeasured = f"not measured yet; gencore evaluate {run.name} does it"
    try:
        results = run.load_results()
    except UnreadableError as error:
        results, unmeasured = (
            None,
            str(error).replace(str(run.results_path), run.results_path.name),
        )  # no path of this machine
    metrics = results.metrics if results else {}
    log = events.without_void(events.tail(run.events_path).events)
    trained_by = results.origins.get("training") if results else None
    weights, weightless = _digest(run)
    options = [
        (option.part, " ".join(map(str, (option.name, option.value)))) for option in commands.options(config)
    ]
    environment = Environment(
        undefined=StrictUndefined, finalize=_plain, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {
        "number": lambda value: catalog.number(value, DIGITS),
        "title": catalog.title,
        "code": code,
        "day": day,
        "versions": _versions,
    }
    return environment.from_string(
        resources.files("gencore.reports").joinpath("model_card.md.jinja").read_text("utf-8")
    ).render(
        run=run,
        name=Markup(run.name),  # for code, where its letters stand for themselves
        config=config,
        about=type(config.model).__doc__,
        conditional=getattr(config.model, "conditional", False),
        spec=config.dataset_spec,
        of_model=[option for part, option in options if part == "model"],
        of_training=[option for part, option in options if part != "model"],
        command=trained_by.command
        if trained_by
        else commands.shown(commands.train(commands.nearest_preset(config), run.name, config)),
        trained_by=trained_by,
        state=run.status(),
        started=_last(log, Started),
        resumed=_last(log, Resumed),
        ended=_last(log, Ended),
        results=results,
        unmeasured=unmeasured,
        better=catalog.better,
        text=lambda name, value: catalog.text(name, value, DIGITS),
        unit=lambda name, metric: metric.unit or catalog.unit(name),
        measured={name: metric for name, metric in metrics.items() if metric.value is not None},
        absent={name: metric for name, metric in metrics.items() if metric.value is None},
        shares=list(zip(results.class_names, results.class_shares, strict=False)) if results else [],
        warnings=find_warnings([results] if results else [], kinds=("warning",)),
        faults=_faults(results, weights),
        weights=weights,
        weightless=weightless,
    )


def _digest(run: Run) -> tuple[str | None, str]:
    """The SHA-256 in the header of the run's weights, else None and the reason."""
    path = run.weights_path
    if path is None:
        return None, f"No weights in checkpoints/{run.name}."
    try:
        with safe_open(path, framework="np") as opened:
            return (opened.metadata() or {}).get("sha256"), f"{path.name} states no SHA-256."
    except (SafetensorError, OSError) as error:
        return None, f"{path.name} is damaged: {error}"


def _faults(results: Results | None, weights: str | None) -> list[str]:
    if results and weights and weights != results.checkpoint_digest:
        return ["The figures are of other weights than the run has now; evaluate it again."]
    return []


def _last(log: list[events.Event], kind: type[events.Event]) -> events.Event | None:
    return next((event for event in reversed(log) if isinstance(event, kind)), None)


def _versions(versions: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {version}" for name, version in versions.items())


def _plain(value: object) -> str:
    """Anything as one line of Markdown with all syntax escaped; `code` stays as it is."""
    if isinstance(value, Markup):
        return value
    return _ACTIVE.sub(
        lambda found: "".join(f"\\{letter}" for letter in found[0]), re.sub(r"\s+", " ", str(value))
    )


def code(text: str) -> Markup:
    """`text` as a code span, also where it contains backticks."""
    text = " ".join(text.split())
    fence = "`" * (1 + max(map(len, re.findall("`+", text)), default=0))
    room = " " if text.startswith("`") or text.endswith("`") else ""
    return Markup(f"{fence}{room}{text}{room}{fence}")  # noqa: S704
