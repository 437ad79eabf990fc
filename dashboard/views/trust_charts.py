"""Why the figures can be believed, or cannot: tables and charts of the floors, the ladder and the second opinion."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from statistics import fmean

import altair as alt
import pandas as pd

from dashboard.catalog import Entry
from dashboard.words import figure
from gencore.figures import GREY, INK, SCALE, UNSCORED, colour
from gencore.judge import Reference, SelfTest
from gencore.results import Results

MOST_NAMED = 6
REAL = "real"
SEES, MISSES, MISORDERS = "sees it", "does not see it", "puts it ahead of a slight blur"
_VERDICTS = {REAL: UNSCORED, SEES: SCALE[2][1], MISSES: SCALE[1][1], MISORDERS: SCALE[0][1]}
_MARKS = {REAL: "", SEES: "", MISSES: " ·", MISORDERS: " ✕"}
_ROW = 27
_GAPS = alt.Scale(type="band", paddingInner=0.05)
_RUNG_AXIS = alt.Axis(
    orient="top", labelAngle=0, labelOverlap=False, labelExpr="split(replace(datum.label, ' ', '|'), '|')", domain=False, ticks=False
)


def ladder(test: SelfTest) -> pd.DataFrame:
    """A figure a row: `metric`, `rung` (the first is real images), `value`, `verdict`, and `text` for a cell."""
    rows = []
    for metric, seen in test.metrics.items():
        rows.append((metric, REAL, fmean(seen.real), REAL))
        for rung, value in seen.rungs.items():
            verdict = MISORDERS if rung in seen.misorders else SEES if rung in seen.sees else MISSES
            rows.append((metric, rung, value, verdict))
    frame = pd.DataFrame(rows, columns=["metric", "rung", "value", "verdict"])
    return frame.assign(text=[_short(row.value) + _MARKS[row.verdict] for row in frame.itertuples()])


def ladder_chart(found: pd.DataFrame) -> alt.LayerChart:
    """The ladder as a heat map; colour and mark say what a metric makes of a rung."""
    metrics, rungs = (list(dict.fromkeys(found[column])) for column in ("metric", "rung"))
    base = alt.Chart(found).encode(
        x=alt.X("rung:N", sort=rungs, title=None, scale=_GAPS, axis=_RUNG_AXIS),
        y=alt.Y("metric:N", sort=metrics, title=None, scale=_GAPS, axis=alt.Axis(labelLimit=180, domain=False, ticks=False)),
    )
    verdicts = alt.Scale(domain=list(_VERDICTS), range=list(_VERDICTS.values()))
    cells = base.mark_rect().encode(
        color=alt.Color("verdict:N", scale=verdicts, title=None, legend=alt.Legend(orient="bottom", columns=2, labelLimit=260)),
        tooltip=["metric:N", "rung:N", alt.Tooltip("value:Q", format=".5g"), "verdict:N"],
    )
    return (cells + base.mark_text(color=INK, fontSize=12).encode(text="text:N")).properties(height=_ROW * len(metrics) + 60)


def floors(reference: Reference) -> pd.DataFrame:
    """Real images against real images, a row a metric: mean ± deviation over draws."""
    kinds = {"training images against test": reference.floors, "one half of test against the other": reference.half_floors}
    return pd.DataFrame(
        {
            title: {name: f"{floor.value:.3g} ± {floor.standard_deviation:.1g}" for name, floor in of_kind.items()}
            for title, of_kind in kinds.items()
        }
    ).fillna("")


def draws(reference: Reference) -> str:
    """How many images, how often, as the columns of `floors`."""
    kinds = (reference.floors, reference.half_floors)
    sizes = ({f"{floor.samples:,} images, {floor.draws} times" for floor in of_kind.values()} for of_kind in kinds)
    return " and ".join(" or ".join(sorted(size)) for size in sizes)


def _short(value: float) -> str:
    return figure(value) if abs(value) >= 1 else f"{value:#.2g}"


def scale_chart(measured: Sequence[Results], reference: Reference) -> alt.LayerChart:
    """fd from real images to pure noise on a logarithmic scale, and where each model lies between them."""
    rows = [(one.label, one.run, fd, colour(one.label)) for one in measured if (fd := one.value("fd")) and fd > 0]
    rows += [("real images", "the floor", reference.floors["fd"].value, GREY)] if "fd" in reference.floors else []
    rows.append(("pure noise", "no image at all", reference.fd_of_noise, GREY))
    points = pd.DataFrame(rows, columns=["label", "run", "fd", "colour"]).sort_values("fd")
    points = points.assign(text=points["fd"].map(figure))
    base = alt.Chart(points).encode(
        x=alt.X("fd:Q", scale=alt.Scale(type="log", nice=False, padding=40), title="fd, smaller is nearer to real", axis=alt.Axis(grid=False)),
        y=alt.Y("label:N", sort=list(points["label"]), title=None, axis=alt.Axis(domain=False, ticks=False, labelFontSize=13)),
        tooltip=["label:N", "run:N", alt.Tooltip("fd:Q", format=".4g")],
    )
    dots = base.mark_circle(size=150, opacity=1).encode(color=alt.Color("colour:N", scale=None))
    texts = base.mark_text(align="left", dx=12, color=GREY).encode(text="text:N")
    return (dots + texts).properties(height=34 * len(points) + 30)


def second_chart(measured: Sequence[Results]) -> alt.LayerChart:
    """fd against fd in the random network's features: where both agree, models climb from the lower left."""
    both = [(one.label, one.run, one.value("fd"), one.value("fd_random"), colour(one.label)) for one in with_both(measured)]
    points = pd.DataFrame(both, columns=["label", "run", "fd", "fd_random", "colour"])
    base = alt.Chart(points).encode(
        x=alt.X("fd:Q", scale=alt.Scale(type="log", nice=False, padding=30), title="fd", axis=alt.Axis(grid=False, tickCount=4)),
        y=alt.Y("fd_random:Q", scale=alt.Scale(type="log", nice=False, padding=30), title="fd_random", axis=alt.Axis(grid=False, tickCount=4)),
        tooltip=["label:N", "run:N", alt.Tooltip("fd:Q", format=".4g"), alt.Tooltip("fd_random:Q", format=".4g")],
    )
    dots = base.mark_circle(size=170, opacity=1).encode(color=alt.Color("colour:N", scale=None))
    return (dots + base.mark_text(dy=-14, color=GREY, fontSize=13).encode(text="label:N")).properties(height=300)


