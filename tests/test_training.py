"""The training loop: resumed equals uninterrupted, and every fault ends a run in order."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from support import STEPS_PER_EPOCH, TINY, record, tiny_config, wait_until
from test_files import largest_file

from gencore.config.options import RunConfig
from gencore.data.sources import ImageData
from gencore.models.load import newest_states
from gencore.store import events
from gencore.store.checkpoints import load_checkpoint
from gencore.store.events import (
    Ended,
    Event,
    Notice,
    Progress,
    QuickDistance,
    Resumed,
    Saved,
    Sheet,
    Started,
    without_void,
)
from gencore.store.runs import Run, run
from gencore.training.loop import train
from gencore.training.step import State

CPU = torch.device("cpu")
FAMILIES = sorted(TINY)


def made(name: str, config: RunConfig) -> Run:
    one = run(name)
    one.create(config)
    return one


def tensors(path: Path) -> dict[str, torch.Tensor]:
    return dict(load_checkpoint(path).tensors)


def assert_same(ours: dict[str, torch.Tensor], theirs: dict[str, torch.Tensor]) -> None:
    assert ours.keys() == theirs.keys()
    different = [name for name in ours if not torch.equal(ours[name], theirs[name])]
    assert not different, f"{len(different)} of {len(ours)} tensors differ: {different[:5]}"


def curve(one: Run) -> list[tuple[int, object, object, object]]:
    """Losses and gradient norms by step, as they count."""
    history = without_void(events.tail(one.events_path).events)
    return [(e.step, e.losses, e.gradient_norms, e.norms) for e in history if isinstance(e, Progress)]


def digest(one: Run) -> str:
    return load_checkpoint(one.checkpoints / "final.safetensors").digest


def kinds(seen: list[Event]) -> list[str]:
    return [event.type for event in seen]


@pytest.mark.parametrize("family", FAMILIES)
def test_a_run_stopped_in_mid_epoch_and_resumed_equals_the_uninterrupted_one_bit_by_bit(
    home: Path, few_digits: ImageData, family: str
) -> None:
    config = tiny_config(family)
    whole, stopped = made("whole", config), made("stopped", config)
    assert record(whole, few_digits, stop_at=11)[-1].status == "stopped"
    for at in (5, 7, 11):  # in mid-epoch, and in the middle of a window of figures
        last = record(
            stopped, few_digits, resume=at > 5, stop_at=at - (0 if at == 5 else newest_step(stopped))
        )[-1]
        assert (last.status, last.step) == ("stopped", at)
    state = "step-00000011.safetensors"
    ours, theirs = tensors(whole.checkpoints / state), tensors(stopped.checkpoints / state)
    assert {name.split(".")[0] for name in ours} == {"model", "average", "optimizer", "rng", "window"}
    assert_same(ours, theirs)
    for one in (whole, stopped):
        assert record(one, few_digits, resume=True)[-1].status == "finished"
    assert curve(whole) == curve(stopped) and [step for step, *_ in curve(whole)][-1] == 4 * STEPS_PER_EPOCH
    assert digest(whole) == digest(stopped)
    never_stopped = made("never-stopped", config)
    record(never_stopped, few_digits)
    assert digest(never_stopped) == digest(whole) and curve(never_stopped) == curve(whole)


def newest_step(one: Run) -> int:
    return int(load_checkpoint(newest_states(one)[0]).metadata["step"])


KILLED = """
import sys
from support import record
from dataclasses import replace
import torch
from gencore.config.datasets import DATASETS
from gencore.data.sources import load
from gencore.store.runs import run
digits, n = load(DATASETS["digits"], "train"), int(sys.argv[1])
record(run("killed"), replace(digits, images=digits.images[:n], labels=digits.labels[:n]))
"""


@pytest.mark.parametrize("family", FAMILIES)
def test_a_run_killed_with_9_and_resumed_equals_the_uninterrupted_one_bit_by_bit(
    home: Path, few_digits: ImageData, start: Callable[..., subprocess.Popen[str]], family: str
) -> None:
    epochs = 30
    config = tiny_config(family, epochs=epochs, checkpoint_every=2)
    whole, killed = made("whole", config), made("killed", config)
    process = start("-c", KILLED, len(few_digits.images))
    wait_until(lambda: len(newest_states(killed)) == 2, process)
    process.kill()
    process.wait()
    assert killed.status() == "died"
    seen = record(killed, few_digits, resume=True)
    resumed = next(event for event in seen if isinstance(event, Resumed))
    assert 0 < resumed.step < epochs * STEPS_PER_EPOCH, "it was killed too late or too early to show anything"
    record(whole, few_digits)
    assert curve(whole) == curve(killed)
    assert digest(whole) == digest(killed)


def test_the_events_of_a_run_come_in_order_and_name_files_that_are_there(
    home: Path, few_digits: ImageData
) -> None:
    one = made("x", tiny_config("vae", sheets=2, checkpoint_every=2))
    seen = record(one, few_digits)
    assert kinds(seen) == [
        "started", "progress", "progress", "sheet", "progress", "progress", "saved",
        "progress", "progress", "progress", "progress", "sheet", "saved", "ended",
    ]  # fmt: skip
    started, ended = seen[0], seen[-1]
    assert isinstance(started, Started) and started.total_steps == 16 and started.steps_per_epoch == 4
    assert isinstance(ended, Ended) and (ended.status, ended.step) == ("finished", 16) and ended.seconds > 0
    assert [event.step for event in seen if isinstance(event, Progress)] == [3, 4, 6, 8, 9, 12, 15, 16]
    for event in seen:
        if isinstance(event, Saved):
            load_checkpoint(one.checkpoints / event.file)
        if isinstance(event, Sheet):
            assert (one.results / event.file).read_bytes().startswith(b"\x89PNG")
    assert one.status() == "finished"


@pytest.mark.parametrize("family", FAMILIES)
def test_every_step_has_its_gradient_norm_in_4_digits_and_their_mean_is_that_of_the_window(
    home: Path, few_digits: ImageData, family: str
) -> None:
    seen = record(made("x", tiny_config(family)), few_digits)
    windows = [event for event in seen if isinstance(event, Progress)]
    players = seen[0].parameters.keys()
    assert [len(window.norms[player]) for window in windows for player in players] == [
        steps for steps in (3, 1, 2, 2, 1, 3, 3, 1) for _ in players
    ]
    for window in windows:
        assert window.norms.keys() == window.gradient_norms.keys() == players
        for player, norms in window.norms.items():
            assert norms == [float(f"{norm:.4g}") for norm in norms]
            assert sum(norms) / len(norms) == pytest.approx(window.gradient_norms[player], rel=1e-3)


def test_only_the_two_newest_states_are_kept(home: Path, few_digits: ImageData) -> None:
    one = made("x", tiny_config("vae", epochs=6, checkpoint_every=1))
    record(one, few_digits)
    assert [path.name for path in newest_states(one)] == [
        "step-00000020.safetensors",
        "step-00000016.safetensors",
    ]


def test_a_damaged_newest_checkpoint_is_named_and_the_one_before_it_taken(
    home: Path, few_digits: ImageData
) -> None:
    config = tiny_config("vae", checkpoint_every=1)
    one, whole = made("x", config), made("whole", config)
    record(whole, few_digits)
    record(one, few_digits, stop_at=10)
    newest, before = newest_states(one)
    content = bytearray(newest.read_bytes())
    content[-1] ^= 1
    newest.write_bytes(content)
    notice, resumed = record(one, few_digits, resume=True)[1:3]
    assert isinstance(notice, Notice) and newest.name in notice.text and "damaged" in notice.text
    assert isinstance(resumed, Resumed) and (resumed.file, resumed.step) == (before.name, 8)
    assert digest(one) == digest(whole)


def test_with_every_checkpoint_damaged_the_run_starts_over_and_says_so(
    home: Path, few_digits: ImageData
) -> None:
    config = tiny_config("vae", checkpoint_every=1)
    one, whole = made("x", config), made("whole", config)
    record(whole, few_digits)
    record(one, few_digits, stop_at=10)
    for path in newest_states(one):
        path.write_bytes(path.read_bytes()[:1000])
    seen = record(one, few_digits, resume=True)
    texts = [event.text for event in seen if isinstance(event, Notice)]
    assert len(texts) == 3 and "starting at step 0" in texts[-1]
    assert curve(one) == curve(whole) and digest(one) == digest(whole)


def test_a_checkpoint_of_another_config_is_refused_with_the_difference(
    home: Path, few_digits: ImageData
) -> None:
    one, other = made("x", tiny_config("vae")), made("other", tiny_config("vae", seed=7))
    record(other, few_digits, stop_at=2)
    one.checkpoints.mkdir(exist_ok=True)
    shutil.copy(newest_states(other)[0], one.checkpoints)
    with pytest.raises(ValueError, match=r"another config: training\.seed: 42 here, 7 there"):
        record(one, few_digits, resume=True)


def test_weights_that_are_no_state_are_refused_by_name(home: Path, few_digits: ImageData) -> None:
    one = made("x", tiny_config("vae"))
    record(one, few_digits)
    (one.checkpoints / "final.safetensors").rename(one.checkpoints / "step-00000099.safetensors")
    with pytest.raises(ValueError, match=r"step-00000099\.safetensors is no state of this model"):
        record(one, few_digits, resume=True)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_hopeless_learning_rate_ends_as_diverged_and_the_last_good_checkpoint_stays(
    home: Path, few_digits: ImageData, family: str
) -> None:
    config = tiny_config(family, epochs=50, progress_every=1, checkpoint_every=1)
    rates = {name: 1e20 for name in type(config.model).model_fields if name.endswith("learning_rate")}
    config = config.model_copy(update={"model": config.model.model_copy(update=rates)})
    one = made("x", config)
    good = one.checkpoints / "step-00000000.safetensors"
    State.fresh(config, few_digits, CPU).save(good)
    before = load_checkpoint(good).digest
    seen = record(one, few_digits, resume=True)
    ended, progress = seen[-1], [event for event in seen if isinstance(event, Progress)]
    assert isinstance(ended, Ended) and ended.status == "diverged" and "learning rate" in ended.reason
    assert ended.step == progress[-1].step, "it went on after it noticed"
    assert one.status() == "diverged" and not (one.checkpoints / "final.safetensors").exists()
    assert load_checkpoint(good).digest == before
    for path in newest_states(one):
        assert all(tensor.isfinite().all() for tensor in tensors(path).values())


def test_a_run_stopped_after_it_diverged_unseen_saves_no_broken_state(
    home: Path, few_digits: ImageData
) -> None:
    config = tiny_config("vae", progress_every=1000, epochs=100)
    one = made(
        "x", config.model_copy(update={"model": config.model.model_copy(update={"learning_rate": 1e20})})
    )
    few = replace(
        few_digits, images=few_digits.images.repeat(20, 1, 1, 1), labels=few_digits.labels.repeat(20)
    )
    seen = record(one, few, stop_at=10)  # in the first epoch, whose figures are not read before its end
    assert kinds(seen) == ["started", "ended"] and seen[-1].status == "diverged"
    assert newest_states(one) == []


def test_a_disk_full_at_a_checkpoint_ends_the_run_as_failed_with_the_old_state_intact(
    home: Path, few_digits: ImageData
) -> None:
    config = tiny_config("vae", checkpoint_every=1)
    one, whole = made("x", config), made("whole", config)
    record(one, few_digits, stop_at=2)
    (state,) = newest_states(one)
    with largest_file(100_000):
        ended = record(one, few_digits, resume=True)[-1]
    assert isinstance(ended, Ended) and ended.status == "failed"
    assert ended.reason == f"File too large: {one.checkpoints / 'step-00000004.safetensors'}"
    assert list(one.checkpoints.iterdir()) == [state] and one.status() == "failed"
    assert load_checkpoint(state).metadata["step"] == "2"
    record(one, few_digits, resume=True)
    record(whole, few_digits)
    assert digest(one) == digest(whole)


def test_a_training_by_steps_ends_within_an_epoch(home: Path, few_digits: ImageData) -> None:
    one = made("short", tiny_config("vae", steps=STEPS_PER_EPOCH + 1, epochs=100))
    *_, saved, ended = record(one, few_digits)
    assert (saved.step, ended.step, ended.reason) == (5, 5, "5 steps done")


def test_a_cosine_schedule_warms_up_and_ends_near_nothing(home: Path, few_digits: ImageData) -> None:
    """Adam moves no weight by much more than the learning rate in a step, and by just that in its first."""

    def largest_move(one: Run, step: int) -> float:
        record(one, few_digits, resume=True, stop_at=step - newest_step(one))
        after, before = (load_checkpoint(path).section("model") for path in newest_states(one))
        return max((after[name] - before[name]).abs().max().item() for name in after if "mixture" not in name)

    rate, moves = TINY["vae"].learning_rate, {}
    for schedule in ("constant", "cosine"):
        config = tiny_config("vae", schedule=schedule, epochs=10)  # 40 steps, of which 2 warm up
        one = made(schedule, config)
        State.fresh(config, few_digits, CPU).save(one.checkpoints / "step-00000000.safetensors")
        moves[schedule] = [largest_move(one, 1), *(largest_move(one, step) for step in (39, 40))]
    assert moves["constant"][0] == pytest.approx(rate, rel=0.01)
    assert moves["cosine"][0] == pytest.approx(rate / 2, rel=0.01)
    assert moves["constant"][2] > 0.1 * rate
    assert moves["cosine"][2] < 0.01 * rate


def test_early_stopping_stops_for_want_of_better_and_returns_to_the_best_weights(
    with_extractor: Path, few_digits: ImageData
) -> None:
    config = tiny_config("cgan", epochs=200, fd_every=1, fd_samples=256, patience=2)
    one = made("x", config)
    seen = record(one, few_digits)
    distances = [event.fd for event in seen if isinstance(event, QuickDistance)]
    assert seen[-1].status == "finished" and "no better quick distance in 2" in seen[-1].reason
    assert distances.index(min(distances)) == len(distances) - 3 and len(distances) < 200
    best, final = (load_checkpoint(one.checkpoints / f"{name}.safetensors") for name in ("best", "final"))
    assert int(best.metadata["step"]) == (len(distances) - 2) * STEPS_PER_EPOCH
    assert_same(dict(best.tensors), dict(final.tensors))


def test_a_run_stopped_and_resumed_stops_early_where_the_uninterrupted_one_does(
    with_extractor: Path, few_digits: ImageData
) -> None:
    config = tiny_config("cgan", epochs=200, fd_every=1, fd_samples=256, patience=2)
    whole, one = made("whole", config), made("one", config)
    ended = record(whole, few_digits)[-1]
    stopped = record(one, few_digits, stop_at=ended.step - STEPS_PER_EPOCH)[-1]
    assert stopped.status == "stopped" and stopped.step < ended.step, "after the best weights, before the end"
    resumed = record(one, few_digits, resume=True)[-1]
    assert (resumed.step, resumed.reason) == (ended.step, ended.reason)
    ours, theirs = (load_checkpoint(r.checkpoints / "final.safetensors") for r in (one, whole))
    assert ours.digest == theirs.digest


def test_early_stopping_without_a_feature_classifier_is_refused_before_the_first_step(
    home: Path, few_digits: ImageData
) -> None:
    one = made("x", tiny_config("vae", fd_every=1, patience=1))
    with pytest.raises(
        ValueError, match="no feature classifier for digits yet; run `gencore features digits` first"
    ):
        next(train(one, CPU, data=few_digits))


def test_a_damaged_best_checkpoint_is_named_and_the_last_weights_kept(
    with_extractor: Path, few_digits: ImageData
) -> None:
    one = made("x", tiny_config("cgan", epochs=200, fd_every=1, fd_samples=256, patience=2))
    seen = []
    for event in train(one, CPU, data=few_digits):
        seen.append(event)
        if isinstance(event, QuickDistance):
            (one.checkpoints / "best.safetensors").write_bytes(b"damaged")
    assert "best.safetensors" in seen[-3].text and "keeping the last weights" in seen[-3].text
    assert seen[-1].status == "finished" and load_checkpoint(one.checkpoints / "final.safetensors")


def test_quick_distances_without_a_feature_classifier_are_left_out_and_said(
    home: Path, few_digits: ImageData
) -> None:
    seen = record(made("x", tiny_config("vae", epochs=1, fd_every=1)), few_digits)
    notice = next(event for event in seen if isinstance(event, Notice))
    assert "no Fréchet distances" in notice.text and "gencore features digits" in notice.text
    assert not any(isinstance(event, QuickDistance) for event in seen) and seen[-1].status == "finished"


def test_a_batch_larger_than_the_data_is_refused_before_the_first_step(
    home: Path, few_digits: ImageData
) -> None:
    one = made("x", tiny_config("vae"))
    few = replace(few_digits, images=few_digits.images[:10], labels=few_digits.labels[:10])
    with pytest.raises(ValueError, match="batch_size is 16, but .* has 10 images"):
        next(train(one, CPU, data=few))
