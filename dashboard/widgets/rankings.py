"""Rankings of the models by score and metric over training seeds: those shown, or those of a comparison."""

from __future__ import annotations

from itertools import pairwise

import streamlit as st

from dashboard.widgets.text import plain
from gencore.analysis import comparison
from gencore.analysis.comparison import Comparison, Pair, Ranking
from gencore.analysis.measured_models import MeasuredModels
from gencore.analysis.scores import SCORES
from gencore.metrics import catalog
from gencore.store import results, runs


def show(found: MeasuredModels) -> None:
    """The rankings by score and headline metric and where they come from, or why there are none."""
    rankings, source = _rankings(found)
    if not rankings:
        st.caption(source)
        return
    metrics = [info.id for info in catalog.headline() if not info.cost and info.id in rankings]
    lines = [
        f"- {catalog.title(name)}: {plain(_chain(rankings[name]))}"
        for name in (*SCORES, *metrics)
        if name in rankings
    ]
    st.markdown(
        "**Ranking**, best first; = is a tie: a paired t-test, with Holm's correction for all pairs, does "
        "not tell them apart; ⇄ is a tie because feature extractors disagree on the order",
        help="  \n".join(f"{catalog.title(name)}: `{name}`" for name in metrics) or None,
    )
    st.caption(source)
    st.markdown("\n".join(lines))


def _rankings(found: MeasuredModels) -> tuple[dict[str, Ranking], str]:
    """The rankings over the seeds shown, else of the newest comparison on this data set; and their source."""
    if len(found.models) > 1 and min(len(model.results) for model in found.models) > 1:
        try:
            compared = comparison.compare({model.name: model.results for model in found.models})
        except ValueError as unlike:
            return {}, f"Not ranked: {plain(str(unlike))}"
        return compared.rankings, f"Over the {len(compared.seeds)} seeds of each model."
    for path in sorted(runs.comparisons_folder().glob("*.json"), key=lambda path: -path.stat().st_mtime):
        try:
            compared = results.load(path, Comparison)
        except (results.UnreadableError, OSError) as fault:
            st.warning(plain(str(fault)), icon=":material/broken_image:")
            continue
        if compared.dataset == found.dataset and compared.rankings:
            return compared.rankings, _source(path.stem, compared, found)
    return (
        {},
        "Not ranked: a ranking needs two or more training seeds of each model (`gencore compare --seeds 5`).",
    )


def _source(name: str, compared: Comparison, found: MeasuredModels) -> str:
    others = {member.run.name for member in found.every}.isdisjoint(
        run for of_label in compared.runs.values() for run in of_label
    )
    which = ", which compares other runs than those above" if others else ""
    text = f"By **{plain(name)}**{which}: {len(compared.seeds)} seeds of each model"
    text += f", {compared.epochs} epochs" if compared.epochs else ""
    text += f"; {plain(compared.lost)}" if compared.lost else ""
    if compared.origin is None:
        return f"{text}."
    return f"{text}. {plain(compared.origin.command)}, {compared.origin.words}."


def _chain(ranking: Ranking) -> str:
    """`A > B = C`, followed by the ties between models that are not neighbours."""
    pairs = {(pair.first, pair.second): pair for pair in ranking.pairs}
    names = list(ranking.models)
    chain = names[0] + "".join(f" {_sign(pairs[one, two])} {two}" for one, two in pairwise(names))
    also = [
        f"{one} {_sign(pair)} {two}"
        for (one, two), pair in pairs.items()
        if pair.better is None and names.index(two) - names.index(one) > 1
    ]
    return f"{chain} (also {', '.join(also)})" if also else chain


def _sign(pair: Pair) -> str:
    if pair.better is not None:
        return ">"
    return "⇄" if pair.extractors_disagree else "="
