"""What commands print for people: tables in columns, a dash for what is absent."""

from __future__ import annotations

import shutil
import statistics
import sys
from typing import TYPE_CHECKING

from gencore.comparison import Comparison
from gencore.results import Results

if TYPE_CHECKING:  # made by what needs torch; printed by what does not
    from gencore.selftest import SelfTest

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
        fd = one.metrics["fd"]
        row["fd ÷ floor"] = fd.value / fd.floor if fd.value is not None and fd.floor else None
        rows.append(row)
    show(rows, ["run", "model", *_COLUMNS], empty="nothing measured")
    warned: dict[str, list[str]] = {}
    for name, metric in ((name, metric) for one in found for name, metric in one.metrics.items() if metric.warning):
        warned.setdefault(metric.warning, []).append(name)
    for warning, names in warned.items():
        print(f"note on {', '.join(dict.fromkeys(names))}: {warning}")


def show_comparison(compared: Comparison) -> None:
    """Mean and half the 95 % interval of every model by every metric, and the pairs that tie."""
    rows = []
    for name, ranking in compared.rankings.items():
        row: dict[str, object] = {"metric": name, "better": ranking.better}
        for label, estimate in ranking.models.items():
            row[label] = f"{estimate.mean:.4g} ± {estimate.high - estimate.mean:.2g}" if estimate.high is not None else f"{estimate.mean:.4g}"
        row["ties"] = ", ".join(f"{pair.first}={pair.second}" for pair in ranking.pairs if pair.better is None) or None
        row["same order"] = f"{ranking.rank_stability:.0%} of seeds"
        rows.append(row)
    show(rows, ["metric", "better", *compared.runs, "ties", "same order"], empty="nothing to compare")
    print(f"mean ± half the 95 % t-interval over {len(compared.seeds)} training seeds; a tie is a paired difference whose interval holds 0")


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
