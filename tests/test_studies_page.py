"""The Studies page without a browser, in every state, and what it computes."""

from __future__ import annotations

import sys
import time
from functools import partial
from pathlib import Path

import pytest
from browser.made_runs import sheet
from made_studies import begun, end, large, start
from support import wait_until
from visits import checked, pictures, text_of, visit

from dashboard.data import study_catalog
from dashboard.data.study_catalog import StudyContent
from dashboard.data.study_processes import BudgetProbe, StudyJobs
from dashboard.views import studies_charts, studies_parallel, studies_start
from gencore.store.claims import BusyError
from gencore.store.files import write_atomically
from gencore.studies import records
from gencore.studies.records import CUT, StudyRecord

pytestmark = pytest.mark.usefixtures("home", "fresh_caches")

GRID = """
name: small
base: {preset: dcgan, dataset: digits, options: {epochs: 3}}
axes: {beta1: [0.3, 0.5], width: [16, 32]}
confirmation_seeds: 0
"""
HOLDER = """
import sys, time
from gencore.studies import records
record = records.record(sys.argv[-1] if sys.argv[-1] != "--yes" else "small")
if not record.folder.exists():
    sys.exit("gencore: no such study")
with record.claim.hold():
    while not record.claim.is_stopping:
        time.sleep(0.02)
"""
"""A stand-in for `gencore study resume` that holds its study as the engine does, and trains nothing."""


def content_of(record: StudyRecord) -> StudyContent:
    found = study_catalog.entry(record).content
    assert found is not None
    return found


def finished(home: Path) -> StudyRecord:
    """Four points: distances 2, 4 and 8 at the end, and one that diverged."""
    record = begun(home, GRID)
    for trial, last in zip(record.trials(), (2.0, 4.0, 8.0, None), strict=True):
        how = ("finished", "all steps done") if last else ("diverged", "the loss is not finite at step 3")
        end(record, trial, [20.0, 10.0, last], *how)
    return record


# states


def test_without_a_study_the_page_offers_the_committed_files(home: Path) -> None:
    app = visit("studies")
    assert "No studies yet" in text_of(app)
    assert {"ablation-cifar10", "search-cifar10"} <= set(app.selectbox("studies.source").options)
    checked(app.selectbox("studies.source").select("dcgan-lr-beta1").run())
    assert "Trains cGAN" in text_of(app) and "27 trials" in text_of(app)


def test_a_finished_study_says_what_leads_and_what_is_not_known(home: Path) -> None:
    finished(home)
    said = text_of(visit("studies"))
    assert "4 trials: 3 finished, 1 diverged" in said
    assert "Leads so far: beta1 0.3, width 16" in said and "not called best" in said
    assert "Not tested: on 1 seeds" in said and "one seed, no interval" in said


def test_two_hundred_trials_are_drawn_and_the_study_is_in_the_address(home: Path) -> None:
    large(home)
    finished(home)
    app = visit("studies", study="large")
    said = text_of(app)
    assert "200 trials: 80 finished, 112 cut, 8 diverged" in said and "on 2 seeds" in said
    assert "all at epoch 3, because later epochs were cut for some" in said
    assert "4 trials" not in said
    assert "4 trials: 3 finished" in text_of(visit("studies", study="small"))
    assert "no study named **none**" in text_of(visit("studies", study="none"))


def test_a_study_that_has_just_begun_says_so(home: Path) -> None:
    begun(home, GRID)
    said = text_of(visit("studies"))
    assert "4 trials: 4 waiting" in said and "Charts appear here with the first quick distances" in said


def test_an_unreadable_study_says_why_and_leaves_the_others(home: Path) -> None:
    finished(home)
    broken = begun(home, GRID.replace("small", "broken"))
    broken.study_path.write_text("name: [")
    app = visit("studies", study="broken")
    assert "is no YAML" in text_of(app) and "unreadable" in text_of(app)
    assert [*app.dataframe[0].value["state"]] == ["unreadable", "finished"]
    assert "3 finished" in text_of(visit("studies", study="small"))


