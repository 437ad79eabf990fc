"""What tests of the engine share: a home folder of their own, tiny configs, a tiny feature classifier, a command line."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch

from gencore import events
from gencore.cli import main
from gencore.config import (
    ClassifierConfig,
    DataConfig,
    DDPMConfig,
    GANConfig,
    ModelConfig,
    RunConfig,
    TrainingConfig,
    VAEConfig,
)
from gencore.data.sources import ImageData, load
from gencore.evaluation import measure_reference
from gencore.events import Event
from gencore.features import features_run
from gencore.runs import Run, run
from gencore.training import train

STEPS_PER_EPOCH = 4
TINY: dict[str, ModelConfig] = {
    "vae": VAEConfig(network="mlp", latent_dim=4),
    "cgan": GANConfig(width=8, latent_dim=8, conditional=True, real_label=0.9),
    "ddpm": DDPMConfig(width=16, timesteps=20, sampling_steps=2),
}
_QUIET = {"fd_every": 0, "sheets": 0, "precision": "float32"}


@dataclass(frozen=True)
class Result:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def complaint(self) -> str:
        """The one line on standard error; fails where there is a traceback or a second line."""
        assert "Traceback" not in self.err, self.err
        lines = self.err.strip().splitlines()
        assert len(lines) == 1 and lines[0].startswith("gencore: "), self.err
        return lines[0]

    @property
    def json(self) -> object:
        """Standard output as strict JSON."""

        def refuse(constant: str) -> None:
            raise AssertionError(f"{constant} is not JSON")

        return json.loads(self.out, parse_constant=refuse)


def tiny_config(family: str, **training: object) -> RunConfig:
    """A config of `family` that trains in moments: STEPS_PER_EPOCH steps an epoch on `few_digits`."""
    settings = TrainingConfig(**_QUIET | {"epochs": 4, "progress_every": 3, "checkpoint_every": 1000} | training)
    return RunConfig(data=DataConfig(dataset="digits", batch_size=16), model=TINY[family], training=settings)


def record(one: Run, data: ImageData, resume: bool = False, stop_at: int | None = None) -> list[Event]:
    """Train `one` in this process as the command line does, its events logged; asked to stop after `stop_at` steps."""
    steps = iter(range(stop_at - 1)) if stop_at else iter(int, 1)
    seen = []
    with one.claim():
        events.repair(one.events_path)
        for event in train(one, torch.device("cpu"), resume, lambda: None if next(steps, None) is not None else "enough", data=data):
            events.append(one.events_path, event)
            seen.append(event)
    return seen


def wait_until(true: Callable[[], bool], process: subprocess.Popen[str] | None = None, seconds: float = 120) -> None:
    """Returns once `true()`; fails after `seconds`, or when `process` ends before."""
    deadline = time.monotonic() + seconds
    while not true():
        assert process is None or process.poll() is None, f"ended with {process.returncode}: {process.stderr.read()}"
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Sums in one order, so that runs in this process and in others can be compared bit by bit."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, one_thread: None) -> Path:
    """An empty home folder, with no data sets but the bundled one."""
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.setenv("GENCORE_HOME", str(folder))
    monkeypatch.delenv("GENCORE_DATA", raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("COLUMNS", "200")
    return folder


@pytest.fixture(scope="session")
def few_digits() -> ImageData:
    digits = load("digits", "train")
    return replace(digits, images=digits.images[: 16 * STEPS_PER_EPOCH], labels=digits.labels[: 16 * STEPS_PER_EPOCH])


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
        options = {"cwd": Path(__file__).parent, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True} | options
        started.append(subprocess.Popen([sys.executable, *map(str, words)], **options))
        return started[-1]

    yield begin
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture(scope="session")
def judged_home(tmp_path_factory: pytest.TempPathFactory, few_digits: ImageData) -> Path:
    """A home folder with a feature classifier for the digits, its floors, and a finished run called `vae`."""
    folder = tmp_path_factory.mktemp("judged")
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    judge, vae = features_run("digits", folder), run("vae", folder)
    settings = TrainingConfig(**_QUIET | {"epochs": 2, "ema_decay": 0.9})
    judge.create(
        RunConfig(
            data=DataConfig(dataset="digits", batch_size=64), model=ClassifierConfig(width=8, feature_dim=8), training=settings
        )
    )
    record(judge, load("digits", "train"))
    measure_reference(judge, torch.device("cpu"), None, say=lambda text: None)
    vae.create(tiny_config("vae"))
    record(vae, few_digits)
    torch.set_num_threads(before)
    return folder


@pytest.fixture
def judged(home: Path, judged_home: Path) -> Path:
    """The home folder of this test, holding a copy of all in `judged_home`."""
    shutil.copytree(judged_home, home, dirs_exist_ok=True)
    return home
