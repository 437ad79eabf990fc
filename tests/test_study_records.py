"""What a study knows of its trials from their runs, and how a search by TPE and a scheduler go on from it."""

from __future__ import annotations

import math
import statistics
from importlib.util import find_spec
from pathlib import Path

import pytest
from made_studies import begun, end
from support import made_results

from gencore.store import results
from gencore.store.results import Metric
from gencore.studies import records
from gencore.studies.plan import Trial
from gencore.studies.records import CUT

GRID = """
name: made
base: {preset: dcgan, dataset: digits, options: {epochs: 3}}
axes: {beta1: [0.3, 0.5]}
"""
TPE = """
name: made
base: {preset: vae-mlp, dataset: digits, options: {epochs: 1}}
axes: {learning_rate: {lower: 1.0e-5, upper: 1.0e-1, scale: log}}
search: {method: tpe, points: 40}
seeds: 2
"""


def test_what_became_of_a_trial_is_read_from_its_run(home: Path) -> None:
    record = begun(home, GRID.replace("[0.3, 0.5]", "[0.3, 0.4, 0.5, 0.6, 0.7]"))
    assert [one.status for one in record.states()] == ["waiting"] * 5 and record.status() == "stopped"
    done, cut, diverged, stopped, waiting = record.trials()
    end(record, done, [9.0, 4.0, 5.0])
    end(record, cut, [9.0], "stopped", f"{CUT} after epoch 1")
    end(record, diverged, [9.0, None], "diverged", "not finite at step 2")
    end(record, stopped, [9.0, 8.0], "stopped", "the study was stopped")
    found = record.states()
    assert [one.status for one in found] == ["finished", "cut", "diverged", "stopped", "waiting"]
    assert [one.value for one in found] == [5.0, 9.0, None, None, None], "the last distance, not the best"
    assert [one.is_settled for one in found] == [True, True, True, False, False]
    assert [one.is_lost for one in found] == [False, False, True, False, False]
    assert (found[0].epoch, found[0].seconds, found[0].starts) == (3.0, 9.0, 1)
    assert found[2].reason == "not finite at step 2"


def test_with_early_stopping_the_value_is_that_of_the_best_weights(home: Path) -> None:
    record = begun(home, GRID.replace("epochs: 3", "epochs: 3, patience: 2"))
    end(record, record.trials()[0], [9.0, 4.0, 5.0])
    assert record.states()[0].value == 4.0


def test_a_trial_without_its_evaluation_is_not_settled(home: Path) -> None:
    record = begun(home, GRID + "objective: recall\n")
    one, other = record.trials()
    end(record, one, [5.0])
    end(record, other, [5.0])
    assert record.states()[0].status == "stopped", "it goes on with its evaluation"
    results.save(record.run_of(one).results_path, made_results(recall=0.75))
    lacking = Metric(value=None, reason="too few images")
    results.save(record.run_of(other).results_path, made_results(recall=lacking))
    first, second = record.states()
    assert (first.status, first.value) == ("finished", 0.75)
    assert (second.status, second.value, second.reason) == ("finished", None, "too few images")


def test_a_damaged_run_or_study_takes_no_other_down(home: Path) -> None:
    record = begun(home, GRID)
    one, other = record.trials()
    end(record, one, [5.0])
    end(record, other, [5.0])
    record.run_of(one).config_path.write_text("{")
    assert [state.status for state in record.states()] == ["unreadable", "finished"]
    record.study_path.write_text("name: [")
    assert record.status() == "unreadable" and [one.name for one in records.all_records(home)] == ["made"]


def test_a_scheduler_is_told_again_what_a_settled_trial_had_reported(home: Path) -> None:
    from gencore.studies.trial_training import WORST, replay

    record = begun(home, GRID)
    end(record, record.trials()[0], [9.0, None, 5.0])
    told = replay(record, record.trials()[0])
    assert [(one.epoch, one.quick_fd) for one in told[:-1]] == [(1.0, 9.0), (2.0, WORST), (3.0, 5.0)]
    assert [one.status for one in told] == ["running"] * 3 + ["finished"]


@pytest.mark.skipif(find_spec("optuna") is None, reason="Optuna is not installed")
def test_tpe_learns_takes_up_what_was_left_and_repeats_nothing(home: Path) -> None:
    from gencore.studies.tpe import PointChooser

    record = begun(home, TPE)
    chooser = PointChooser(record)
    ended: list[str] = []

    def distance(trial: Trial) -> float:
        return 1.0 + abs(math.log10(float(str(trial.point["learning_rate"]))) + 2.0)

    for count in range(80):
        if count == 31:  # killed with the second seed of a point still to come
            chooser = PointChooser(record)
        trial = chooser.next()
        assert trial is not None and trial.name not in ended
        end(record, trial, [distance(trial)])
        chooser.ended(trial.name)
        ended.append(trial.name)
    assert chooser.next() is None and PointChooser(record).next() is None
    trials = record.trials()
    assert len(trials) == len({trial.name for trial in trials}) == 80
    assert [trial.number for trial in trials] == [*range(80)]
    assert sorted({trial.seed for trial in trials}) == [42, 43]
    points = [distance(trial) for trial in trials[::2]]
    assert statistics.median(points[10:]) < 1.6, "the median of independent draws is 2"
