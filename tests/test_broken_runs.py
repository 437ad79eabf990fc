"""A run whose files are anything but what they should be takes down no page and no listing."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from browser.made_runs import config, measured
from support import Result
from visits import checked, text_of, visit

from dashboard.data import run_catalog
from gencore.store.runs import Run, run

LINE = {
    "type": "ended",
    "status": "finished",
    "reason": "r",
    "step": 1,
    "seconds": 1.0,
    "peak_memory_mib": 1.0,
}


def _folder(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.mkdir()


def _pipe(path: Path) -> None:
    path.unlink(missing_ok=True)
    os.mkfifo(path)


def _events(**fields: object) -> Callable[[Run], None]:
    return lambda one: one.events_path.write_text(json.dumps(LINE | fields) + "\n") and None


def _checkpoints_are_a_file(one: Run) -> None:
    shutil.rmtree(one.checkpoints)
    one.checkpoints.write_text("in the way")


FAULTS: dict[str, Callable[[Run], None]] = {
    "events are a folder": lambda one: _folder(one.events_path),
    "events are a pipe": lambda one: _pipe(one.events_path),
    "config is a folder": lambda one: _folder(one.config_path),
    "results are a folder": lambda one: _folder(one.results_path),
    "the claim is a folder": lambda one: _folder(one.results / "process.json"),
    "checkpoints are a file": _checkpoints_are_a_file,
    "an event of the year 10^292": _events(time=1e300),
    "an event before the big bang": _events(time=-1e18),
    "an event of an endless training": _events(time=1.0, seconds=1e300),
    "an event at a step beyond all integers": _events(time=1.0, step=10**30),
}
UNREADABLE = {"events are a folder", "events are a pipe", "config is a folder"}


@pytest.fixture(params=FAULTS)
def broken(request: pytest.FixtureRequest, home: Path) -> str:
    """The name of a fault, which the run `broken` has; the run `digits-vae` has none."""
    measured(home, "digits-vae", config("vae"), 0.5)
    measured(home, "broken", config("gan"), 0.5)
    FAULTS[request.param](run("broken"))
    return request.param


@pytest.mark.parametrize("page", ["runs", "live", "home", "performance"])
def test_every_page_shows_the_other_runs(broken: str, page: str) -> None:
    app = checked(visit(page, ["digits-vae"]))
    listed = str([frame.value for frame in app.main.dataframe])
    assert "digits-vae" in text_of(app) + listed


@pytest.mark.parametrize("page", ["runs", "live"])
def test_the_page_of_a_broken_run_says_why_it_is(broken: str, page: str) -> None:
    said = text_of(checked(visit(page, ["broken"])))
    if broken in UNREADABLE:
        assert "unreadable" in said and "not an ordinary file" in said


def test_the_listing_has_every_run_and_the_reason(broken: str, gencore: Callable[..., Result]) -> None:
    result = gencore("runs", "--json")
    rows = {row["name"]: row for row in result.json}
    assert result.code == 0 and rows["digits-vae"]["status"] not in ("unreadable", None)
    assert rows.keys() == {"digits-vae", "broken"}
    if broken in UNREADABLE:
        assert (
            rows["broken"]["status"] == "unreadable" and "not an ordinary file" in rows["broken"]["problem"]
        )


def test_a_fault_that_nobody_thought_of_is_kept_to_its_run(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured(home, "digits-vae", config("vae"), 0.5)
    measured(home, "broken", config("gan"), 0.5)
    real = Run.config

    def config_of(one: Run) -> object:
        if one.name == "broken":
            raise RecursionError("too deep")
        return real(one)

    monkeypatch.setattr(Run, "config", config_of)
    assert run("broken").state() == ("unreadable", "too deep")
    assert run("digits-vae").status() != "unreadable"
    assert {one.run.name for one in run_catalog.generative_runs()} == {"digits-vae", "broken"}
