"""Every family, preset and classifier on a CUDA device that is not there; see `fake_cuda`."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from fake_cuda import CUDA, HostWaitError, NoiseDeviceError, fake_cuda, no_host_wait
from support import small_presets, suited
from torch import Generator, Tensor
from torch._subclasses.fake_tensor import DataDependentOutputException, FakeTensorDeviceMismatchError

from gencore.config.datasets import DATASETS, DatasetSpec
from gencore.config.families import FAMILIES
from gencore.config.options import (
    EXTRACTORS,
    PRESETS,
    GANConfig,
    RunConfig,
    TrainingConfig,
    features_preset,
)
from gencore.data.batches import Batch, Batches
from gencore.data.sources import ImageData
from gencore.models.base import GenerativeModel, Parts, Translates
from gencore.models.vae import VAE
from gencore.sampling.generate import generate
from gencore.sampling.translate import translate
from gencore.training.step import State

CONFIGS: dict[str, RunConfig] = (
    PRESETS
    | {f"{name} classifier": features_preset(DATASETS["mnist"], name) for name in EXTRACTORS}
    | {
        f"{name} gan": RunConfig(model=GANConfig(width=8), training=TrainingConfig(optimizer=name))
        for name in ("muon", "rmsprop", "sgd")
    }
    | {"augmented gan": RunConfig(model=GANConfig(width=8, augmentation="colour-translation-cutout"))}
)
SMALL = small_presets()


def state_of(
    config: RunConfig, device: torch.device, spec: DatasetSpec = DATASETS["mnist"]
) -> tuple[State, Batches]:
    """A fresh state on `device`, and batches of images without values."""
    settings = config.training.model_copy(update={"precision": "float32"})
    config = config.model_copy(update={"training": settings})
    n = 3 * config.data.batch_size
    images = torch.empty(n, spec.channels, spec.size, spec.size, dtype=torch.uint8, device=device)
    spec = suited(config.model, spec)
    sources = torch.empty(n, spec.source_channels, *images.shape[2:], dtype=torch.uint8, device=device)
    labels = torch.empty(n, dtype=torch.int64, device=device)
    data = ImageData(images, labels, spec, sources if spec.is_paired else None)
    return State.fresh(config, data, device), Batches(data, config.data.batch_size, seed=0)


def train_two_steps(state: State, batches: Batches) -> None:
    with no_host_wait():
        for step in range(2):
            state.advance(batches.batch(step), learning_rate_factor=0.5)


def test_every_family_in_the_table_is_tried() -> None:
    assert {type(config.model) for config in CONFIGS.values()} == {
        family.config for family in FAMILIES.values() if family.is_trained
    }


@pytest.mark.parametrize(
    ("config", "spec"),
    [
        *(pytest.param(config, DATASETS["mnist"], id=name) for name, config in CONFIGS.items()),
        *(pytest.param(config, DATASETS["cifar10"], id=f"{name}, colour") for name, config in SMALL.items()),
    ],
)
def test_two_steps_and_a_sampling_pass_mix_no_devices_and_never_wait_for_the_gpu(
    config: RunConfig, spec: DatasetSpec
) -> None:
    with fake_cuda() as device:
        state, batches = state_of(config, device, spec)
        train_two_steps(state, batches)
        assert {x.device for x in state.model.parameters()} == {CUDA}
        assert {len(values) for values in state.window.values()} == {2}
        model = state.average
        with no_host_wait():
            if isinstance(model, Translates):
                images = translate(model, batches.data.sources[:4], 0, torch.float32)
            elif isinstance(model, GenerativeModel):
                labels = torch.zeros(4, dtype=torch.int64, device=device) if model.conditional else None
                images = generate(model, 4, labels, 0, torch.float32)
            else:
                return
        assert images.shape == (4, spec.channels, spec.size, spec.size) and images.device == CUDA


def test_a_vae_samples_from_its_fitted_mixture_without_waiting_for_the_gpu() -> None:
    with fake_cuda() as device:
        state, _ = state_of(CONFIGS["vae"], device)
        assert isinstance(state.average, VAE)
        state.average.autoencoder.mixture_is_fitted = True
        with no_host_wait():
            generate(state.average, 4, None, 0, torch.float32)


def with_loss(state: State, change: object) -> None:
    """Plant `change` in the model's loss."""
    loss = state.model.loss

    def planted(player: str, batch: Batch, rng: Generator) -> tuple[Tensor, Parts]:
        value, parts = loss(player, batch, rng)
        return change(value), parts

    state.model.loss = planted


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (lambda loss: loss + torch.ones(1).sum(dim=0, keepdim=True)[0:1], FakeTensorDeviceMismatchError),
        (lambda loss: loss * loss.item(), DataDependentOutputException),
        (lambda loss: loss if loss > 0 else -loss, DataDependentOutputException),
        (lambda loss: loss + loss.detach().cpu().to(CUDA), HostWaitError),
        (lambda loss: loss + torch.ones(3).to(CUDA).mean(), HostWaitError),
    ],
    ids=["a CPU tensor", "item", "a branch on a value", "a round trip over the host", "an unpinned copy"],
)
def test_a_planted_mistake_is_found(change: object, error: type[Exception]) -> None:
    with fake_cuda() as device:
        state, batches = state_of(CONFIGS["vae-mlp"], device)
        with_loss(state, change)
        with pytest.raises(error):
            train_two_steps(state, batches)


def test_noise_of_another_device_is_found() -> None:
    with fake_cuda() as device:
        state, batches = state_of(CONFIGS["vae-mlp"], device)
        with pytest.raises(NoiseDeviceError, match="randn on cuda:0, its noise on cpu"):
            train_two_steps(replace(state, rng=Generator(), captured=None), batches)
