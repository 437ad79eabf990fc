"""What tells a translation from a guess: whether it obeys its source, and answers that need no model.

Errors of a translation to its target are those of `gencore.metrics.reconstruction`.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from gencore.data.filters import sources_of

_VALUES_AT_ONCE = 2**24
"""Floats of a part of the search for sources: 64 MiB."""
_MOST_PRODUCTS = 10**12
"""Multiplications of one search: some ten seconds of a CPU thread."""
_CANDIDATES = 8


def source_agreement(filter_id: str, images: Tensor, sources: Tensor) -> Tensor:
    """How far images (N, C, H, W) obey their sources (N, Cs, H, W), both uint8: (N,) float64 in [0, 1].

    The filter that made the sources is applied to the images. Of edges it is `edge_f1` of both, otherwise 1
    minus the mean absolute difference, pixels from 0 to 1. A perfect translation has 1."""
    found = sources_of(filter_id, images)
    if filter_id == "edges":
        return edge_f1(found, sources)
    return 1 - (found.float() - sources).abs().mean(dim=(1, 2, 3), dtype=torch.float64) / 255


def edge_f1(edges: Tensor, targets: Tensor) -> Tensor:
    """F1 (N,) float64 of edges against target edges, both (N, 1, H, W) uint8, edges 255 on 0.

    Precision is the share of the edge pixels with a target one within one pixel, also diagonally; recall
    likewise from the targets. As the boundary F-measure of Martin et al. 2004, without matching pixels one to
    one. Two empty images have 1, an empty one against another 0."""
    edges, targets = edges >= 128, targets >= 128
    precision, recall = _share_near(edges, targets), _share_near(targets, edges)
    f1 = 2 * precision * recall / (precision + recall).clamp(min=1e-9)
    both_empty = ~(edges | targets).flatten(1).any(1)
    return torch.where(both_empty, 1.0, f1)


def _share_near(pixels: Tensor, others: Tensor) -> Tensor:
    """Share (N,) float64 of the set pixels (N, 1, H, W) with a set one of `others` within one; 0 of none."""
    wide = F.max_pool2d(others.float(), 3, stride=1, padding=1) > 0
    near, count = ((one.flatten(1).sum(1)).double() for one in (pixels & wide, pixels))
    return near / count.clamp(min=1)


def source_as_output(sources: Tensor, channels: int) -> Tensor | None:
    """Sources (N, Cs, H, W) with `channels` channels, grey ones repeated; None for colour shown as grey."""
    if sources.shape[1] > channels:
        return None
    return sources.expand(-1, channels, -1, -1)


def mean_picture(images: Tensor) -> Tensor:
    """The mean (1, C, H, W) uint8 of images (N, C, H, W) uint8, rounded."""
    total = sum(part.sum(dim=0, keepdim=True, dtype=torch.int64) for part in images.split(1000))
    assert isinstance(total, Tensor), "there is an image"
    return (total / len(images)).round().to(torch.uint8)


def sources_searched(n: int, available: int, numel: int) -> int:
    """How many of the `available` sources `nearest_sources` searches for n sources of `numel` values."""
    return max(1, min(available, _MOST_PRODUCTS // (n * numel)))


def nearest_sources(sources: Tensor, among: Tensor) -> Tensor:
    """For each of sources (N, Cs, H, W) the index (N,) int64 of the nearest of `among` (M, Cs, H, W), uint8.

    Nearest in L1 of the 8 nearest in L2, which on sources of two values is the nearest in L1. As many of
    `among` as `sources_searched` says are searched, spread evenly."""
    numel = sources[0].numel()
    chosen = torch.arange(count := sources_searched(len(sources), len(among), numel)) * len(among) // count
    rows = max(1, _VALUES_AT_ONCE // numel)
    parts = [_nearest(part, among, chosen.to(among.device), rows) for part in sources.split(min(rows, 500))]
    return torch.cat(parts)


def _nearest(sources: Tensor, among: Tensor, chosen: Tensor, rows: int) -> Tensor:
    """As `nearest_sources`, among the `chosen` (K,) indices, `rows` of them at a time."""
    flat = sources.flatten(1).float()
    keys = torch.empty(len(sources), 0, device=flat.device)
    found = torch.empty(len(sources), 0, dtype=torch.int64, device=flat.device)
    for part in chosen.split(rows):
        others = among[part].flatten(1).float().to(flat.device)
        distance = others.square().sum(1) - 2 * flat @ others.T  # squared, without what a row has in common
        keys, found = (
            torch.cat([keys, distance], dim=1),
            torch.cat([found, part.to(flat.device).expand(len(flat), -1)], dim=1),
        )
        keys, order = keys.topk(min(_CANDIDATES, keys.shape[1]), largest=False, sorted=True)
        found = found.gather(1, order)
    distances = [(flat - among[one].flatten(1).to(flat.device)).abs().sum(1) for one in found.unbind(1)]
    return found.gather(1, torch.stack(distances, dim=1).argmin(1, keepdim=True))[:, 0]
