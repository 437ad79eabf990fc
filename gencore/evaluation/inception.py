"""FID (Heusel et al. 2017) and Inception Score (Salimans et al. 2016) by torch-fidelity's Inception network.

For comparison with other tools, not for a ranking: the network was trained on photographs, not on digits.
"""

from __future__ import annotations

import importlib.util
import socket
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor
from tqdm import tqdm

from gencore.metrics.frechet import frechet_distance, moments, sample_size_warning
from gencore.store.results import Metric

_TIMEOUT_SECONDS = 10
_CHUNK = 50
_SPLITS = 10  # of the Inception Score, as published


class NoInceptionError(ValueError):
    """The network is not available; the message says why and how to get it."""


def inception_metrics(images: Tensor, real: Tensor, say: Callable[[str], None]) -> dict[str, Metric]:
    """FID of uint8 images (N, C, H, W) to real ones (M, C, H, W), and their Inception Score.

    Without the network both have no value and the reason.
    """
    try:
        network = _inception().to(images.device)
    except NoInceptionError as error:
        return {name: Metric(value=None, reason=str(error)) for name in ("fid", "inception_score")}
    from torch_fidelity.metric_isc import KEY_METRIC_ISC_MEAN, KEY_METRIC_ISC_STD, isc_features_to_metric

    say(f"Inception features of {len(images) + len(real)} images")
    (features, logits), (real_features, _) = (_features(network, side) for side in (images, real))
    few = sample_size_warning(min(len(images), len(real)), features.shape[1])
    fid = frechet_distance(moments(features), moments(real_features))
    score = isc_features_to_metric(logits, splits=_SPLITS)
    return {
        "fid": Metric(value=fid, samples=len(images), warning=few),
        "inception_score": Metric(
            value=score[KEY_METRIC_ISC_MEAN],
            spread=score[KEY_METRIC_ISC_STD],
            samples=len(images),
            warning=few,
        ),
    }


def _inception() -> torch.nn.Module:
    """The network that FID is defined by, its weights downloaded at first use. Raises NoInceptionError."""
    if importlib.util.find_spec("torch_fidelity") is None:
        raise NoInceptionError("torch-fidelity is not installed; pip install torch-fidelity")
    from torch_fidelity.feature_extractor_inceptionv3 import URL_INCEPTION_V3, FeatureExtractorInceptionV3

    weights = Path(torch.hub.get_dir()) / "checkpoints" / Path(URL_INCEPTION_V3).name
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(
        _TIMEOUT_SECONDS
    )  # torch.hub sets none, and a silent network would hold it for ever
    try:
        if not weights.exists():
            weights.parent.mkdir(parents=True, exist_ok=True)
            prefix = weights.stem.rpartition("-")[2]
            torch.hub.download_url_to_file(URL_INCEPTION_V3, str(weights), hash_prefix=prefix, progress=False)
    except (OSError, RuntimeError) as error:  # no network; or what came is not what the name promises
        reason = f"the Inception weights cannot be had ({error}); save {URL_INCEPTION_V3} as {weights}"
        raise NoInceptionError(reason) from error
    finally:
        socket.setdefaulttimeout(before)
    return FeatureExtractorInceptionV3("inception", ["2048", "logits_unbiased"], str(weights))


@torch.no_grad()
def _features(network: torch.nn.Module, images: Tensor) -> tuple[Tensor, Tensor]:
    """Features (N, 2048) and logits (N, 1008); grey images as three equal channels."""
    parts = []
    for chunk in tqdm(images.split(_CHUNK), unit_scale=_CHUNK, unit="image", leave=False, disable=None):
        parts.append(network(chunk.expand(-1, 3, -1, -1)))
    features, logits = zip(*parts, strict=True)
    return torch.cat(features), torch.cat(logits)
