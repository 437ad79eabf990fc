"""Trust: what a reader needs to believe the figures, or to doubt them, from files alone."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from dashboard import catalog, definitions, proofs, standing
from dashboard.catalog import Entry, Judge
from dashboard.definitions import RUNGS
from dashboard.words import figure, plain
from gencore.data.registry import DATASETS
from gencore.judge import Reference, SelfTest
from gencore.results import Results

MEMORISATION = {
    "authentic_share": "Left of the line: nearer to the training images than unseen real images are.",
    "train_distance_ratio": "Below 1: nearer to the training images than unseen real images are.",
}


def main() -> None:
    entries = catalog.generative_runs()
    measured = catalog.datasets(entries)
    judged = [name for name in DATASETS if catalog.judge(name).is_known and name not in measured]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.title("Can these figures be trusted?", anchor=False)
        if not measured and not judged:
            _nothing()
            return
        dataset, newest = standing.choose(entries, measured + judged)
    judge = catalog.judge(dataset)
    for fault in judge.faults:
        st.error(plain(fault), icon=":material/broken_image:")
    shown = [one.results for one in catalog.one_a_label(entries, dataset, newest) if one.results]
    _mismatch(shown, judge)
    _ladder(judge.ladder, dataset)
    _floors(judge.reference, shown, dataset)
    with st.container(key="pair.opinions"):
        left, right = st.columns(2, gap="large")
    with left:
        _second_opinion(shown)
    with right:
        _memorisation(shown)
    of_dataset = [one for one in entries if one.results and one.dataset == dataset]
    _warnings(of_dataset)
    _provenance(of_dataset, judge)
    _definitions(of_dataset, judge.ladder)


def _nothing() -> None:
    st.info("Nothing is measured here yet, so there is nothing to believe. These two commands begin it:", icon=":material/rule:")
    st.code("gencore features mnist\ngencore selftest mnist", language="bash")


def _mismatch(shown: list[Results], judge: Judge) -> None:
    """Figures of different classifiers do not compare, not even with their floors."""
    known = {record.extractor_digest for record in (judge.reference, judge.ladder) if record}
    strangers = [one.run for one in shown if known and known != {one.extractor_digest}]
    if strangers:
        st.warning(
            f"{plain(', '.join(strangers))}: measured through another classifier than the floors or the self-test below. "
            "`gencore evaluate` measures again.",
            icon=":material/warning:",
        )


def _ladder(test: SelfTest | None, dataset: str) -> None:
    st.subheader("What each metric sees", anchor=False)
    if test is None:
        st.info("The metrics of this data set were never put to the test:", icon=":material/stairs_2:")
        st.code(f"gencore selftest {dataset}", language="bash")
        return
    found = proofs.ladder(test)
    failing = [name for name, seen in test.metrics.items() if not seen.passes]
    st.caption(
        f"{test.samples:,} real images, spoilt in known ways, put before the metrics that judge models. "
        "A metric is worth its number only where it sees what is wrong."
    )
    st.altair_chart(
        proofs.ladder_chart(found),
        alt=f"Heat map of {len(test.metrics)} metrics by {len(RUNGS)} kinds of spoilt images. "
        + (f"Put ahead of a slight blur what is far worse: {', '.join(failing)}." if failing else "None puts far worse images ahead of a slight blur."),
    )
    with st.expander("The rungs in words, and the table", icon=":material/table_rows:"):
        st.markdown("\n".join(f"- **{rung}**: {RUNGS[rung]}" for rung in dict.fromkeys(found["rung"]) if rung in RUNGS))
        table = found.pivot(index="metric", columns="rung", values="text")
        st.table(table.loc[list(test.metrics), list(dict.fromkeys(found["rung"]))], border="horizontal", alt="The ladder as a table")
        st.caption("· the metric does not see it · ✕ the metric puts it ahead of a slight blur, though it is far worse")


def _floors(reference: Reference | None, shown: list[Results], dataset: str) -> None:
    st.subheader("How good real images are", anchor=False)
    if reference is None:
        st.info("Real images of this data set were never measured against each other:", icon=":material/align_vertical_bottom:")
        st.code(f"gencore features {dataset}", language="bash")
        return
    with st.container(key="pair.floors"):
        left, right = st.columns(2, gap="large", vertical_alignment="center")
    with left:
        st.altair_chart(
            proofs.scale_chart(shown, reference),
            alt=f"fd from real images, {figure(reference.floors['fd'].value)}, to pure noise, {figure(reference.fd_of_noise)}; "
            + ", ".join(f"{one.label} {figure(one.value('fd'))}" for one in shown),
        )
    with right:
        st.table(proofs.floors(reference), border="horizontal", alt="Floors of each metric")
        st.caption(
            "Real images do not score 0 or 1 either: mean ± standard deviation over draws of real images, "
            f"{proofs.draws(reference)}. The first is the floor that every figure stands beside. "
            f"The classifier recognises {reference.test_accuracy:.2%} of the test split."
        )


def _second_opinion(shown: list[Results]) -> None:
    st.subheader("A second opinion", anchor=False)
    st.caption("The same distance in the features of a random network, which has seen no image and can favour no model.")
    both = proofs.with_both(shown)
    if len(both) < 2:
        st.info("It takes two measured models with fd and fd_random.", icon=":material/compare_arrows:")
        return
    apart = proofs.disagreements(shown)
    order = " < ".join(one.label for one in sorted(both, key=lambda one: one.value("fd")))
    st.altair_chart(proofs.second_chart(shown), alt=f"fd against fd_random, a dot a model; by fd {order}; {len(apart)} pairs the other way round by fd_random")
    if not apart:
        st.success(f"It ranks the models alike: {plain(order)}.", icon=":material/done_all:")
        return
    told = [
        f"- **{plain(one.label)}** before **{plain(two.label)}** by fd, {figure(one.value('fd'))} to {figure(two.value('fd'))}; "
        f"after it here, {figure(one.value('fd_random'))} to {figure(two.value('fd_random'))}"
        for one, two in apart
    ]
    st.warning("It ranks these the other way round; do not rank them by fd alone.\n" + "\n".join(told), icon=":material/call_split:")


def _memorisation(shown: list[Results]) -> None:
    st.subheader("Are they copies?", anchor=False)
    st.caption("Images beside their nearest training image. The line is what unseen real images do; a flag, part of no score.")
    for metric, meaning in MEMORISATION.items():
        found = proofs.beside_floor(shown, metric)
        if found.empty:
            st.info(f"{metric} was not measured for any model here.", icon=":material/content_copy:")
            continue
        spoken = ", ".join(f"{row.label} {figure(row.value)}" for row in found.itertuples())
        st.altair_chart(proofs.beside_floor_chart(found, metric), alt=f"{metric} by model beside its floor: {spoken}")
        st.caption(meaning)


def _warnings(measured: list[Entry]) -> None:
    st.subheader("What the results say against themselves", anchor=False)
    found = proofs.warnings(measured)
    if not found:
        st.caption("Nothing: no figure carries a warning, and none is missing.")
        return
    table = pd.DataFrame(found, columns=["warning, or why there is no figure", "said of"])
    st.table(table, border="horizontal", hide_index=True, alt="Warnings, and what they are about")


def _provenance(measured: list[Entry], judge: Judge) -> None:
    st.subheader("Where they come from", anchor=False)
    found = proofs.provenance([one.results for one in measured])
    if len(found):
        st.dataframe(found, hide_index=True, height="content" if len(found) < 12 else 420, alt="Commands, devices, versions and digests by run and pass")
    for name, record in (("Floors", judge.reference), ("Self-test", judge.ladder)):
        if record:
            made = record.origin
            st.caption(f"{name}: {plain(made.command)} · {plain(made.device)} · classifier {record.extractor_digest[:12]}… · {made.kind}")


def _definitions(measured: list[Entry], test: SelfTest | None) -> None:
    names = dict.fromkeys([*(test.metrics if test else ()), *(name for one in measured for name in one.results.metrics)])
    rows = [(name, definitions.better(name), *(definitions.definition(name) or ("", ""))) for name in names]
    with st.expander("How each metric is defined", icon=":material/functions:"):
        table = pd.DataFrame(rows, columns=["metric", "better", "what it is", "after"]).set_index("metric")
        st.table(table, border="horizontal", alt="Definitions of the metrics")


main()
