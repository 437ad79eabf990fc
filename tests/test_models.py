"""one contract for every row of FAMILIES, and the closed forms of each family."""

import math

import pytest
import torch
from support import small_presets, suited
from torch import Generator

from gencore.config.datasets import DATASETS, DatasetSpec
from gencore.config.families import FAMILIES
from gencore.config.options import (
    ClassifierConfig,
    DDPMConfig,
    GANConfig,
    ModelConfig,
    PaletteConfig,
    Pix2PixConfig,
    VAEConfig,
)
from gencore.data.batches import Batch, dequantise
from gencore.data.sources import load
from gencore.models import build
from gencore.models.base import GenerativeModel, HasLatent, Inverts, Trainable, Translates
from gencore.models.classifier import jitter
from gencore.models.vae import (
    ROUNDING_VARIANCE,
    VAE,
    bernoulli_loss,
    gaussian_loss,
    kl_divergence,
    reparameterise,
)

VARIANTS: dict[str, ModelConfig] = {
    "vae": VAEConfig(latent_dim=8, width=16),
    "vae-mlp": VAEConfig(latent_dim=8, network="mlp"),
    "vae-gaussian": VAEConfig(latent_dim=8, width=16, likelihood="gaussian"),
    "gan": GANConfig(latent_dim=16, width=16),
    "gan-mlp": GANConfig(latent_dim=16, network="mlp"),
    "cgan": GANConfig(latent_dim=16, width=16, conditional=True, real_label=0.9),
    "gan-clusters": GANConfig(latent_dim=16, width=16, clusters=12),
    "cgan-mlp": GANConfig(latent_dim=16, network="mlp", conditional=True),
    "gan-folded": GANConfig(latent_dim=16, width=16, network="folded", depth=1),
    "cgan-folded": GANConfig(latent_dim=16, width=16, network="folded", conditional=True),
    "gan-wasserstein": GANConfig(
        latent_dim=16,
        width=16,
        loss="wasserstein",
        gradient_penalty=10,
        discriminator_norm="layer",
        discriminator_steps=3,
    ),
    "gan-hinge-spectral": GANConfig(
        latent_dim=16, width=16, loss="hinge", spectral_norm="both", discriminator_norm="none", depth=1
    ),
    "cgan-least-squares": GANConfig(
        latent_dim=16,
        width=16,
        network="folded",
        conditional=True,
        loss="least-squares",
        r1=1,
        discriminator_norm="none",
        spectral_norm="discriminator",
    ),
    "gan-mlp-wasserstein": GANConfig(
        latent_dim=16,
        network="mlp",
        loss="wasserstein",
        gradient_penalty=1,
        penalty="one-sided",
        spectral_norm="discriminator",
    ),
    "gan-resnet": GANConfig(
        latent_dim=16,
        width=16,
        network="resnet",
        depth=1,
        loss="wasserstein",
        gradient_penalty=10,
        discriminator_norm="layer",
        clusters=12,
        conditioning="embedding",
    ),
    "cgan-resnet": GANConfig(
        latent_dim=16,
        width=16,
        network="resnet",
        loss="hinge",
        spectral_norm="both",
        discriminator_norm="none",
        minibatch_stddev=False,
        conditional=True,
        conditioning="projection",
    ),
    "gan-augmented": GANConfig(latent_dim=16, width=16, augmentation="colour-translation-cutout"),
    "cgan-embedding": GANConfig(latent_dim=16, width=16, conditional=True, conditioning="embedding"),
    "cgan-projection": GANConfig(
        latent_dim=16, width=16, network="folded", conditional=True, conditioning="projection"
    ),
    "ddpm": DDPMConfig(width=16, sampling_steps=3),
    "cddpm": DDPMConfig(width=16, sampling_steps=3, conditional=True, guidance=2.0),
    "ddpm-v": DDPMConfig(width=16, sampling_steps=3, prediction="v", sampler="ddim"),
    "ddpm-flow": DDPMConfig(width=16, sampling_steps=3, prediction="flow", sampler="ddim"),
    "ddpm-standardised": DDPMConfig(width=16, sampling_steps=3, prediction="v", standardise=True),
    "ddpm-eps-standardised": DDPMConfig(width=16, sampling_steps=3, standardise=True, sampler="ddim"),
    "ddpm-flow-standardised": DDPMConfig(
        width=16, sampling_steps=3, prediction="flow", standardise=True, sampler="ddim"
    ),
    "ddpm-clusters": DDPMConfig(width=16, sampling_steps=3, clusters=12, guidance=2.0, spacing="mixed"),
    "ddpm-attention": DDPMConfig(width=16, sampling_steps=3, depth=2, attention=True),
    "pix2pix": Pix2PixConfig(width=8),
    "pix2pix-spectral": Pix2PixConfig(width=8, norm="instance", spectral_norm=True),
    "pix2pix-l1": Pix2PixConfig(width=8, adversarial=False),
    "palette": PaletteConfig(width=16, sampling_steps=3),
    "classifier": ClassifierConfig(width=8, feature_dim=16),
    "plain-classifier": ClassifierConfig(network="plain", width=8, feature_dim=16, augment="shift"),
    "mixer-classifier": ClassifierConfig(network="mixer", width=8, feature_dim=16, augment="warp"),
}
SMALL_PRESETS = small_presets()
DIGITS = DATASETS["digits"]
SPECS = {"grey 28": DIGITS, "colour 32": DIGITS.model_copy(update={"channels": 3, "size": 32})}
FURTHER_SPECS = {  # of which a variant of each network is tried
    "grey 16": DIGITS.model_copy(update={"size": 16}),
    "colour 64": DIGITS.model_copy(update={"channels": 3, "size": 64}),
}
OF_FURTHER_SPECS = [
    "vae-gaussian",
    "vae-mlp",
    "cgan",
    "cgan-folded",
    "gan-clusters",
    "gan-wasserstein",
    "gan-resnet",
    "cgan-projection",
    "ddpm-attention",
]
GENERATIVE, TRANSLATING, CLASSIFIERS = (
    [name for name, config in VARIANTS.items() if FAMILIES[config.family].task == task]
    for task in ("generation", "translation", "classification")
)


