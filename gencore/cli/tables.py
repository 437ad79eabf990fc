"""What commands print for people: tables in columns, a dash for what is absent."""

from __future__ import annotations

import shutil
import statistics
import sys
from typing import TYPE_CHECKING

from gencore.comparison import Comparison
from gencore.judge import SelfTest
from gencore.results import Results
from gencore.scores import SCORES, first_places

if TYPE_CHECKING:  # made by what needs torch; printed by what does not
    from gencore.steps import StepsCurve

_COLUMNS = {
    "fd": "fd", "fd ÷ floor": None, "precision": "precision", "recall": "recall", "coverage": "coverage",
    "accuracy": "conditional_accuracy", "train s": "training_seconds", "images/s": "samples_per_second_100",
}  # fmt: skip


def show_results(found: list[Results]) -> None:
    """A row a run, and the warnings that any figure carries."""
    rows = []
    for one in found:
        row: dict[str, object] = {"run": one.run, "model": one.label}
        row |= {title: one.value(name) for title, name in _COLUMNS.items() if name}
        fd = one.metrics.get("fd")
        row["fd ÷ floor"] = fd.value / fd.floor if fd and fd.value is not None and fd.floor else None
        rows.append(row)
    show(rows, ["run", "model", *_COLUMNS], empty="nothing measured")
    _show_warnings(found)


def show_measured(found: list[Results]) -> None:
    """What the newest evaluation of each run measured, a row a metric; where it could not, the reason."""
    rows = [
        {"run": one.run, "metric": name, "value": metric.value, "floor": metric.floor, "unit": metric.unit or metric.reason}
        for one in found
        for name, metric in one.metrics.items()
        if metric.measured_in == "evaluation"
    ]
    show(rows, ["run", "metric", "value", "floor", "unit"], empty="nothing measured")
    _show_warnings(found)


def _show_warnings(found: list[Results]) -> None:
    warned: dict[str, list[str]] = {}
    for name, metric in ((name, metric) for one in found for name, metric in one.metrics.items() if metric.warning):
        warned.setdefault(metric.warning, []).append(name)
    for warning, names in warned.items():
        print(f"note on {', '.join(dict.fromkeys(names))}: {warning}")


def show_comparison(compared: Comparison) -> None:
    """The four scores of every model, then mean and half the 95 % interval by score and metric, and the pairs that tie."""
    _show_scores(compared)
    rows: list[dict[str, object]] = []
    for name, ranking in compared.rankings.items():
        row: dict[str, object] = {"metric": name, "better": ranking.better}
        for label, estimate in ranking.models.items():
            row[label] = f"{estimate.mean:.4g} ± {estimate.high - estimate.mean:.2g}" if estimate.high is not None else f"{estimate.mean:.4g}"
        row["ties"] = ", ".join(f"{pair.first}={pair.second}" for pair in ranking.pairs if pair.better is None) or None
        row["same order"] = f"{ranking.rank_stability:.0%} of seeds"
        rows.append(row)
    show(rows, ["metric", "better", *compared.runs, "ties", "same order"], empty="nothing to compare")
    print(f"mean ± half the 95 % t-interval over {len(compared.seeds)} training seeds; a tie is a paired difference whose interval holds 0")
    if compared.lost:
        print(compared.lost)


def _show_scores(compared: Comparison) -> None:
    """A row a model; below, what any score is made without and why."""
    places, rows = first_places(compared.scores), []
    unknown: dict[str, list[str]] = {}
    for label, of_model in compared.scores.items():
        first = f"{places[label]:.0%} of weightings" if label in places else None
        rows.append({"model": label, "comes first": first} | {name: score.value for name, score in of_model.items()})
        for name, score in of_model.items():
            for part, reason in score.missing.items():
                unknown.setdefault(f"{name} {'without' if score.value is not None else 'lacks'} {part}: {reason}", []).append(label)
    show(rows, ["model", *SCORES, "comes first"], empty="nothing to compare")
    for words, labels in unknown.items():
        print(f"{', '.join(labels)}: {words}")


def show_ladder(found: SelfTest) -> None:
    """A row a metric, a column a rung."""
    rows = []
    for name, seen in found.metrics.items():
        row: dict[str, object] = {"metric": name, "better": seen.better, "real": statistics.fmean(seen.real)}
        row |= {rung: f"{value:.4g}{'' if rung in seen.sees else ' ·'}" for rung, value in seen.rungs.items()}
        row["fails by"] = ", ".join(seen.misorders) or None
        rows.append(row)
    show(rows, list(rows[0]), empty="nothing measured")
    print("· not told from real images; fails by: images that it puts ahead of a 3x3 blur, though they are far worse")


def show_steps(curve: StepsCurve) -> None:
    """A row a sampler and number of steps."""
    rows = [
        {"sampler": p.sampler, "steps": p.steps, "passes": p.network_evaluations, "fd": p.fd, "fd ÷ floor": p.fd / curve.floor,
         "ms an image": 1000 * p.seconds_per_image}
        for p in curve.points
    ]  # fmt: skip
    show(rows, list(rows[0]) if rows else [], empty="nothing measured")
    print(f"{curve.samples} images a point; as many real ones have fd {curve.floor:.4g}" + (f"; {curve.warning}" if curve.warning else ""))


def show(rows: list[dict[str, object]], columns: list[str], empty: str) -> None:
    """Left-aligned columns; what is absent is a dash."""
    if not rows:
        print(empty)
        return
    cells = [[_cell(row.get(column)) for column in columns] for row in rows]
    widths = [max(len(line[i]) for line in [columns, *cells]) for i in range(len(columns))]
    for line in [columns, *cells]:
        text = "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        print(text if sys.stdout.isatty() is False else text[: shutil.get_terminal_size().columns])


def _cell(value: object) -> str:
    if value is None:
        return "—"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
