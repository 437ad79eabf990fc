"""Controllability: asked for a 7, do we get a 7? One task for every model: steer it to each class in turn, and look.

A model that takes labels is given the label. Any other is steered in its latent by a linear probe fitted to its own
samples. What comes must be recognised as the class, lie among real images of it, and vary as they do.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import fmean

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from gencore import devices
from gencore.data.batches import quantise
from gencore.features import Extracted, FeatureExtractor
from gencore.latent import decoded, slerp
from gencore.metrics import finite_features
from gencore.metrics.manifold import K_DENSITY, K_PRECISION, Manifold
from gencore.models.base import GenerativeModel, HasLatent
from gencore.sampling import generate

ASKED = 100
"""Images a class, fewer where the test split has fewer of a class."""
PROBE_SAMPLES = 5000
PROBE_SAMPLES_PER_TEST_IMAGE = 10  # where the test split is small, more say little more
CONFIDENCE = 0.95
"""The probe's probability of the class asked for at which steering ends. More gains hits and loses coverage."""
FLOOR_DRAWS = 8
_WEIGHT_DECAYS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
_PLACES = 101  # on the great circle from a latent to the direction of a class


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
        return fmean(self.hit_rates)


@dataclass(frozen=True)
class RealClasses:
    """The real images of each class as control is judged against them, made once a data set.

    Hits ask for the manifold (k = 3) of all test images of the class: of all classes it would let a 7 among ones
    pass, of fewer images it would be coarse. Coverage (k = 5) is of as many test images as are asked for, so that
    images as varied as real ones reach nearly all of them.
    """

    extractor: FeatureExtractor
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
        """From what the extractor saw of both splits; at least 6 images of each class in each. `seed` shuffles.

        Raises ValueError on fewer, or where real images hit no more often than chance.
        """
        rng, classes = Generator(test_labels.device).manual_seed(seed), len(extractor.spec.class_names)
        counts = torch.stack([labels.bincount(minlength=classes) for labels in (test_labels, train_labels)])
        asked = min(ASKED, int(counts.min()))
        of_class = [_shuffled(test_labels, c, rng) for c in range(classes)]
        manifolds = tuple(Manifold.of(test.features[chosen]) for chosen in of_class)
        to_cover = tuple(Manifold.of(test.features[chosen[:asked]]) for chosen in of_class)
        accuracies, coverages = [], []
        for _ in range(FLOOR_DRAWS):
            drawn = torch.cat([_shuffled(train_labels, c, rng)[:asked] for c in range(classes)])
            seen = Extracted(train.features[drawn], train.logits[drawn])
            hit_rates, coverage = _judged(seen, manifolds, to_cover)
            accuracies.append(fmean(hit_rates))
            coverages.append(coverage)
        if fmean(accuracies) <= 1 / classes:
            raise ValueError(
                f"{fmean(accuracies):.2g} of real images are recognised among their like, no more than by chance; "
                "train the feature classifier longer"
            )
        probe_samples = min(PROBE_SAMPLES, PROBE_SAMPLES_PER_TEST_IMAGE * len(test_labels))
        return cls(extractor, manifolds, to_cover, fmean(accuracies), fmean(coverages), probe_samples)

    @property
    def asked(self) -> int:
        """Images that are asked for of each class."""
        return len(self.to_cover[0].features)


def control_figures(model: GenerativeModel, real: RealClasses, seed: int, dtype: torch.dtype) -> Control:
    """How far `model` can be steered, from `real.asked` images a class and, for a probe, `real.probe_samples` more.

    Same seed, same figures. Raises ValueError where the model takes no labels and has no latent, or its images have
    features that are not finite.
    """
    classes = len(real.manifolds)
    target = torch.arange(classes, device=model.device).repeat_interleave(real.asked)
    if model.conditional:
        images, means = generate(model, len(target), target, seed, dtype), "the label"
    elif isinstance(model, HasLatent):
        rng = Generator(model.device).manual_seed(seed)
        z = model.draw_latent(real.probe_samples, rng)
        probe = Probe.fit(z, real.extractor(_drawn(model, z, dtype)).predicted, classes)
        images = _drawn(model, probe.steered(model.draw_latent(len(target), rng), target), dtype)
        means = f"a linear probe on z, right for {probe.accuracy:.0%} of held-out samples (fitted on {len(z):,} of its own)"
    else:
        raise ValueError("the model takes no labels and has no latent; there is nothing to steer it by")
    hit_rates, coverage = _judged(real.extractor(images), real.manifolds, real.to_cover)
    return Control(means, len(images), hit_rates, 1 / classes, real.real_accuracy, coverage, real.coverage_floor)


