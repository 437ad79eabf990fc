"""Points by the tree-structured Parzen estimator, which learns from the points before. Needs Optuna.

It keeps no state of its own: what the study's record holds is told to it when the study goes on.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial

from gencore.studies.plan import Trial, base_config, trials_at
from gencore.studies.points import levels_of, point, title_of
from gencore.studies.records import StudyRecord
from gencore.studies.study import Level

_MOST_ASKED = 200
"""Points asked for in search of one that is new and possible."""


class PointChooser:
    """The trials of a search by TPE, one after the other: those known before first, then new ones."""

    def __init__(self, record: StudyRecord, data_folder: Path | None = None) -> None:
        """Learns what has ended; trials that have not are the next ones."""
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._record, self._study = record, record.study()
        self._base = base_config(self._study, data_folder)
        known = record.trials()
        seed = self._study.search.seed + len(known)  # or it would draw again what it drew at first
        sampler = optuna.samplers.TPESampler(seed=seed, constant_liar=True)
        self._optuna = optuna.create_study(
            direction="minimize" if self._study.is_smaller_better else "maximize", sampler=sampler
        )
        self._distributions = self._all_distributions()
        self._groups: dict[str, list[Trial]] = {}
        self._asked: dict[str, optuna.trial.Trial] = {}
        for trial in known:
            if trial.phase == "search":
                self._groups.setdefault(title_of(trial.point), []).append(trial)
        states = {state.trial.name: state for state in record.states()}
        self._waiting = [
            trial for group in self._groups.values() for trial in group if not states[trial.name].is_settled
        ]
        for title in self._groups:
            self._learn(title)

    def next(self) -> Trial | None:
        """The next trial, written to the record; None where there are as many points as were asked for, or
        no new one is found."""
        if not self._waiting and len(self._groups) < (self._study.search.points or 0):
            self._waiting += self._new_point()
        return self._waiting.pop(0) if self._waiting else None

    def ended(self, name: str) -> None:
        """Learn from the trial, once the others of its point have ended too."""
        title = next(title for title, group in self._groups.items() if any(one.name == name for one in group))
        self._learn(title)

    def _all_distributions(self) -> dict[str, BaseDistribution]:
        found: dict[str, BaseDistribution] = {}
        for title, axis in self._study.axes.items():
            if axis.is_range:
                assert axis.lower is not None and axis.upper is not None
                found[title] = FloatDistribution(axis.lower, axis.upper, log=axis.scale == "log")
            else:
                found[title] = CategoricalDistribution(levels_of(self._base, title, axis))
        return found

    def _new_point(self) -> Sequence[Trial]:
        """A point that is possible and not known: its trials, one a seed."""
        known = self._record.trials()
        for _ in range(_MOST_ASKED):
            asked = self._optuna.ask(self._distributions)
            levels: dict[str, Level] = asked.params
            at = point(self._study, self._base, levels)
            try:
                trials = trials_at(self._study, self._base, at, first_number=len(known))
            except ValueError:  # a combination of ranges that the corners did not show
                self._optuna.tell(asked, state=TrialState.FAIL)
                continue
            if at.title in self._groups:
                self._optuna.tell(asked, state=TrialState.FAIL)
                continue
            for trial in trials:
                self._record.refuse_foreign_run(trial)
            for trial in trials:
                self._record.save(trial)
            self._groups[at.title], self._asked[at.title] = trials, asked
            return trials
        return ()

    def _learn(self, title: str) -> None:
        """Tell the mean over seeds, where all have ended; a point without any value has failed."""
        group = [self._record.state(self._study, trial) for trial in self._groups[title]]
        if not all(one.is_settled or one.is_lost for one in group):
            return
        known = [one.value for one in group if one.value is not None]
        value = statistics.fmean(known) if len(known) == len(group) else None
        asked = self._asked.pop(title, None)
        if asked is not None:
            self._optuna.tell(asked, value, state=None if value is not None else TrialState.FAIL)
        elif value is not None and all(one.trial.name not in self._told for one in group):
            self._optuna.add_trial(self._before(group[0].trial, value))

    @property
    def _told(self) -> set[str]:
        return {str(one.user_attrs.get("trial")) for one in self._optuna.get_trials(deepcopy=False)}

    def _before(self, trial: Trial, value: float) -> FrozenTrial:
        """A point of an earlier session, as Optuna keeps it."""
        return create_trial(
            params=dict(trial.point),
            distributions=self._distributions,
            value=value,
            user_attrs={"trial": trial.name},
        )
