"""Resuming across devices, the strides of an optimiser's state, non-finite values, and stops in mid-work."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from support import STEPS_PER_EPOCH, TINY, record, suited_data, tiny_config
from torch import Tensor

from gencore.config.families import FAMILIES
from gencore.config.options import (
    ClassifierConfig,
    DataConfig,
    GANConfig,
    ModelConfig,
    PaletteConfig,
    Pix2PixConfig,
    RunConfig,
    VAEConfig,
)
from gencore.data.batches import Batch, Batches
from gencore.data.sources import ImageData
from gencore.models.load import load_model, newest_states
from gencore.sampling.generate import generate
from gencore.store import events
from gencore.store.checkpoints import load_checkpoint, save_checkpoint
from gencore.store.events import Ended, Event, Notice, Progress, QuickDistance, Resumed, Sheet
from gencore.store.runs import Run, run
from gencore.training.loop import train
from gencore.training.step import State

CPU = torch.device("cpu")
CONVOLUTIONAL: dict[str, ModelConfig] = TINY | {
    "vae-conv": VAEConfig(latent_dim=4, width=8),
    "gan": GANConfig(width=8, latent_dim=8, depth=1),
    "wasserstein gan": GANConfig(
        width=8,
        latent_dim=8,
        loss="wasserstein",
        gradient_penalty=10,
        spectral_norm="both",
        discriminator_norm="layer",
        discriminator_steps=3,
    ),
    "pix2pix": Pix2PixConfig(width=8),
    "L1 U-Net": Pix2PixConfig(width=8, adversarial=False, norm="instance"),
    "spectral pix2pix": Pix2PixConfig(width=8, spectral_norm=True),
    "palette": PaletteConfig(width=16, timesteps=20, sampling_steps=2),
    "classifier": ClassifierConfig(width=8, feature_dim=8),
    "plain classifier": ClassifierConfig(network="plain", width=8, feature_dim=8, augment="warp"),
}


def made(name: str, config: RunConfig) -> Run:
    one = run(name)
    one.create(config)
    return one


def config_of(name: str) -> RunConfig:
    is_paired = FAMILIES[CONVOLUTIONAL[name].family].task == "translation"
    data = DataConfig(dataset="edges:digits" if is_paired else "digits", batch_size=16)
    return tiny_config("vae").model_copy(update={"data": data, "model": CONVOLUTIONAL[name]})


def advance(state: State, data: ImageData, steps: int) -> None:
    batches = Batches(data, 16, seed=0)
    for _ in range(steps):
        state.advance(batches.batch(state.step), 1.0)


def weights(state: State) -> dict[str, Tensor]:
    """Everything that sampling and training go on from, copied."""
    parts = {"model": state.model.state_dict(), "average": state.average.averaged.state_dict()}
    return {f"{part}.{name}": x.clone() for part, all_ in parts.items() for name, x in all_.items()}


def assert_equal(ours: dict[str, Tensor], theirs: dict[str, Tensor]) -> None:
    assert ours.keys() == theirs.keys()
    assert not [name for name in ours if not torch.equal(ours[name], theirs[name])]


# Optimiser state


def test_every_family_is_resumed_here() -> None:
    assert {type(model) for model in CONVOLUTIONAL.values()} == {
        family.config for family in FAMILIES.values() if family.is_trained
    }


@pytest.mark.parametrize("name", CONVOLUTIONAL)
def test_a_restored_optimiser_has_the_strides_of_its_parameters(
    tmp_path: Path, few_digits: ImageData, name: str
) -> None:
    data = suited_data(CONVOLUTIONAL[name], few_digits)
    saved, restored = (State.fresh(config_of(name), data, CPU) for _ in range(2))
    advance(saved, data, 1)
    saved.save(tmp_path / "state.safetensors")
    assert restored.restore(tmp_path / "state.safetensors") == []
    seen = 0
    for optimizer in restored.optimizers.values():
        assert all(group["fused"] for group in optimizer.adam.param_groups)
        for parameter, entries in optimizer.adam.state.items():
            for entry in ("exp_avg", "exp_avg_sq"):
                assert entries[entry].stride() == parameter.stride()
                seen += not parameter.is_contiguous()
    assert seen or name == "vae", "no parameter is channels-last, so nothing was shown"


@pytest.mark.parametrize("name", CONVOLUTIONAL)
def test_a_fused_optimiser_goes_on_bit_by_bit_after_a_restore(
    tmp_path: Path, few_digits: ImageData, name: str
) -> None:
    data = suited_data(CONVOLUTIONAL[name], few_digits)
    whole, restored = (State.fresh(config_of(name), data, CPU) for _ in range(2))
    advance(whole, data, 3)
    whole.save(tmp_path / "state.safetensors")
    restored.restore(tmp_path / "state.safetensors")
    for state in (whole, restored):
        advance(state, data, 3)
    assert_equal(weights(whole), weights(restored))


# Another device


def change_device(path: Path, device: str | None, rng: Tensor) -> None:
    """Rewrite a state as it would have been saved on another kind of device."""
    checkpoint = load_checkpoint(path)
    metadata = {key: value for key, value in checkpoint.metadata.items() if key != "device"}
    if device:
        metadata["device"] = device
    save_checkpoint(path, {**checkpoint.tensors, "rng": rng}, metadata)


@pytest.mark.parametrize("device", ["cuda", None], ids=["named in the checkpoint", "known by its size"])
def test_a_state_of_a_gpu_is_resumed_on_a_cpu_with_a_notice(
    home: Path, few_digits: ImageData, device: str | None
) -> None:
    ended = []
    for name in ("one", "again"):
        one = made(name, tiny_config("ddpm"))
        record(one, few_digits, stop_at=6)
        (path,) = newest_states(one)
        change_device(path, device, torch.zeros(16, dtype=torch.uint8))  # as long as CUDA's
        seen = record(one, few_digits, resume=True)
        notice, resumed = seen[1:3]
        assert isinstance(notice, Notice) and "seed 42 and step 6" in notice.text
        assert isinstance(resumed, Resumed) and (resumed.step, resumed.file) == (6, path.name)
        assert isinstance(seen[-1], Ended) and seen[-1].status == "finished"
        ended.append(load_checkpoint(one.checkpoints / "final.safetensors").digest)
    assert ended[0] == ended[1], "the new noise is not a function of seed and step"


def test_noise_seeded_anew_differs_from_step_to_step(tmp_path: Path, few_digits: ImageData) -> None:
    state, noise = State.fresh(tiny_config("vae"), few_digits, CPU), []
    for steps in (1, 2):
        advance(state, few_digits, steps)
        path = tmp_path / f"{steps}.safetensors"
        state.save(path)
        change_device(path, "cuda", torch.zeros(16, dtype=torch.uint8))
        assert len(state.restore(path)) == 1
        noise.append(torch.randn(4, generator=state.rng))
    assert not torch.equal(*noise)


def test_a_state_of_an_older_version_is_resumed_without_a_notice(home: Path, few_digits: ImageData) -> None:
    one, whole = made("one", tiny_config("cgan")), made("whole", tiny_config("cgan"))
    record(one, few_digits, stop_at=6)
    (path,) = newest_states(one)
    checkpoint = load_checkpoint(path)
    added = ("device", "sheet_step", "distance_step")
    metadata = {key: value for key, value in checkpoint.metadata.items() if key not in added}
    save_checkpoint(path, checkpoint.tensors, metadata)
    assert not any(isinstance(event, Notice) for event in record(one, few_digits, resume=True))
    record(whole, few_digits)
    digests = [load_checkpoint(r.checkpoints / "final.safetensors").digest for r in (one, whole)]
    assert digests[0] == digests[1]


# Non-finite values


def spoil(monkeypatch: pytest.MonkeyPatch, at: int) -> None:
    """Let the loss of the step after `at` be NaN, by NaN pixels."""
    advance_before = State.advance

    def spoilt(state: State, batch: Batch, factor: float) -> None:
        if state.step == at:
            batch = batch._replace(images=batch.images * math.nan)
        advance_before(state, batch, factor)

    monkeypatch.setattr(State, "advance", spoilt)


@pytest.mark.parametrize("name", CONVOLUTIONAL)
def test_from_a_loss_that_is_not_finite_on_the_last_good_weights_are_kept(
    few_digits: ImageData, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = suited_data(CONVOLUTIONAL[name], few_digits)
    state = State.fresh(config_of(name), data, CPU)
    advance(state, data, 5)
    good = weights(state)
    spoil(monkeypatch, at=5)
    advance(state, data, 4)  # in the first of these, and after
    assert_equal(weights(state), good)
    assert state.step == 9 and state.read_window().good_steps == 5 and not state.is_finite()


@pytest.mark.parametrize("family", sorted(TINY))
def test_a_loss_that_is_not_finite_in_mid_window_ends_the_run_and_its_last_checkpoint_is_good(
    home: Path, few_digits: ImageData, family: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tiny_config(family, checkpoint_every=1, progress_every=1000, epochs=6)
    one, whole = made("one", config), made("whole", config)
    record(whole, few_digits)
    bad = 2 * STEPS_PER_EPOCH + 1  # the second of a window of four
    with monkeypatch.context() as patch:
        spoil(patch, at=bad)
        seen = record(one, few_digits)
    ended = seen[-1]
    assert isinstance(ended, Ended) and ended.status == "diverged" and f"after step {bad};" in ended.reason
    assert ended.step == 3 * STEPS_PER_EPOCH, "it is noticed with the figures of its window"
    assert sum(isinstance(event, Progress) for event in seen) == 3
    newest = newest_states(one)[0]
    assert newest.name == f"step-{2 * STEPS_PER_EPOCH:08d}.safetensors"
    assert all(x.isfinite().all() for x in load_checkpoint(newest).tensors.values())
    model, _ = load_model(one, CPU)
    labels = torch.arange(4) if model.conditional else None
    assert generate(model, 4, labels, 0, torch.float32).float().std() > 0
    assert record(one, few_digits, resume=True)[-1].status == "finished"
    digests = [load_checkpoint(r.checkpoints / "final.safetensors").digest for r in (one, whole)]
    assert digests[0] == digests[1]


@pytest.mark.parametrize("optimizer", ["adam", "muon", "rmsprop", "sgd"])
def test_no_step_reads_a_value_from_the_device(
    few_digits: ImageData, monkeypatch: pytest.MonkeyPatch, optimizer: str
) -> None:
    """On a CPU too: `item`, `tolist` and a branch on a tensor all end in one call."""
    config = config_of("gan")
    training = config.training.model_copy(update={"optimizer": optimizer})
    state = State.fresh(config.model_copy(update={"training": training}), few_digits, CPU)

    def refuse(*_: object) -> None:
        raise AssertionError("a value was read from the device")

    for name in ("item", "tolist", "__bool__", "__float__", "__int__"):
        monkeypatch.setattr(Tensor, name, refuse)
    advance(state, few_digits, 2)
    assert state.step == 2


# Stops in mid-work


class StopAt:
    """Asks to stop at the n-th question, and remembers how often it was asked."""

    def __init__(self, n: int) -> None:
        self.n, self.asked = n, 0

    def __call__(self) -> str | None:
        self.asked += 1
        return "enough" if self.asked >= self.n else None


def follow(one: Run, data: ImageData, stop: Callable[[], str | None], resume: bool = False) -> list[Event]:
    seen = []
    with one.claim():
        for event in train(one, CPU, resume, stop, data=data):
            events.append(one.events_path, event)
            seen.append(event)
    return seen


def figures(one: Run) -> list[tuple[object, ...]]:
    """Sheets and quick distances of a run, as they count."""
    history = events.without_void(events.tail(one.events_path).events)
    return [
        (event.type, event.step, getattr(event, "fd", None), getattr(event, "file", None))
        for event in history
        if isinstance(event, Sheet | QuickDistance)
    ]


def test_a_run_stopped_anywhere_and_resumed_has_all_sheets_and_distances_of_the_uninterrupted_one(
    with_extractor: Path, few_digits: ImageData
) -> None:
    config = tiny_config("vae", fd_every=1, fd_samples=256, sheets=2, epochs=2, progress_every=4)
    whole = made("whole", config)
    never = StopAt(10**9)
    follow(whole, few_digits, never)
    per_step = never.asked - 2 * STEPS_PER_EPOCH
    assert per_step >= 2 * 3, "it is asked between the parts of a quick distance"
    for n in range(1, never.asked + 1):
        one = made(f"stopped-{n}", config)
        stopped = follow(one, few_digits, StopAt(n))[-1]
        assert isinstance(stopped, Ended) and stopped.status == "stopped"
        assert len(newest_states(one)) == 1
        assert follow(one, few_digits, StopAt(10**9), resume=True)[-1].status == "finished"
        assert figures(one) == figures(whole), f"stopped at question {n}"
        digests = [load_checkpoint(r.checkpoints / "final.safetensors").digest for r in (one, whole)]
        assert digests[0] == digests[1], f"stopped at question {n}"
