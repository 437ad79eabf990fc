"""Charts and tables of the Trust page: self-test, floors, random network, training images, origin."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from statistics import fmean

import altair as alt
import pandas as pd

from dashboard.widgets.text import figure
from gencore.analysis.colours import colour
from gencore.analysis.comparison import extractors_disagree
from gencore.evaluation.records import Ladder, ReferenceFigures
from gencore.metrics import catalog
from gencore.reports.charts import GREY, INK, SCALE, UNSCORED
from gencore.store.results import Results

RUNGS = {
    "blurred": "each pixel is the mean of its 3 × 3 neighbourhood, of enlarged images in their own pixels",
    "noisy": "Gaussian noise with a tenth of the range added",
    "shifted": "moved 2 pixels to the right",
    "binarised": "only black and white",
    "half duplicated": "every image of a random half twice",
    "one class missing": "all classes but one",
    "single class": "only one class",
    "pure noise": "uniform noise without an image",
}
"""What the self-test does to real images on each rung of its ladder."""
REAL = "real"
SEES, MISSES, MISORDERS = "detects it", "does not detect it", "rates it better than a slight blur"
_VERDICTS = {REAL: UNSCORED, SEES: SCALE[2][1], MISSES: SCALE[1][1], MISORDERS: SCALE[0][1]}
_MARKS = {REAL: "", SEES: "", MISSES: " ·", MISORDERS: " ✕"}
_ROW = 27
_GAPS = alt.Scale(type="band", paddingInner=0.05)
_RUNG_AXIS = alt.Axis(
    orient="top",
    labelAngle=0,
    labelOverlap=False,
    labelExpr="split(replace(datum.label, ' ', '|'), '|')",
    domain=False,
    ticks=False,
)


def ladder(test: Ladder) -> pd.DataFrame:
    """A row a value: `metric` (its id), `title`, `rung` (real images first), `value`, `verdict`, `text`."""
    rows = []
    for metric, seen in test.metrics.items():
        rows.append((metric, REAL, fmean(seen.real), REAL))
        for rung, value in seen.rungs.items():
            verdict = MISORDERS if rung in seen.misorders else SEES if rung in seen.sees else MISSES
            rows.append((metric, rung, value, verdict))
    frame = pd.DataFrame(rows, columns=["metric", "rung", "value", "verdict"])
    text = [
        _short(value) + _MARKS[verdict]
        for value, verdict in zip(frame["value"], frame["verdict"], strict=True)
    ]
    return frame.assign(title=frame["metric"].map(catalog.title), text=text)


def ladder_chart(found: pd.DataFrame) -> alt.LayerChart:
    """The ladder as a heat map; colour and mark show whether a metric detects a corruption."""
    metrics, rungs = (list(dict.fromkeys(found[column])) for column in ("title", "rung"))
    base = alt.Chart(found).encode(
        x=alt.X("rung:N", sort=rungs, title=None, scale=_GAPS, axis=_RUNG_AXIS),
        y=alt.Y(
            "title:N",
            sort=metrics,
            title=None,
            scale=_GAPS,
            axis=alt.Axis(labelLimit=240, domain=False, ticks=False),
        ),
    )
    verdicts = alt.Scale(domain=list(_VERDICTS), range=[str(shade) for shade in _VERDICTS.values()])
    cells = base.mark_rect().encode(
        color=alt.Color(
            "verdict:N",
            scale=verdicts,
            title=None,
            legend=alt.Legend(orient="bottom", columns=2, labelLimit=260),
        ),
        tooltip=[
            "title:N",
            alt.Tooltip("metric:N", title="id"),
            "rung:N",
            alt.Tooltip("value:Q", format=".5g"),
            "verdict:N",
        ],
    )
    return (cells + base.mark_text(color=INK, fontSize=12).encode(text="text:N")).properties(
        height=_ROW * len(metrics) + 60
    )


def floors(reference: ReferenceFigures) -> pd.DataFrame:
    """The metrics between real images, a row a metric: mean ± standard deviation over random subsets."""
    kinds = {
        "training images against test": reference.floors,
        "one half of test against the other": reference.half_floors,
    }
    return pd.DataFrame(
        {
            title: {
                catalog.title(name): f"{floor.value:.3g} ± {floor.standard_deviation:.1g}"
                for name, floor in of_kind.items()
            }
            for title, of_kind in kinds.items()
        }
    ).fillna("")


def draws(reference: ReferenceFigures) -> str:
    """How many images, and how often, for each column of `floors`."""
    kinds = (reference.floors, reference.half_floors)
    sizes = (
        {f"{floor.samples:,} images, {floor.draws} times" for floor in of_kind.values()} for of_kind in kinds
    )
    return " and ".join(" or ".join(sorted(size)) for size in sizes)


def _short(value: float) -> str:
    return figure(value) if abs(value) >= 1 else f"{value:#.2g}"


def scale_chart(measured: Sequence[Results], reference: ReferenceFigures) -> alt.LayerChart:
    """Each model's Fréchet distance between real images, a blur and pure noise, on a logarithmic scale."""
    rows = [
        (one.label, one.run, fd, colour(one.label)) for one in measured if (fd := one.value("fd")) and fd > 0
    ]
    rows += [("real images", "floor", reference.floors["fd"].value, GREY)] if "fd" in reference.floors else []
    rows.append(("blur of 3 × 3", "blurred images", reference.fd_of_blur, GREY))
    rows.append(("pure noise", "uniform noise", reference.fd_of_noise, GREY))
    points = pd.DataFrame(rows, columns=["label", "run", "fd", "colour"]).sort_values("fd")
    points = points.assign(text=points["fd"].map(figure))
    base = alt.Chart(points).encode(
        x=alt.X(
            "fd:Q",
            scale=alt.Scale(type="log", nice=False, padding=40),
            title="Fréchet distance, smaller is better",
            axis=alt.Axis(grid=False),
        ),
        y=alt.Y(
            "label:N",
            sort=list(points["label"]),
            title=None,
            axis=alt.Axis(domain=False, ticks=False, labelFontSize=13),
        ),
        tooltip=["label:N", "run:N", alt.Tooltip("fd:Q", format=".4g")],
    )
    dots = base.mark_circle(size=150, opacity=1).encode(color=alt.Color("colour:N", scale=None))
    texts = base.mark_text(align="left", dx=12, color=GREY).encode(text="text:N")
    return (dots + texts).properties(height=34 * len(points) + 30)


