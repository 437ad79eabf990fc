"""Differentiable augmentation of what a discriminator sees."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Generator, Tensor

from gencore.config.datasets import DATASETS
from gencore.config.options import GANConfig
from gencore.data.batches import Batch
from gencore.models import build
from gencore.models.augmentation import augment, cut_out, recolour, translate
from gencore.models.gan import GAN

POLICIES = ("translation", "translation-cutout", "colour-translation-cutout")
CHANGES: dict[str, Callable[..., Tensor]] = {
    "recolour": recolour,
    "translate": translate,
    "cut out": cut_out,
}


def rng(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


def images(n: int = 64, channels: int = 3, size: int = 16) -> Tensor:
    return torch.rand(n, channels, size, size, generator=rng(9)) * 1.8 - 0.9


@pytest.mark.parametrize("name", CHANGES)
def test_at_strength_zero_images_stay_as_they_are_and_above_it_they_do_not(name: str) -> None:
    x = images()
    assert torch.equal(CHANGES[name](x, rng(), 0), x)
    assert not torch.equal(CHANGES[name](x, rng()), x)


def test_no_augmentation_changes_nothing_and_draws_no_noise() -> None:
    x, noise = images(), rng()
    before = noise.get_state()
    assert augment(x, "none", noise) is x and torch.equal(noise.get_state(), before)


def test_a_shift_moves_every_image_by_whole_pixels_of_its_own_and_uncovers_zeros() -> None:
    x, found = images(200), set()
    for image, shifted in zip(x, translate(x, rng()), strict=True):
        padded = torch.nn.functional.pad(image, (2, 2, 2, 2))
        (shift,) = [
            (i, j)
            for i in range(5)
            for j in range(5)
            if torch.equal(padded[:, i : i + 16, j : j + 16], shifted)
        ]
        found.add(shift)
    assert found == {(i, j) for i in range(5) for j in range(5)}, "up to an eighth of 16 pixels"


def test_a_cutout_hides_half_the_side_wherever_it_is_inside_and_the_rest_stays() -> None:
    x = images(300)
    cut = cut_out(x, rng())
    hidden = cut == 0
    assert torch.equal(torch.where(hidden, x, cut), x)
    assert (hidden.all(dim=1) == hidden.any(dim=1)).all(), "all channels"
    areas = hidden[:, 0].flatten(1).sum(dim=1)
    assert areas.max() == 64 and areas.min() >= 16 and areas.unique().numel() > 5
    rows, columns = hidden[:, 0].any(dim=2).sum(dim=1), hidden[:, 0].any(dim=1).sum(dim=1)
    assert torch.equal(rows * columns, areas), "a rectangle"


def test_colours_change_by_bounded_brightness_saturation_and_contrast() -> None:
    plain = torch.full((500, 3, 4, 4), 0.2)
    brighter = recolour(plain, rng()) - plain  # saturation and contrast do nothing to it
    assert brighter.abs().max() <= 0.5 and brighter.min() < -0.45 and brighter.max() > 0.45
    torch.testing.assert_close(brighter, brighter[:, :1, :1, :1].expand_as(brighter))
    x = images(500)
    spread = recolour(x, rng()).mean(dim=1).flatten(1).std(dim=1) / x.mean(dim=1).flatten(1).std(dim=1)
    assert 0.5 <= spread.min() < 0.52 and 1.48 < spread.max() <= 1.5, "contrast, of the greys"


def test_grey_images_keep_their_brightness() -> None:
    x = images(channels=1)
    assert torch.equal(recolour(x, rng()), x)
    ours, theirs = (augment(x, p, rng()) for p in ("colour-translation-cutout", "translation-cutout"))
    assert torch.equal(ours, theirs)


@pytest.mark.parametrize("policy", POLICIES)
def test_gradients_flow_through_to_what_is_left_of_each_image(policy: str) -> None:
    x = images(8).requires_grad_(True)
    augment(x, policy, rng()).square().sum().backward()
    assert x.grad is not None and (x.grad.flatten(1).abs().sum(dim=1) > 0).all()


def test_augmentation_is_exact_under_bfloat16() -> None:
    x = images()
    with torch.autocast("cpu", torch.bfloat16):
        under = translate(x, rng())
    assert torch.equal(under, translate(x, rng()))


def watched_gan(augmentation: str) -> tuple[GAN, list[Tensor]]:
    """A GAN whose discriminator notes what it sees."""
    torch.manual_seed(0)
    gan = build(GANConfig(width=8, latent_dim=8, augmentation=augmentation), DATASETS["digits"])
    assert isinstance(gan, GAN)
    seen: list[Tensor] = []
    gan.discriminator.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    return gan, seen


def test_a_discriminator_sees_real_and_generated_images_augmented_in_both_turns() -> None:
    batch = Batch(torch.full((8, 1, 28, 28), 0.7), torch.arange(8))
    gan, seen = watched_gan("translation-cutout")
    gan.loss("discriminator", batch, rng())
    loss, _ = gan.loss("generator", batch, rng(1))
    real, generated, again = seen
    assert all((x == 0).flatten(1).any(dim=1).all() for x in seen), "each image is cut"
    assert ((real == 0.7) | (real == 0)).all()
    assert not torch.equal(generated, again), "noise of its own in each turn"
    loss.backward()
    slopes = [x.grad for x in gan.generator.parameters()]
    assert all(slope is not None and slope.any() for slope in slopes)


def test_a_gan_without_augmentation_shows_its_discriminator_the_images_themselves() -> None:
    batch = Batch(torch.rand(8, 1, 28, 28, generator=rng()), torch.arange(8))
    gan, seen = watched_gan("none")
    gan.loss("discriminator", batch, rng())
    gan.loss("generator", batch, rng(1))
    assert torch.equal(seen[0], batch.images) and torch.equal(seen[1], seen[2])
