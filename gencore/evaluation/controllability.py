"""Controllability: how far a model can be steered to each class in turn.

A model that takes labels is given the label. One with clusters is given clusters whose samples are recognised
as the class. Any other is steered in its latent by a linear probe that is fitted to its own samples. The
images must be recognised as the class, lie within the manifold of its real images, and vary as these do.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import fmean

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from gencore import devices
from gencore.data.batches import quantise
from gencore.latent.interpolation import decoded, slerp
from gencore.metrics.corruptions import FEWEST_OF_A_CLASS
from gencore.metrics.manifold import K_DENSITY, K_PRECISION, Manifold
from gencore.metrics.validation import finite_features
from gencore.models.base import GenerativeModel, HasLatent
from gencore.models.feature_extractor import Extracted, FeatureExtractor
from gencore.sampling.generate import generate

IMAGES_PER_CLASS = 100
"""Images a class, fewer where the test split has fewer of a class."""
PROBE_SAMPLES = 5000
PROBE_SAMPLES_PER_TEST_IMAGE = 10  # where the test split is small, more say little more
LIMITS = (0.9, 0.95, 0.99)
"""Steering ends at this probability of the target class. A higher one gains hits and loses coverage, so that
a limit could favour a model: figures are means over all of them."""
FLOOR_SUBSETS = 8
_WEIGHT_DECAYS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
_LOWEST_LOG_P = -30.0  # a class that only the held-out fifth has would make every loss infinite
_ARC_POINTS = 101  # on the great circle from a latent to the direction of a class


class NoControlError(ValueError):
    """The real images do not allow figures of control; the message says why."""


@dataclass(frozen=True)
class Control:
    """How far a model can be steered to the classes; every figure is a share."""

    means: str
    samples: int
    hit_rates: tuple[float, ...]
    """By class asked for: images recognised as it that lie in its real manifold."""
    chance: float
    real_accuracy: float
    """The hit rate of real training images."""
    coverage: float
    """Real images of a class with a neighbour among as many images drawn for it, averaged over classes."""
    coverage_floor: float
    """The coverage by real training images."""

    @property
    def hit_rate(self) -> float:
        """Mean over the classes."""
        return fmean(self.hit_rates)


@dataclass(frozen=True)
class RealClasses:
    """Manifolds of the real images of each class, which control is measured against; made once a data set.

    A hit lies in the manifold (k = 3) of all test images of the class: that of all classes would accept a 7
    among ones, that of fewer images would be coarse. Coverage (k = 5) is of as many test images as are
    generated, so that images as varied as real ones cover nearly all of them.
    """

    extractor: FeatureExtractor
    classes: tuple[int, ...]
    """Those with enough real images; the others are not asked for."""
    manifolds: tuple[Manifold, ...]
    to_cover: tuple[Manifold, ...]
    real_accuracy: float
    coverage_floor: float
    probe_samples: int

    @classmethod
    def of(
        cls,
        extractor: FeatureExtractor,
        test: Extracted,
        test_labels: Tensor,
        train: Extracted,
        train_labels: Tensor,
        seed: int = 0,
    ) -> RealClasses:
        """From the features of both splits, of classes with FEWEST_OF_A_CLASS images in each.

        `seed` shuffles. Raises NoControlError where fewer than two classes have as many, or where real images
        hit no more often than chance.
        """
        rng, total = Generator(test_labels.device).manual_seed(seed), extractor.spec.classes
        counts = torch.stack([labels.bincount(minlength=total) for labels in (test_labels, train_labels)])
        fewest = counts.amin(dim=0)
        classes = tuple((fewest >= FEWEST_OF_A_CLASS).nonzero()[:, 0].tolist())
        if len(classes) < 2:
            raise NoControlError(f"fewer than two classes have {FEWEST_OF_A_CLASS} images in both splits")
        per_class = min(IMAGES_PER_CLASS, int(fewest[list(classes)].min()))
        of_class = [_shuffled(test_labels, c, rng) for c in classes]
        manifolds = tuple(Manifold.of(test.features[chosen]) for chosen in of_class)
        to_cover = tuple(Manifold.of(test.features[chosen[:per_class]]) for chosen in of_class)
        accuracies, coverages = [], []
        for _ in range(FLOOR_SUBSETS):
            chosen = torch.cat([_shuffled(train_labels, c, rng)[:per_class] for c in classes])
            extracted = Extracted(train.features[chosen], train.logits[chosen])
            hit_rates, coverage = _hit_rates_and_coverage(extracted, classes, manifolds, to_cover)
            accuracies.append(fmean(hit_rates))
            coverages.append(coverage)
        if fmean(accuracies) <= 1 / len(classes):
            raise NoControlError(
                f"{fmean(accuracies):.2g} of real images are recognised and lie in their class's manifold, "
                "no more than by chance; train the feature classifier longer"
            )
        probe_samples = min(PROBE_SAMPLES, PROBE_SAMPLES_PER_TEST_IMAGE * len(test_labels))
        return cls(
            extractor, classes, manifolds, to_cover, fmean(accuracies), fmean(coverages), probe_samples
        )

    @property
    def images_per_class(self) -> int:
        """Images that are generated of each class."""
        return len(self.to_cover[0].features)


def measure_control(model: GenerativeModel, real: RealClasses, seed: int, dtype: torch.dtype) -> Control:
    """How far `model` can be steered, from `real.images_per_class` images a class.

    A probe takes `real.probe_samples` images more. Same seed, same figures. Raises ValueError where the model
    takes no labels and has no latent, or its images have features that are not finite.
    """
    target = torch.tensor(real.classes, device=model.device).repeat_interleave(real.images_per_class)
    if model.conditional:
        image_sets, means = [generate(model, len(target), target, seed, dtype)], "the label"
    elif isinstance(model, HasLatent):
        image_sets, means = _steered(model, real, target, seed, dtype)
    else:
        raise ValueError("the model takes no labels and has no latent; there is nothing to steer it by")
    found = [
        _hit_rates_and_coverage(real.extractor(images), real.classes, real.manifolds, real.to_cover)
        for images in image_sets
    ]
    if len(found) > 1:
        at_limits = ", ".join(f"{fmean(hits):.3f}" for hits, _ in found)
        means += f"; hit rates at limits of {', '.join(f'{limit:.0%}' for limit in LIMITS)}: {at_limits}"
    return Control(
        means,
        len(target),
        tuple(map(fmean, zip(*(hits for hits, _ in found), strict=True))),
        1 / len(real.classes),
        real.real_accuracy,
        fmean(coverage for _, coverage in found),
        real.coverage_floor,
    )


def control_of_images(images: Tensor, labels: Tensor, real: RealClasses) -> Control:
    """How far images (N, C, H, W) uint8 show the classes (N,) that they come with, by the first
    `real.images_per_class` of each; there must be as many.
    """
    members = [(labels == c).nonzero()[: real.images_per_class, 0] for c in real.classes]
    extracted = real.extractor(images[torch.cat(members)])
    hits, coverage = _hit_rates_and_coverage(extracted, real.classes, real.manifolds, real.to_cover)
    shown = len(members) * real.images_per_class
    return Control(
        "the label", shown, hits, 1 / len(members), real.real_accuracy, coverage, real.coverage_floor
    )


def _steered(
    model: HasLatent, real: RealClasses, target: Tensor, seed: int, dtype: torch.dtype
) -> tuple[list[Tensor], str]:
    """Images of the classes `target` (M,), a set for each of LIMITS, and the means they were steered by."""
    rng, classes = Generator(target.device).manual_seed(seed), real.extractor.spec.classes
    z = model.draw_latent(real.probe_samples, rng)
    condition = model.draw_condition(len(z), None, rng)
    predicted = real.extractor(_decode(model, z, condition, dtype)).predicted
    z_new = model.draw_latent(len(target), rng)
    if model.clusters:
        drawn = [_clusters_of_classes(condition, predicted, target, classes, limit, rng) for limit in LIMITS]
        images = [_decode(model, z_new, one, dtype) for one in drawn]
        return images, f"its clusters, by the classes seen in {len(z):,} of its own samples"
    probe, none = Probe.fit(z, predicted, classes), model.draw_condition(len(target), None, rng)
    images = [_decode(model, probe.steered(z_new, target, limit), none, dtype) for limit in LIMITS]
    return images, (
        f"a linear probe on z, right for {probe.accuracy:.0%} of held-out samples "
        f"(fitted on {len(z):,} of its own)"
    )


@dataclass(frozen=True)
class Probe:
    """Multinomial logistic regression of the class on a latent, each coordinate of which is standardised.

    There samples of N(0, I) lie near a sphere of radius sqrt(d), and those of a VAE's mixture in a similar
    region. Steering keeps each latent's distance to the centre, so it stays where the model learnt to decode.
    """

    centre: Tensor  # (d,) float64, as all of these
    deviation: Tensor  # (d,)
    W: Tensor  # (K, d)
    b: Tensor  # (K,)
    accuracy: float

    @classmethod
    def fit(cls, z: Tensor, labels: Tensor, classes: int) -> Probe:
        """Fitted to the first 4/5 of z (N, ...) and labels (N,); the last fifth chooses the weight decay."""
        x = z.flatten(1).double()
        centre, deviation = x.mean(dim=0), x.std(dim=0)
        x, fitted = (x - centre) / deviation, 4 * len(x) // 5
        probes: list[tuple[float, Probe]] = []
        for decay in _WEIGHT_DECAYS:
            W, b = _logistic_regression(x[:fitted], labels[:fitted], classes, decay)
            logits = x[fitted:] @ W.T + b
            log_p = logits.log_softmax(dim=1).clamp(min=_LOWEST_LOG_P)
            loss = F.nll_loss(log_p, labels[fitted:]).item()
            accuracy = (logits.argmax(1) == labels[fitted:]).double().mean().item()
            probes.append((loss, cls(centre, deviation, W, b, accuracy)))
        return min(probes, key=lambda probe: probe[0])[1]

    def steered(self, z: Tensor, target: Tensor, limit: float) -> Tensor:
        """Each z (N, ...) rotated towards its `target` class (N,) until that has probability `limit`.

        Where it never has, z ends at the point on the great circle where the probability is highest.
        """
        x = (z.flatten(1).double() - self.centre) / self.deviation
        goal = F.normalize(self.W[target], dim=1) * x.norm(dim=1, keepdim=True)
        end, surest = x, x.new_zeros(len(x), 1)
        for t in torch.linspace(0, 1, _ARC_POINTS, device=x.device).split(1):
            point = slerp(x, goal, t)[:, 0]
            p = (point @ self.W.T + self.b).softmax(dim=1).gather(1, target[:, None])
            further = (surest < limit) & (p > surest)
            end, surest = torch.where(further, point, end), torch.where(further, p, surest)
        return (end * self.deviation + self.centre).to(z.dtype).view_as(z)


def _clusters_of_classes(
    condition: Tensor, predicted: Tensor, target: Tensor, classes: int, limit: float, rng: Generator
) -> Tensor:
    """Conditions (M, K) for the classes `target` (M,): clusters drawn in proportion to the samples that were
    recognised as the class and are of a cluster whose samples mostly are.

    The samples are given by their conditions (N, K), one-hot, and `predicted` classes (N,). Where no cluster
    is mostly of a class, all its recognised samples count; where there are none, all clusters alike.
    """
    counts = F.one_hot(predicted, classes).to(condition).T @ condition  # (classes, K)
    mostly = counts / counts.sum(dim=0).clamp(min=1) >= limit
    weights = torch.where((counts * mostly).any(dim=1, keepdim=True), counts * mostly, counts)
    weights = torch.where(weights.any(dim=1, keepdim=True), weights, torch.ones_like(weights))
    drawn = torch.multinomial(weights[target], 1, generator=rng)[:, 0]
    return F.one_hot(drawn, condition.shape[1]).to(condition)


def _decode(model: HasLatent, z: Tensor, condition: Tensor, dtype: torch.dtype) -> Tensor:
    """uint8 images (N, C, H, W) of z; networks compute in `dtype` here alone, probe and extractor never."""
    with devices.autocast(z.device, dtype):
        return decoded(model, z, condition, quantise)


def _logistic_regression(x: Tensor, labels: Tensor, classes: int, decay: float) -> tuple[Tensor, Tensor]:
    """W (K, d), b (K,) with the least cross-entropy + decay / 2 ||W||^2 on x (N, d) float64, by scikit-learn.

    A class that does not occur among labels (N,) gets the logit -inf, hence the probability 0.
    """
    from sklearn.linear_model import LogisticRegression  # takes a second to import

    W, b = x.new_zeros(classes, x.shape[1]), x.new_full((classes,), -torch.inf)
    present = labels.unique()
    if len(present) == 1:
        b[present] = 0
        return W, b
    regression = LogisticRegression(C=1 / (decay * len(x)), max_iter=1000, tol=1e-6)
    regression.fit(x.cpu().numpy(), labels.cpu().numpy())
    coefficients, intercepts = (torch.from_numpy(y).to(x) for y in (regression.coef_, regression.intercept_))
    if len(present) == 2:  # scikit-learn then gives the logit of the second class alone
        coefficients, intercepts = (torch.cat([-y, y]) / 2 for y in (coefficients, intercepts))
    W[present], b[present] = coefficients, intercepts
    return W, b


def _hit_rates_and_coverage(
    extracted: Extracted,
    classes: tuple[int, ...],
    manifolds: tuple[Manifold, ...],
    to_cover: tuple[Manifold, ...],
) -> tuple[tuple[float, ...], float]:
    """Hit rate by class, and coverage averaged over `classes`, of images sorted by these, as many of each."""
    features = finite_features(extracted.features, at_least=1)
    hit_rates, coverages = [], []
    by_class = zip(
        classes,
        features.chunk(len(manifolds)),
        extracted.predicted.chunk(len(manifolds)),
        manifolds,
        to_cover,
        strict=True,
    )
    for c, f, recognised, manifold, cover in by_class:
        inside = (torch.cdist(f, manifold.features).square() < manifold.squared_radii[K_PRECISION]).any(dim=1)
        hit_rates.append((inside & (recognised == c)).double().mean().item())
        covered = (torch.cdist(f, cover.features).square() < cover.squared_radii[K_DENSITY]).any(dim=0)
        coverages.append(covered.double().mean().item())
    return tuple(hit_rates), fmean(coverages)


def _shuffled(labels: Tensor, c: int, rng: Generator) -> Tensor:
    """The indices of class c among labels (N,), in random order."""
    members = (labels == c).nonzero()[:, 0]
    return members[torch.randperm(len(members), generator=rng, device=members.device)]
