"""Adversarial losses, penalties and spectral norm against closed forms; which switches of a GAN agree."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from pydantic import ValidationError
from support import tiny_config
from torch import Generator, Tensor, nn
from torch.nn.functional import logsigmoid

from gencore.config.datasets import DATASETS
from gencore.config.options import DataConfig, GANConfig, RunConfig
from gencore.data.batches import Batch, Batches
from gencore.data.sources import ImageData
from gencore.metrics.diagnostics import DIAGNOSTICS
from gencore.models import build
from gencore.models.adversarial import LOSSES, gradient_penalty, r1_penalty
from gencore.models.base import Parts
from gencore.models.gan import GAN
from gencore.networks import dcgan, spectral
from gencore.training.step import State

CPU = torch.device("cpu")
NO_CONDITION = torch.empty(64, 0)


def rng(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


def images(seed: int, n: int = 64) -> Tensor:
    return torch.rand(n, 1, 4, 4, generator=rng(seed)) * 2 - 1


def linear(w: Tensor) -> Callable[[Tensor, Tensor], Tensor]:
    """D(x) = w·x."""
    return lambda x, condition: x.flatten(1) @ w


def vector_of_norm(norm: float) -> Tensor:
    w = torch.randn(16, generator=rng(7))
    return w / w.norm() * norm


# Losses

REAL, GENERATED = torch.tensor([2.0, -1.0]), torch.tensor([0.5, -0.5])


def cross_entropy(logit: Tensor, target: float) -> float:
    return float(-(target * logsigmoid(logit) + (1 - target) * logsigmoid(-logit)).mean())


@pytest.mark.parametrize(
    ("name", "real_label", "discriminator", "generator"),
    [
        ("bce", 1.0, cross_entropy(REAL, 1) + cross_entropy(GENERATED, 0), cross_entropy(GENERATED, 1)),
        ("bce", 0.9, cross_entropy(REAL, 0.9) + cross_entropy(GENERATED, 0), cross_entropy(GENERATED, 1)),
        ("hinge", 1.0, (0 + 2) / 2 + (1.5 + 0.5) / 2, 0.0),
        ("least-squares", 1.0, ((1 + 4) / 2 + 0.25) / 2, (0.25 + 2.25) / 4),
        ("least-squares", 0.9, ((1.21 + 3.61) / 2 + 0.25) / 2, (0.25 + 2.25) / 4),
        ("wasserstein", 1.0, 0.0 - 0.5, 0.0),
    ],
)
def test_a_loss_is_its_closed_form(
    name: str, real_label: float, discriminator: float, generator: float
) -> None:
    losses = LOSSES[name]
    assert losses.discriminator(REAL, GENERATED, real_label).item() == pytest.approx(discriminator)
    assert losses.generator(GENERATED).item() == pytest.approx(generator, abs=1e-7)


@pytest.mark.parametrize("name", LOSSES)
def test_the_players_pull_the_output_for_generated_images_apart(name: str) -> None:
    slopes = []
    for loss in (lambda x: LOSSES[name].discriminator(REAL, x, 1.0), LOSSES[name].generator):
        x = torch.tensor([0.5, 0.25], requires_grad=True)
        slopes.append(torch.autograd.grad(loss(x), x)[0].sum())
    assert slopes[0] > 0 > slopes[1]


def test_a_discriminator_with_a_gradient_penalty_estimates_the_distance_of_two_point_masses() -> None:
    """D(x) = w x at points d apart: -w d + λ (w - 1)² is least at w = 1 + d / 2λ."""
    d, weight = 3.0, 10.0
    real, generated = torch.full((64, 1, 1, 1), d), torch.zeros(64, 1, 1, 1)
    w = torch.zeros(1, requires_grad=True)
    optimizer = torch.optim.SGD([w], 0.02)
    for step in range(100):
        outputs = (linear(w)(x, NO_CONDITION) for x in (real, generated))
        loss = LOSSES["wasserstein"].discriminator(*outputs, 1.0)
        penalty = gradient_penalty(linear(w), real, generated, NO_CONDITION, rng(step))
        optimizer.zero_grad()
        (loss + weight * penalty).backward()
        optimizer.step()
    assert -loss.item() == pytest.approx(d * (1 + d / (2 * weight)), rel=1e-4)


# Penalties


@pytest.mark.parametrize("norm", [0.0, 0.25, 1.0, 3.0])
def test_the_gradient_penalty_of_a_linear_discriminator_is_its_norm_off_one_squared(norm: float) -> None:
    w = vector_of_norm(norm).requires_grad_(True)
    penalty = gradient_penalty(linear(w), images(1), images(2), NO_CONDITION, rng())
    assert penalty.item() == pytest.approx((norm - 1) ** 2, abs=1e-6)
    (slope,) = torch.autograd.grad(penalty, w)
    expected = 2 * (norm - 1) * w.detach() / norm if norm else torch.zeros(16)
    torch.testing.assert_close(slope, expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(("norm", "expected"), [(0.25, 0.0), (0.99, 0.0), (3.0, 4.0)])
def test_a_one_sided_gradient_penalty_leaves_slopes_below_one_free(norm: float, expected: float) -> None:
    discriminate = linear(vector_of_norm(norm))
    penalty = gradient_penalty(discriminate, images(1), images(2), NO_CONDITION, rng(), one_sided=True)
    assert penalty.item() == pytest.approx(expected, abs=1e-5)


def test_the_gradient_penalty_acts_at_a_place_of_its_own_between_the_images_of_each_pair() -> None:
    """D(x) = ‖x‖² / 2 has the slope ‖x‖: from 0 to an image of norm 1 that is 1 - eps, whose penalty is
    eps², 1/3 on average.
    """
    n = 20_000
    real, generated = torch.zeros(n, 1, 4, 4), torch.full((n, 1, 4, 4), 0.25)
    penalty = gradient_penalty(
        lambda x, condition: x.square().flatten(1).sum(1) / 2, real, generated, torch.empty(n, 0), rng()
    )
    assert penalty.item() == pytest.approx(1 / 3, abs=0.01)


def test_r1_of_a_linear_discriminator_is_half_its_squared_norm() -> None:
    w = vector_of_norm(3.0).requires_grad_(True)
    penalty = r1_penalty(linear(w), images(1), NO_CONDITION)
    assert penalty.item() == pytest.approx(4.5, rel=1e-5)
    torch.testing.assert_close(torch.autograd.grad(penalty, w)[0], w.detach())


def test_penalties_and_their_gradients_are_the_same_under_bfloat16() -> None:
    torch.manual_seed(0)
    network = dcgan.Encoder(1, 0, 28, 1, 8, 1, norm="layer")

    def slopes(bfloat16: bool) -> tuple[Tensor, ...]:
        def discriminate(x: Tensor, condition: Tensor) -> Tensor:
            return network(x, condition).squeeze(1)

        real, generated = (torch.rand(4, 1, 28, 28, generator=rng(seed)) for seed in (1, 2))
        condition = torch.empty(4, 0)
        with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
            penalty = gradient_penalty(discriminate, real, generated, condition, rng())
            penalty = penalty + r1_penalty(discriminate, real, condition)
        weights = [x for x in network.parameters() if x.ndim > 1]
        return penalty, *torch.autograd.grad(penalty, weights)

    ours, theirs = slopes(True), slopes(False)
    assert all(x.dtype == torch.float32 and x.any() for x in ours)
    assert all(torch.equal(x, y) for x, y in zip(ours, theirs, strict=True))


@pytest.mark.parametrize(("norm", "mixes"), [("batch", True), ("layer", False), ("none", False)])
def test_only_batch_normalisation_makes_an_output_depend_on_other_images(norm: str, mixes: bool) -> None:
    torch.manual_seed(0)
    network = dcgan.Encoder(1, 0, 28, 1, 8, 1, norm=norm)
    x = torch.rand(4, 1, 28, 28, generator=rng()).requires_grad_(True)
    (slope,) = torch.autograd.grad(network(x, torch.empty(4, 0))[0].sum(), x)
    assert slope[0].any() and bool(slope[1:].any()) == mixes


def test_a_gan_adds_its_weighted_penalties_to_the_loss_and_reports_them() -> None:
    switches = {"loss": "hinge", "discriminator_norm": "none", "minibatch_stddev": False}
    batch = Batch(torch.rand(8, 1, 28, 28, generator=rng()) * 2 - 1, torch.arange(8))

    def parts_with(**penalties: float) -> Parts:
        torch.manual_seed(0)
        gan = build(GANConfig(width=8, latent_dim=8, **switches, **penalties), DATASETS["digits"])
        return gan.loss("discriminator", batch, rng())[1]

    plain, penalised = parts_with(), parts_with(gradient_penalty=10.0, r1=2.0)
    assert not plain.keys() & {"gradient_penalty", "r1"}
    added = 10 * penalised["gradient_penalty"] + 2 * penalised["r1"]
    torch.testing.assert_close(penalised["discriminator"], plain["discriminator"] + added)
    assert added > 1, "slopes of a fresh discriminator are far from 1"


# Spectral norm


def test_a_normalised_matrix_is_divided_by_its_largest_singular_value() -> None:
    torch.manual_seed(0)
    layer = nn.Linear(2, 2, bias=False)
    layer.weight.data = torch.tensor([[0.0, 3.0], [1.0, 0.0]])
    spectral.normalise(layer)
    layer(torch.zeros(1, 2))
    torch.testing.assert_close(layer.weight, torch.tensor([[0.0, 1.0], [1 / 3, 0.0]]), atol=1e-4, rtol=0)


def spectral_norms(network: nn.Module) -> Tensor:
    """The largest singular value of each weight, as a matrix with a row for each output channel."""
    return torch.stack(
        [
            torch.linalg.matrix_norm(
                layer.weight.detach()
                .transpose(0, 1 if isinstance(layer, nn.ConvTranspose2d) else 0)
                .flatten(1),
                2,
            )
            for layer in network.modules()
            if isinstance(layer, nn.Linear | nn.Conv2d | nn.ConvTranspose2d)
        ]
    )


def test_singular_values_are_computed_outside_of_autocast() -> None:
    """On CUDA it would round them to bfloat16; on a CPU only a matrix product of two matrices tells."""
    layer = nn.Linear(4, 4)
    spectral.normalise(layer)
    layer.get_submodule("parametrizations.weight")[0].inner.forward = lambda weight: weight @ weight
    with torch.autocast("cpu", torch.bfloat16):
        assert layer.weight.dtype == torch.float32 and layer(torch.zeros(1, 4)).dtype == torch.bfloat16


def spectral_state(data: ImageData) -> State:
    model = GANConfig(
        width=8,
        latent_dim=8,
        depth=1,
        spectral_norm="both",
        discriminator_norm="none",
        generator_learning_rate=5e-3,
    )
    config = tiny_config("cgan", ema_decay=0.9).model_copy(update={"model": model})
    return State.fresh(config, data, CPU)


def advance(state: State, data: ImageData, steps: int) -> None:
    batches = Batches(data, state.config.data.batch_size, seed=0)
    for _ in range(steps):
        state.advance(batches.batch(state.step), 1.0)


def test_averaged_weights_have_spectral_norm_one_too_while_the_trained_ones_move_on(
    few_digits: ImageData,
) -> None:
    state = spectral_state(few_digits)
    advance(state, few_digits, 30)
    assert isinstance(state.model, GAN) and isinstance(state.average, GAN)
    moved = (state.model.generator.layers[0].weight - state.average.generator.layers[0].weight).norm()
    assert moved > 0.1, "the average is no copy"
    for network in (state.model.generator, state.model.discriminator, state.average.generator):
        norms = spectral_norms(network)
        assert norms.min() > 0.999 and norms.max() < 1.03, norms
    noise = torch.randn(8, 8, generator=rng())
    once = state.average.decode(noise, torch.empty(8, 0))
    assert torch.equal(once, state.average.decode(noise, torch.empty(8, 0))), "sampling changes nothing"


def test_a_baked_network_computes_the_same_from_plain_weights(few_digits: ImageData) -> None:
    state = spectral_state(few_digits)
    advance(state, few_digits, 2)
    assert isinstance(state.average, GAN)
    baked, noise = build(state.config.model, few_digits.spec).eval(), torch.randn(4, 8, generator=rng())
    assert isinstance(baked, GAN)
    baked.load_state_dict(state.average.state_dict())
    spectral.bake(baked.generator)
    assert not any("parametrizations" in name for name in baked.generator.state_dict())
    given = noise, torch.empty(4, 0)
    torch.testing.assert_close(baked.decode(*given), state.average.decode(*given))


# Steps of the discriminator


def test_the_turns_of_a_discriminator_share_the_batch_and_the_generator_has_the_last_share(
    few_digits: ImageData,
) -> None:
    model = GANConfig(width=8, latent_dim=8, discriminator_steps=3)
    config = tiny_config("cgan").model_copy(update={"model": model})
    state = State.fresh(config, few_digits, CPU)
    loss, turns, weights = state.model.loss, [], []

    def watched(player: str, batch: Batch, rng: Generator) -> tuple[Tensor, Parts]:
        turns.append((player, batch))
        weights.append(next(state.model.players["discriminator"].module.parameters()).detach().clone())
        return loss(player, batch, rng)

    state.model.loss = watched  # type: ignore[method-assign]
    batch = Batches(few_digits, 16, seed=0).batch(0)
    state.advance(batch, 1.0)
    assert [player for player, _ in turns] == ["discriminator"] * 3 + ["generator"]
    shares = [share.images for _, share in turns]
    assert torch.equal(torch.cat(shares[:3]), batch.images) and torch.equal(shares[3], shares[2])
    assert sorted(map(len, shares[:3])) == [5, 5, 6]
    assert all(not torch.equal(before, after) for before, after in zip(weights, weights[1:], strict=False))


# Which switches agree


@pytest.mark.parametrize(
    ("switches", "words"),
    [
        ({"loss": "wasserstein"}, "set gradient_penalty to 10, or spectral_norm to discriminator"),
        ({"loss": "wasserstein", "r1": 1.0}, "set gradient_penalty to 10, or spectral_norm"),
        ({"loss": "wasserstein", "gradient_penalty": 10.0}, "set discriminator_norm to layer or none"),
        ({"gradient_penalty": 0.5}, "gradient_penalty 0.5 bounds .* set discriminator_norm to layer or none"),
        ({"r1": 1.0}, "r1 1.0 bounds .* set discriminator_norm to layer or none"),
        (
            {"loss": "wasserstein", "spectral_norm": "both", "discriminator_norm": "layer"},
            "set discriminator_norm to none, or gradient_penalty to 10",
        ),
        ({"loss": "hinge", "real_label": 0.9}, "set real_label to 1, or loss to bce or least-squares"),
    ],
)
def test_switches_that_contradict_each_other_are_refused_with_what_to_do(
    switches: dict[str, object], words: str
) -> None:
    with pytest.raises(ValidationError, match=words):
        GANConfig(**switches)


@pytest.mark.parametrize(
    "switches",
    [
        {"loss": "wasserstein", "spectral_norm": "discriminator", "discriminator_norm": "none"},
        {"loss": "wasserstein", "network": "mlp", "gradient_penalty": 10.0},
        {"loss": "wasserstein", "network": "mlp", "spectral_norm": "discriminator"},
        {"loss": "least-squares", "real_label": 0.9},
    ],
)
def test_switches_that_agree_are_taken(switches: dict[str, object]) -> None:
    assert GANConfig(**switches).model_dump().items() >= switches.items()


def test_a_batch_too_small_for_the_turns_of_a_discriminator_is_refused() -> None:
    model = GANConfig(discriminator_steps=5)
    with pytest.raises(ValidationError, match="set batch_size to 10 or more, or take fewer steps"):
        RunConfig(data=DataConfig(batch_size=9), model=model)
    assert RunConfig(data=DataConfig(batch_size=10), model=model).data.batch_size == 10


@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_can_be_chosen(name: str) -> None:
    config = GANConfig(
        width=8, latent_dim=8, loss=name, gradient_penalty=1.0, r1=0.5, discriminator_norm="layer"
    )
    batch = Batch(torch.rand(4, 1, 28, 28, generator=rng()), torch.arange(4))
    loss, parts = build(config, DATASETS["digits"]).loss("discriminator", batch, rng())
    outputs = {"d_real", "d_fake"} if name == "bce" else {"output_real", "output_fake"}
    players = {"wasserstein_estimate"} if name == "wasserstein" else {"accuracy_real", "accuracy_fake"}
    always = {"discriminator", "gradient_penalty", "r1", "lipschitz_estimate", "variance_ratio"}
    assert math.isfinite(loss.item()) and parts.keys() == always | outputs | players
    assert parts.keys() - {"discriminator"} <= DIAGNOSTICS.keys()
