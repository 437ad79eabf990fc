"""Gaussian mixtures with full covariances, fitted by expectation-maximisation (Dempster et al. 1977).

Both steps are products of large matrices over all components at once; scikit-learn takes the components one
by one. A VAE's prior is fitted again for every sample sheet, so it has to be fast."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import Tensor

REGULARISATION = 1e-4
"""Added to the variances."""
TOLERANCE = 1e-3
"""Fitting ends when an iteration raises the mean log-likelihood by less, in nats."""


_CHUNK_BYTES = 2**27  # of products of coordinates, of which each point has d^2


class GaussianMixture(NamedTuple):
    """K components in d dimensions, float64."""

    weight: Tensor  # (K,), sums to 1
    mean: Tensor  # (K, d)
    covariance: Tensor  # (K, d, d)

    @property
    def cholesky(self) -> Tensor:
        """Lower triangular factors of the covariances, (K, d, d)."""
        return torch.linalg.cholesky(self.covariance)


def fit_mixture(x: Tensor, components: int, seed: int, iterations: int = 50) -> GaussianMixture:
    """The mixture of `components` fitted to points (N, d) from their k-means clusters, on their device."""
    from sklearn.cluster import KMeans  # takes a second to import

    x = x.double()
    labels = KMeans(components, n_init=1, random_state=seed).fit_predict(x.cpu().numpy())
    shares = torch.nn.functional.one_hot(torch.from_numpy(labels).long(), components).to(x)  # (N, K)
    chunk = max(1, _CHUNK_BYTES // (8 * x.shape[1] ** 2))
    mixture = _maximise(zip(x.split(chunk), shares.split(chunk), strict=True))
    before = -math.inf
    for _ in range(iterations):
        expected = [_expect(mixture, y) for y in x.split(chunk)]
        mixture = _maximise((y, share) for y, (share, _) in zip(x.split(chunk), expected, strict=True))
        likelihood = torch.cat([log_likelihood for _, log_likelihood in expected]).mean().item()
        if likelihood - before < TOLERANCE:
            break
        before = likelihood
    return mixture


def log_likelihood(mixture: GaussianMixture, x: Tensor) -> Tensor:
    """Of points (N, d) in nats: (N,)."""
    return _expect(mixture, x.double())[1]


def _maximise(chunks: Iterable[tuple[Tensor, Tensor]]) -> GaussianMixture:
    """The mixture of points that come in chunks (n, d), each with every component's share of them (n, K)."""
    sums = [
        (share.sum(dim=0), share.T @ y, share.T @ _products(y)) for y, share in chunks
    ]  # of shares (K,), points (K, d) and their products (K, d^2)
    count, first, second = (torch.stack(parts).sum(dim=0) for parts in zip(*sums, strict=True))
    at_least_some = count.clamp(min=1e-9)[:, None]
    mean, d = first / at_least_some, first.shape[1]
    ridge = REGULARISATION * torch.eye(d, dtype=mean.dtype, device=mean.device)
    covariance = (second / at_least_some).unflatten(1, (d, d)) - mean[:, :, None] * mean[:, None, :] + ridge
    return GaussianMixture(count / count.sum(), mean, covariance)


def _expect(mixture: GaussianMixture, x: Tensor) -> tuple[Tensor, Tensor]:
    """Each component's share of each point (N, K), and the points' log-likelihoods (N,)."""
    precision = torch.linalg.inv(mixture.covariance)
    pulled = (precision @ mixture.mean[:, :, None])[:, :, 0]  # (K, d)
    constant = (pulled * mixture.mean).sum(dim=1)
    square = _products(x) @ precision.flatten(1).T - 2 * x @ pulled.T + constant  # (N, K)
    volume = torch.logdet(mixture.covariance) + x.shape[1] * math.log(2 * math.pi)
    joint = mixture.weight.log() - 0.5 * (volume + square)
    total = joint.logsumexp(dim=1)
    return (joint - total[:, None]).exp(), total


def _products(x: Tensor) -> Tensor:
    """All products of two coordinates of each point: (N, d) -> (N, d^2)."""
    return (x[:, :, None] * x[:, None, :]).flatten(1)
