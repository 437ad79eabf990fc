"""Gaussian mixtures: against scikit-learn's, and against a mixture that is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture as Reference

from gencore.models import mixture
from gencore.models.mixture import fit_mixture, log_likelihood


def points(n: int = 3000) -> torch.Tensor:
    """From three Gaussians in three dimensions, of weights 0.5, 0.3 and 0.2."""
    rng = torch.Generator().manual_seed(0)
    centres = torch.tensor([[0.0, 0, 0], [6.0, 0, 0], [0, 6.0, 3.0]])
    label = torch.multinomial(torch.tensor([0.5, 0.3, 0.2]), n, replacement=True, generator=rng)
    stretch = torch.tensor([[1.0, 0, 0], [0.8, 0.5, 0], [0, 0, 1.5]])
    return centres[label] + torch.randn(n, 3, generator=rng) @ stretch.T


def test_it_finds_the_mixture_that_points_were_drawn_from() -> None:
    found = fit_mixture(points(20_000), 3, seed=0)
    order = found.weight.argsort(descending=True)
    torch.testing.assert_close(found.weight[order].float(), torch.tensor([0.5, 0.3, 0.2]), atol=0.02, rtol=0)
    assert (found.mean[order[1]] - torch.tensor([6.0, 0, 0])).abs().max() < 0.1
    covariance = found.cholesky[order[0]] @ found.cholesky[order[0]].T
    expected = torch.tensor([[1.0, 0.8, 0], [0.8, 0.89, 0], [0, 0, 2.25]], dtype=torch.float64)
    torch.testing.assert_close(covariance, expected, atol=0.1, rtol=0)


@pytest.mark.parametrize("iterations", [1, 4])
def test_each_iteration_is_that_of_scikit_learn(iterations: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mixture, "TOLERANCE", -1.0)
    x, k = points(), 5
    ours = fit_mixture(x, k, seed=3, iterations=iterations)
    labels = KMeans(k, n_init=1, random_state=3).fit_predict(x.double().numpy())
    of_cluster = [x.double().numpy()[labels == c] for c in range(k)]
    ridge = mixture.REGULARISATION * np.eye(3)
    reference = Reference(
        k,
        reg_covar=mixture.REGULARISATION,
        max_iter=iterations,
        tol=0,
        weights_init=np.array([len(c) / len(x) for c in of_cluster]),
        means_init=np.array([c.mean(axis=0) for c in of_cluster]),
        precisions_init=np.array([np.linalg.inv(np.cov(c.T, bias=True) + ridge) for c in of_cluster]),
    )
    with pytest.warns(ConvergenceWarning):
        reference.fit(x.double().numpy())
    torch.testing.assert_close(ours.weight, torch.from_numpy(reference.weights_))
    torch.testing.assert_close(ours.mean, torch.from_numpy(reference.means_))
    covariances = ours.cholesky @ ours.cholesky.transpose(1, 2)
    torch.testing.assert_close(covariances, torch.from_numpy(reference.covariances_))


def test_more_iterations_never_lower_the_likelihood() -> None:
    x = points()
    likelihoods = [
        log_likelihood(fit_mixture(x, 6, seed=1, iterations=n), x).mean().item() for n in (0, 1, 2, 5, 20)
    ]
    assert likelihoods == sorted(likelihoods)


def test_points_of_fewer_places_than_components_are_fitted_all_the_same() -> None:
    found = fit_mixture(torch.zeros(20, 2).index_fill(0, torch.arange(10), 1.0), 2, seed=0)
    assert found.cholesky.isfinite().all() and found.weight.sum().item() == pytest.approx(1)


def test_chunks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = fit_mixture(points(), 4, seed=0)
    monkeypatch.setattr(mixture, "_CHUNK_BYTES", 8 * 3**2 * 100)
    for ours, theirs in zip(fit_mixture(points(), 4, seed=0), whole, strict=True):
        torch.testing.assert_close(ours, theirs)
