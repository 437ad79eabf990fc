"""How the players of a GAN stand: closed forms, the alarm of a collapse, training as it was without."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from support import record, tiny_config
from torch import Generator, Tensor

from gencore.config.datasets import DATASETS
from gencore.config.options import GANConfig
from gencore.data.batches import Batch, Batches, dequantise
from gencore.data.sources import ImageData, load
from gencore.metrics.diagnostics import DIAGNOSTICS
from gencore.models.adversarial_diagnostics import (
    accuracies,
    lipschitz_estimate,
    variance_ratio,
    variance_within,
)
from gencore.models.gan import GAN
from gencore.store import events
from gencore.store.events import Collapse, Progress
from gencore.store.runs import run
from gencore.training.collapse import CollapseAlarm, collapse_share, present_collapse
from gencore.training.step import State

REAL, GENERATED = torch.tensor([2.0, 0.6, 0.3, -1.0]), torch.tensor([-2.0, 0.1, 0.45, 3.0])
NO_CONDITION = torch.zeros(64, 0)


def rng(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


def digits(start: int, n: int = 64) -> tuple[Tensor, Tensor]:
    """Real images (n, 1, 28, 28) in [-1, 1] and their classes, one-hot (n, 10)."""
    data = load(DATASETS["digits"], "train")
    some = slice(start, start + n)
    return dequantise(data.images[some]), F.one_hot(data.labels[some], 10)


def progress(step: int, ratio: float | None) -> Progress:
    return Progress(
        step=step,
        epoch=step / 100,
        seconds=step,
        images_per_second=1.0,
        losses={},
        gradient_norms={},
        diagnostics={} if ratio is None else {"variance_ratio": ratio},
    )


@pytest.mark.parametrize(
    ("loss", "label", "real", "generated"),
    [
        ("bce", 0.9, 0.75, 0.25),  # the sign of a logit, whatever the target
        ("hinge", 1.0, 0.75, 0.25),
        ("least-squares", 1.0, 0.5, 0.75),  # above half of the target
        ("least-squares", 0.5, 0.75, 0.5),
    ],
)
def test_accuracy_is_the_share_on_the_right_side_of_the_bound(
    loss: str, label: float, real: float, generated: float
) -> None:
    found = accuracies(loss, REAL, GENERATED, label)
    assert {name: value.item() for name, value in found.items()} == {
        "accuracy_real": real,
        "accuracy_fake": generated,
    }


def test_a_critic_has_no_accuracy_but_an_estimate_of_the_distance() -> None:
    found = accuracies("wasserstein", REAL, GENERATED, 1.0)
    assert found.keys() == {"wasserstein_estimate"}
    assert found["wasserstein_estimate"].item() == pytest.approx(0.475 - 0.3875)


def test_the_lipschitz_estimate_of_a_linear_discriminator_is_reached_along_its_weight() -> None:
    weight = torch.randn(784, generator=rng())
    real = torch.randn(8, 1, 28, 28, generator=rng(1))
    apart = torch.randn(8, 784, generator=rng(2))

    def estimate(difference: Tensor) -> float:
        generated = real + difference.view_as(real)
        outputs = (images.flatten(1) @ weight for images in (real, generated))
        return lipschitz_estimate(*outputs, real, generated).item()

    assert 0 < estimate(apart) < weight.norm()
    assert estimate(torch.cat([apart[:7], 3 * weight[None]])) == pytest.approx(weight.norm().item(), rel=1e-4)


def test_equal_images_with_equal_outputs_have_no_slope() -> None:
    images, outputs = torch.zeros(3, 1, 4, 4), torch.ones(3)
    assert lipschitz_estimate(outputs, outputs, images, images) == 0


def test_variance_is_that_of_numpy_and_within_conditions_that_of_pooled_groups() -> None:
    images, condition = digits(0)
    flat = images.flatten(1)
    torch.testing.assert_close(variance_within(images, NO_CONDITION), flat.var(dim=0).mean())
    groups = [flat[condition[:, k] == 1] for k in range(10)]
    squares = sum((group - group.mean(dim=0)).square().sum() for group in groups)
    torch.testing.assert_close(variance_within(images, condition), squares / (64 - 10) / 784)


def test_where_no_condition_has_two_images_variance_is_that_of_the_batch() -> None:
    images, _ = digits(0)
    alone = torch.eye(64, 100)
    torch.testing.assert_close(variance_within(images, alone), variance_within(images, NO_CONDITION))


def test_a_generator_with_one_image_a_condition_has_no_variance_and_real_images_have_all() -> None:
    (real, condition), (others, _) = digits(0), digits(64)
    assert variance_ratio(others[:1].expand_as(real), real, NO_CONDITION) < 1e-6
    one_each = others[condition.argmax(1)]
    assert variance_ratio(one_each, real, condition) < 1e-6
    assert variance_ratio(one_each, real, NO_CONDITION) > 0.5  # which is why conditions are looked at
    assert 0.8 < variance_ratio(others, real, NO_CONDITION) < 1.25


def test_the_figures_of_real_images_all_alike_are_finite() -> None:
    flat = torch.zeros(64, 1, 28, 28)
    assert variance_ratio(flat, flat, NO_CONDITION).isfinite()


# ---------------------------------------------------------------- the alarm


def test_the_alarm_rings_on_a_collapsed_batch_and_not_on_real_images() -> None:
    (real, condition), (others, _) = digits(0), digits(64)
    collapsed = variance_ratio(others[condition.argmax(1)], real, condition).item()
    rung = CollapseAlarm(total_steps=100).after(progress(50, collapsed))
    assert rung and rung.variance_ratio == collapsed and "has collapsed at epoch 0.5" in rung.text
    healthy = variance_ratio(real.flip(0), real, condition.flip(0)).item()
    assert CollapseAlarm(total_steps=100).after(progress(50, healthy)) is None


def test_the_alarm_rings_once_a_collapse_not_in_the_first_tenth_and_again_after_a_recovery() -> None:
    alarm = CollapseAlarm(total_steps=100)
    ratios = [0.01, 0.05, 0.05, 0.15, 0.05, 0.3, None, 0.05]
    assert [bool(alarm.after(progress(10 * i, one))) for i, one in enumerate(ratios, start=1)] == [
        False, True, False, False, False, False, False, True,
    ]  # fmt: skip


def test_a_collapse_is_present_until_the_images_have_recovered() -> None:
    fallen = progress(20, 0.05)
    collapse = CollapseAlarm(100).after(fallen)
    assert collapse is not None
    assert present_collapse([fallen, collapse, progress(30, 0.15)]) == collapse
    assert present_collapse([fallen, collapse, progress(30, 0.25), progress(40, 0.15)]) is None
    assert present_collapse([fallen]) is None


def test_the_share_in_collapse_counts_steps_and_leaves_out_the_first_tenth() -> None:
    log = [progress(10, 0.0), progress(30, 0.05), progress(40, 0.5), progress(100, 0.0)]
    assert collapse_share(log, total_steps=100) == pytest.approx((20 + 60) / 90)
    assert collapse_share([progress(50, None)], total_steps=100) is None


# ---------------------------------------------------------------- in a training


def test_a_training_whose_generator_never_learns_rings_the_alarm_and_logs_it(
    home: Path, few_digits: ImageData
) -> None:
    config = tiny_config("vae")
    model = GANConfig(width=8, latent_dim=8, generator_learning_rate=1e-12)
    one = run("still")
    one.create(config.model_copy(update={"model": model}))
    record(one, few_digits)
    history = events.tail(one.events_path).events
    [collapse] = [event for event in history if isinstance(event, Collapse)]
    logged = [event for event in history if isinstance(event, Progress)]
    assert collapse.step > 0.1 * logged[-1].step and collapse.variance_ratio < 0.1
    assert all(event.diagnostics.keys() <= DIAGNOSTICS.keys() for event in logged)
    assert {"accuracy_real", "accuracy_fake", "lipschitz_estimate", "variance_ratio", "d_real"} <= logged[
        0
    ].diagnostics.keys()
    assert logged[0].losses.keys() == {"discriminator", "generator"}


@pytest.mark.parametrize(
    "switches",
    [
        {"clusters": 5},
        {"loss": "wasserstein", "gradient_penalty": 10.0, "discriminator_norm": "layer"},
        {"spectral_norm": "both", "discriminator_norm": "none", "discriminator_steps": 2},
    ],
)
def test_the_figures_change_neither_weights_nor_buffers_nor_random_numbers(
    few_digits: ImageData, monkeypatch: pytest.MonkeyPatch, switches: dict[str, object]
) -> None:
    config = tiny_config("vae").model_copy(update={"model": GANConfig(width=8, latent_dim=8, **switches)})

    def trained() -> dict[str, Tensor]:
        state = State.fresh(config, few_digits, torch.device("cpu"))
        batches = Batches(few_digits, 16, seed=0)
        for step in range(3):
            state.advance(batches.batch(step), 1.0)
        return {"rng": state.rng.get_state(), **state.model.state_dict(), **state.average.state_dict()}

    with_them = trained()
    monkeypatch.setattr(GAN, "_diagnostics", lambda *given: {})
    without = trained()
    assert all(torch.equal(with_them[name], without[name]) for name in without)


def test_the_figures_of_a_discriminators_turn_are_detached_scalars() -> None:
    model = GAN(GANConfig(width=8, latent_dim=8), DATASETS["digits"])
    batch = Batch(digits(0, 16)[0], torch.zeros(16, dtype=torch.int64))
    _, parts = model.loss("discriminator", batch, rng())
    assert all(part.shape == () and not part.requires_grad for part in parts.values())
