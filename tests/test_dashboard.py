"""The dashboard without a browser: its figures, its jobs, and its pages in every state."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pytest
import streamlit as st
from browser.made_runs import STEPS_PER_EPOCH, config, four, measured, trained
from PIL import Image
from streamlit.testing.v1 import AppTest
from support import wait_until

from dashboard.data import frames, run_catalog, sheets, time_estimate
from dashboard.data.machine import Doctor, Machine, PaceProbe
from dashboard.data.processes import Jobs, TooManyRunsError
from dashboard.widgets import run_controls, sidebar, text, train_form
from gencore.analysis.time_estimate import probed_time, run_to_probe
from gencore.config import commands
from gencore.config.options import PRESETS, RunConfig, TrainingConfig, VAEConfig, preset_title
from gencore.data.registry import find
from gencore.metrics.diagnostics import DIAGNOSTICS
from gencore.store import events, results
from gencore.store.events import Collapse, Progress, Resumed
from gencore.store.results import Metric
from gencore.store.runs import Run, RunBusyError, run

REPOSITORY = Path(__file__).resolve().parent.parent


# ---------------------------------------------------------------- frames


def progress(step: int, loss: float | None) -> Progress:
    return Progress(
        time=float(step),
        step=step,
        epoch=step / 10,
        seconds=step,
        images_per_second=100,
        losses={"g": loss},
        gradient_norms={},
    )


def test_curves_leave_out_what_a_resume_took_back() -> None:
    history = [
        progress(1, 1.0),
        progress(2, 2.0),
        progress(3, 9.0),
        Resumed(step=2, file="f"),
        progress(3, 3.0),
    ]
    curve = frames.curves(history)
    assert curve.loc[curve["kind"] == "loss", "value"].tolist() == [1.0, 2.0, 3.0]


def test_a_loss_that_was_not_finite_is_a_gap() -> None:
    curve = frames.curves([progress(1, 1.0), progress(2, None)])
    assert np.isnan(curve.loc[(curve["kind"] == "loss") & (curve["step"] == 2), "value"]).all()


@pytest.mark.parametrize("length", [10, 2000, 2001, 50_000])
def test_downsampling_keeps_ends_and_extremes_within_the_limit(length: int) -> None:
    values = np.random.default_rng(0).normal(size=length)
    values[length // 3], values[length // 2], values[7] = 99, -99, np.nan
    thin = frames.downsample(pd.DataFrame({"step": range(length), "value": values}))
    assert len(thin) <= 2000 and thin["step"].is_monotonic_increasing
    assert thin["step"].iloc[0] == 0 and thin["step"].iloc[-1] == length - 1
    assert thin["value"].max() == 99 and thin["value"].min() == -99


def test_a_log_is_read_from_where_it_was_left_and_anew_when_it_is_shorter(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    events.append(path, progress(1, 1.0))
    first = frames.follow(path, frames.History())
    events.append(path, progress(2, 1.0))
    with path.open("ab") as file:
        file.write(b'{"type": "progress", "st')
    second = frames.follow(path, first)
    assert [e.step for e in second.events] == [1, 2] and second.unreadable == 0
    path.write_bytes(b"")
    assert frames.follow(path, second).events == []


def test_training_progress_has_the_share_the_time_left_and_the_end(tmp_path: Path) -> None:
    made = trained(tmp_path, "half", config("gan", epochs=4), until=0.5, end=None)
    training_progress = frames.training_progress(events.tail(made.events_path).events)
    assert training_progress.share == pytest.approx(0.5) and training_progress.ended is None
    assert training_progress.seconds_left == pytest.approx(
        2 * STEPS_PER_EPOCH
    )  # the made log has a step a second
    assert frames.training_progress([]) is None


def test_absent_metrics_are_dashes_with_their_reason(tmp_path: Path) -> None:
    measured(tmp_path, "digits-ddpm", config("ddpm"), 0.9)
    trained(tmp_path, "digits-vae", config("vae"))
    rows = {one.run.name: cells for one, cells in frames.table(run_catalog.generative_runs(tmp_path))}
    assert rows["digits-ddpm"]["training"] == frames.Cell(None, "left out to show <b>a</b> dash")
    assert "not evaluated" in rows["digits-vae"]["fd"].remark
    assert rows["digits-ddpm"]["images/s"].value and rows["digits-vae"]["images/s"].value is None


def test_the_distance_over_the_floor_is_the_mean_over_extractors_and_its_remark_lists_them(
    tmp_path: Path,
) -> None:
    made = measured(tmp_path, "digits-vae", config("vae"), 0.5)  # 20, sqrt(300) and sqrt(200)
    [(_, cells)] = frames.table([run_catalog.entry(made)])
    assert cells["fd ÷ floor"].value == pytest.approx((20 * 300**0.5 * 200**0.5) ** (1 / 3))
    assert cells["fd ÷ floor"].remark == "By feature extractor: residual 20, plain 17.3, mixer 14.1"
    assert cells["fd"].value == pytest.approx(40) and cells["fd"].remark == ""
    assert cells["recall"].remark == ""


@pytest.mark.parametrize(
    ("changes", "remark"),
    [
        ({"spread": 0.123}, "By feature extractor: residual 8, plain 2; ± 0.12 over sampling seeds"),
        ({"warning": "by a single feature extractor"}, "by a single feature extractor"),
        ({"blind_to": ["blurred"]}, "It cannot tell these from real pictures: blurred"),
        ({"value": None, "reason": "not asked for", "by_extractor": {}}, "not asked for"),
        ({"by_extractor": {}}, ""),
    ],
)
def test_a_cell_says_why_there_is_no_value_else_what_is_wrong_with_it_else_what_it_is_made_of(
    tmp_path: Path, changes: dict[str, object], remark: str
) -> None:
    made = measured(tmp_path, "digits-vae", config("vae"), 0.5)
    found = made.load_results()
    metric = Metric(**{"value": 4.0, "floor": 1.0, "by_extractor": {"residual": 8.0, "plain": 2.0}} | changes)
    results.save(
        made.results_path, found.model_copy(update={"metrics": found.metrics | {"fd_over_floor": metric}})
    )
    [(_, cells)] = frames.table([run_catalog.entry(made)])
    assert cells["fd ÷ floor"] == frames.Cell(metric.value, remark)


def test_the_floors_of_the_table_are_those_of_real_pictures_by_column(tmp_path: Path) -> None:
    entries = [run_catalog.entry(run) for run in four(tmp_path, "digits")]
    assert frames.floors(entries) == {
        "fd": 2.0, "fd ÷ floor": 1.0, "recall": 0.94, "coverage": 0.96, "training": None, "images/s": None,
    }  # fmt: skip
    assert set(frames.floors([]).values()) == {None}


def test_the_headline_run_stands_for_its_model_unless_the_newest_is_asked_for(tmp_path: Path) -> None:
    four(tmp_path, "digits")
    newer = measured(tmp_path, "another", config("vae"), 0.5, kind="measured")
    os.utime(newer.config_path, (2e9, 2e9))
    trained(tmp_path, "features-digits", config("vae"))
    entries = run_catalog.generative_runs(tmp_path)
    assert [one.run.name for one in run_catalog.one_a_label(entries, "digits")] == [
        f"digits-{p}" for p in ("vae", "gan", "cgan", "ddpm")
    ]
    assert run_catalog.one_a_label(entries, "digits", newest=True)[0].run.name == "another"


def test_a_sheet_is_cut_into_its_pictures_and_drawn_with_sharp_pixels(tmp_path: Path) -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (10, 10, 4, 4, 3), np.uint8)
    grid = pictures.swapaxes(1, 2).reshape(40, 40, 3)
    Image.fromarray(grid).save(tmp_path / "sheet.png")
    np.testing.assert_array_equal(sheets.read(tmp_path / "sheet.png"), pictures)
    ten = np.asarray(
        Image.open(io.BytesIO(sheets.draw_ten(tmp_path / "sheet.png", conditional=True, columns=5, scale=3)))
    )
    np.testing.assert_array_equal(ten[:12:3, :12:3, :3], pictures[0, 0])
    np.testing.assert_array_equal(ten[1:12:3, 1:12:3, :3], pictures[0, 0])
    np.testing.assert_array_equal(
        ten[15:27:3, :12:3, :3], pictures[5, 0]
    )  # the sixth is the first of class 5


@pytest.mark.parametrize("content", [b"no picture", b""])
def test_what_is_no_sheet_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "sheet.png").write_bytes(content)
    with pytest.raises(sheets.SheetError, match="sheet.png"):
        sheets.read(tmp_path / "sheet.png")


@pytest.mark.parametrize("size", [(4, 4), (13, 4), (2000, 4), (600, 300)])
def test_a_strip_is_read_with_its_frames_and_what_is_none_is_refused_by_name(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    Image.new("L", (12, 4), 9).save(tmp_path / "morph.png")
    strip = sheets.read_strip(tmp_path / "morph.png")
    assert strip.frames == 3 and np.asarray(Image.open(io.BytesIO(strip.png))).shape == (4, 12, 3)
    Image.new("L", size).save(tmp_path / "morph.png")
    with pytest.raises(sheets.SheetError, match="morph.png is .* square pictures in a row"):
        sheets.read_strip(tmp_path / "morph.png")


def test_foreign_text_cannot_act_as_markdown() -> None:
    assert text.plain("<b>*x*</b>\n# y") == r"\<b\>\*x\*\<\/b\> \# y"


@pytest.mark.parametrize(
    ("value", "shown"),
    [(None, "—"), (0.0, "0.00"), (1.999, "2.00"), (19.53, "19.5"), (1234.5, "1,230"), (0.00012, "1.20e-04")],
)
def test_figures_have_three_digits(value: float | None, shown: str) -> None:
    assert text.figure(value) == shown


# ---------------------------------------------------------------- forms and commands


@pytest.mark.parametrize("preset", PRESETS)
def test_every_field_of_every_preset_has_an_input_and_a_flag_of_its_own(preset: str) -> None:
    options = commands.options(PRESETS[preset])
    flags = [option.words()[0].removeprefix("--no-").removeprefix("--") for option in options]
    assert len(set(flags)) == len(flags)
    sections = PRESETS[preset].sections.values()
    fields = {name for section in sections for name in type(section).model_fields} - {"family"}
    assert {option.name for option in options} == fields
    for option in options:
        assert train_form.kind(option.field) and option.field.description


def test_bounds_come_from_the_config() -> None:
    assert train_form.bounds(VAEConfig.model_fields["width"]) == (8, 512, 8)
    assert train_form.bounds(TrainingConfig.model_fields["ema_decay"]) == (0, 1, None)


def test_the_command_names_what_differs_from_the_preset() -> None:
    changed = train_form.configured(
        "cgan", {("model", "conditional"): False, ("training", "patience"): 3, ("data", "dataset"): "digits"}
    )
    line = commands.shown(commands.train("cgan", "x", changed))
    assert (
        line
        == "gencore train cgan --name x --dataset digits --no-conditional --epochs 30 --seed 42 --patience 3"
    )


def test_a_run_is_resumed_with_its_own_config() -> None:
    plan = RunConfig(model=VAEConfig(network="mlp", latent_dim=3))
    words_ = commands.resume("mine", plan)
    assert words_[:4] == ["train", "vae-mlp", "--name", "mine"]
    assert words_[-1] == "--resume" and words_[words_.index("--latent-dim") + 1] == "3"


def test_the_engine_reads_the_command_as_the_config_it_was_made_from() -> None:
    from gencore.cli.parsing import parse

    plan = train_form.configured(
        "cddpm", {("model", "timesteps"): 50, ("training", "clip_norm"): None, ("model", "clusters"): 0}
    )
    assert parse(commands.train("cddpm", "x", plan)).config == plan


# ---------------------------------------------------------------- jobs


def start(jobs: Jobs, name: str) -> Run:
    one = run(name)
    jobs.start(one, commands.train("vae", name, PRESETS["vae"]))
    return one


def test_of_twenty_starts_at_once_exactly_one_wins(jobs: Jobs) -> None:
    def outcome(_: int) -> str:
        try:
            start(jobs, "same")
        except RunBusyError:
            return "busy"
        return "started"

    with ThreadPoolExecutor(20) as pool:
        outcomes = list(pool.map(outcome, range(20)))
    assert outcomes.count("started") == 1 and outcomes.count("busy") == 19
    wait_until(lambda: run("same").status() == "running")
    assert run("same").log_path.read_text().count("ready") <= 1


def test_a_double_click_under_the_next_free_name_makes_no_second_run(jobs: Jobs) -> None:
    start(jobs, "mnist-vae")
    with pytest.raises(RunBusyError, match="still starting"):
        start(jobs, "mnist-vae-2")


def test_a_job_is_detached_and_its_words_reach_it_without_a_shell(jobs: Jobs) -> None:
    one = run("plain")
    jobs.start(one, ["train", "vae", "--name", "plain", "$(touch pwned); `id`"])
    wait_until(lambda: one.process() is not None and "ready" in one.log_path.read_text())
    pid = one.process().pid
    assert os.getsid(pid) == pid != os.getsid(0)
    assert "$(touch pwned); `id`" in one.log_path.read_text()


def test_more_trainings_than_the_limit_are_refused_by_number(jobs: Jobs) -> None:
    for name in ("one", "two"):
        started = start(jobs, name)
        wait_until(lambda started=started: started.process() is not None)
    with pytest.raises(TooManyRunsError, match="the limit is 2"):
        start(jobs, "three")


def test_a_restarted_server_sees_its_training_and_stops_it(jobs: Jobs) -> None:
    one = start(jobs, "orphan")
    wait_until(lambda: one.process() is not None and "ready" in one.log_path.read_text())
    after_restart = Jobs(jobs._program)
    with pytest.raises(RunBusyError):
        start(after_restart, "orphan")
    assert one.stop() and one.status() == "stopped"


def test_a_training_that_outlives_its_server_goes_on(jobs: Jobs) -> None:
    server = (
        "import time; from dashboard.data.processes import Jobs; from gencore.store.runs import run\n"
        f"Jobs({jobs._program!r}).start(run('survivor'), ['--name', 'survivor']); time.sleep(60)"
    )
    process = subprocess.Popen([sys.executable, "-c", server])
    one = run("survivor")
    wait_until(lambda: one.process() is not None and "ready" in one.log_path.read_text())
    process.kill()
    process.wait()
    assert one.status() == "running"
    assert one.stop() and one.status() == "stopped"


def test_a_killed_training_has_died_and_leaves_no_zombie(jobs: Jobs) -> None:
    one = start(jobs, "victim")
    wait_until(lambda: one.process() is not None and one.exists and events.last(one.events_path) is not None)
    killed = one.process()
    killed.kill()
    wait_until(lambda: not killed.is_running())  # reaped: a zombie would still run
    assert one.status() == "died" and one.process() is None
    assert not [c for c in psutil.Process().children() if c.status() == psutil.STATUS_ZOMBIE]


def test_a_job_that_fails_before_it_begins_is_reported_with_its_log(jobs: Jobs) -> None:
    start(jobs, "broken")
    wait_until(lambda: bool(jobs.failed_to_start()))
    [job] = jobs.failed_to_start()
    assert run_controls.log_tail(job.run, 5) == "no such data set"
    jobs.forget(job)
    assert jobs.failed_to_start() == [] and jobs.starting() == []


def test_the_machine_is_known_or_the_reason_is() -> None:
    report = {
        "device": "cpu",
        "threads": 2,
        "memory_gib": 8,
        "datasets": {"digits": "bundled"},
        "kind": "cpu",
    }
    known, unknown = (
        Doctor([sys.executable, "-c", code])
        for code in (f"print({json.dumps(report)!r})", "raise SystemExit('no torch')")
    )
    wait_until(lambda: known.answer is not None and unknown.answer is not None)
    assert isinstance(known.answer, Machine) and known.answer.datasets == {"digits": "bundled"}
    assert unknown.answer == "gencore doctor ended with code 1: no torch"


# ---------------------------------------------------------------- how long it takes

HERE = Machine(device="cpu", threads=2, memory_gib=8, datasets={})


def test_a_training_is_estimated_by_the_run_of_its_family_that_differs_least(home: Path) -> None:
    trained(home, "other", config("vae", epochs=8), end="finished")
    plan = config("vae", epochs=8)
    wide = plan.model_copy(update={"model": plan.model.model_copy(update={"width": 128})})
    trained(home, "wide", wide)
    found = time_estimate.time_to_finish(wide, run_catalog.generative_runs(), HERE)
    assert (found.run, found.differs) == ("wide", ())
    steps = 8 * STEPS_PER_EPOCH  # in 0.4 s each, of the made log
    images = 8 * (1500 // plan.data.batch_size) * plan.data.batch_size
    assert found.training == pytest.approx(images / (steps * plan.data.batch_size / (steps * 0.4)))
    assert found.measuring == pytest.approx(steps * 0.6)  # a step takes a second by the clock of the log
    assert found.evaluation is None and found.seconds == found.training + found.measuring
    narrow = plan.model_copy(update={"model": plan.model.model_copy(update={"width": 16})})
    assert time_estimate.time_to_finish(narrow, run_catalog.generative_runs(), HERE).differs == ("width",)


@pytest.mark.parametrize(
    ("here", "end", "preset", "why_not"),
    [
        (None, "finished", "vae", "not known yet"),
        ("no torch", "finished", "vae", "unknown: no torch"),
        (HERE.model_copy(update={"device": "another"}), "finished", "vae", "no VAE has finished"),
        (HERE.model_copy(update={"threads": 1}), "finished", "vae", "no VAE has finished"),
        (HERE, "stopped", "vae", "no VAE has finished"),
        (HERE, "finished", "gan", "no GAN has finished"),
    ],
)
def test_a_training_is_not_estimated_without_a_like_one_finished_here(
    home: Path, here: Machine | str | None, end: str, preset: str, why_not: str
) -> None:
    trained(home, "one", config("vae"), end=end)
    assert why_not in time_estimate.time_to_finish(config(preset), run_catalog.generative_runs(), here)


def test_a_shipped_run_says_nothing_about_this_machine(home: Path) -> None:
    (trained(home, "one", config("vae")).results / "shipped").touch()
    assert "no VAE has finished" in time_estimate.time_to_finish(
        config("vae"), run_catalog.generative_runs(), HERE
    )


def finished(home: Path, name: str, plan: RunConfig, evaluation_seconds: float, rate: float) -> Run:
    """A measured run, its evaluation recorded so long after its training, sampling `rate` images a second."""
    made = measured(home, name, plan, 0.5, kind="measured")
    found = made.load_results()
    assert found is not None
    ended = events.last(made.events_path)
    assert ended is not None
    origin = found.origins["evaluation"].model_copy(
        update={"unix_time": ended.time + evaluation_seconds, "device": "cpu", "threads": 2}
    )
    metrics = found.metrics | {"samples_per_second_100": Metric(value=rate, unit="1/s")}
    update = {"origins": found.origins | {"evaluation": origin}, "metrics": metrics, "samples": 2970}
    results.save(made.results_path, found.model_copy(update=update))
    return made


def test_an_estimate_counts_the_evaluation_of_the_family_and_of_runs_evaluated_later_the_shortest(
    home: Path,
) -> None:
    finished(home, "at-once", config("vae"), 29.0, rate=1000)
    finished(home, "next-hour", config("vae"), 3000.0, rate=1000)
    finished(home, "next-day", config("vae"), 90_000.0, rate=1000)
    found = time_estimate.time_to_finish(config("vae"), run_catalog.generative_runs(), HERE)
    assert found.evaluation == pytest.approx(29.0)
    assert found.seconds == pytest.approx(found.training + found.measuring + 29.0)


def test_an_evaluation_is_estimated_by_another_family_with_the_sampling_time_replaced(home: Path) -> None:
    finished(home, "denoiser", config("ddpm"), 40.0, rate=99)  # 30 s of it for 2,970 images
    finished(home, "other", config("vae"), 90_000.0, rate=1000)
    found = time_estimate.time_to_finish(config("vae"), run_catalog.generative_runs(), HERE)
    assert found.evaluation == pytest.approx(10.0 + 2.97)


def test_the_evaluation_of_a_translator_says_nothing_of_that_of_a_generative_model(home: Path) -> None:
    finished(home, "denoiser", config("ddpm"), 40.0, rate=99)
    finished(home, "other", config("vae"), 90_000.0, rate=1000)
    finished(home, "pairs", PRESETS["pix2pix"].on(find("edges:digits")), 5.0, rate=1000)
    seconds = time_estimate.evaluation_seconds(config("vae"), run_catalog.trainings())
    assert seconds == pytest.approx(10.0 + 2.97)
    pairs = PRESETS["pix2pix"].on(find("edges:digits"))
    assert time_estimate.evaluation_seconds(pairs, run_catalog.trainings()) == pytest.approx(5.0)


def test_time_left_counts_the_evaluation_and_names_the_phase(home: Path) -> None:
    finished(home, "before", config("vae"), 29.0, rate=1000)
    made = trained(home, "now", config("vae"), until=0.5, end=None)
    entries, entry = run_catalog.generative_runs(), run_catalog.entry(made)

    def left(now: float, evaluates: bool = True) -> time_estimate.TimeLeft:
        progress = frames.training_progress(events.tail(made.events_path).events)
        assert progress is not None
        return time_estimate.time_left(entry, progress, evaluates, entries, now)

    training = 2 * STEPS_PER_EPOCH  # a step a second
    assert left(0) == ("training", pytest.approx(training + 29.0), pytest.approx(29.0))
    assert left(0, evaluates=False) == ("training", pytest.approx(training), 0.0)
    end = events.Ended(time=1e9, status="finished", reason="done", step=48, seconds=20.0, peak_memory_mib=1.0)
    events.append(made.events_path, end)
    assert left(1e9 + 9) == ("evaluation", pytest.approx(20.0), pytest.approx(29.0))
    assert left(1e9 + 60) == ("evaluation", None, pytest.approx(29.0))


def test_a_shipped_run_is_scaled_by_a_probe_of_this_machine(home: Path) -> None:
    shipped = finished(home, "shipped", config("vae"), 30.0, rate=1000)
    (shipped.results / "shipped").touch()
    entries, wanted = run_catalog.generative_runs(), config("vae", epochs=8)
    entry = run_to_probe(wanted, entries)
    assert entry is not None and entry.run.name == "shipped"
    assert run_to_probe(config("gan"), entries) is None
    there = 48 * wanted.data.batch_size / (48 * 0.4)  # images per second of the made log
    found = probed_time(wanted, entries, entry, images_per_second=there / 2)
    images = 8 * (1500 // wanted.data.batch_size) * wanted.data.batch_size
    assert found.is_probed and found.training == pytest.approx(2 * images / there)
    assert found.evaluation == pytest.approx(60.0)


def test_the_pace_of_this_machine_is_measured_by_training_steps(home: Path) -> None:
    probe = PaceProbe(config("vae-mlp"))
    wait_until(lambda: probe.answer is not None)
    assert isinstance(probe.answer, float) and probe.answer > 0
    broken = PaceProbe(config("vae-mlp"), [sys.executable, "-c", "raise SystemExit('no torch')"])
    wait_until(lambda: broken.answer is not None)
    assert broken.answer == "the probe of this machine ended with code 1: no torch"


# ---------------------------------------------------------------- pages


@pytest.fixture
def page(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., AppTest]]:
    report = {"device": "cpu", "threads": 2, "memory_gib": 8, "datasets": {"digits": "bundled"}}
    quick = partial(Doctor, [sys.executable, "-c", f"print({json.dumps(report)!r})"])
    monkeypatch.setattr(sidebar, "Doctor", quick)
    st.cache_resource.clear()

    def show(name: str = "home", **address: str) -> AppTest:
        app = AppTest.from_file(str(REPOSITORY / "dashboard/app.py"), default_timeout=30)
        for key, value in address.items():
            app.query_params[key] = value
        app.switch_page(f"views/{name}.py").run()
        assert not app.exception, [e.value for e in app.exception]
        return app

    yield show
    st.cache_resource.clear()


def text_of(app: AppTest) -> str:
    kinds = ("title", "markdown", "caption", "error", "warning", "info", "code", "subheader", "badge")
    return "\n".join(
        str(element.value) for kind in kinds for element in app.get(kind) if hasattr(element, "value")
    )


def test_home_without_runs_says_what_to_do(page: Callable[..., AppTest]) -> None:
    app = page()
    assert "press **Start**" in text_of(app)
    assert app.sidebar.selectbox(key="train.preset").options == [preset_title(name) for name in PRESETS]


def test_home_shows_pictures_scores_spheres_and_origins_of_the_four(
    page: Callable[..., AppTest], home: Path
) -> None:
    four(home)
    app = page()
    assert len(app.get("image")) == 4
    assert len(app.get("plotly_chart")) == 1
    shown = text_of(app)
    for label in run_catalog.HEADLINE_LABELS:
        assert label in shown
    assert "shipped" in shown and "—" in shown


def test_home_lets_choose_among_data_sets(page: Callable[..., AppTest], home: Path) -> None:
    four(home, "mnist")
    measured(home, "digits-vae", config("vae"), 0.5)
    app = page(dataset="digits")
    assert len(app.get("image")) == 1


def test_home_goes_on_when_one_run_is_corrupt(page: Callable[..., AppTest], home: Path) -> None:
    four(home)
    run("mnist-gan").results_path.write_text('{"schema_version": 99}')
    run("mnist-vae").config_path.write_text("{")
    for name in ("samples", "morph"):
        (run("mnist-cgan").results / f"{name}.png").write_bytes(b"no picture")
    shown = text_of(page())
    assert shown.count("is unreadable") == 2
    assert "samples" in shown and "morph" in shown and "DDPM" in shown


def test_live_without_runs_says_what_to_do(page: Callable[..., AppTest]) -> None:
    assert "No training yet" in text_of(page("live"))


def test_live_shows_a_finished_run_with_curves_and_samples(page: Callable[..., AppTest], home: Path) -> None:
    trained(home, "digits-gan", config("gan"))
    app = page("live")
    assert "finished" in text_of(app)
    assert len(app.get("vega_lite_chart")) == 6  # two losses, two gradient norms, quick fd, images per second
    assert len(app.get("image")) == 1
    assert not [button for button in app.main.button if button.label in {"Stop", "Resume"}]


def test_live_draws_the_diagnostics_of_a_gan_each_with_what_to_look_for_and_warns_of_a_collapse(
    page: Callable[..., AppTest], home: Path
) -> None:
    made = trained(home, "digits-gan", config("gan"), until=0.5, end=None)
    ratios = {"variance_ratio": 0.03, "accuracy_real": 0.9, "lipschitz_estimate": 2.0}
    told = progress(25, 1.0).model_copy(update={"diagnostics": ratios})
    events.append(made.events_path, told)
    collapse = Collapse(step=25, epoch=2.5, variance_ratio=0.03, text="The generator has collapsed.")
    events.append(made.events_path, collapse)
    with made.claim():
        app = page("live")
        titles = {json.loads(chart.proto.spec)["title"]["text"] for chart in app.get("vega_lite_chart")}
        expected = [DIAGNOSTICS[name] for name in ("variance_ratio", "accuracy_real", "lipschitz_estimate")]
        assert titles >= {one.title for one in expected}
        captions = [one.value for one in app.caption]
        assert all(one.look_for in captions for one in expected)
        assert ["has collapsed" in one.value for one in app.warning] == [True]
        events.append(
            made.events_path, told.model_copy(update={"step": 26, "diagnostics": {"variance_ratio": 0.9}})
        )
        app.run()
        assert not app.warning


def test_diagnostics_in_logs_of_before_are_no_losses() -> None:
    older = progress(1, 1.0).model_copy(update={"losses": {"g": 1.0, "d_real": 0.7}})
    curve = frames.curves([older])
    assert curve.loc[curve["kind"] == "loss", "series"].tolist() == ["g"]
    assert curve.loc[curve["kind"] == "diagnostic", "series"].tolist() == ["d_real"]


def test_live_draws_curves_by_epoch_or_by_training_time(page: Callable[..., AppTest], home: Path) -> None:
    made = trained(home, "digits-gan", config("gan"))
    points = frames.curves(events.tail(made.events_path).events)
    last = [event for event in events.tail(made.events_path).events if isinstance(event, events.Progress)][-1]
    assert points["minutes"].max() == pytest.approx(last.seconds / 60)
    quick = points[points["kind"] == "quick fd"]
    assert (quick["minutes"].diff().dropna() >= 0).all() and quick["minutes"].iloc[-1] > 0
    for address, field in (({}, "epoch"), ({"along": "training minutes"}, "minutes")):
        (spec, *_) = (
            json.loads(chart.proto.spec) for chart in page("live", **address).get("vega_lite_chart")
        )
        assert spec["encoding"]["x"]["field"] == field


def test_live_follows_the_newest_samples_until_the_slider_is_touched(
    page: Callable[..., AppTest], home: Path
) -> None:
    made = trained(home, "digits-gan", config("gan"), until=0.5, end=None)
    with made.claim():
        app = page("live")
        assert app.main.select_slider(key="sheet.step").value == 24
        _add_sheet(made, 36)
        app.run()
        assert app.main.select_slider(key="sheet.step").value == 36
        app.main.select_slider(key="sheet.step").set_value(12).run()
        _add_sheet(made, 48)
        app.run()
        assert app.main.select_slider(key="sheet.step").value == 12
        app.main.button(key="sheet.follow").click().run()
        assert app.main.select_slider(key="sheet.step").value == 48


def _add_sheet(made: Run, step: int) -> None:
    (made.results / f"sheets/step-{step:08d}.png").write_bytes(
        (made.results / "sheets/step-00000012.png").read_bytes()
    )
    events.append(
        made.events_path, events.Sheet(step=step, epoch=step / 12, file=f"sheets/step-{step:08d}.png")
    )


def test_live_shows_a_running_run_with_stop_and_time_left(page: Callable[..., AppTest], home: Path) -> None:
    made = trained(home, "digits-vae", config("vae"), until=0.5, end=None)
    with made.claim():
        app = page("live")
        assert "running" in text_of(app) and "left" in text_of(app)
        assert re.search(r"on cpu · \d+\.\d cores · \d+\.\d GiB", text_of(app).replace("\\", ""))
        assert [button.label for button in app.main.button] == ["Stop", "Duplicate"]


def test_live_shows_a_died_run_with_the_end_of_its_log_and_resume(
    page: Callable[..., AppTest], home: Path
) -> None:
    trained(home, "digits-vae", config("vae"), until=0.5, end=None).log_path.write_text(
        "step 7\n<b>Killed</b>\n"
    )
    app = page("live")
    assert "died" in text_of(app) and "without a final event" in text_of(app)
    assert "<b>Killed</b>" in app.main.code[0].value
    assert "Resume" in [button.label for button in app.main.button]


def test_live_shows_an_unreadable_run_with_the_reason_beside_one_that_works(
    page: Callable[..., AppTest], home: Path
) -> None:
    trained(home, "good", config("vae"))
    trained(home, "bad", config("vae")).config_path.write_text('{"model": {"family": "<i>x</i>"}}')
    app = page("live", run="bad")
    assert "unreadable" in text_of(app) and len(app.main.error) == 1
    app = page("live", run="good")
    assert len(app.get("image")) == 1 and not app.main.error


def test_live_survives_a_log_of_rubbish_and_a_sheet_that_leads_out(
    page: Callable[..., AppTest], home: Path
) -> None:
    made = trained(home, "digits-vae", config("vae"))
    with made.events_path.open("ab") as log:
        log.write(b"rubbish\n\xff\xfe\n{}\n")
    events.append(made.events_path, events.Sheet(step=999, epoch=99, file="../../../secret.png"))
    shown = text_of(page("live"))
    assert "3 lines" in shown and "leads out" in text.plain(shown).replace("\\", "")


def test_start_in_the_sidebar_runs_what_the_form_says(
    page: Callable[..., AppTest], home: Path, jobs: Jobs
) -> None:
    app = page()
    app.sidebar.selectbox(key="train.preset").set_value("cgan").run()
    app.sidebar.selectbox(key="train.dataset").set_value("digits").run()
    app.sidebar.number_input(key="train.epochs").set_value(2).run()
    command = app.sidebar.code[0].value
    assert command == "gencore train cgan --name digits-cgan --dataset digits --epochs 2 --seed 42"
    next(button for button in app.sidebar.button if button.label == "Start").click().run()
    wait_until(lambda: "'--epochs', '2'" in run("digits-cgan").log_path.read_text())
    assert not app.exception


def test_quick_training_runs_the_quick_preset_of_the_chosen_model_on_the_chosen_data_set(
    page: Callable[..., AppTest], home: Path, jobs: Jobs
) -> None:
    app = page()
    app.sidebar.selectbox(key="train.preset").set_value("ddpm-plain").run()
    app.sidebar.selectbox(key="train.dataset").set_value("digits").run()
    next(button for button in app.sidebar.button if button.label == "Quick training").click().run()
    started = run("digits-ddpm-quick")
    wait_until(lambda: "'train', 'ddpm-quick'" in started.log_path.read_text())
    assert "'--dataset', 'digits'" in started.log_path.read_text() and not app.exception


def test_a_form_of_a_training_by_steps_asks_for_steps_and_not_for_epochs(
    page: Callable[..., AppTest],
) -> None:
    app = page()
    app.sidebar.selectbox(key="train.preset").set_value("vae-quick").run()
    app.sidebar.number_input(key="train.vae-quick.steps").set_value(50).run()
    assert app.sidebar.code[0].value.endswith("--steps 50 --seed 42")


def test_a_run_started_on_the_live_page_is_the_one_it_then_shows(
    page: Callable[..., AppTest], home: Path, jobs: Jobs
) -> None:
    trained(home, "older", config("vae"))
    app = page("live", run="older")
    next(button for button in app.sidebar.button if button.label == "Start").click().run()
    assert not app.exception
    assert app.main.multiselect(key="live.runs").value == ["mnist-vae"]


def test_the_sidebar_shows_and_stops_what_runs(page: Callable[..., AppTest], home: Path, jobs: Jobs) -> None:
    mine = start(jobs, "mine")
    wait_until(lambda: mine.process() is not None and "ready" in mine.log_path.read_text())
    app = page()
    wait_until(lambda: sidebar.doctor().answer is not None)
    app.run()
    assert "**mine**" in text_of(app) and "1 of 1 data sets at hand" in text_of(app)
    process = mine.process()
    process.suspend()  # it cannot end yet, and the page does not wait for it
    app.sidebar.button(key="sidebar.stop.mine").click().run()
    button = app.sidebar.button(key="sidebar.stop.mine")
    assert mine.status() == "stopping" and button.label == "Stopping …" and button.disabled
    process.resume()
    wait_until(lambda: mine.process() is None)
    assert mine.status() == "stopped"


def test_duplicate_on_live_fills_the_form(page: Callable[..., AppTest], home: Path) -> None:
    plan = config("cgan", epochs=7)
    trained(home, "mine", plan.model_copy(update={"model": plan.model.model_copy(update={"width": 32})}))
    app = page("live")
    app.main.button(key="live.duplicate.mine").click().run()
    assert app.sidebar.selectbox(key="train.preset").value == "cgan"
    assert app.sidebar.selectbox(key="train.dataset").value == "digits"
    assert app.sidebar.number_input(key="train.epochs").value == 7
    assert app.sidebar.number_input(key="train.cgan.width").value == 32
    app.sidebar.number_input(key="train.epochs").set_value(3).run()  # filled once, then the visitor's own
    assert app.sidebar.number_input(key="train.epochs").value == 3


def test_the_form_says_what_contradicts_itself_and_does_not_start(page: Callable[..., AppTest]) -> None:
    app = page()
    app.sidebar.selectbox(key="train.preset").set_value("ddpm").run()
    app.sidebar.number_input(key="train.ddpm.timesteps").set_value(5).run()
    assert "lower" in app.sidebar.error[0].value
    assert next(button for button in app.sidebar.button if button.label == "Start").disabled


def test_every_preset_has_a_name_of_its_own_in_the_form() -> None:
    assert len({preset_title(preset) for preset in PRESETS}) == len(PRESETS)


def test_a_name_that_leads_out_is_refused_in_words_until_another_is_typed(
    page: Callable[..., AppTest],
) -> None:
    app = page()
    app.sidebar.text_input(key="train.name").set_value("../x").run()
    next(button for button in app.sidebar.button if button.label == "Start").click().run()
    assert "not allowed" in app.sidebar.error[0].value
    assert "not allowed" in app.run().sidebar.error[0].value  # the page may be drawn anew by itself
    app.sidebar.text_input(key="train.name").set_value("x").run()
    assert not app.sidebar.error


def test_pages_that_list_and_follow_load_no_torch() -> None:
    code = (
        "import sys, runpy; import dashboard.widgets.sidebar, dashboard.widgets.altair_charts; "
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY).returncode == 0
