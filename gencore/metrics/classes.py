"""What a classifier recognises in images: class balance, obedience to a label, and variety within a class.

The classifier is fallible, so shares are corrected by its confusion on real images, and every figure needs
the same figure of real images beside it. `classifier_score` is the formula of the Inception Score (Salimans
et al. 2016) with another classifier, hence never called so.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from scipy.optimize import nnls
from torch import Tensor
from torch.nn import functional as F

from gencore.metrics.validation import finite_features


def class_shares(predicted: Tensor, classes: int) -> Tensor:
    """Share (K,) float64 of each class among labels (N,). Raises ValueError on labels that are no classes."""
    return _valid_labels(predicted, classes).bincount(minlength=classes).to(torch.float64) / len(predicted)


def confusion_matrix(asked: Tensor, recognised: Tensor, classes: int) -> Tensor:
    """Counts (K, K) int64 of images by class asked for (row) and recognised (column), both labels (N,).

    On real images the row is the true class. Raises ValueError on labels that are no classes or not N each.
    """
    if asked.shape != recognised.shape:
        raise ValueError(
            f"{len(asked)} labels asked for, {len(recognised)} recognised; expected both for every image"
        )
    pairs = _valid_labels(asked, classes) * classes + _valid_labels(recognised, classes)
    return pairs.bincount(minlength=classes**2).reshape(classes, classes)


@dataclass(frozen=True)
class ConditionalAccuracy:
    """How often the class asked for is recognised: on average over classes, and in the worst of them."""

    mean: float
    worst: float
    worst_class: int


def conditional_accuracy(confusion: Tensor) -> ConditionalAccuracy:
    """Mean and minimum of p(class recognised | class asked for), from a confusion (K, K).

    Classes weigh the same, however often they were asked for: with few images of some, the mean is not the
    share of all images that were recognised. Classes that were never asked for do not count. Raises
    ValueError if none was.
    """
    totals = _square(confusion).sum(dim=1)
    asked = totals.nonzero()[:, 0]
    if not len(asked):
        raise ValueError("no class was asked for; expected at least one image in the confusion")
    accuracies = confusion.diagonal()[asked].to(torch.float64) / totals[asked]
    worst = int(accuracies.argmin())
    return ConditionalAccuracy(accuracies.mean().item(), accuracies[worst].item(), int(asked[worst]))


def corrected_shares(shares: Tensor, classifier_confusion: Tensor) -> Tensor:
    """The true class shares (K,) that best explain what a fallible classifier recognised.

    With A_ij = p(recognised j | true i), the rows of its confusion on labelled real images normalised, true
    shares s are recognised as Aᵀs. So s is the non-negative least-squares solution of Aᵀs = shares, scaled to
    sum to 1. This assumes the same errors on generated images as on real ones; digits between two classes
    break it. Raises ValueError if class counts differ, a class is missing in the confusion, or nothing in it
    explains the shares.
    """
    recognised_given_true = _by_row(classifier_confusion)
    _require_same_classes(shares, recognised_given_true[0])
    solution, _ = nnls(recognised_given_true.T.cpu().numpy(), shares.to(torch.float64).cpu().numpy())
    if solution.sum() == 0:
        raise ValueError(
            f"shares {shares.tolist()} lie only in classes that the classifier's confusion never recognises; "
            "expected a confusion measured with the same classifier, on all classes"
        )
    return torch.as_tensor(solution / solution.sum(), device=shares.device)


def class_total_variation(
    shares: Tensor, reference_shares: Tensor, classifier_confusion: Tensor | None
) -> float:
    """½ Σ |s - r| of shares (K,) against the reference's true ones (K,): 0 is its balance, 1 no common class.

    With a confusion (K, K) of the classifier on real images the shares are corrected first; the reference's,
    counted from labels, need it not. Raises ValueError if the class counts differ, or as `corrected_shares`.
    """
    _require_same_classes(shares, reference_shares)
    if classifier_confusion is not None:
        shares = corrected_shares(shares, classifier_confusion)
    return (shares - reference_shares).abs().sum().item() / 2


def class_coverage(shares: Tensor, reference_shares: Tensor, share: float = 0.2) -> float:
    """Share of the reference's classes that keep at least `share` of the frequency (K,) they have there.

    Raises ValueError if the class counts differ.
    """
    _require_same_classes(shares, reference_shares)
    present = reference_shares > 0
    return (shares >= share * reference_shares)[present].to(torch.float64).mean().item()


def classifier_score(logits: Tensor) -> float:
    """The score exp E KL(p(y|x) ‖ p(y)) of logits (N, K).

    From 1 (all alike, or all uncertain) to K (each certain, all classes balanced).

    Salimans et al. 2016, section 4, over all images at once: splits would add bias and no interval. It sees
    neither variety within a class nor realism. Raises ValueError on a wrong shape, NaN or infinity.
    """
    p = finite_features(logits, at_least=1).softmax(dim=1)
    # E KL(p(y|x) ‖ p(y)) = H(E p) - E H(p), where 0 ln 0 is 0 and not NaN.
    information = torch.special.entr(p.mean(dim=0)).sum() - torch.special.entr(p).sum(dim=1).mean()
    return information.exp().item()


def classifier_score_error(logits: Tensor) -> float:
    """The standard error of `classifier_score` over draws of N images, from logits (N, K).

    The delta method: the score of an image is KL(p(y|x) ‖ p(y)), of which the mean over images is ln of the
    score, so ln of the score scatters by their standard deviation / √N. About 95 % of draws of N images lie
    within twice this error. Raises ValueError on N < 2, a wrong shape, NaN or infinity.
    """
    p = finite_features(logits, at_least=2).softmax(dim=1)
    divergences = (p.xlogy(p) - p.xlogy(p.mean(dim=0))).sum(dim=1)  # (N,)
    error = divergences.std() / len(p) ** 0.5
    return (divergences.mean().exp() * error).item()


def within_class_variance(features: Tensor, labels: Tensor, classes: int) -> Tensor:
    """Trace (K,) of the unbiased covariance of features (N, D) within each class of labels (N,).

    A class of one image, or of none, varies by 0: collapse must not escape the figure. Raises ValueError if
    lengths differ, labels are no classes, or features are not finite.
    """
    x, labels = finite_features(features, at_least=1), _valid_labels(labels, classes)
    if len(x) != len(labels):
        raise ValueError(
            f"features of {len(x)} images, {len(labels)} labels; expected one label for every image"
        )
    members = F.one_hot(labels, classes).to(x.dtype)  # (N, K)
    counts = members.sum(dim=0)
    means = members.T @ x / counts.clamp(min=1)[:, None]  # (K, D)
    squared = (x - means[labels]).square().sum(dim=1)
    return members.T @ squared / (counts - 1).clamp(min=1)


def _valid_labels(labels: Tensor, classes: int) -> Tensor:
    """The labels (N,) as int64."""
    if labels.ndim != 1 or len(labels) == 0 or labels.is_floating_point():
        raise ValueError(
            f"labels have shape {tuple(labels.shape)}, type {labels.dtype}; expected (N,) integers, N at "
            "least 1 (of logits take argmax(dim=1))"
        )
    low, high = (bound.item() for bound in labels.aminmax())
    if low < 0 or high >= classes:
        raise ValueError(
            f"labels run from {low} to {high}; expected 0 to {classes - 1} for {classes} classes"
        )
    return labels.to(torch.int64)


def _by_row(confusion: Tensor) -> Tensor:
    """p(column | row) (K, K) float64."""
    totals = _square(confusion).sum(dim=1, keepdim=True)
    empty = (totals[:, 0] == 0).nonzero()[:, 0].tolist()
    if empty:
        raise ValueError(f"classes {empty} have no image in the confusion; expected at least one a class")
    return confusion.to(torch.float64) / totals


def _square(confusion: Tensor) -> Tensor:
    if confusion.ndim != 2 or confusion.shape[0] != confusion.shape[1]:
        raise ValueError(f"confusion has shape {tuple(confusion.shape)}; expected (K, K)")
    return confusion


def _require_same_classes(shares: Tensor, reference_shares: Tensor) -> None:
    if shares.ndim != 1 or shares.shape != reference_shares.shape:
        raise ValueError(
            f"shares have shape {tuple(shares.shape)}, the reference's {tuple(reference_shares.shape)}; "
            "expected (K,) both, so count both over the same classes"
        )
