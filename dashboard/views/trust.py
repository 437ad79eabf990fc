"""Trust: whether the results can be trusted, from files alone."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from dashboard.data import run_catalog
from dashboard.data.run_catalog import Entry, ExtractorRecords
from dashboard.views import trust_charts
from dashboard.views.trust_charts import RUNGS
from dashboard.widgets import address, dataset_choice, models_by_family
from dashboard.widgets.text import figure, plain
from gencore.analysis.warnings import find_warnings
from gencore.data.registry import known
from gencore.evaluation.records import Ladder, ReferenceFigures
from gencore.metrics import catalog
from gencore.store.results import Results

MEMORISATION = {
    "authentic_share": "Left of the line: closer to the training images than unseen real images are.",
    "train_distance_ratio": "Below 1: closer to the training images than unseen real images are.",
}


def main() -> None:
    """Draw the page."""
    entries = address.models(run_catalog.generative_runs())
    measured = run_catalog.datasets(entries)
    with_records = [
        name for name in known() if run_catalog.extractor_records(name).is_known and name not in measured
    ]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.title("Can these results be trusted?", anchor=False)
        if not measured and not with_records:
            _nothing()
            return
        dataset = dataset_choice.choose(entries, [*measured, *with_records])
        newest = models_by_family.newest_runs(entries, dataset)
    extractor_records = run_catalog.extractor_records(dataset)
    for fault in extractor_records.faults:
        st.error(plain(fault), icon=":material/broken_image:")
    shown = [one.results for one in run_catalog.one_a_label(entries, dataset, newest) if one.results]
    _mismatch(shown, extractor_records)
    _ladder(extractor_records.ladder, dataset)
    _floors(extractor_records.reference, shown, dataset)
    with st.container(key="pair.opinions"):
        left, right = st.columns(2, gap="large")
    with left:
        _extractors(shown)
    with right:
        _memorisation(shown)
    of_dataset = [one for one in entries if one.results and one.dataset == dataset]
    _warnings(of_dataset)
    _provenance(of_dataset, extractor_records)
    _definitions(of_dataset, extractor_records.ladder)


def _nothing() -> None:
    st.info(
        "Nothing is measured yet. Start with these two commands:",
        icon=":material/rule:",
    )
    st.code("gencore features mnist\ngencore selftest mnist", language="bash")


def _mismatch(shown: list[Results], extractor_records: ExtractorRecords) -> None:
    """A warning about results that were measured through another classifier than the floors."""
    known = {
        record.extractor_digest
        for record in (extractor_records.reference, extractor_records.ladder)
        if record
    }
    different = [one.run for one in shown if known and known != {one.extractor_digest}]
    if different:
        st.warning(
            f"{plain(', '.join(different))}: measured through another classifier than the floors or the "
            "self-test below. `gencore evaluate` measures them again.",
            icon=":material/warning:",
        )


def _ladder(test: Ladder | None, dataset: str) -> None:
    st.subheader("What each metric detects", anchor=False)
    if test is None:
        st.info("The metrics were not tested on this data set yet:", icon=":material/stairs_2:")
        st.code(f"gencore selftest {dataset}", language="bash")
        return
    found = trust_charts.ladder(test)
    failing = [catalog.title(name) for name, seen in test.metrics.items() if not seen.passes]
    st.caption(
        f"The self-test measures {test.samples:,} real images, corrupted in known ways. A metric is useful "
        "where it detects what is wrong."
    )
    st.altair_chart(
        trust_charts.ladder_chart(found),
        alt=f"Heat map of {len(test.metrics)} metrics by {len(RUNGS)} corruptions. "
        + (
            f"These rate a far worse corruption better than a slight blur: {', '.join(failing)}."
            if failing
            else "None rates a far worse corruption better than a slight blur."
        ),
    )
    with st.expander("The corruptions, and the values as a table", icon=":material/table_rows:"):
        st.markdown(
            "\n".join(
                f"- **{rung}**: {RUNGS[rung]}" for rung in dict.fromkeys(found["rung"]) if rung in RUNGS
            )
        )
        table = found.pivot(index="title", columns="rung", values="text")
        st.table(
            table.loc[list(dict.fromkeys(found["title"])), list(dict.fromkeys(found["rung"]))],
            border="horizontal",
            alt="The self-test as a table",
        )
        st.caption(
            "· the metric does not detect it · ✕ the metric rates it better than a slight blur, though it is "
            "far worse"
        )


def _floors(reference: ReferenceFigures | None, shown: list[Results], dataset: str) -> None:
    st.subheader("Real images against real images", anchor=False)
    if reference is None:
        st.info(
            "Real images of this data set were not measured against each other yet:",
            icon=":material/align_vertical_bottom:",
        )
        st.code(f"gencore features {dataset}", language="bash")
        return
    with st.container(key="pair.floors"):
        left, right = st.columns(2, gap="large", vertical_alignment="center")
    with left:
        st.altair_chart(
            trust_charts.scale_chart(shown, reference),
            alt=f"Fréchet distance from real images, {figure(reference.floors['fd'].value)}, "
            f"to pure noise, {figure(reference.fd_of_noise)}; "
            + ", ".join(f"{one.label} {figure(one.value('fd'))}" for one in shown),
        )
    with right:
        st.table(trust_charts.floors(reference), border="horizontal", alt="Floors of each metric")
        st.caption(
            "Real images do not reach 0 or 1 either: mean ± standard deviation over random subsets of real "
            f"images, {trust_charts.draws(reference)}. The first column is the floor shown next to every "
            "result. "
            f"The classifier recognises {reference.test_accuracy:.2%} of the test split."
        )


def _extractors(shown: list[Results]) -> None:
    st.subheader("Do the feature extractors agree?", anchor=False)
    st.caption(
        "The Fréchet distance as a multiple of its floor, in the features of classifiers that differ in "
        "network, augmentation and seed. The dot is their geometric mean."
    )
    found = trust_charts.by_extractor(shown)
    if found["run"].nunique() < 2 or found["extractor"].nunique() < 2:
        st.info(
            "This needs two models that were measured with several feature extractors: "
            "`gencore evaluate RUN` does it.",
            icon=":material/compare_arrows:",
        )
        return
    apart = trust_charts.disagreements(shown)
    st.altair_chart(
        trust_charts.extractors_chart(found),
        alt="; ".join(
            f"{one.label} {figure(one.value('fd_over_floor'))} times its floor"
            for one in shown
            if one.value("fd_over_floor")
        )
        + f"; {len(apart)} pairs in different orders",
    )
    if not apart:
        st.success("All give the same order.", icon=":material/done_all:")
        return
    pairs = [
        f"- **{plain(one.label)}** ({_by_extractor(one)}) and **{plain(two.label)}** ({_by_extractor(two)})"
        for one, two in apart
    ]
    st.warning(
        "Extractors disagree on the order of these models, so they tie.\n" + "\n".join(pairs),
        icon=":material/call_split:",
    )


def _by_extractor(one: Results) -> str:
    each = one.metrics["fd_over_floor"].by_extractor
    return ", ".join(f"{name} {value:.3g}" for name, value in each.items())


def _memorisation(shown: list[Results]) -> None:
    st.subheader("Are generated images copies?", anchor=False)
    st.caption(
        "Generated images compared with their nearest training image. The line is the value of unseen real "
        "images. The share is a factor of the quality score."
    )
    for metric, meaning in MEMORISATION.items():
        found = trust_charts.beside_floor(shown, metric)
        if found.empty:
            st.info(
                f"{catalog.title(metric)} was not measured for any model here.",
                icon=":material/content_copy:",
            )
            continue
        spoken = ", ".join(
            f"{label} {figure(value)}" for label, value in zip(found["label"], found["value"], strict=True)
        )
        st.altair_chart(
            trust_charts.beside_floor_chart(found, catalog.title(metric)),
            alt=f"{catalog.title(metric)} by model, with its floor: {spoken}",
        )
        st.caption(meaning, help=f"`{metric}`")


def _warnings(measured: list[Entry]) -> None:
    st.subheader("Warnings", anchor=False)
    found = find_warnings(
        [one.results for one in measured if one.results], kinds=("warning", "absent", "missing", "note")
    )
    if not found:
        st.caption("None: no value carries a warning, and none is missing.")
        return
    rows = [(warning.text, warning.about()) for warning in found]
    table = pd.DataFrame(rows, columns=["warning, or why there is no value", "about"])
    st.table(table, border="horizontal", hide_index=True, alt="Warnings, with metrics and runs")


def _provenance(measured: list[Entry], extractor_records: ExtractorRecords) -> None:
    st.subheader("Origin", anchor=False)
    found = trust_charts.provenance([one.results for one in measured if one.results])
    if len(found):
        st.dataframe(
            found,
            hide_index=True,
            height="content" if len(found) < 12 else 420,
            alt="Commands, devices, versions and digests by run and pass",
        )
    for name, record in (("Floors", extractor_records.reference), ("Self-test", extractor_records.ladder)):
        if record:
            made = record.origin
            st.caption(
                f"{name}: {plain(made.command)} · {plain(made.device)} · "
                f"classifier {record.extractor_digest[:12]}… · {made.kind}"
            )


def _definitions(measured: list[Entry], test: Ladder | None) -> None:
    """A row for each metric of the catalogue, then those of the results that it does not have."""
    names = dict.fromkeys(
        [
            *catalog.METRICS,
            *(test.metrics if test else ()),
            *(name for one in measured if one.results for name in one.results.metrics),
        ]
    )
    with st.expander("How each metric is defined", icon=":material/functions:"):
        table = pd.DataFrame([_definition(name) for name in names]).set_index("metric")
        st.table(table, border="horizontal", alt="Definitions of the metrics")


def _definition(metric: str) -> dict[str, str]:
    info = catalog.METRICS.get(metric)
    return {
        "metric": catalog.title(metric),
        "id": metric,
        "better": catalog.better(metric) or "",
        "unit": catalog.unit(metric),
        "definition": info.definition if info else "",
        "needs": ", ".join(info.needs) if info else "",
        "source": info.source if info else "",
    }


main()
