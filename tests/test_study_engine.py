"""Studies through a real local Ray: killed and gone on with, stopped in order, listening on loopback only."""

from __future__ import annotations

import ipaddress
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import psutil
import pytest
from support import Result, wait_until

from gencore.config import commands
from gencore.store import events
from gencore.store.events import Ended
from gencore.store.runs import run
from gencore.studies import records
from gencore.studies.records import StudyRecord

STUDY = """
name: small
base:
  preset: vae-quick
  dataset: digits
  options: {steps: 23, fd_every: 1, fd_samples: 256, sheets: 0, width: 8, mixture_components: 2}
axes:
  learning_rate: [1e-3, 2e-3]
  latent_dim: [4, 8]
seeds: 2
confirmation_seeds: 0
"""
LOOPBACK = ipaddress.ip_network("127.0.0.0/8")


@pytest.fixture
def small(with_extractor: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of a study of 2 x 2 points on two seeds, and feature classifiers for it; Ray is installed."""
    if find_spec("ray") is None:
        pytest.skip("Ray is not installed: pip install -r requirements-study.txt")
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent.parent))
    path = tmp_path / "small.yaml"
    path.write_text(STUDY)
    return path


def finished(record: StudyRecord) -> dict[str, bytes]:
    """The event logs of the trials that have finished, by name."""
    return {
        one.trial.name: record.run_of(one.trial).events_path.read_bytes().rstrip()
        for one in record.states()
        if one.status == "finished"
    }


def listening(process: psutil.Process) -> set[str]:
    """The addresses at which it and its descendants listen."""
    found = set()
    for one in [process, *process.children(recursive=True)]:
        try:
            found |= {c.laddr.ip for c in one.net_connections() if c.status == psutil.CONN_LISTEN}
        except psutil.NoSuchProcess:
            continue
    return found


def is_loopback(address: str) -> bool:
    found = ipaddress.ip_address(address)
    found = getattr(found, "ipv4_mapped", None) or found
    return found in LOOPBACK or found == ipaddress.ip_address("::1")


def test_a_study_that_was_killed_goes_on_and_neither_loses_nor_repeats_a_finished_trial(
    small: Path, start: Callable[..., subprocess.Popen[str]], gencore: Callable[..., Result]
) -> None:
    driver = start("-m", "gencore", "study", "run", small, "--yes", stderr=subprocess.DEVNULL)
    record = records.record("small")
    wait_until(lambda: record.exists and len(finished(record)) >= 2, driver, 240)
    addresses = listening(psutil.Process(driver.pid))
    os.kill(driver.pid, signal.SIGKILL)
    driver.wait()
    before = finished(record)
    assert record.status() == "stopped" and 2 <= len(before) < 8
    assert addresses and all(is_loopback(address) for address in addresses), addresses

    resumed = start("-m", "gencore", "study", "resume", "small", "--json")
    out, err = resumed.communicate()
    assert resumed.returncode == 0, err
    after = finished(record)
    assert len(after) == 8 and {name: after[name] for name in before} == before, (
        "finished ones were not touched"
    )
    starts = {one.trial.name: one.starts for one in record.states()}
    assert all(starts[name] == 1 for name in before)
    said = json.loads(out)
    assert said["status"] == "finished" and len(said["trials"]) == 8
    assert len(said["analysis"]["points"]) == 4 and said["analysis"]["winner"]["among"] == 4

    one = record.trials()[0]
    trial = run(one.name)
    assert trial.config().study == "small" and trial.weights_path is not None and trial.log_path.exists()
    words = commands.train("vae-quick", one.name, trial.config())
    refusal = gencore(*words, "--resume").complaint
    assert "has finished" in refusal, "an ordinary run: its config is that of the command line"
    assert "small has finished" in gencore("study", "resume", "small").err


def test_a_study_stops_in_order_and_each_trial_keeps_a_checkpoint(
    small: Path, start: Callable[..., subprocess.Popen[str]], gencore: Callable[..., Result]
) -> None:
    long = (
        STUDY.replace("steps: 23", "steps: 5000").replace("[1e-3, 2e-3]", "[1e-3]").replace("[4, 8]", "[4]")
    )
    small.write_text(long)
    driver = start("-m", "gencore", "study", "run", small, "--yes", stderr=subprocess.DEVNULL)
    record = records.record("small")

    def has_trained() -> bool:
        return record.exists and any(one.distances for one in record.states())

    wait_until(has_trained, driver, 240)
    assert "another process runs study small" in gencore("study", "resume", "small").complaint
    assert gencore("study", "stop", "small").out == "small stopped\n"
    assert driver.wait(120) == 130
    begun = [one for one in record.states() if one.starts]
    assert begun and all((one.status, one.reason) == ("stopped", "the study was stopped") for one in begun)
    for one in begun:
        trained = record.run_of(one.trial)
        newest = events.last(trained.events_path)
        assert isinstance(newest, Ended) and newest.step > 0
        assert list(trained.checkpoints.glob("step-*.safetensors")), "so that it can go on"


def test_without_ray_the_command_says_what_to_install(
    with_extractor: Path, tmp_path: Path, gencore: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "small.yaml"
    path.write_text(STUDY)
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.setitem(sys.modules, "ray.tune", None)
    found = gencore("study", "run", path, "--yes")
    assert found.code == 2 and "pip install -r requirements-study.txt" in found.complaint
    assert not records.record("small").exists


def test_a_budget_is_said_and_nobody_to_ask_is_no_agreement(
    small: Path, gencore: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gencore.training.pace.images_per_second", lambda config, device: 1000.0)
    found = gencore("study", "run", small)
    lines = found.err.splitlines()
    assert found.code == 2 and "add --yes" in lines[-1]
    assert lines[0].startswith("8 trials of about") and "a probe of this machine with" in lines[0]
    assert not records.record("small").exists


def test_a_budget_can_be_asked_for_alone(
    small: Path, gencore: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gencore.training.pace.images_per_second", lambda config, device: 1000.0)
    found = gencore("study", "budget", small, "--json")
    assert found.code == 0 and isinstance(found.json, dict)
    assert found.json["trials"] == 8 and found.json["lines"][0].startswith("8 trials of about")
    assert not records.record("small").folder.exists()
