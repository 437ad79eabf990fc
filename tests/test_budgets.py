"""The time that a device works, and the weights kept after some of it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from support import Result, record, tiny_config

from gencore import devices
from gencore.analysis.measured_models import load_measured_models
from gencore.config.options import PRESETS
from gencore.data.sources import ImageData
from gencore.evaluation import budgets
from gencore.evaluation.records import BUDGETS_FILE, Budgets
from gencore.models.load import load_model
from gencore.reports import training_curves
from gencore.sampling.generate import generate
from gencore.store.checkpoints import load_checkpoint
from gencore.store.events import Ended, Progress, Saved, Started, device_seconds
from gencore.store.results import load as load_record
from gencore.store.runs import Run, run
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


def test_quality_is_measured_at_each_budget_that_the_training_reached_and_at_its_end(
    with_extractor: Path,
    few_digits: ImageData,
    gencore: Callable[..., Result],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for module in (loop, budgets):
        monkeypatch.setattr(module, "BUDGET_MINUTES", (1e-9, 1e9))
    one = run("x")
    one.create(tiny_config("vae", epochs=3, progress_every=2))
    history = record(one, few_digits)
    asked = gencore("budgets", "x", "--samples", 100, "--json")
    assert asked.code == 0
    [found] = asked.json
    assert [point["step"] for point in found["points"]] == [2, 12]
    assert [point["device_seconds"] for point in found["points"]] == [
        device_seconds(event) for event in (history[1], history[-1]) if isinstance(event, Progress | Ended)
    ]
    first, last = (point["fd_over_floor"] for point in found["points"])
    assert first != last and found["samples"] == 100 and found["blur_over_floor"] > 1
    assert json.loads((one.results / BUDGETS_FILE).read_text()) == found
    assert "device seconds" in gencore("budgets", "x", "--samples", 100).out


def test_a_training_that_has_not_finished_has_no_budgets_yet(
    with_extractor: Path, few_digits: ImageData, gencore: Callable[..., Result]
) -> None:
    one = run("x")
    one.create(tiny_config("vae", epochs=3))
    record(one, few_digits, stop_at=2)
    asked = gencore("budgets", "x")
    assert asked.code == 2 and "the training of x has not finished" in asked.complaint
    assert not (one.results / BUDGETS_FILE).exists()


def test_the_chart_of_budgets_has_a_line_a_run_in_minutes_and_none_without_budgets(
    with_extractor: Path, few_digits: ImageData, gencore: Callable[..., Result]
) -> None:
    for name in ("vae", "x"):
        if name == "x":
            run(name).create(tiny_config("vae", epochs=2, seed=7))
            record(run(name), few_digits)
            assert gencore("budgets", name, "--samples", 100).code == 0
        assert gencore("evaluate", name, "--samples", 100, "--metrics", "distances", "manifold").code == 0
    found = load_measured_models(["vae", "x"])
    figure = training_curves.quality_by_budget(found.models, found.members)
    assert figure is not None
    [line] = figure.data
    [point] = budgets_of(run("x")).points
    assert list(line.x) == [point.device_seconds / 60] and list(line.y) == [point.fd_over_floor]
    (run("x").results / BUDGETS_FILE).write_text("{")
    torn = load_measured_models(["vae", "x"])
    assert len(torn.every) == 2 and "x, quality at equal budgets" in torn.left_out, "the run itself stays"
    alone = load_measured_models(["vae"])
    assert training_curves.quality_by_budget(alone.models, alone.members) is None


def budgets_of(one: Run) -> Budgets:
    return load_record(one.results / BUDGETS_FILE, Budgets)
