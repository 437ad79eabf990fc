"""Who is ahead by what, as training seeds allow to say: those shown, or where they are too few those of a comparison."""

from __future__ import annotations

from itertools import pairwise

import streamlit as st

from dashboard.words import plain
from gencore import comparison, results, runs
from gencore.comparison import Comparison, Ranking
from gencore.evidence import Evidence
from gencore.scores import SCORES

RANKED = (*SCORES, "fd", "precision", "recall", "coverage")


def show(found: Evidence) -> None:
    """The rankings by score and metric, whence they are, or why there are none."""
    rankings, whence = _rankings(found)
    if not rankings:
        st.caption(whence)
        return
    lines = [f"- {name}: {plain(_chain(rankings[name]))}" for name in RANKED if name in rankings]
    st.markdown("**Who is ahead**, best first; = is a tie, where the interval of the paired difference holds 0")
    st.caption(whence)
    st.markdown("\n".join(lines))


def _rankings(found: Evidence) -> tuple[dict[str, Ranking], str]:
    """By the seeds shown; where there are too few, by the newest comparison on this data set; and how they came about."""
    if len(found.models) > 1 and min(len(model.results) for model in found.models) > 1:
        try:
            compared = comparison.compare({model.name: model.results for model in found.models})
        except ValueError as unlike:
            return {}, f"Not ranked: {plain(str(unlike))}"
        return compared.rankings, f"Over the {len(compared.seeds)} seeds of each model."
    for path in sorted((runs.home() / "results" / "comparisons").glob("*.json"), key=lambda path: -path.stat().st_mtime):
        try:
            compared = results.load(path, Comparison)
        except (results.UnreadableError, OSError) as fault:
            st.warning(plain(str(fault)), icon=":material/broken_image:")
            continue
        if compared.dataset == found.dataset and compared.rankings:
            return compared.rankings, _whence(path.stem, compared, found)
    return {}, "No two models are ranked: that takes two or more training seeds of each (`gencore compare --seeds 5`)."


def _whence(name: str, compared: Comparison, found: Evidence) -> str:
    others = {member.run.name for member in found.every}.isdisjoint(run for of_label in compared.runs.values() for run in of_label)
    which = ", which compares other trainings than those above" if others else ""
    told = f"By **{plain(name)}**{which}: {len(compared.seeds)} seeds of each model"
    told += f", {compared.epochs} epochs" if compared.epochs else ""
    told += f"; {plain(compared.lost)}" if compared.lost else ""
    return f"{told}. {plain(compared.origin.command)}, {compared.origin.words}." if compared.origin else f"{told}."


def _chain(ranking: Ranking) -> str:
    """`A > B = C`, with the ties between models that do not stand side by side."""
    better = {(pair.first, pair.second): pair.better for pair in ranking.pairs}
    names = list(ranking.models)
    told = names[0] + "".join(f" {'=' if better[one, two] is None else '>'} {two}" for one, two in pairwise(names))
    also = [f"{one} = {two}" for (one, two), won in better.items() if won is None and names.index(two) - names.index(one) > 1]
    return f"{told} (also {', '.join(also)})" if also else told