def by_extractor(measured: Sequence[Results]) -> pd.DataFrame:
    """A row a model and extractor: `label`, `run`, `extractor`, `ratio` to the floor, `mean`, `colour`."""
    rows = [
        (one.label, one.run, extractor, ratio, metric.value, colour(one.label))
        for one in measured
        if (metric := one.metrics.get("fd_over_floor")) and metric.value
        for extractor, ratio in metric.by_extractor.items()
    ]
    return pd.DataFrame(rows, columns=["label", "run", "extractor", "ratio", "mean", "colour"])


def extractors_chart(found: pd.DataFrame) -> alt.LayerChart:
    """Each model's ratios as ticks named by their extractor, their geometric mean as a dot."""
    rows = alt.Y(
        "label:N",
        sort=list(found.sort_values("mean")["label"].unique()),
        title=None,
        axis=alt.Axis(domain=False, ticks=False, labelFontSize=13),
    )
    x = alt.Scale(type="log", nice=False, padding=30)
    title = catalog.title("fd_over_floor")
    ticks = alt.Chart(found).encode(
        x=alt.X("ratio:Q", scale=x, title=title, axis=alt.Axis(grid=False, tickCount=5)),
        y=rows,
        tooltip=[
            *map(alt.Tooltip, ("label:N", "run:N", "extractor:N")),
            alt.Tooltip("ratio:Q", format=".3g"),
        ],
    )
    dots = (
        alt.Chart(found.drop_duplicates("run"))
        .mark_circle(size=150, opacity=1)
        .encode(x=alt.X("mean:Q", scale=x, title=title), y=rows, color=alt.Color("colour:N", scale=None))
    )
    names = ticks.mark_text(dy=-14, color=GREY, fontSize=10).encode(text="extractor:N")
    return (ticks.mark_tick(thickness=2, size=18, color=GREY) + dots + names).properties(
        height=44 * found["run"].nunique() + 40
    )


def disagreements(measured: Sequence[Results]) -> list[tuple[Results, Results]]:
    """Pairs that the feature extractors put in different orders."""
    return [
        (one, two)
        for one, two in combinations(measured, 2)
        if extractors_disagree("fd_over_floor", [one], [two])
    ]


def beside_floor(measured: Sequence[Results], metric: str) -> pd.DataFrame:
    """A row a model that has the metric: `label`, `run`, `value`, `floor` (may be missing), `colour`."""
    rows = [
        (one.label, one.run, found.value, found.floor, colour(one.label))
        for one in measured
        if (found := one.metrics.get(metric)) and found.value is not None
    ]
    return pd.DataFrame(rows, columns=["label", "run", "value", "floor", "colour"]).astype({"floor": float})


def beside_floor_chart(found: pd.DataFrame, title: str) -> alt.LayerChart:
    """Each model's value as a dot, its floor as a vertical line."""
    rows = alt.Y(
        "label:N",
        sort=list(found["label"]),
        title=None,
        axis=alt.Axis(domain=False, ticks=False, labelFontSize=13),
    )
    tooltip = ["label:N", "run:N", alt.Tooltip("value:Q", format=".4g"), alt.Tooltip("floor:Q", format=".4g")]
    x = alt.Scale(zero=False, padding=24)
    dots = (
        alt.Chart(found)
        .mark_circle(size=150, opacity=1)
        .encode(
            x=alt.X("value:Q", title=title, scale=x, axis=alt.Axis(grid=False, tickCount=5)),
            y=rows,
            tooltip=tooltip,
            color=alt.Color("colour:N", scale=None),
        )
    )
    ticks = (
        alt.Chart(found.dropna(subset="floor"))
        .mark_tick(thickness=2, color=GREY, size=26)
        .encode(x=alt.X("floor:Q", title=title, scale=x), y=rows, tooltip=tooltip)
    )
    return (ticks + dots).properties(height=36 * len(found) + 40)


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
            "sampler": one.sampler,
            "reference": one.reference,
            "weights SHA-256": one.checkpoint_digest,
            "extractor SHA-256": one.extractor_digest,
        }
        for one in measured
        for name, origin in one.origins.items()
    ]
    return pd.DataFrame(rows)