def test_a_running_study_is_stopped_from_the_page(home: Path) -> None:
    record = begun(home, GRID)
    start(record, record.trials()[0], [9.0])
    with record.claim.hold():
        app = visit("studies")
        assert "running" in text_of(app)
        checked(app.button("studies.stop.small").click().run())
        assert record.claim.is_stopping and "stopping" in text_of(app)
        assert app.button("studies.stop.small").disabled
    assert app.run().button("studies.resume.small").label == "Resume"


def test_the_best_and_the_worst_finished_trial_show_their_samples(home: Path) -> None:
    record = finished(home)
    for trial in record.trials():
        write_atomically(record.run_of(trial).results / "samples.png", sheet(0.1, False, trial.number))
    app = visit("studies")
    best, worst = record.trials()[0].name, record.trials()[2].name
    assert {f"Samples of the best trial, {best}", f"Samples of the worst trial, {worst}"} <= set(
        pictures(app)
    )
    assert [link.proto.label for link in app.main.get("page_link")] == [
        f"Open {name}".replace("-", "\\-") for name in (best, worst)
    ]


# starting


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (GRID.replace("small", "new").replace("beta1", "beta7"), "has no option beta7; perhaps"),
        (GRID.replace("[0.3, 0.5]", "[]"), "an axis without values makes an empty grid"),
        ("name: [", "the file is no YAML"),
        (GRID, "a study named small exists"),
    ],
)
def test_faults_of_a_file_are_shown_before_anything_is_written(home: Path, text: str, sentence: str) -> None:
    finished(home)
    app = visit("studies")
    checked(app.text_area("studies.text").set_value(text).run())
    assert sentence in text_of(app)
    assert not [one for one in app.button if one.key in ("studies.estimate", "studies.start")]


