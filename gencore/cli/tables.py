"""What commands print for people: tables in columns, a dash for what is absent.

On a terminal the tables have rules and are folded to its width. Into a file or a pipe they are plain columns,
two or more spaces apart, never cut or folded.
"""

from __future__ import annotations

import io
import statistics
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from gencore.analysis.comparison import Comparison
from gencore.analysis.scores import SCORES, first_places
from gencore.analysis.warnings import find_warnings
from gencore.evaluation.records import Budgets, Ladder
from gencore.metrics import catalog
from gencore.store.results import Metric, Results

if TYPE_CHECKING:  # made by what needs torch; printed by what does not
    from gencore.evaluation.sampler_sweep import SamplerSweep
    from gencore.latent.reconstruction import ReconstructionReport

ABSENT = "—"
_UNCUT = 1_000_000  # columns of a file or a pipe


def show_results(found: Sequence[Results]) -> None:
    """A row a run with the headline metrics of the catalogue, and the warnings that any value carries."""
    columns = ["run", "model", *(info.heading for info in catalog.headline())]
    rows: list[dict[str, object]] = [
        {"run": one.run, "model": one.label}
        | {info.heading: one.value(info.id) for info in catalog.headline()}
        for one in found
    ]
    show(rows, columns, empty="nothing measured")
    _show_warnings(found)


def show_measured(found: Sequence[Results]) -> None:
    """What the newest evaluation of each run measured, a row a metric; where it could not, the reason.

    What `spread` is of a metric, its definition in the catalogue or `store.results.Metric` says."""
    rows: list[dict[str, object]] = [
        {
            "run": one.run,
            "metric": name,
            "value": metric.value,
            "spread": metric.spread,
            "floor": metric.floor,
            "without a model": ", ".join(f"{name} {x:.4g}" for name, x in metric.baselines.items()) or None,
            "unit": metric.reason or metric.unit or catalog.unit(name),
            "better": catalog.better(name),
        }
        for one in found
        for name, metric in one.metrics.items()
        if metric.measured_in == "evaluation"
    ]
    columns = ["run", "metric", "value", "spread", "floor", "without a model", "better", "unit"]
    if not any(row["without a model"] for row in rows):
        columns.remove("without a model")
    show(rows, columns, empty="nothing measured")
    _show_warnings(found)


def _show_warnings(found: Sequence[Results]) -> None:
    for warning in find_warnings(found, kinds=("warning",)):
        print(f"note on {', '.join(warning.metrics)}: {warning.text}")


def show_comparison(compared: Comparison) -> None:
    """The four scores of every model; mean, half the 95 % interval and ties by score and metric."""
    _show_scores(compared)
    rows: list[dict[str, object]] = []
    for name, ranking in compared.rankings.items():
        row: dict[str, object] = {"metric": name, "better": ranking.better}
        for label, estimate in ranking.models.items():
            half = "" if estimate.high is None else f" ± {estimate.high - estimate.mean:.2g}"
            row[label] = f"{estimate.mean:.4g}{half}"
        ties = [
            f"{pair.first}={pair.second}{' (extractors disagree)' if pair.extractors_disagree else ''}"
            for pair in ranking.pairs
            if pair.better is None
        ]
        row["ties"] = ", ".join(ties) or None
        row["same order"] = f"{ranking.rank_stability:.0%} of seeds"
        rows.append(row)
    show(rows, ["metric", "better", *compared.runs, "ties", "same order"], empty="nothing to compare")
    print(
        f"mean ± half the 95 % t-interval over {len(compared.seeds)} training seeds;"
        " a tie is a pair that a paired t-test with Holm's correction does not tell apart"
    )
    if compared.lost:
        print(compared.lost)


def _show_scores(compared: Comparison) -> None:
    """A row a model; below it, the parts that a score lacks and why."""
    places = first_places(compared.scores)
    rows: list[dict[str, object]] = []
    unknown: dict[str, list[str]] = {}
    for label, of_model in compared.scores.items():
        first = f"{places[label]:.0%} of weightings" if label in places else None
        rows.append(
            {"model": label, "comes first": first} | {name: score.value for name, score in of_model.items()}
        )
        for name, score in of_model.items():
            lacks = "without" if score.value is not None else "lacks"
            if score.note and name == "quality":
                unknown.setdefault(score.note, []).append(label)
            for part, reason in score.missing.items():
                unknown.setdefault(f"{name} {lacks} {part}: {reason}", []).append(label)
    show(rows, ["model", *SCORES, "comes first"], empty="nothing to compare")
    for reason, labels in unknown.items():
        print(f"{', '.join(labels)}: {reason}")


