"""Source images made from images: what the filters of `gencore.config.filters` compute.

`thinned` is also for what a visitor draws, so that its lines are as thin as the edges that a model knows.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

BLUR = 1 / 16
"""Standard deviation of the Gaussian of `blurred`, as a share of the side."""
MID_GREY = 128
_LUMINANCE = (0.299, 0.587, 0.114)  # ITU-R BT.601, as Pillow's
_WEAK, _STRONG = 0.1, 0.25
"""Canny's two thresholds, as shares of the contrast from black to white."""
_PIXELS_AT_ONCE = 2**17  # as many as caches of a CPU hold; larger parts took four times as long


def sources_of(filter_id: str, images: Tensor) -> Tensor:
    """What a filter makes of images (N, C, H, W) uint8: (N, source channels, H, W) uint8, on their device.

    Each image is filtered by itself. It is done in parts, for speed and a bound of memory."""
    at_once = max(1, _PIXELS_AT_ONCE // images[0].numel())
    return torch.cat([_FILTERS[filter_id](part) for part in images.split(at_once)])


def luminance(images: Tensor) -> Tensor:
    """uint8 (N, 1, H, W) of images (N, 1 or 3, H, W) uint8: grey ones as they are, ITU-R BT.601 of others."""
    if images.shape[1] == 1:
        return images
    weights = torch.tensor(_LUMINANCE, device=images.device).view(1, 3, 1, 1)
    return (images * weights).sum(1, keepdim=True).round().to(torch.uint8)


def blurred(images: Tensor) -> Tensor:
    """Images (N, C, H, W) uint8, smoothed by a Gaussian of standard deviation BLUR times the side."""
    return _smoothed(images.float(), BLUR * images.shape[2]).round().to(torch.uint8)


def masked(images: Tensor) -> Tensor:
    """Images (N, C, H, W) uint8 with MID_GREY in their middle, half as high and half as wide."""
    height, width = images.shape[2:]
    covered = images.clone()
    covered[:, :, height // 4 : height - height // 4, width // 4 : width - width // 4] = MID_GREY
    return covered


def edges(images: Tensor) -> Tensor:
    """Edges of images (N, 1 or 3, H, W) uint8: (N, 1, H, W) uint8, lines of one pixel, 255 on 0.

    Canny 1986, "A computational approach to edge detection": the gradient of the smoothed luminance, where it
    is largest across an edge, if it is strong or connected with what is strong. Then `thinned`, as a maximum
    between two pixels keeps both.
    """
    deviation = max(0.7, images.shape[2] / 128)
    smooth = _smoothed(luminance(images).float() / 255, deviation)
    horizontal, vertical = _sobel(smooth)
    # An ideal step of height 1 has this gradient after smoothing, so `contrast` is the height of the step.
    contrast = torch.hypot(horizontal, vertical) * math.sqrt(2 * math.pi) * math.sqrt(deviation**2 + 0.5)
    ridge = contrast * _is_largest_across(contrast, horizontal, vertical)
    return thinned((_connected(ridge > _STRONG, ridge > _WEAK) * 255).to(torch.uint8))


def thinned(lines: Tensor) -> Tensor:
    """Lines (N, 1, H, W) uint8, bright on dark, as lines of one pixel, 255 on 0; thin ones stay as they are.

    Pixels of 128 or more are the line. Zhang and Suen 1984, "A fast parallel algorithm for thinning digital
    patterns": pixels at the rim go where the line stays whole without them, from two sides in turn. Makes
    the host wait for a GPU.
    """
    line = lines >= 128
    while True:
        thinner = _without_rim(_without_rim(line, first=True), first=False)
        if torch.equal(thinner, line):
            return line.to(torch.uint8) * 255
        line = thinner


def _smoothed(images: Tensor, deviation: float) -> Tensor:
    """Images (N, C, H, W) float, smoothed by a Gaussian over three deviations, mirrored at their borders."""
    n, channels, height, width = images.shape
    reach = min(math.ceil(3 * deviation), height - 1, width - 1)
    places = torch.arange(-reach, reach + 1, device=images.device, dtype=images.dtype)
    weights = torch.exp(-(places**2) / (2 * deviation**2))
    weights = weights / weights.sum()
    flat = F.pad(images.reshape(n * channels, 1, height, width), (reach,) * 4, mode="reflect")
    flat = F.conv2d(F.conv2d(flat, weights.view(1, 1, 1, -1)), weights.view(1, 1, -1, 1))
    return flat.reshape(images.shape)


def _sobel(images: Tensor) -> tuple[Tensor, Tensor]:
    """The gradient of images (N, 1, H, W) per pixel, along the rows and along the columns, by Sobel."""
    kernel = torch.tensor([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]], device=images.device) / 8
    both = F.conv2d(F.pad(images, (1,) * 4, mode="replicate"), torch.stack([kernel, kernel.T])[:, None])
    return both[:, :1], both[:, 1:]


def _is_largest_across(contrast: Tensor, horizontal: Tensor, vertical: Tensor) -> Tensor:
    """bool (N, 1, H, W): whether no neighbour across the edge has more contrast, in four directions."""
    around = _neighbours(contrast)
    angle = torch.atan2(vertical, horizontal) % math.pi  # y points down, as the rows do
    across = (angle * (4 / math.pi)).round().to(torch.int64) % 4  # 0: along the row, 1: down the diagonal
    largest = torch.zeros_like(contrast, dtype=torch.bool)
    for direction, (one, other) in enumerate(((2, 6), (3, 7), (4, 0), (5, 1))):
        # of two equal neighbours one stays
        largest |= (across == direction) & (contrast >= around[one]) & (contrast > around[other])
    return largest


def _connected(strong: Tensor, weak: Tensor) -> Tensor:
    """bool (N, 1, H, W): what is weak and reached from what is strong over weak neighbours."""
    reached = strong & weak
    while True:
        rows = F.pad(reached, (1, 1, 0, 0))
        rows = rows[..., :-2] | reached | rows[..., 2:]
        columns = F.pad(rows, (0, 0, 1, 1))
        wider = (columns[:, :, :-2] | rows | columns[:, :, 2:]) & weak
        if torch.equal(wider, reached):
            return reached
        reached = wider


def _without_rim(line: Tensor, first: bool) -> Tensor:
    """One half of a pass of `thinned` over bool (N, 1, H, W): `first` from south and east."""
    around = _neighbours(line)
    north, _, east, _, south, _, west, _ = around
    count = torch.stack([neighbour.to(torch.uint8) for neighbour in around]).sum(0, dtype=torch.uint8)
    starts = torch.stack(
        [(~one & other).to(torch.uint8) for one, other in zip(around, (*around[1:], north), strict=True)]
    ).sum(0, dtype=torch.uint8)  # lines that meet here
    if first:
        exposed = ~(north & east & south) & ~(east & south & west)
    else:
        exposed = ~(north & east & west) & ~(north & south & west)
    return line & ~((count >= 2) & (count <= 6) & (starts == 1) & exposed)


def _neighbours(images: Tensor) -> tuple[Tensor, ...]:
    """The eight neighbours of each pixel of (N, 1, H, W), clockwise from the north; 0 beyond the border."""
    height, width = images.shape[2:]
    padded = F.pad(images, (1,) * 4)
    steps = ((0, 1), (0, 2), (1, 2), (2, 2), (2, 1), (2, 0), (1, 0), (0, 0))
    return tuple(padded[:, :, row : row + height, column : column + width] for row, column in steps)


_FILTERS: Mapping[str, Callable[[Tensor], Tensor]] = {
    "edges": edges,
    "blur": blurred,
    "grey": luminance,
    "masked": masked,
}
