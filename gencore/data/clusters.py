"""k-means clusters of images, found without labels."""

from __future__ import annotations

import warnings
from typing import NamedTuple

import numpy as np

PRINCIPAL_COMPONENTS = 40


class Clustering(NamedTuple):
    """k clusters of images of P pixels on D principal components."""

    mean: np.ndarray  # (P,)
    axes: np.ndarray  # (D, P)
    centroids: np.ndarray  # (k, D)
    labels: np.ndarray  # (N,) int64, of the images that they were found in

    def of(self, pixels: np.ndarray) -> np.ndarray:
        """The nearest cluster (M,) int64 of images (M, P) like those that the clusters were found in."""
        projected = (pixels - self.mean) @ self.axes.T
        distances = (self.centroids**2).sum(1) - 2 * projected @ self.centroids.T
        return distances.argmin(1)


def k_means(pixels: np.ndarray, k: int, seed: int) -> Clustering:
    """The clusters of images (N, P) float32 on their PRINCIPAL_COMPONENTS; the same for one seed."""
    from sklearn.cluster import KMeans  # these take a second to import
    from sklearn.decomposition import PCA
    from sklearn.exceptions import ConvergenceWarning

    pca = PCA(min(PRINCIPAL_COMPONENTS, *pixels.shape), svd_solver="covariance_eigh").fit(pixels)
    with warnings.catch_warnings():  # fewer distinct images than clusters: the others stay empty
        warnings.simplefilter("ignore", ConvergenceWarning)
        found = KMeans(k, n_init=1, random_state=seed).fit(pca.transform(pixels))
    return Clustering(pca.mean_, pca.components_, found.cluster_centers_, found.labels_.astype(np.int64))
