"""The time that a device works, and the weights kept after some of it."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import torch
from support import record, tiny_config

from gencore import devices
from gencore.config.options import PRESETS
from gencore.data.sources import ImageData
from gencore.models.load import load_model
from gencore.sampling.generate import generate
from gencore.store.checkpoints import load_checkpoint
from gencore.store.events import Ended, Progress, Saved, Started, device_seconds
from gencore.store.runs import run
from gencore.training import loop
from gencore.training.clock import Clock

CPU = torch.device("cpu")


def test_time_in_which_the_process_sleeps_is_no_device_time() -> None:
    clock = Clock(CPU)
    time.sleep(0.3)
    slept = clock.lap()
    assert slept.seconds >= 0.3 and slept.device_seconds < slept.seconds / 2
    until = time.process_time() + 0.2
    while time.process_time() < until:
        pass
    assert clock.lap().device_seconds >= 0.2 / torch.get_num_threads()


def test_a_log_says_both_times_and_one_of_before_is_taken_by_what_it_has(
    home: Path, few_digits: ImageData
) -> None:
    one = run("x")
    one.create(tiny_config("vae", epochs=2, progress_every=2))
    timed = [event for event in record(one, few_digits) if isinstance(event, Progress | Ended)]
    worked = [device_seconds(event) for event in timed]
    assert worked == sorted(worked) and worked[0] > 0
    assert worked == [event.device_seconds for event in timed]
    assert device_seconds(timed[0].model_copy(update={"device_seconds": None})) == timed[0].seconds


def test_the_averaged_weights_of_each_budget_are_kept_and_can_be_sampled(
    home: Path, few_digits: ImageData, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "BUDGET_MINUTES", (1e-9, 1e9))  # gone at the first progress event, and never
    one = run("x")
    one.create(tiny_config("vae", epochs=3, progress_every=2))
    saved = [event for event in record(one, few_digits) if isinstance(event, Saved)]
    assert [(event.step, event.file) for event in saved] == [
        (2, "after-1e-09-minutes.safetensors"),
        (12, "final.safetensors"),
    ]
    kept = one.checkpoints / saved[0].file
    assert not load_checkpoint(kept).section("model"), "the average is all that sampling needs"
    early, checkpoint = load_model(one, CPU, path=kept)
    final, _ = load_model(one, CPU)
    assert checkpoint.metadata["step"] == "2"
    images = [generate(model, 4, None, 0, torch.float32) for model in (early, final)]
    assert images[0].shape == (4, 1, 28, 28) and not torch.equal(*images)


def test_headline_models_are_measured_alike_while_they_train() -> None:
    recipes = [PRESETS[preset].training for preset in ("vae", "gan", "cgan", "ddpm")]
    assert len({(recipe.fd_every, recipe.fd_samples) for recipe in recipes}) == 1


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="only Linux forgets a peak")
def test_memory_of_a_training_is_counted_from_its_start(home: Path, few_digits: ImageData) -> None:
    block = torch.ones(200 * 2**20, dtype=torch.uint8)  # 200 MiB, gone before the training
    high = devices.peak_memory_mib(CPU)
    del block
    one = run("x")
    one.create(tiny_config("vae", epochs=1))
    seen = record(one, few_digits)
    started, ended = seen[0], seen[-1]
    assert isinstance(started, Started) and isinstance(ended, Ended)
    assert started.idle_memory_mib is not None and ended.peak_memory_mib < high - 100