def with_both(measured: Sequence[Results]) -> list[Results]:
    """Those that a logarithmic scale can show in both feature sets."""
    return [one for one in measured if (one.value("fd") or 0) > 0 and (one.value("fd_random") or 0) > 0]


def disagreements(measured: Sequence[Results]) -> list[tuple[Results, Results]]:
    """Pairs of which the first is better by fd and the second by fd_random."""
    ranked = sorted(with_both(measured), key=lambda one: one.value("fd"))
    return [(one, two) for one, two in combinations(ranked, 2) if one.value("fd_random") > two.value("fd_random")]


def beside_floor(measured: Sequence[Results], metric: str) -> pd.DataFrame:
    """A row a model that has the metric: `label`, `run`, `value`, `floor` (missing where none was measured), `colour`."""
    rows = [
        (one.label, one.run, found.value, found.floor, colour(one.label))
        for one in measured
        if (found := one.metrics.get(metric)) and found.value is not None
    ]
    return pd.DataFrame(rows, columns=["label", "run", "value", "floor", "colour"]).astype({"floor": float})


def beside_floor_chart(found: pd.DataFrame, title: str) -> alt.LayerChart:
    """Each model's figure as a dot, its floor as an upright line."""
    rows = alt.Y("label:N", sort=list(found["label"]), title=None, axis=alt.Axis(domain=False, ticks=False, labelFontSize=13))
    tooltip = ["label:N", "run:N", alt.Tooltip("value:Q", format=".4g"), alt.Tooltip("floor:Q", format=".4g")]
    x = alt.Scale(zero=False, padding=24)
    dots = alt.Chart(found).mark_circle(size=150, opacity=1).encode(
        x=alt.X("value:Q", title=title, scale=x, axis=alt.Axis(grid=False, tickCount=5)), y=rows, tooltip=tooltip,
        color=alt.Color("colour:N", scale=None),
    )  # fmt: skip
    ticks = alt.Chart(found.dropna(subset="floor")).mark_tick(thickness=2, color=GREY, size=26).encode(
        x=alt.X("floor:Q", title=title, scale=x), y=rows, tooltip=tooltip
    )  # fmt: skip
    return (ticks + dots).properties(height=36 * len(found) + 40)


def warnings(measured: Sequence[Entry]) -> list[tuple[str, str]]:
    """What results say against themselves, each with the figures and runs that it is about; the most frequent first."""
    found: dict[str, dict[str, list[str]]] = {}
    for one in measured:
        said = [(text, name) for name, metric in one.results.metrics.items() for text in (metric.warning, metric.reason) if text]
        said += [(note, "") for origin in one.results.origins.values() for note in origin.notes]
        for text, name in said:
            found.setdefault(text, {}).setdefault(one.run.name, []).append(name)
    ranked = sorted(found.items(), key=lambda pair: -len(pair[1]))
    return [(text, _carriers(by_run)) for text, by_run in ranked]


def _carriers(by_run: dict[str, list[str]]) -> str:
    """`fd, kd of a, b; recall of c`: runs of which the same is said together."""
    together: dict[str, list[str]] = {}
    for run, names in by_run.items():
        together.setdefault(", ".join(filter(None, names)), []).append(run)
    return "; ".join(f"{names} of {_few(runs)}" if names else _few(runs) for names, runs in together.items())


def _few(runs: Sequence[str]) -> str:
    more = f" and {len(runs) - MOST_NAMED} more" if len(runs) > MOST_NAMED else ""
    return ", ".join(runs[:MOST_NAMED]) + more


def provenance(measured: Sequence[Results]) -> pd.DataFrame:
    """A row a pass of a run: command, device, when, versions, digests."""
    rows = [
        {
            "run": one.run,
            "pass": name,
            "origin": origin.kind,
            "command": origin.command,
            "device": f"{origin.device}, {origin.threads} thread{'s' if origin.threads != 1 else ''}",
            "when": pd.Timestamp(origin.unix_time, unit="s", tz="UTC"),
            "versions": ", ".join(f"{package} {version}" for package, version in origin.versions.items()),
            "drawn": one.sampler,
            "reference": one.reference,
            "weights SHA-256": one.checkpoint_digest,
            "extractor SHA-256": one.extractor_digest,
        }
        for one in measured
        for name, origin in one.origins.items()
    ]
    return pd.DataFrame(rows)