@dataclass(frozen=True)
class Probe:
    """Multinomial logistic regression of the class on a latent whose every coordinate is standardised.

    There a draw from N(0, I) lies near a shell of radius sqrt(d), and draws from a VAE's mixture in a region much like
    it. Steering keeps each latent's distance to the centre, so it stays where the model learnt to decode.
    """

    centre: Tensor  # (d,) float64, as all of these
    deviation: Tensor  # (d,)
    W: Tensor  # (K, d)
    b: Tensor  # (K,)
    accuracy: float

    @classmethod
    def fit(cls, z: Tensor, labels: Tensor, classes: int) -> Probe:
        """Fitted to the first four fifths of z (N, ...), labels (N,); the last fifth chooses the weight decay."""
        x = z.flatten(1).double()
        centre, deviation = x.mean(dim=0), x.std(dim=0)
        x, fitted = (x - centre) / deviation, 4 * len(x) // 5
        found, lowest = None, float("inf")
        for decay in _WEIGHT_DECAYS:
            W, b = _logistic_regression(x[:fitted], labels[:fitted], classes, decay)
            logits = x[fitted:] @ W.T + b
            loss = F.cross_entropy(logits, labels[fitted:]).item()
            if loss < lowest:
                accuracy = (logits.argmax(1) == labels[fitted:]).double().mean().item()
                found, lowest = cls(centre, deviation, W, b, accuracy), loss
        return found

    def steered(self, z: Tensor, target: Tensor) -> Tensor:
        """z (N, ...) turned to the direction of each one's class (N,) until the probe is sure of it.

        Where it never is, z ends at the place on the great circle where the probe is surest.
        """
        x = (z.flatten(1).double() - self.centre) / self.deviation
        goal = F.normalize(self.W[target], dim=1) * x.norm(dim=1, keepdim=True)
        end, surest = x, x.new_zeros(len(x), 1)
        for t in torch.linspace(0, 1, _PLACES, device=x.device).split(1):
            place = slerp(x, goal, t)[:, 0]
            p = (place @ self.W.T + self.b).softmax(dim=1).gather(1, target[:, None])
            further = (surest < CONFIDENCE) & (p > surest)
            end, surest = torch.where(further, place, end), torch.where(further, p, surest)
        return (end * self.deviation + self.centre).to(z.dtype).view_as(z)


def _drawn(model: GenerativeModel, z: Tensor, dtype: torch.dtype) -> Tensor:
    """uint8 images (N, C, H, W) of z; networks compute in `dtype` here alone, probe and extractor never."""
    with devices.autocast(model.device, dtype):
        return decoded(model, z, None, quantise)


def _logistic_regression(x: Tensor, labels: Tensor, classes: int, decay: float) -> tuple[Tensor, Tensor]:
    """W (K, d), b (K,) with the least cross-entropy + decay / 2 ||W||^2 on x (N, d) float64; convex, so one answer."""
    W, b = (x.new_zeros(*shape, requires_grad=True) for shape in ((classes, x.shape[1]), (classes,)))
    search = torch.optim.LBFGS([W, b], max_iter=200, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        search.zero_grad()
        value = F.cross_entropy(x @ W.T + b, labels) + decay / 2 * W.square().sum()
        value.backward()
        return value

    search.step(loss)
    return W.detach(), b.detach()


def _judged(
    drawn: Extracted, manifolds: tuple[Manifold, ...], to_cover: tuple[Manifold, ...]
) -> tuple[tuple[float, ...], float]:
    """Hit rate by class, and coverage averaged over classes, of images asked for class by class, as many of each."""
    features = finite_features(drawn.features, at_least=1)
    hit_rates, coverages = [], []
    by_class = zip(features.chunk(len(manifolds)), drawn.predicted.chunk(len(manifolds)), manifolds, to_cover, strict=True)
    for c, (f, recognised, manifold, cover) in enumerate(by_class):
        inside = (torch.cdist(f, manifold.features).square() < manifold.squared_radii[K_PRECISION]).any(dim=1)
        hit_rates.append((inside & (recognised == c)).double().mean().item())
        covered = (torch.cdist(f, cover.features).square() < cover.squared_radii[K_DENSITY]).any(dim=0)
        coverages.append(covered.double().mean().item())
    return tuple(hit_rates), fmean(coverages)


def _shuffled(labels: Tensor, c: int, rng: Generator) -> Tensor:
    """The indices of class c among labels (N,), in random order."""
    members = (labels == c).nonzero()[:, 0]
    return members[torch.randperm(len(members), generator=rng, device=members.device)]