def test_what_a_study_takes_is_shown_before_it_can_be_started(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = 'import json; print(json.dumps({"lines": ["4 trials of about 2 min each are 8 min"]}))'

    command = [sys.executable, "-c", answer]
    monkeypatch.setattr(studies_start, "BudgetProbe", partial(BudgetProbe, command=command))
    app = visit("studies")
    checked(app.text_area("studies.text").set_value(GRID).run())
    assert not [one for one in app.button if one.key == "studies.start"]
    checked(app.button("studies.estimate").click().run())
    wait_until(lambda: bool([one for one in checked(app.run()).button if one.key == "studies.start"]))
    assert "4 trials of about 2 min each" in text_of(app)


def test_an_estimate_that_fails_says_why(home: Path) -> None:
    refused = "import sys; sys.exit('gencore: studies are run by Ray Tune, which is not installed')"
    probe = BudgetProbe(GRID, home, [sys.executable, "-c", refused])
    wait_until(lambda: probe.answer is not None)
    assert isinstance(probe.answer, str) and "Ray Tune, which is not installed" in probe.answer


def test_a_study_is_resumed_once_and_outlives_the_server(home: Path) -> None:
    record, other = begun(home, GRID), begun(home, GRID.replace("small", "other"))
    jobs = StudyJobs([sys.executable, "-c", HOLDER])
    jobs.resume(record)
    for again in (record, other):
        with pytest.raises(BusyError, match="small is running, on all cores"):
            jobs.resume(again)
    wait_until(lambda: record.claim.process() is not None)
    assert not jobs.starting() and not jobs.failed()
    with pytest.raises(BusyError):
        StudyJobs([sys.executable, "-c", HOLDER]).resume(other)  # of another server
    assert record.stop()
    job = jobs.of("small")
    assert job is not None
    wait_until(lambda: job.process.poll() is not None)
    assert not jobs.failed()


def test_a_study_that_could_not_start_says_what_it_printed(home: Path) -> None:
    jobs = studies_start.jobs()
    jobs._program = [sys.executable, "-c", "import sys; print('no such machine'); sys.exit(2)"]
    jobs.start(records.record("small"), GRID)
    wait_until(lambda: bool(jobs.failed()))
    app = visit("studies", study="small")
    assert "**small** could not start" in text_of(app) and "no such machine" in text_of(app)
    checked(app.button("studies.forget.small").click().run())
    assert "could not start" not in text_of(app)


# what is computed


def test_lines_cross_their_axes_in_the_order_of_their_values(home: Path) -> None:
    found = content_of(finished(home))
    drawn = studies_parallel.coordinates(found.study, found.states)
    assert drawn is not None
    assert [axis.title for axis in drawn.axes] == ["beta1", "width", "Quick Fréchet distance"]
    by_run = {line.title.split(":")[0]: line for line in drawn.lines}
    first, second, third, lost = (by_run[one.trial.name].places[-1] for one in found.states)
    assert first == 1.0 > second > third > lost == 0.0, "the smallest distance is on top, what diverged below"
    assert second == pytest.approx((first + third) / 2), "2, 4 and 8 are evenly spaced on a log scale"
    assert all(-1e-9 <= place <= 1 for line in drawn.lines for place in line.places)
    assert [line.is_best for line in drawn.lines] == [False, False, False, True], "the best above the others"
    assert drawn.lines[-1].address == f"live?run={found.states[0].trial.name}"


def test_a_cell_of_the_heat_map_is_a_mean_over_all_else(home: Path) -> None:
    found = content_of(finished(home))
    cells = studies_charts.cells(found.study, found.states, "width", "beta1", None)
    values = {(row.across, row.down): row.value for row in cells.itertuples()}
    assert values["16", "0.3"] == pytest.approx(2.0) and values["16", "0.5"] == pytest.approx(8.0)
    assert cells["value"].isna().sum() == 1 and "▲" in cells.loc[cells["lost"] > 0, "text"].item()
    assert sorted(cells["score"].dropna()) == pytest.approx([0.0, 0.5, 1.0])
    assert cells.loc[cells["score"].idxmax(), "value"] == pytest.approx(2.0)


def test_levels_of_a_range_are_put_into_classes(home: Path) -> None:
    text = GRID.replace("[0.3, 0.5]", "{lower: 0.0, upper: 0.9, number: 20}")
    record = begun(home, text)
    levels = studies_charts.levels_in_order(record.states(), "beta1")
    assert len(levels) == studies_charts.MOST_LEVELS and levels[0] == "0.0 to 0.1"


def test_curves_tell_the_best_from_the_cut_and_the_lost(home: Path) -> None:
    record = finished(home)
    cut = begun(home, GRID.replace("small", "cut"))
    end(cut, cut.trials()[0], [9.0], "stopped", f"{CUT} after epoch 1")
    end(cut, cut.trials()[1], [9.0, 8.0, 7.0])
    points = studies_charts.curve_points(record.study(), [*record.states(), *cut.states()])
    kinds = points.drop_duplicates("run")["kind"].value_counts().to_dict()
    assert kinds == {"best": 1, "other": 3, "cut": 1, "no model": 1}
    assert points.groupby("run")["is_last"].sum().eq(1).all()


def test_a_state_is_read_again_only_when_its_files_have_changed(home: Path) -> None:
    record = begun(home, GRID)
    first = study_catalog.entry(record).content
    assert study_catalog.entry(record).content is first
    time.sleep(0.01)
    start(record, record.trials()[0], [5.0])
    again = content_of(record)
    assert again is not first and again.states[0].distances[0].fd == 5.0


def test_what_was_compared_is_compared_again_when_another_trial_has_ended(home: Path) -> None:
    record = begun(home, GRID)
    one, other, running, _ = record.trials()
    end(record, one, [4.0])
    end(record, other, [8.0])
    first = content_of(record).analysis
    with record.run_of(running).claim():
        start(record, running, [6.0])
        now = content_of(record)
        assert now.states[2].status == "running" and now.analysis is first
    end(record, running, [6.0, 5.0])
    again = content_of(record).analysis
    assert again is not first and sum(point.finished for point in again.points) == 3