def show_ladder(found: Ladder) -> None:
    """A row a metric, a column a rung."""
    rows: list[dict[str, object]] = []
    for name, seen in found.metrics.items():
        row: dict[str, object] = {"metric": name, "better": seen.better, "real": statistics.fmean(seen.real)}
        row |= {rung: f"{value:.4g}{'' if rung in seen.sees else ' ·'}" for rung, value in seen.rungs.items()}
        row["fails by"] = ", ".join(seen.misorders) or None
        rows.append(row)
    show(rows, list(rows[0]) if rows else [], empty="nothing measured")
    print(
        "· not distinguished from real images; fails by: corruptions that score better than a 3x3 blur,"
        " though they are far worse"
    )


def show_budgets(found: Sequence[Budgets]) -> None:
    """A row a run and budget."""
    rows: list[dict[str, object]] = [
        {
            "run": one.run,
            "device seconds": round(point.device_seconds),
            "step": point.step,
            "fd ÷ floor": point.fd_over_floor,
            **point.by_extractor,
        }
        for one in found
        for point in one.points
    ]
    show(rows, list(rows[0]) if rows else [], empty="nothing measured")


def show_sampler_sweep(curve: SamplerSweep) -> None:
    """A row a sampler and number of steps."""
    rows: list[dict[str, object]] = [
        {
            "sampler": point.sampler,
            "steps": point.steps,
            "passes": point.network_evaluations,
            "fd": point.fd,
            "fd ÷ floor": Metric(value=point.fd, floor=curve.floor).over_floor,
            "ms an image": 1000 * point.seconds_per_image,
        }
        for point in curve.points
    ]
    show(rows, list(rows[0]) if rows else [], empty="nothing measured")
    print(
        f"{curve.samples} images a point; as many real ones have fd {curve.floor:.4g}"
        + (f"; {curve.warning}" if curve.warning else "")
    )


def show_reconstructions(found: ReconstructionReport) -> None:
    """A row a class, then a row for each of the best and the worst images."""
    rows: list[dict[str, object]] = [
        {"class": one.class_name, "images": one.images, "PSNR (dB)": one.psnr, "SSIM": one.ssim}
        for one in found.classes
    ]
    rows.append({"class": "all", "images": len(found.images), "PSNR (dB)": found.psnr, "SSIM": found.ssim})
    show(rows, list(rows[0]), empty="")
    by_number = {one.number: one for one in found.images}
    extremes: list[dict[str, object]] = [
        {
            "by PSNR": f"{kind} {place}",
            f"{found.split} image": number,
            "class": by_number[number].class_name,
            "PSNR (dB)": by_number[number].psnr,
            "SSIM": by_number[number].ssim,
        }
        for kind, numbers in (("best", found.best), ("worst", found.worst))
        for place, number in enumerate(numbers, start=1)
    ]
    print()
    show(extremes, list(extremes[0]), empty="")
    print(f"each image passes through a latent of {found.latent_size} numbers")
    if any(one.psnr is None for one in found.images):
        print(f"{ABSENT}: the PSNR of a perfect copy is infinite")


def show(rows: Sequence[dict[str, object]], columns: Sequence[str], empty: str) -> None:
    """Print `rows` as a table of `columns`; a dash for an absent value, `empty` if there is no row."""
    if not rows:
        print(empty)
        return
    on_terminal = sys.stdout.isatty()
    table = Table(box=box.SIMPLE_HEAD if on_terminal else None, pad_edge=False, padding=(0, 2, 0, 0))
    for column in columns:
        is_number = on_terminal and any(isinstance(row.get(column), int | float) for row in rows)
        table.add_column(
            Text(column), justify="right" if is_number else "left", overflow="fold", no_wrap=not on_terminal
        )
    for row in rows:
        table.add_row(*(Text(_cell(row.get(column))) for column in columns))
    if on_terminal:
        Console(highlight=False).print(table)
        return
    plain = io.StringIO()
    Console(file=plain, width=_UNCUT, color_system=None, legacy_windows=False).print(table)
    print("\n".join(line.rstrip() for line in plain.getvalue().splitlines()))


def _cell(value: object) -> str:
    if value is None:
        return ABSENT
    return f"{value:.4g}" if isinstance(value, float) else " ".join(str(value).split())
