"""Controllability: models that obey, are deaf, or know one picture a class have known answers."""

from dataclasses import replace
from pathlib import Path
from statistics import fmean

import pytest
import torch
from sklearn.linear_model import LogisticRegression
from support import TINY, made_results
from torch import Generator, Tensor

from gencore.analysis.scores import scores
from gencore.config.datasets import DATASETS
from gencore.data.batches import dequantise
from gencore.data.sources import load
from gencore.evaluation import controllability
from gencore.evaluation.controllability import (
    LIMITS,
    Control,
    Probe,
    RealClasses,
    control_of_images,
    measure_control,
)
from gencore.evaluation.suite import control_metrics
from gencore.models import build
from gencore.models.base import GenerativeModel
from gencore.models.feature_extractor import Extracted, load_extractor

ROOT = Path(__file__).resolve().parent.parent
TRAIN = load(DATASETS["digits"], "train")
CLASSES, LIMIT = 10, 0.95


def rng(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


def score(found: Control) -> float:
    """As results and pages have it."""
    return scores([made_results(**control_metrics(found))])["controllability"].value


@pytest.fixture(scope="module")
def splits() -> dict[str, tuple[Extracted, Tensor]]:
    extractor = load_extractor(DATASETS["digits"], torch.device("cpu"), ROOT)
    return {
        split: (extractor(data.images), data.labels)
        for split, data in (("test", load(DATASETS["digits"], "test")), ("train", TRAIN))
    }


@pytest.fixture(scope="module")
def real(splits: dict[str, tuple[Extracted, Tensor]]) -> RealClasses:
    """With a small probe: what the test models hide in their latents is easily found."""
    whole = RealClasses.of(
        load_extractor(DATASETS["digits"], torch.device("cpu"), ROOT), *splits["test"], *splits["train"]
    )
    assert whole.probe_samples == 2970, "ten times the test split, which is small"
    return replace(whole, probe_samples=1000)


class Archive(GenerativeModel):
    """Returns real training images of the given label, from `pictures` of each class."""

    spec, conditional, loss, sampling, players = DATASETS["digits"], True, None, "", {}
    averaged = torch.nn.Identity()
    device = torch.device("cpu")

    def __init__(self, pictures: int = 100) -> None:
        super().__init__()
        self.images = torch.stack(
            [dequantise(TRAIN.images[TRAIN.labels == c][:pictures]) for c in range(CLASSES)]
        )

    def sample(self, n: int, labels: Tensor | None, rng: Generator) -> Tensor:
        return self.images[labels, torch.randint(self.images.shape[1], (n,), generator=rng)]


class Deaf(Archive):
    """Draws any class, whatever it is asked for."""

    def sample(self, n: int, labels: Tensor | None, rng: Generator) -> Tensor:
        return super().sample(n, torch.randint(CLASSES, (n,), generator=rng), rng)


class Latent(Archive):
    """The largest of z's first ten coordinates chooses the class, the largest of the others the picture."""

    conditional = False

    def __init__(self) -> None:
        super().__init__(pictures=40)

    def draw_latent(self, n: int, rng: Generator) -> Tensor:
        return torch.randn(n, CLASSES + self.images.shape[1], generator=rng)

    def decode(self, z: Tensor, condition: Tensor) -> Tensor:
        return self.images[self.class_of(z), z[:, CLASSES:].argmax(1)]

    def class_of(self, z: Tensor) -> Tensor:
        return z[:, :CLASSES].argmax(1)


class Hidden(Latent):
    """The same, but by the largest magnitude: no hyperplane tells a class."""

    def class_of(self, z: Tensor) -> Tensor:
        return z[:, :CLASSES].abs().argmax(1)


class Collapsed(Latent):
    def class_of(self, z: Tensor) -> Tensor:
        return torch.full((len(z),), 3)


def measured(model: GenerativeModel, real: RealClasses) -> Control:
    return measure_control(model, real, seed=0, dtype=torch.float32)


def test_real_images_of_the_class_asked_for_are_full_control(real: RealClasses) -> None:
    found = measured(Archive(), real)
    assert score(found) > 0.95 and found.means == "the label"
    assert found.hit_rate == pytest.approx(found.real_accuracy, abs=0.06)
    assert found.coverage == pytest.approx(found.coverage_floor, abs=0.06)
    assert (
        found.samples == CLASSES * real.images_per_class
        and found.chance == 0.1
        and len(found.hit_rates) == CLASSES
    )


def test_a_model_deaf_to_its_label_has_no_control_though_its_images_are_real(real: RealClasses) -> None:
    found = measured(Deaf(), real)
    assert found.hit_rate < 0.15 and score(found) < 0.3


def test_one_picture_a_class_is_little_control_though_every_hit_counts(real: RealClasses) -> None:
    found = measured(Archive(pictures=1), real)
    assert found.coverage < 0.5 * found.coverage_floor and score(found) < 0.7


def test_a_class_that_lies_in_half_spaces_of_the_latent_is_found_and_steered_to(real: RealClasses) -> None:
    found = measured(Latent(), real)
    assert (
        score(found) > 0.8
        and found.means.startswith("a linear probe on z")
        and "1,000 of its own" in found.means
    )


def test_figures_of_steering_are_means_over_its_limits_and_each_limit_is_named_with_its_hits(
    real: RealClasses, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, alone = measured(Latent(), real), []
    for limit in LIMITS:
        monkeypatch.setattr(controllability, "LIMITS", (limit,))
        alone.append(measured(Latent(), real))
    assert len({one.hit_rate for one in alone}) > 1, "a limit that changes nothing needs no mean"
    assert found.hit_rate == pytest.approx(fmean(one.hit_rate for one in alone))
    assert found.coverage == pytest.approx(fmean(one.coverage for one in alone))
    for c, of_class in enumerate(found.hit_rates):
        assert of_class == pytest.approx(fmean(one.hit_rates[c] for one in alone))
    each = ", ".join(f"{one.hit_rate:.3f}" for one in alone)
    assert found.means.endswith(f"; hit rates at limits of 90%, 95%, 99%: {each}")
    assert "limits" not in alone[0].means and "limits" not in measured(Archive(), real).means


def test_a_class_that_no_hyperplane_tells_is_steered_to_by_chance(real: RealClasses) -> None:
    found = measured(Hidden(), real)
    assert score(found) < 0.5 * score(measured(Latent(), real))


def test_a_model_that_draws_one_class_hits_it_alone(real: RealClasses) -> None:
    found = measured(Collapsed(), real)
    assert found.hit_rates[3] > 0.5 and sum(found.hit_rates) == found.hit_rates[3] and score(found) == 0


def test_images_outside_the_real_manifold_are_no_hits(real: RealClasses) -> None:
    class Spoilt(Archive):
        def sample(self, n: int, labels: Tensor | None, rng: Generator) -> Tensor:
            images = super().sample(n, labels, rng)
            return (images + 0.8 * torch.randn(images.shape, generator=rng)).clamp(-1, 1)

    recognised = real.extractor(
        ((Spoilt().sample(500, torch.arange(500) % 10, rng()) + 1) * 127.5).byte()
    ).predicted
    assert (recognised == torch.arange(500) % 10).float().mean() > 2 * measured(Spoilt(), real).hit_rate


@pytest.mark.parametrize("family", TINY)
def test_every_untrained_family_is_measured_and_scores_next_to_nothing(
    family: str, real: RealClasses
) -> None:
    model = build(TINY[family], DATASETS["digits"]).eval().requires_grad_(False)
    found = measured(model, replace(real, probe_samples=60))
    assert found.hit_rate < 0.2 and score(found) < 0.2
    assert ("60 of its own" in found.means) != model.conditional


def test_the_same_seed_measures_the_same_and_judges_in_full_precision_whatever_the_model_computes_in(
    real: RealClasses,
) -> None:
    assert measure_control(Latent(), real, seed=0, dtype=torch.bfloat16) == measured(Latent(), real)


def test_images_with_labels_are_judged_as_those_of_a_model_that_was_given_them(real: RealClasses) -> None:
    n = real.images_per_class
    chosen = torch.cat([(TRAIN.labels == c).nonzero()[:n, 0] for c in range(CLASSES)])
    chosen = chosen[torch.randperm(len(chosen), generator=rng())]
    images, labels = TRAIN.images[chosen], TRAIN.labels[chosen]
    found = control_of_images(images, labels, real)
    assert score(found) > 0.95 and (found.means, found.samples) == ("the label", CLASSES * n)
    wrong = control_of_images(images, (labels + 1) % CLASSES, real)
    assert wrong.hit_rate < 0.05 and score(wrong) == 0


def test_of_many_images_of_a_class_the_first_are_judged(real: RealClasses) -> None:
    n = real.images_per_class
    chosen = torch.cat([(TRAIN.labels == c).nonzero()[:n, 0] for c in range(CLASSES)])
    images, labels = TRAIN.images[chosen], TRAIN.labels[chosen]
    more = torch.cat([images, torch.zeros_like(images)]), torch.cat([labels, labels])
    assert control_of_images(*more, real) == control_of_images(images, labels, real)


def test_a_model_without_labels_or_latent_is_refused(real: RealClasses) -> None:
    class Mute(Archive):
        conditional = False

    with pytest.raises(ValueError, match="no labels and has no latent"):
        measured(Mute(), real)


def test_a_classifier_no_better_than_chance_cannot_judge(
    splits: dict[str, tuple[Extracted, Tensor]], real: RealClasses
) -> None:
    (test, test_labels), (train, train_labels) = splits["test"], splits["train"]
    blind = replace(train, logits=train.logits.roll(1, dims=1))
    with pytest.raises(ValueError, match="train the feature classifier longer"):
        RealClasses.of(real.extractor, test, test_labels, blind, train_labels)


def test_the_probe_is_the_logistic_regression_of_scikit_learn() -> None:
    x = TRAIN.images[:, 0, 2::4, 2::4].flatten(1).double() / 255
    probe = Probe.fit(x, TRAIN.labels, CLASSES)
    standard = ((x - probe.centre) / probe.deviation)[: 4 * len(x) // 5]
    decays = []
    for decay in (1e-4, 1e-3, 1e-2, 1e-1, 1.0):
        oracle = LogisticRegression(C=1 / (decay * len(standard)), max_iter=1000, tol=1e-8).fit(
            standard, TRAIN.labels[: len(standard)]
        )
        decays.append((torch.from_numpy(oracle.coef_) - probe.W).abs().max().item())
    assert min(decays) < 1e-3 and probe.accuracy > 0.9


@pytest.mark.parametrize("present", [[3], [1, 4], [0, 2, 4]])
def test_classes_that_the_model_never_generates_have_no_probability_and_are_not_steered_to(
    present: list[int],
) -> None:
    z = torch.randn(400, 6, generator=rng())
    labels = torch.tensor(present)[z[:, : len(present)].argmax(1)]
    probe = Probe.fit(z, labels, 5)
    assert probe.accuracy > 0.9
    absent = next(c for c in range(5) if c not in present)
    torch.testing.assert_close(probe.steered(z, torch.full((400,), absent), LIMIT), z, rtol=1e-4, atol=1e-5)
    x = (z.double() - probe.centre) / probe.deviation
    p = (x @ probe.W.T + probe.b).softmax(1)
    assert (p[:, absent] == 0).all()
    torch.testing.assert_close(p.sum(1), torch.ones(400, dtype=torch.float64))


def test_a_steered_latent_keeps_its_norm_and_goes_no_further_than_the_probe_needs_to_be_sure() -> None:
    z = 3 + 2 * torch.randn(500, 20, generator=rng())
    probe = Probe.fit(z, z[:, :4].argmax(1), 4)

    def standard(z: Tensor) -> Tensor:
        return (z.double() - probe.centre) / probe.deviation

    def confidence(z: Tensor) -> Tensor:
        return (standard(z) @ probe.W.T + probe.b).softmax(1)[:, 2]

    steered = probe.steered(z, torch.full((500,), 2), LIMIT)
    torch.testing.assert_close(standard(steered).norm(dim=1), standard(z).norm(dim=1), rtol=1e-4, atol=0)
    at_home = confidence(z) >= LIMIT
    assert at_home.any() and torch.equal(steered[at_home], z[at_home])
    assert confidence(steered).min() > LIMIT - 1e-6
    assert confidence(steered)[~at_home].median() < LIMIT + 0.02, "no step too many"


def test_a_probe_that_is_never_sure_steers_to_where_it_is_surest() -> None:
    z = torch.randn(500, 5, generator=rng())
    probe = Probe.fit(z, (z[:, :4] + 20 * torch.randn(500, 4, generator=rng(1))).argmax(1), 4)
    x = (probe.steered(z, torch.full((500,), 2), LIMIT).double() - probe.centre) / probe.deviation
    assert (x @ probe.W.T + probe.b).softmax(1)[:, 2].max() < LIMIT
    at_goal = torch.nn.functional.cosine_similarity(x, probe.W[2].expand_as(x))
    assert at_goal.median() > 0.9