def of_sizes(names: list[str], further: list[str]) -> pytest.MarkDecorator:
    """Over `names` at every size of SPECS, and `further` at every one of FURTHER_SPECS."""
    cases = [(name, size, spec) for name in names for size, spec in SPECS.items()]
    cases += [(name, size, spec) for name in further for size, spec in FURTHER_SPECS.items()]
    return pytest.mark.parametrize(
        ("name", "spec"), [pytest.param(name, spec, id=f"{name}-{size}") for name, size, spec in cases]
    )


def rng(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


def batch_for(spec: DatasetSpec, n: int = 8) -> Batch:
    shape = (n, spec.channels, spec.size, spec.size)
    images = torch.rand(shape, generator=rng()) * 2 - 1
    sources = torch.rand(n, spec.source_channels, *shape[2:], generator=rng(1)) * 2 - 1
    return Batch(images, torch.arange(n) % len(spec.class_names), sources if spec.is_paired else None)


def fresh(name: str, spec: DatasetSpec = DIGITS):
    torch.manual_seed(0)
    return build(VARIANTS[name], suited(VARIANTS[name], spec))


def lively(name: str):
    """With weights under which every input shows: zero-initialised output layers would hide it."""
    model = fresh(name).eval().requires_grad_(False)
    for player in model.players.values():
        for x in player.module.parameters():
            torch.nn.init.normal_(x, 0, 0.1, generator=rng(1))
    return model


def test_every_config_in_the_table_is_under_contract() -> None:
    assert {type(config) for config in VARIANTS.values()} == {
        family.config for family in FAMILIES.values() if family.is_trained
    }


def assert_each_player_moves_alone(model: Trainable, batch: Batch) -> None:
    owned = [id(x) for player in model.players.values() for x in player.module.parameters()]
    assert len(owned) == len(set(owned)), "two players own one weight"
    assert set(owned) == {id(x) for x in model.parameters()}, "a weight that no player trains"
    for turn, player in model.players.items():
        for other in model.players.values():
            other.module.requires_grad_(other is player)
        model.zero_grad()
        loss, parts = model.loss(turn, batch, rng())
        assert loss.ndim == 0 and math.isfinite(loss.item())
        assert parts and all(part.ndim == 0 and not part.requires_grad for part in parts.values())
        loss.backward()
        gradients = [x.grad for x in player.module.parameters() if x.grad is not None]
        assert gradients and any(g.abs().sum() > 0 for g in gradients)
        for other in model.players.values():
            assert other is player or all(x.grad is None for x in other.module.parameters())


@of_sizes(list(VARIANTS), [*OF_FURTHER_SPECS, *TRANSLATING, *CLASSIFIERS])
def test_each_players_loss_is_finite_and_moves_that_player_alone(name: str, spec: DatasetSpec) -> None:
    assert_each_player_moves_alone(fresh(name, spec), batch_for(suited(VARIANTS[name], spec)))


@pytest.mark.parametrize("size", SPECS)
@pytest.mark.parametrize("preset", SMALL_PRESETS)
def test_every_preset_trains_and_draws_at_both_sizes_with_labels_and_without(preset: str, size: str) -> None:
    config = SMALL_PRESETS[preset].model
    spec = suited(config, SPECS[size])
    torch.manual_seed(0)
    model = build(config, spec)
    assert_each_player_moves_alone(model, batch_for(spec, 4))
    with torch.no_grad():
        if isinstance(model, Translates):
            images = model.eval().translate(batch_for(spec, 2).sources, rng())
        else:
            assert isinstance(model, GenerativeModel) and model.conditional == preset.endswith("conditional")
            images = model.eval().sample(2, torch.arange(2) if model.conditional else None, rng())
    assert images.shape == (2, spec.channels, spec.size, spec.size) and images.isfinite().all()
    assert images.min() >= -1 and images.max() <= 1


@of_sizes(GENERATIVE, OF_FURTHER_SPECS)
def test_samples_have_the_images_shape_and_range(name: str, spec: DatasetSpec) -> None:
    model = fresh(name, spec).eval()
    labels = torch.arange(5) if model.conditional else None
    with torch.no_grad():
        images = model.sample(5, labels, rng())
    assert images.shape == (5, spec.channels, spec.size, spec.size) and images.dtype == torch.float32
    assert images.isfinite().all() and images.min() >= -1 and images.max() <= 1


@pytest.mark.parametrize("name", GENERATIVE)
def test_the_same_seed_draws_the_same_samples_and_another_seed_others(name: str) -> None:
    model = lively(name)
    labels = torch.arange(4) if model.conditional else None
    with torch.no_grad():
        first, again, other = (model.sample(4, labels, rng(seed)) for seed in (1, 1, 2))
    assert torch.equal(first, again) and not torch.equal(first, other)


@of_sizes(TRANSLATING, TRANSLATING)
def test_translations_have_the_images_shape_and_range(name: str, spec: DatasetSpec) -> None:
    sources = batch_for(suited(VARIANTS[name], spec), 5).sources
    with torch.no_grad():
        images = fresh(name, spec).eval().translate(sources, rng())
    assert images.shape == (5, spec.channels, spec.size, spec.size) and images.dtype == torch.float32
    assert images.isfinite().all() and images.min() >= -1 and images.max() <= 1


@pytest.mark.parametrize("name", TRANSLATING)
def test_the_same_seed_makes_the_same_translations_and_another_seed_others(name: str) -> None:
    model, sources = lively(name), batch_for(suited(VARIANTS[name], DIGITS), 4).sources
    with torch.no_grad():
        first, again, other = (model.translate(sources, rng(seed)) for seed in (1, 1, 2))
        of_other_sources = model.translate(-sources, rng(1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other) and not torch.equal(first, of_other_sources)


@pytest.mark.parametrize("name", GENERATIVE)
def test_a_sample_is_its_latent_decoded(name: str) -> None:
    model = lively(name)
    assert isinstance(model, HasLatent)
    labels = torch.arange(4) if model.conditional else None
    noise = rng(1)
    z = model.draw_latent(4, noise)
    condition = model.draw_condition(4, labels, noise)
    assert condition.shape == (4, model.condition_dim)
    assert torch.equal(model.decode(z, condition), model.sample(4, labels, rng(1)))


def test_an_ancestral_sampler_decodes_by_dpm_solver() -> None:
    settings = {"width": 16, "timesteps": 10, "sampling_steps": 3}
    solved = build(DDPMConfig(**settings), DIGITS).eval()
    for x in solved.parameters():
        torch.nn.init.normal_(x, 0, 0.1, generator=rng(1))
    ancestral = build(DDPMConfig(**settings, sampler="ddpm"), DIGITS).eval()
    ancestral.load_state_dict(solved.state_dict())
    x_T = ancestral.draw_latent(2, rng(1))
    none = torch.empty(2, 0)
    assert torch.equal(ancestral.decode(x_T, none), solved.decode(x_T, none))
    assert not torch.equal(ancestral.decode(x_T, none), ancestral.sample(2, None, rng(1)))


@pytest.mark.parametrize(
    "name",
    ["vae", "vae-gaussian", "ddpm", "cddpm", "ddpm-v", "ddpm-flow", "ddpm-standardised", "ddpm-clusters"],
)
def test_a_model_that_inverts_finds_a_latent_that_gives_about_the_image_back(name: str) -> None:
    model, data = fresh(name).train(), load(DATASETS["digits"], "train")
    model.fit_to_data(data, seed=0)
    batch = Batch(dequantise(data.images[:8]), data.labels[:8])
    (turn,) = model.players
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for step in range(150):
        loss, _ = model.loss(turn, batch, rng(step))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model = model.eval().requires_grad_(False)
    if not isinstance(model, VAE):
        model.config = model.config.model_copy(update={"sampling_steps": 20})
    assert isinstance(model, Inverts)
    condition = model.condition_of(batch.images, batch.labels)
    z = model.invert(batch.images, condition)
    back, drawn = (model.decode(latent, condition) for latent in (z, model.draw_latent(8, rng())))
    assert z.shape == model.draw_latent(8, rng()).shape
    assert (back - batch.images).square().mean() < 0.5 * (drawn - batch.images).square().mean()


def test_a_gan_inverts_nothing() -> None:
    assert not isinstance(lively("cgan"), Inverts)


@pytest.mark.parametrize("name", [n for n in GENERATIVE if n.startswith("c") or n.endswith("clusters")])
def test_a_condition_may_lie_between_two_classes_or_clusters(name: str) -> None:
    model = lively(name)
    z, three, eight = model.draw_latent(1, rng()), *torch.eye(model.condition_dim)[[3, 8]].split(1)
    between = model.decode(z, (three + eight) / 2)
    assert not torch.equal(model.decode(z, three), model.decode(z, eight))
    assert not any(torch.equal(between, model.decode(z, end)) for end in (three, eight))


@pytest.mark.parametrize("name", [name for name in GENERATIVE if name.startswith("c")])
def test_a_conditional_model_refuses_to_draw_without_labels(name: str) -> None:
    with pytest.raises(ValueError, match="give a label"):
        fresh(name).eval().sample(2, None, rng())


@pytest.mark.parametrize(
    "name", ["vae", "vae-mlp", "ddpm", "cddpm", "ddpm-v", "ddpm-flow", "ddpm-attention", *CLASSIFIERS]
)
def test_a_model_with_one_loss_overfits_eight_images(name: str) -> None:
    data = load(DATASETS["digits"], "train")
    model, batch = fresh(name), Batch(dequantise(data.images[:8]), data.labels[:8])
    (turn,) = model.players
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    losses = []
    for step in range(120):
        loss, _ = model.loss(turn, batch, rng(step))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    least = grey_entropy(batch) if isinstance(model, VAE) else 0.0
    assert sum(losses[-10:]) / 10 - least < 0.4 * (sum(losses[:10]) / 10 - least)


def grey_entropy(batch: Batch) -> float:
    """The least binary cross-entropy that grey pixels allow, in nats an image."""
    p = (batch.images + 1) / 2
    return (torch.special.entr(p) + torch.special.entr(1 - p)).sum((1, 2, 3)).mean().item()


@pytest.mark.parametrize("name", ["gan", "gan-mlp", "cgan", "cgan-mlp", "cgan-projection"])
def test_a_discriminator_alone_learns_to_tell_eight_images_from_fakes(name: str) -> None:
    data = load(DATASETS["digits"], "train")
    model, batch = fresh(name), Batch(dequantise(data.images[:8]), data.labels[:8])
    optimizer = torch.optim.Adam(model.discriminator.parameters(), lr=1e-3)
    for step in range(60):
        loss, parts = model.loss("discriminator", batch, rng(step))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert parts["d_real"] > 0.75 and parts["d_fake"] < 0.25


def test_kl_divergence_agrees_with_torch_distributions() -> None:
    mu, logvar = torch.randn(5, 7, generator=rng(1)), torch.randn(5, 7, generator=rng(2))
    q = torch.distributions.Normal(mu, (0.5 * logvar).exp())
    p = torch.distributions.Normal(torch.zeros_like(mu), torch.ones_like(mu))
    torch.testing.assert_close(kl_divergence(mu, logvar), torch.distributions.kl_divergence(q, p).sum(1))


def test_kl_divergence_of_the_prior_with_itself_is_zero() -> None:
    assert kl_divergence(torch.zeros(3, 4), torch.zeros(3, 4)).tolist() == [0, 0, 0]


def test_the_bernoulli_loss_of_black_and_white_images_agrees_with_torch_distributions() -> None:
    logits, bits = torch.randn(5, 3, 4, 4, generator=rng(1)), torch.rand(5, 3, 4, 4, generator=rng(2)).round()
    likelihood = torch.distributions.Bernoulli(logits=logits).log_prob(bits).sum((1, 2, 3)).mean()
    torch.testing.assert_close(bernoulli_loss(logits, bits * 2 - 1), -likelihood)


def test_the_gaussian_loss_is_that_of_the_best_variance_and_agrees_with_torch_distributions() -> None:
    logits, images = torch.randn(5, 3, 4, 4, generator=rng(1)), torch.rand(5, 3, 4, 4, generator=rng(2))
    mean = logits.sigmoid() * 2 - 1
    best = (mean - images).square().mean().sqrt()

    def loss(deviation: torch.Tensor) -> torch.Tensor:
        return -torch.distributions.Normal(mean, deviation).log_prob(images).sum((1, 2, 3)).mean()

    found = gaussian_loss(logits, images)
    torch.testing.assert_close(found, loss(best))
    assert found < loss(best * 1.05) and found < loss(best / 1.05)


def test_the_best_variance_needs_no_gradient() -> None:
    logits, images = torch.randn(5, 1, 4, 4, generator=rng(1)), torch.rand(5, 1, 4, 4, generator=rng(2))
    logits.requires_grad_(True)
    ours = torch.autograd.grad(gaussian_loss(logits, images), logits)[0]
    error = (logits.sigmoid() * 2 - 1 - images).square().mean()  # its D/2 log is the loss but for a constant
    torch.testing.assert_close(ours, torch.autograd.grad(8 * error.log(), logits)[0])


def test_a_perfect_gaussian_reconstruction_has_a_finite_loss_and_gradient() -> None:
    logits = torch.zeros(2, 1, 4, 4, requires_grad=True)
    loss = gaussian_loss(logits, torch.zeros(2, 1, 4, 4))
    loss.backward()
    assert loss.item() == pytest.approx(8 * math.log(2 * math.pi * ROUNDING_VARIANCE))
    assert logits.grad is not None and not logits.grad.any()


def test_reparameterised_codes_have_the_mean_and_deviation_asked_for() -> None:
    mu, logvar = torch.full((20_000, 1), 3.0), torch.full((20_000, 1), math.log(0.25))
    z = reparameterise(mu, logvar, rng())
    assert abs(z.mean().item() - 3) < 0.02 and abs(z.std().item() - 0.5) < 0.02


def test_a_vae_draws_from_its_mixture_once_that_is_fitted_and_says_so() -> None:
    model = fresh("vae").eval()
    assert isinstance(model, VAE) and "N(0, I)" in model.sampling
    before = model.sample(6, None, rng())
    model.fit_prior(load(DATASETS["digits"], "train"), seed=0)
    assert "mixture" in model.sampling and model.autoencoder.mixture_weight.sum().item() == pytest.approx(
        1, abs=1e-5
    )
    assert not torch.equal(before, model.sample(6, None, rng()))


def test_a_fitted_mixture_has_the_mean_of_the_codes_it_was_fitted_to() -> None:
    model, data = fresh("vae").eval(), load(DATASETS["digits"], "train")
    model.fit_prior(data, seed=0)
    a = model.autoencoder
    with torch.no_grad():
        mu, _ = model.encode(dequantise(data.images))
    mixture_mean = (a.mixture_weight[:, None] * a.mixture_mean).sum(0)
    torch.testing.assert_close(mixture_mean, mu.mean(0), atol=0.15, rtol=0)


def test_pixels_of_mean_0_and_variance_1_are_standardised_already() -> None:
    standardised, plain = lively("ddpm-standardised"), lively("ddpm-v")
    x_t, t = torch.randn(2, 1, 28, 28, generator=rng()), torch.tensor([10, 500])
    torch.testing.assert_close(standardised.network(x_t, t), plain.network(x_t, t), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("name", ["ddpm-standardised", "ddpm-eps-standardised", "ddpm-flow-standardised"])
def test_a_standardised_ddpm_takes_mean_and_deviation_from_its_training_images(name: str) -> None:
    model, data = lively(name), load(DATASETS["digits"], "train")
    before = model.sample(2, None, rng())
    model.fit_to_data(data, seed=0)
    pixels = dequantise(data.images)
    known = torch.stack([model.unet.mean, model.unet.std])
    torch.testing.assert_close(known, torch.stack([pixels.mean(), pixels.std()]), atol=1e-4, rtol=0)
    assert not torch.equal(before, model.sample(2, None, rng()))


@pytest.mark.parametrize("prediction", ["eps", "v", "flow"])
def test_a_standardised_ddpm_begins_with_the_best_linear_guess(prediction: str) -> None:
    """Its fresh U-Net says 0, and Gaussian pixels of that mean and deviation leave nothing else to be
    said.
    """
    model = build(DDPMConfig(width=16, prediction=prediction, standardise=True, sampler="ddim"), DIGITS)
    model.unet.mean.fill_(mean := -0.7)
    model.unet.std.fill_(std := 0.6)
    x_t, t = torch.randn(2, 1, 28, 28, generator=rng()), torch.tensor([300, 700])
    if prediction == "flow":
        alpha, sigma = 1 - t / 1000, t / 1000
    else:
        alpha, sigma = model.schedule.alpha[t], model.schedule.sigma[t]
    alpha, sigma = alpha.view(-1, 1, 1, 1), sigma.view(-1, 1, 1, 1)
    eps = sigma * (x_t - alpha * mean) / (alpha**2 * std**2 + sigma**2)
    x_0 = (x_t - sigma * eps) / alpha
    best = {"eps": eps, "v": alpha * eps - sigma * x_0, "flow": eps - x_0}[prediction]
    torch.testing.assert_close(model.network(x_t, t), best, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("name", GENERATIVE)
def test_the_averaged_part_is_all_that_sampling_needs(name: str) -> None:
    """A checkpoint that ships holds nothing else."""
    model, again = lively(name), fresh(name).eval()
    model.fit_to_data(load(DATASETS["digits"], "train"), seed=0)
    again.averaged.load_state_dict(model.averaged.state_dict())
    labels = torch.arange(2) if model.conditional else None
    assert torch.equal(again.sample(2, labels, rng()), model.sample(2, labels, rng()))


def test_guidance_of_one_is_the_labelled_prediction_and_more_extrapolates() -> None:
    torch.manual_seed(0)
    plain, guided = (build(DDPMConfig(width=16, conditional=True, guidance=w), DIGITS) for w in (1.0, 3.0))
    for x in plain.parameters():
        torch.nn.init.normal_(x, 0, 0.1)
    guided.load_state_dict(plain.state_dict())
    x_t, labels = torch.randn(2, 1, 28, 28), torch.tensor([3, 8])
    condition = torch.eye(10)[labels]
    with torch.no_grad():
        for t in (10, 500):
            times = torch.tensor([t, t])
            labelled, unlabelled = (
                plain.network(x_t, times, labels),
                plain.network(x_t, times, torch.full_like(labels, 10)),
            )
            torch.testing.assert_close(plain.predict(x_t, t, condition), labelled)
            expected = unlabelled + 3 * (labelled - unlabelled)
            torch.testing.assert_close(guided.predict(x_t, t, condition), expected)
            guided.config = guided.config.model_copy(update={"guidance_most_noise": 0.5})
            limited = expected if t == 10 else labelled  # nearly all of x_t is noise at t = 500
            torch.testing.assert_close(guided.predict(x_t, t, condition), limited)
            guided.config = guided.config.model_copy(update={"guidance_most_noise": 1.0})


def test_jitter_with_no_range_changes_nothing_and_keeps_black_black() -> None:
    x = dequantise(load(DATASETS["digits"], "train").images[:4])
    torch.testing.assert_close(jitter(x, rng(), degrees=0, scale=0, shift=0), x, atol=1e-5, rtol=0)
    black = torch.full_like(x, -1.0)
    torch.testing.assert_close(jitter(black, rng()), black, atol=1e-5, rtol=0)


def test_a_model_is_what_the_table_says() -> None:
    for name in VARIANTS:
        assert isinstance(fresh(name), GenerativeModel) == (name in GENERATIVE)
        assert isinstance(fresh(name), Translates) == (name in TRANSLATING)
