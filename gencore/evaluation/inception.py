"""FID (Heusel et al. 2017), Inception Score (Salimans et al. 2016) and LPIPS (Zhang et al. 2018), by the
published networks in torch-fidelity.

For comparison with other tools, not for a ranking: the networks were trained on photographs, not on digits.
"""

from __future__ import annotations

import importlib.util
import socket
import string
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Generator, Tensor
from tqdm import tqdm

from gencore.metrics.frechet import frechet_distance, moments, sample_size_warning
from gencore.metrics.perceptual import PAIRS, mean_pair_distance
from gencore.store.results import Metric

_TIMEOUT_SECONDS = 10
_CHUNK = 50
_SPLITS = 10  # of the Inception Score, as published
_LPIPS_PAIRS = 500


class NoNetworkError(ValueError):
    """A published network is not available; the message says why and how to get it."""


def inception_metrics(images: Tensor, real: Tensor, say: Callable[[str], None]) -> dict[str, Metric]:
    """FID of uint8 images (N, C, H, W) to real ones (M, C, H, W), and their Inception Score.

    Without the network both have no value and the reason.
    """
    try:
        network = _inception().to(images.device)
    except NoNetworkError as error:
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


def lpips(images: Tensor, real: Tensor, rng: Generator, say: Callable[[str], None]) -> Metric:
    """Mean LPIPS distance of two uint8 images (N, C, H, W), next to that of real ones (M, C, H, W).

    By VGG16, at the size of the images. Without the network it has no value and the reason."""
    try:
        network = _lpips_network().to(images.device)
    except NoNetworkError as error:
        return Metric(value=None, reason=str(error))
    say(f"LPIPS of {4 * _LPIPS_PAIRS} images")

    @torch.no_grad()
    def distance(x: Tensor, y: Tensor) -> Tensor:
        found: Tensor = network(x.expand(-1, 3, -1, -1), y.expand(-1, 3, -1, -1))
        return found.flatten()

    drawn, known = (mean_pair_distance(side, distance, rng, _LPIPS_PAIRS) for side in (images, real))
    return Metric(value=drawn.value, floor=known.value, spread=drawn.standard_error, samples=2 * drawn.pairs)


@torch.no_grad()
def lpips_to_targets(images: Tensor, targets: Tensor, say: Callable[[str], None]) -> Metric:
    """Mean LPIPS distance of uint8 images to their targets, both (N, C, H, W), of PAIRS of them at most.

    By VGG16, at the size of the images. Without the network it has no value and the reason."""
    try:
        network = _lpips_network().to(images.device)
    except NoNetworkError as error:
        return Metric(value=None, reason=str(error))
    count = min(PAIRS, len(images))
    chosen = torch.arange(count, device=images.device) * len(images) // count
    say(f"LPIPS of {count} pairs")
    found = torch.cat(
        [
            network(*(side[part].expand(-1, 3, -1, -1) for side in (images, targets))).flatten()
            for part in chosen.split(_CHUNK)
        ]
    ).double()
    return Metric(value=found.mean().item(), spread=found.std().item() / count**0.5, samples=count)


def _inception() -> torch.nn.Module:
    """The network that FID is defined by, its weights downloaded at first use. Raises NoNetworkError."""
    _require_torch_fidelity()
    from torch_fidelity.feature_extractor_inceptionv3 import URL_INCEPTION_V3, FeatureExtractorInceptionV3

    [weights] = _downloaded("Inception", [URL_INCEPTION_V3])
    return FeatureExtractorInceptionV3("inception", ["2048", "logits_unbiased"], str(weights))


def _lpips_network() -> torch.nn.Module:
    """VGG16 with the weights of LPIPS, both downloaded at first use. Raises NoNetworkError."""
    _require_torch_fidelity()
    from torch_fidelity.sample_similarity_lpips import URL_VGG16_LPIPS, SampleSimilarityLPIPS
    from torchvision.models import VGG16_Weights

    _downloaded("LPIPS", [URL_VGG16_LPIPS, VGG16_Weights.IMAGENET1K_V1.url])  # where torch.hub looks for them
    return SampleSimilarityLPIPS("lpips")


def _require_torch_fidelity() -> None:
    if importlib.util.find_spec("torch_fidelity") is None:
        raise NoNetworkError("torch-fidelity is not installed; pip install torch-fidelity")


def _downloaded(network: str, urls: Sequence[str]) -> list[Path]:
    """The files of these addresses in torch's cache, downloaded if need be. Raises NoNetworkError."""
    files = [Path(torch.hub.get_dir()) / "checkpoints" / Path(url).name for url in urls]
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_TIMEOUT_SECONDS)  # torch.hub sets none; a silent network would hold it for ever
    try:
        for url, file in zip(urls, files, strict=True):
            if not file.exists():
                file.parent.mkdir(parents=True, exist_ok=True)
                digest = file.stem.rpartition("-")[2]
                is_named = all(letter in string.hexdigits for letter in digest)  # else the name has none
                torch.hub.download_url_to_file(url, str(file), digest if is_named else None, progress=False)
    except (OSError, RuntimeError) as error:  # no network; or what came is not what the name promises
        wanted = " and ".join(f"{url} as {file}" for url, file in zip(urls, files, strict=True))
        raise NoNetworkError(f"the {network} weights cannot be had ({error}); save {wanted}") from error
    finally:
        socket.setdefaulttimeout(before)
    return files


@torch.no_grad()
def _features(network: torch.nn.Module, images: Tensor) -> tuple[Tensor, Tensor]:
    """Features (N, 2048) and logits (N, 1008); grey images as three equal channels."""
    parts = []
    for chunk in tqdm(images.split(_CHUNK), unit_scale=_CHUNK, unit="image", leave=False, disable=None):
        parts.append(network(chunk.expand(-1, 3, -1, -1)))
    features, logits = zip(*parts, strict=True)
    return torch.cat(features), torch.cat(logits)
