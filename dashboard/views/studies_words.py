"""What a study asks and what it has found, in sentences."""

from __future__ import annotations

from collections import Counter

from dashboard.data.study_catalog import StudyContent
from dashboard.widgets.text import figure, plain
from gencore.analysis.comparison import MeanInterval
from gencore.config.options import preset_title
from gencore.metrics import catalog
from gencore.studies.findings import Contrast, StudyAnalysis, Winner
from gencore.studies.points import shown
from gencore.studies.study import QUICK_FD, Axis, Study

_METHODS = {
    "grid": "every combination of",
    "random": "random combinations of",
    "tpe": "combinations, chosen by what was learned before (TPE), of",
}


def objective_title(study: Study) -> str:
    """What is compared, as people call it."""
    fd = catalog.title("fd")
    return f"Quick {fd}" if study.objective == QUICK_FD else catalog.title(study.objective)


def plan(study: Study) -> str:
    """What is trained and how it is compared, as Markdown."""
    base = f"{preset_title(study.base.preset)} on {study.base.dataset}"
    if study.ablation:
        what = f"{base} as it is, and with {len(study.ablation)} changes, made one at a time"
    else:
        axes = ", ".join(f"{title} ({_levels(axis)})" for title, axis in study.axes.items())
        number = f"{study.search.points} " if study.search.points else ""
        what = f"{base}, with {number}{_METHODS[study.search.method]} {axes}"
    seeds = f"{len(study.seeds)} seeds" if len(study.seeds) > 1 else f"seed {study.seeds[0]} alone"
    better = "smaller" if study.is_smaller_better else "larger"
    said = f"Trains {what}, on {seeds}. Compared by {objective_title(study)} ({better} is better)."
    if study.scheduler == "asha":
        said += (
            f" ASHA cuts trials that are not among the best 1 in {study.asha_factor} after epoch "
            f"{study.asha_first_epoch}, {study.asha_first_epoch * study.asha_factor}, and so on."
        )
    if study.is_search and study.confirmation_seeds:
        said += f" The leading point is trained again on {study.confirmation_seeds} fresh seeds."
    return plain(said)


def _levels(axis: Axis) -> str:
    if axis.levels is not None:
        return ", ".join(axis.levels)
    if axis.values is not None:
        return ", ".join(shown(value) for value in axis.values)
    assert axis.lower is not None and axis.upper is not None
    return f"{axis.lower:g} to {axis.upper:g}" + (", log scale" if axis.scale == "log" else "")


def planned(content: StudyContent) -> int:
    """How many trials the study has, those included that TPE has yet to choose."""
    study, known = content.study, len(content.states)
    if study.search.method == "tpe":
        return max(known, (study.search.points or 0) * len(study.seeds))
    return known


def counts(content: StudyContent) -> str:
    """How many trials there are and what has become of them."""
    parts = [f"{number} {status}" for status, number in Counter(one.status for one in content.states).items()]
    return f"{planned(content)} trials: {', '.join(parts) or 'none begun'}"


def winner_line(content: StudyContent) -> str:
    """The best point or the leader, in a few words for a list."""
    winner = content.winner
    if winner is None:
        return "asks what changes do" if not content.study.is_search else "no point yet"
    return f"{'best' if winner.is_best else 'leads, not confirmed'}: {winner.title}"


def winner_text(winner: Winner, study: Study) -> str:
    """The best point with its value and how far to believe it, as Markdown."""
    name = "Best" if winner.is_best else "Leads so far"
    value = winner.confirmed or winner.selected
    seeds = f"{len(value.values)} {'fresh ' if winner.is_best else ''}seed{'s' * (len(value.values) != 1)}"
    said = f"**{name}: {plain(winner.title)}** · {plain(objective_title(study))} {interval(value)} on {seeds}"
    lost = f" {winner.lost} of the fresh seeds diverged or failed." if winner.lost else ""
    return f"{said}  \n:gray[{plain(winner.note)}.{lost}]"


def interval(value: MeanInterval, is_log: bool = False) -> str:
    """A mean with its 95 % interval where it has one; `is_log` for figures in log10."""
    mean, low, high = (
        None if one is None else 10**one if is_log else one for one in (value.mean, value.low, value.high)
    )
    return figure(mean) if low is None else f"{figure(mean)} ({figure(low)} to {figure(high)})"


def contrast(one: Contrast, found: StudyAnalysis) -> str:
    """A tested difference as Markdown: which level is better, by how much, and p."""
    first, second, size = one.first, one.second, one.difference
    p = "" if one.p is None else f" (p = {one.p:.2g})" if one.p >= 1e-3 else " (p < 0.001)"
    ratio = interval(size, found.is_on_log_scale)
    relation = "times" if found.is_on_log_scale else "more than"
    how = f"{ratio} {relation} that of {second}"
    said = f"{one.axis}: {found.objective} with {first} is {how}{p}"
    if one.better is not None:
        return f"**{plain(one.better)} is better.** {plain(said)}"
    return plain(said)


def sentence(note: str) -> str:
    """A note of the statistics as a sentence, in Markdown."""
    return plain(f"{note[0].upper()}{note[1:]}.")
