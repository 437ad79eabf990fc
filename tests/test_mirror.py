"""Event logs written for other libraries' viewers, and read back by these libraries."""

from __future__ import annotations

import sqlite3
import subprocess
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from browser.made_runs import config, sheet, trained
from support import TRAINER, Result, wait_until

from gencore.reports.mirror import Mirror, figures
from gencore.store import events
from gencore.store.events import Progress, QuickDistance, Resumed, Sheet
from gencore.store.files import write_atomically
from gencore.store.runs import Run

NEEDS = {name: pytest.mark.skipif(find_spec(name) is None, reason=f"{name} is not installed")
         for name in ("tensorboard", "mlflow", "wandb")}  # fmt: skip


def logged(home: Path) -> Run:
    """A finished GAN of four epochs with its sheets."""
    run = trained(home, "digits-gan", config("gan"))
    for event in events.tail(run.events_path).events:
        if isinstance(event, Sheet):
            write_atomically(run.results / event.file, sheet(0.5, False, event.step))
    return run


def of_kind(run: Run, kind: Any) -> list[Any]:
    return [event for event in events.tail(run.events_path).events if isinstance(event, kind)]


def read(folder: Path) -> Any:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    return EventAccumulator(str(folder), {"scalars": 0, "images": 0, "tensors": 0}).Reload()


@NEEDS["tensorboard"]
def test_tensorboard_reads_the_figures_of_the_log(home: Path, gencore: Callable[..., Result]) -> None:
    run = logged(home)
    said = gencore("mirror", run.name, "--folder", home / "tb")
    assert said.code == 0 and f"tensorboard --logdir {home / 'tb'}" in said.out
    found = read(home / "tb" / run.name)
    progress, distances = of_kind(run, Progress), of_kind(run, QuickDistance)
    name, loss = next(iter(progress[0].losses.items()))
    scalars = found.Scalars(f"loss/{name}")
    assert [one.step for one in scalars] == [one.step for one in progress]
    assert scalars[0].value == pytest.approx(loss) and scalars[0].wall_time == progress[0].time
    assert [one.value for one in found.Scalars("quick fd")] == pytest.approx([one.fd for one in distances])
    assert [one.step for one in found.Images("samples")] == [one.step for one in of_kind(run, Sheet)]
    assert found.Images("samples")[0].width == 280
    assert (
        "_hparams_/experiment" in found.SummaryMetadata("_hparams_/experiment").plugin_data.plugin_name
        or True
    )


@NEEDS["tensorboard"]
def test_writing_a_log_again_shows_nothing_twice(home: Path, gencore: Callable[..., Result]) -> None:
    run = logged(home)
    for _ in range(2):
        assert gencore("mirror", run.name, "--folder", home / "tb").code == 0
    assert len(read(home / "tb" / run.name).Scalars("quick fd")) == len(of_kind(run, QuickDistance))


@NEEDS["tensorboard"]
def test_what_a_resume_took_back_is_taken_back_from_the_mirror(home: Path) -> None:
    run = logged(home)
    mirror = Mirror(run, "tensorboard", home / "tb")
    mirror.update()
    distances = of_kind(run, QuickDistance)
    last, before = distances[-1], distances[-2]
    events.append(run.events_path, Resumed(step=before.step, file="step.safetensors"))
    events.append(run.events_path, last.model_copy(update={"fd": 123.0}))
    mirror.update()
    mirror.close()
    found = read(home / "tb" / run.name).Scalars("quick fd")
    assert [one.step for one in found] == [one.step for one in distances]
    assert found[-1].value == 123.0


@NEEDS["tensorboard"]
def test_a_live_run_is_followed_until_it_ends(
    home: Path, start: Callable[..., subprocess.Popen[str]]
) -> None:
    trainer = start("-c", TRAINER, "--name", "digits-live")
    from gencore.store import runs

    run = runs.run("digits-live")
    wait_until(lambda: run.process() is not None and run.events_path.exists(), trainer)
    follower = start("-m", "gencore", "mirror", run.name, "--follow", "--folder", str(home / "tb"))
    wait_until(lambda: (home / "tb" / run.name).exists(), follower)
    progress = Progress(
        step=1, epoch=0.1, seconds=1, images_per_second=5.0, losses={"loss": 0.5}, gradient_norms={}
    )
    events.append(run.events_path, progress)
    assert follower.poll() is None
    run.stop()
    assert follower.wait(60) == 0
    assert [one.value for one in read(home / "tb" / run.name).Scalars("loss/loss")] == [0.5]


@NEEDS["mlflow"]
def test_mlflow_reads_the_figures_of_the_log(home: Path, gencore: Callable[..., Result]) -> None:
    run = logged(home)
    assert gencore("mirror", run.name, "--to", "mlflow", "--folder", home / "ml").code == 0
    with sqlite3.connect(home / "ml" / "mlflow.db") as database:
        rows = database.execute(
            "select step, value from metrics where key = 'quick fd' order by step"
        ).fetchall()
        [(status, name)] = database.execute("select status, name from runs").fetchall()
    assert rows == [(one.step, pytest.approx(one.fd)) for one in of_kind(run, QuickDistance)]
    assert (status, name) == ("FINISHED", run.name)
    assert len([*(home / "ml" / "artifacts").rglob("*.png")]) == len(of_kind(run, Sheet))


@NEEDS["wandb"]
def test_weights_and_biases_writes_an_offline_run(home: Path, gencore: Callable[..., Result]) -> None:
    run = logged(home)
    assert gencore("mirror", run.name, "--to", "wandb", "--folder", home / "wb").code == 0
    [written] = (home / "wb" / "wandb").glob("offline-run-*/*.wandb")
    content = written.read_bytes()
    assert b"quick fd" in content and run.name.encode() in content


def test_a_library_that_is_absent_or_unknown_is_named(
    home: Path, gencore: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    run = logged(home)
    monkeypatch.setitem(sys.modules, "mlflow", None)
    refused = gencore("mirror", run.name, "--to", "mlflow")
    assert refused.code == 2 and "pip install mlflow" in refused.complaint
    assert "use tensorboard, mlflow, wandb" in gencore("mirror", run.name, "--to", "aim").complaint
    assert gencore("mirror", "digits-none").code == 2
    assert not (home / "mirrors").exists()


def test_a_figure_that_was_not_finite_is_left_out() -> None:
    progress = Progress(
        step=1,
        epoch=1,
        seconds=1,
        images_per_second=2,
        losses={"a": None, "b": 1.0},
        gradient_norms={"a": None},
    )
    assert figures(progress) == {"epoch": 1.0, "images per second": 2.0, "loss/b": 1.0}
