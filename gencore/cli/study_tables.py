"""What the commands of studies print for people."""

from __future__ import annotations

import json
from collections.abc import Sequence

from gencore.analysis.comparison import MeanInterval
from gencore.cli.tables import show
from gencore.studies.budget import Budget
from gencore.studies.findings import StudyAnalysis, Winner
from gencore.studies.points import title_of
from gencore.studies.records import StudyRecord, TrialState
from gencore.studies.statistics import analyse
from gencore.studies.study import Study


def budget_lines(budget: Budget, asha: bool, address: str | None) -> list[str]:
    """What a study takes, in words."""
    each = budget.seconds / 60 / max(1, budget.trials)
    lines = [
        f"{budget.trials} trials of about {each:.2g} min each are {budget.seconds / 60:.3g} min"
        + (" at most, as asha cuts some" if asha else "")
        + f"; by a probe of this machine with {budget.probes} of the configs"
    ]
    if address is None:
        lines.append(f"{budget.at_once} at a time on this machine: about {budget.wall_seconds / 60:.3g} min")
    else:
        lines.append(f"on the cluster at {address} it depends on its machines")
    if budget.unknown:
        lines.append(f"not counted, as no recorded run tells their time: {', '.join(budget.unknown)}")
    return lines


def show_list(rows: Sequence[dict[str, object]]) -> None:
    """A row a study."""
    columns = ["name", "status", "preset", "dataset", "trials", "settled", "lost", "best", "problem"]
    show(rows, columns, empty="no studies yet; `gencore study run FILE.yaml`")


def show_study(record: StudyRecord, study: Study, states: Sequence[TrialState]) -> None:
    """Points, effects, contrasts, the winner, and what was lost."""
    found = analyse(study, states)
    counts = ", ".join(f"{number} {status}" for status, number in found.counts.items())
    print(f"{record.name}: {record.status()}; {len(states)} trials: {counts or 'none yet'}")
    if study.about:
        print(study.about)
    print()
    _show_points(found)
    _show_effects(found)
    _show_contrasts(found)
    for one in states:
        if one.is_lost or one.status == "unreadable":
            print(f"{one.trial.name} ({title_of(one.trial.point)}): {one.status}, {one.reason}")
    if found.winner:
        print()
        show_winner(found.winner, found.objective)


def show_winner(winner: Winner, objective: str) -> None:
    """The best point, and how far to believe it."""
    name = "best" if winner.is_best else "leads"
    print(f"{name} by {objective}: {winner.title} (run {winner.run})")
    if winner.confirmed:
        print(
            f"on fresh seeds: {_in_words(winner.confirmed)}"
            + (f", {winner.lost} lost" if winner.lost else "")
        )
    print(winner.note)


def _show_points(found: StudyAnalysis) -> None:
    rows: list[dict[str, object]] = [
        {
            **point.point,
            found.objective: point.interval.mean if point.interval else None,
            "95 %": _range(point.interval),
            "finished": point.finished,
            "cut": point.cut,
            "lost": point.lost,
            "open": point.open,
        }
        for point in found.points
    ]
    axes = list(found.points[0].point) if found.points else []
    columns = [*axes, found.objective, "95 %", "finished", "cut", "lost", "open"]
    show(rows, columns, empty="no trial yet")
    if found.at_epoch is not None:
        print(f"trials were cut: effects and tests compare all at epoch {found.at_epoch:g}")


def _show_effects(found: StudyAnalysis) -> None:
    print()
    between = "worst ÷ best level" if found.is_on_log_scale else "worst - best level"
    rows: list[dict[str, object]] = [
        {"option": one.axis, "share of variance": one.share, between: one.sensitivity}
        for one in found.effects
    ]
    rows += [
        {"option": f"{one.first} × {one.second}", "share of variance": one.share}
        for one in found.interactions
    ]
    show(rows, ["option", "share of variance", between], empty="no effects yet")
    print(found.effects_note)


def _show_contrasts(found: StudyAnalysis) -> None:
    print()
    kind = "first ÷ second" if found.is_on_log_scale else "first - second"
    rows: list[dict[str, object]] = [
        {
            "option": one.axis,
            "first": one.first,
            "second": one.second,
            kind: _scaled(found, one.difference.mean),
            "95 %": _range(one.difference, found.is_on_log_scale),
            "p": one.p,
            "better": one.better or ("tie" if one.p is not None else None),
        }
        for one in found.contrasts
    ]
    if rows:
        show(rows, ["option", "first", "second", kind, "95 %", "p", "better"], empty="")
    print(found.contrasts_note)


def _scaled(found: StudyAnalysis, value: float) -> float:
    return float(10**value) if found.is_on_log_scale else value


def _range(interval: MeanInterval | None, is_log: bool = False) -> str | None:
    if interval is None or interval.low is None or interval.high is None:
        return None
    low, high = (10**end if is_log else end for end in (interval.low, interval.high))
    return f"{low:.4g} to {high:.4g}"


def _in_words(interval: MeanInterval) -> str:
    ends = _range(interval)
    return f"{interval.mean:.4g}" + (f" ({ends})" if ends else "")


def as_json(record: StudyRecord) -> str:
    """A study with its analysis and its trials, as strict JSON."""
    asked, states = record.study(), record.states()
    found = analyse(asked, states)
    return json.dumps(
        {
            "name": record.name,
            "status": record.status(),
            "study": asked.model_dump(mode="json"),
            "analysis": found.model_dump(mode="json"),
            "trials": [flat(one) for one in states],
        },
        indent=1,
        allow_nan=False,
    )


def flat(state: TrialState) -> dict[str, object]:
    """A trial as one row, by column."""
    trial = state.trial
    return {
        "run": trial.name,
        "phase": trial.phase,
        **{f"axis {axis}": level for axis, level in trial.point.items()},
        "seed": trial.seed,
        "status": state.status,
        "value": state.value,
        "epoch": state.epoch,
        "seconds": state.seconds,
        "starts": state.starts,
        "reason": state.reason,
    }
