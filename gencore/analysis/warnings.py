"""The warnings in results: one list for the command line, pages, the report and the model card."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from gencore.metrics import catalog
from gencore.store.results import Results

Kind = Literal["warning", "absent", "missing", "note", "unlike"]
"""About a value; why there is none; not in the file at all; about a whole pass; a difference that forbids
comparing."""
_MISSING = (
    "not in these results, which are of an earlier version or measured only a part; "
    "`gencore evaluate` adds it"
)
_NO_LONGER_MEASURED = ("control_real_accuracy",)
MOST_NAMED = 6


@dataclass(frozen=True)
class ResultWarning:
    """One warning, with everything that it is about."""

    kind: Kind
    text: str
    metrics_by_run: dict[str, tuple[str, ...]]
    """The ids of the metrics by run; a run without metrics is meant as a whole."""

    @property
    def metrics(self) -> list[str]:
        """The ids of all metrics that it is about, each once."""
        return list(dict.fromkeys(name for names in self.metrics_by_run.values() for name in names))

    def about(self, name_of: Callable[[str], str] = catalog.title) -> str:
        """`Recall, Coverage of a, b; Recall of c`: runs with the same metrics together."""
        together: dict[tuple[str, ...], list[str]] = {}
        for run, metrics in self.metrics_by_run.items():
            together.setdefault(metrics, []).append(run)
        return "; ".join(
            f"{', '.join(map(name_of, metrics))} of {_few(runs)}" if metrics else _few(runs)
            for metrics, runs in together.items()
        )


def find_warnings(
    measured: Iterable[Results], kinds: Sequence[Kind] = ("warning", "absent", "note", "unlike")
) -> list[ResultWarning]:
    """The warnings of `kinds` in `measured`, each text once, those about most runs first."""
    found: dict[tuple[Kind, str], dict[str, list[str]]] = {}
    measured = list(measured)
    for one in measured:
        for name, metric in one.metrics.items():
            if metric.warning:
                found.setdefault(("warning", metric.warning), {}).setdefault(one.run, []).append(name)
            if metric.reason:
                found.setdefault(("absent", metric.reason), {}).setdefault(one.run, []).append(name)
        if missing := _missing(one):
            found.setdefault(("missing", _MISSING), {})[one.run] = missing
        for origin in one.origins.values():
            for note in origin.notes:
                found.setdefault(("note", note), {}).setdefault(one.run, [])
    for text in _differences(measured):
        found["unlike", text] = {one.run: [] for one in measured}
    ranked = sorted(found.items(), key=lambda item: -len(item[1]))
    return [
        ResultWarning(kind, text, {run: tuple(names) for run, names in by_run.items()})
        for (kind, text), by_run in ranked
        if kind in kinds
    ]


def _missing(one: Results) -> list[str]:
    """What every evaluation now measures, and these results do not even name with a reason."""
    return [
        info.id
        for info in catalog.METRICS.values()
        if info.group in (*catalog.DEFAULT_GROUPS, "training")
        and info.id not in one.metrics
        and info.id not in _NO_LONGER_MEASURED
    ]


def _differences(measured: Sequence[Results]) -> list[str]:
    """Why `measured` must not be compared with each other."""
    found = []
    if len({(one.extractor_digest, *one.extractor_digests.values()) for one in measured}) > 1:
        found.append("The feature classifiers differ, so these figures do not compare")
    if len({one.metrics["fd"].samples for one in measured if "fd" in one.metrics}) > 1:
        found.append("The numbers of measured images differ, which changes the Fréchet distance")
    return found


def _few(runs: Sequence[str]) -> str:
    more = f" and {len(runs) - MOST_NAMED} more" if len(runs) > MOST_NAMED else ""
    return ", ".join(runs[:MOST_NAMED]) + more
