"""One optimisation step and its state: memory formats, fused Adam, random numbers, non-finite steps."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
from support import TINY, record, tiny_config

from gencore.config.options import ClassifierConfig, GANConfig, RunConfig, TrainingConfig
from gencore.data.batches import Batches
from gencore.data.sources import ImageData
from gencore.models.base import Player
from gencore.store.checkpoints import load_checkpoint, save_checkpoint
from gencore.store.events import Ended, Notice, Resumed
from gencore.store.runs import run
from gencore.training.optimizers import PlayerOptimizer, as_matrix
from gencore.training.step import State

CPU = torch.device("cpu")
CONFIGS: dict[str, RunConfig] = {
    **{family: tiny_config(family) for family in TINY},
    "conv vae": tiny_config("vae").model_copy(
        update={"model": TINY["vae"].model_copy(update={"network": "conv", "width": 8})}
    ),
    "muon ddpm": tiny_config("ddpm", optimizer="muon").model_copy(
        update={"model": TINY["ddpm"].model_copy(update={"clusters": 5})}
    ),
    "muon gan": tiny_config("vae", optimizer="muon").model_copy(
        update={"model": GANConfig(width=8, latent_dim=8, depth=1, clusters=5)}
    ),
    "rmsprop gan": tiny_config("cgan", optimizer="rmsprop"),
    "sgd gan": tiny_config("cgan", optimizer="sgd"),
    "adamw": tiny_config("ddpm", optimizer="adamw", weight_decay=0.1),
    "classifier": tiny_config("vae").model_copy(update={"model": ClassifierConfig(width=8, feature_dim=8)}),
}
CUDA_GENERATOR_BYTES = 16  # torch.Generator("cuda").get_state() holds seed and offset


def advanced(state: State, data: ImageData, steps: int) -> State:
    batches = Batches(data, state.config.data.batch_size, state.config.training.seed)
    for _ in range(steps):
        state.advance(batches.batch(state.step), 1.0)
    return state


def contents(state: State) -> dict[str, torch.Tensor]:
    """Every tensor of a state: weights, their average, moments."""
    tensors = {f"model.{name}": x for name, x in state.model.state_dict().items()}
    tensors |= {f"average.{name}": x for name, x in state.average.state_dict().items()}
    for player, optimizer in state.optimizers.items():
        tensors |= {f"{player}.{name}": x for name, x in optimizer.state_dict().items()}
    return {name: x.clone() for name, x in tensors.items()}


def different(ours: dict[str, torch.Tensor], theirs: dict[str, torch.Tensor]) -> list[str]:
    assert ours.keys() == theirs.keys()
    return [name for name in ours if not torch.equal(ours[name], theirs[name])]


@pytest.mark.parametrize("name", CONFIGS)
def test_restored_moments_lie_in_memory_as_their_parameters_do(
    tmp_path: Path, few_digits: ImageData, name: str
) -> None:
    path = tmp_path / "state.safetensors"
    advanced(State.fresh(CONFIGS[name], few_digits, CPU), few_digits, 2).save(path)
    restored = State.fresh(CONFIGS[name], few_digits, CPU)
    assert restored.restore(path) == []
    moments = [
        (parameter, moment)
        for player in restored.optimizers.values()
        for optimizer in (player.adam, player.linear)
        if optimizer is not None
        for parameter, entries in optimizer.state.items()
        for entry, moment in entries.items()
        if entry != "step"
    ]
    assert [moment.stride() for _, moment in moments] == [parameter.stride() for parameter, _ in moments]
    for player in restored.optimizers.values():
        stepped = [one for one in (player.adam, player.linear) if one is not None]
        assert stepped and all(one.state for one in stepped), "an optimiser without moments"
    assert all(moment.isfinite().all() for _, moment in moments)
    if name != "vae" and not name.startswith("muon"):  # an MLP has no convolutions; Muon has matrices of them
        assert any(not parameter.is_contiguous() for parameter, _ in moments), "nothing is channels-last"


@pytest.mark.parametrize("name", CONFIGS)
def test_an_optimiser_goes_on_bit_by_bit_after_a_resume(
    tmp_path: Path, few_digits: ImageData, name: str
) -> None:
    path = tmp_path / "state.safetensors"
    uninterrupted = advanced(State.fresh(CONFIGS[name], few_digits, CPU), few_digits, 2)
    uninterrupted.save(path)
    resumed = State.fresh(CONFIGS[name], few_digits, CPU)
    resumed.restore(path)
    for one in resumed.optimizers.values():
        assert one.adam is None or all(group["fused"] for group in one.adam.param_groups)
    before = contents(resumed)
    ours, theirs = (contents(advanced(state, few_digits, 3)) for state in (uninterrupted, resumed))
    assert different(ours, theirs) == []
    assert different(ours, before), "nothing was trained"


def test_a_state_of_another_kind_of_device_goes_on_with_noise_of_seed_and_step(
    home: Path, few_digits: ImageData
) -> None:
    config = tiny_config("ddpm")
    one = run("x")
    one.create(config)
    record(one, few_digits, stop_at=3)
    (path,) = one.checkpoints.glob("step-*.safetensors")
    saved = load_checkpoint(path)
    of_a_gpu = dict(saved.tensors) | {"rng": torch.arange(CUDA_GENERATOR_BYTES, dtype=torch.uint8)}
    save_checkpoint(path, of_a_gpu, saved.metadata)

    noises = []
    for _ in range(2):
        state = State.fresh(config, few_digits, CPU)
        (notice,) = state.restore(path)
        assert "continues on cpu" in notice and "seed 42 and step 3" in notice
        noises.append(torch.randn(4, generator=state.rng))
    assert torch.equal(*noises)
    assert not torch.equal(noises[0], torch.randn(4, generator=torch.Generator().manual_seed(42)))

    seen = record(one, few_digits, resume=True)
    assert isinstance(seen[1], Notice) and "continues on cpu" in seen[1].text and isinstance(seen[2], Resumed)
    assert isinstance(seen[-1], Ended) and seen[-1].status == "finished"


@pytest.mark.parametrize("name", CONFIGS)
def test_a_step_that_is_not_finite_changes_nothing_and_is_named_when_the_window_is_read(
    few_digits: ImageData, name: str
) -> None:
    state = advanced(State.fresh(CONFIGS[name], few_digits, CPU), few_digits, 4)
    good = contents(state)
    batch = Batches(few_digits, 16, 42).batch(4)
    state.advance(batch._replace(images=batch.images / 0), 1.0)
    advanced(state, few_digits, 3)
    counts = {key for key in good if key.endswith("num_batches_tracked")}
    assert set(different(good, contents(state))) <= counts
    assert state.step == 8 and not state.is_finite()
    window = state.read_window()
    assert window.good_steps == 4


def test_while_all_is_finite_no_step_is_named(few_digits: ImageData) -> None:
    state = advanced(State.fresh(tiny_config("cgan"), few_digits, CPU), few_digits, 3)
    assert state.read_window().good_steps == 3 and state.is_finite()


def test_muon_orthogonalises_the_convolutions_and_adam_steps_the_rest() -> None:
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.Flatten(), torch.nn.LazyLinear(2))
    x = torch.randn(4, 3, 5, 5)
    network(x)
    network.to(memory_format=torch.channels_last)
    alone = copy.deepcopy(network)
    settings = TrainingConfig(optimizer="muon", muon_learning_rate=0.1)
    optimizer = PlayerOptimizer(Player(network, 1e-2), settings, CPU)
    matrix = torch.nn.Parameter(as_matrix(alone[0].weight.detach().clone()))
    muon = torch.optim.Muon([matrix], 0.1 * 0.5, weight_decay=0)
    adam = torch.optim.Adam([alone[0].bias, *alone[2].parameters()], 1e-2 * 0.5)
    for model in (network, alone):
        model(x).square().sum().backward()
    optimizer.step(torch.tensor(0.5), skip=torch.zeros(()))
    matrix.grad = as_matrix(alone[0].weight.grad)
    muon.step()
    adam.step()
    torch.testing.assert_close(as_matrix(network[0].weight.detach()), matrix.detach())
    torch.testing.assert_close(network[0].bias, alone[0].bias)
    torch.testing.assert_close(network[2].weight, alone[2].weight)
    moved = as_matrix(network[0].weight.detach()) - as_matrix(alone[0].weight.detach())
    singular = torch.linalg.svdvals(moved) / (0.1 * 0.5)
    assert 0.5 < singular.min() and singular.max() < 1.5, "Newton-Schulz brings singular values near 1"


@pytest.mark.parametrize("name", ["rmsprop", "sgd"])
def test_rmsprop_and_sgd_step_as_torchs_own_at_the_scheduled_rate(name: str) -> None:
    torch.manual_seed(0)
    network = torch.nn.Conv2d(3, 4, 3).to(memory_format=torch.channels_last)
    alone = copy.deepcopy(network)
    ours = PlayerOptimizer(Player(network, 1e-2), TrainingConfig(optimizer=name), CPU)
    theirs = (
        torch.optim.RMSprop(alone.parameters(), 1e-2)
        if name == "rmsprop"
        else torch.optim.SGD(alone.parameters(), 1e-2, momentum=0.9)
    )
    for step, factor in enumerate((0.2, 1.0, 0.5)):
        x = torch.randn(2, 3, 5, 5, generator=torch.Generator().manual_seed(step))
        for model in (network, alone):
            model.zero_grad()
            model(x).square().sum().backward()
        before = network.weight.detach().clone()
        ours.step(torch.tensor(factor), skip=torch.zeros(()))
        theirs.param_groups[0]["lr"] = 1e-2 * factor
        theirs.step()
        assert not torch.equal(network.weight, before)
        torch.testing.assert_close(network.weight, alone.weight)
        torch.testing.assert_close(network.bias, alone.bias)
