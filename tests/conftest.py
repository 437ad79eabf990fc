"""Fixtures of the tests: a home folder of their own, tiny feature extractors, a command line, processes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import streamlit as st
import torch
from support import QUIET, STEPS_PER_EPOCH, TRAINER, Result, record, tiny_config
from threadpoolctl import threadpool_limits

from dashboard.data.processes import Jobs
from dashboard.widgets import run_controls
from gencore.cli.main import main
from gencore.config.datasets import DATASETS
from gencore.config.options import EXTRACTORS, DataConfig, RunConfig, TrainingConfig
from gencore.data.sources import ImageData, load
from gencore.evaluation.floors import measure_reference_figures
from gencore.store.extractor_runs import features_run
from gencore.store.runs import run

# Sums in one order, so that runs can be compared bit by bit; and tests run side by side.
torch.set_num_threads(1)
threadpool_limits(1, user_api="blas")  # of numpy, whose threads wait for each other by spinning
os.environ["OMP_NUM_THREADS"] = "1"  # of the processes that tests start
REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home folder, with no data sets but the bundled one."""
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.setenv("GENCORE_HOME", str(folder))
    monkeypatch.delenv("GENCORE_DATA", raising=False)
    monkeypatch.setenv("COLUMNS", "200")
    return folder


@pytest.fixture
def fresh_caches() -> Iterator[None]:
    """Pages in this process know nothing of what an earlier test showed them."""
    st.cache_resource.clear()
    st.cache_data.clear()
    yield
    st.cache_resource.clear()


@pytest.fixture(scope="session")
def few_digits() -> ImageData:
    digits = load(DATASETS["digits"], "train")
    return replace(
        digits, images=digits.images[: 16 * STEPS_PER_EPOCH], labels=digits.labels[: 16 * STEPS_PER_EPOCH]
    )


@pytest.fixture
def gencore(home: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., Result]:
    """The command line in this process: `gencore("train", "vae", …)`."""

    def call(*words: object) -> Result:
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            main([str(word) for word in words])
        return Result(int(end.value.code or 0), *capsys.readouterr())

    return call


@pytest.fixture
def start(home: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Python as a process of its own: `start("-m", "gencore", "train", …)`; none outlives its test."""
    started: list[subprocess.Popen[str]] = []

    def begin(*words: object, **options: object) -> subprocess.Popen[str]:
        options = {
            "cwd": Path(__file__).parent,
            "stdout": subprocess.PIPE,
            "stderr": subprocess.PIPE,
            "text": True,
        } | options
        started.append(subprocess.Popen([sys.executable, *map(str, words)], **options))
        return started[-1]

    yield begin
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture(scope="session")
def extractor_home(tmp_path_factory: pytest.TempPathFactory, few_digits: ImageData) -> Path:
    """A home folder with tiny feature extractors of the digits, their floors, and a finished run `vae`."""
    folder = tmp_path_factory.mktemp("with_extractor")
    for name, of_full_size in EXTRACTORS.items():
        extractor_run = features_run("digits", folder, name)
        extractor_run.create(
            RunConfig(
                data=DataConfig(dataset="digits", batch_size=64),
                model=of_full_size.model_copy(update={"width": 8, "feature_dim": 8}),
                training=TrainingConfig(**QUIET | {"epochs": 6, "ema_decay": 0.9}),
            )
        )
        record(extractor_run, load(DATASETS["digits"], "train"))
        found = measure_reference_figures(extractor_run, torch.device("cpu"), None, lambda text: None, name)
        assert not found.misorders, "so little training is too little here: no metric would use it"
    vae = run("vae", folder)
    vae.create(tiny_config("vae"))
    record(vae, few_digits)
    return folder


@pytest.fixture
def with_extractor(home: Path, extractor_home: Path) -> Path:
    """The home folder of this test, holding a copy of all in `extractor_home`."""
    shutil.copytree(extractor_home, home, dirs_exist_ok=True)
    return home


@pytest.fixture
def jobs(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Jobs]:
    """The dashboard's keeper of trainings, with a stand-in for the training; none outlives its test."""
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))
    script = home / "trainer.py"
    script.write_text(TRAINER)
    keeper = Jobs([sys.executable, str(script)])
    monkeypatch.setattr(run_controls, "jobs", lambda: keeper)
    yield keeper
    for job in keeper._jobs.values():
        job.process.kill()
