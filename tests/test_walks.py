"""Traversal: ends and corners are exact, planes contain their points, the GIF runs forth and back."""

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from support import TINY, latent_space
from torch import Generator, Tensor

from gencore.config.datasets import DATASETS
from gencore.data.batches import quantise
from gencore.latent import directions, traversal
from gencore.latent.traversal import LatentPoints, Plane
from gencore.models.feature_extractor import load_extractor

DIGITS = DATASETS["digits"]
SHIPPED = Path(__file__).parent.parent


def drawn(n: int, seed: int = 0) -> Tensor:
    return torch.randn(n, 6, generator=Generator().manual_seed(seed))


@pytest.mark.parametrize("how", traversal.BETWEEN)
def test_a_path_meets_its_ends_and_mixes_conditions_on_the_line_between(how: str) -> None:
    ends = LatentPoints(drawn(3), torch.eye(3))
    path = traversal.path(ends, 4, how)
    assert path.z.shape == (9, 6)
    torch.testing.assert_close(path.z[::4], ends.z)
    torch.testing.assert_close(path.condition[1], torch.tensor([0.75, 0.25, 0.0]))


def test_a_square_has_its_corners_and_its_middle() -> None:
    corners = LatentPoints(drawn(4), torch.eye(4))
    square = traversal.square(corners, 5, "lerp")
    torch.testing.assert_close(square.z[[0, 4, 20, 24]], corners.z)
    torch.testing.assert_close(square.z[12], corners.z.mean(0))
    torch.testing.assert_close(
        square.condition[[1, 5]], torch.tensor([[0.75, 0.25, 0, 0], [0.75, 0, 0.25, 0]])
    )


def test_a_plane_of_directions_has_the_base_in_its_middle_and_the_first_across() -> None:
    base, vectors = LatentPoints(torch.tensor([[2.0, 0, 0]]), torch.empty(1, 0)), torch.eye(3)[1:]
    places = traversal.rotation_grid(base, vectors, 3, 1.0)
    torch.testing.assert_close(places.z[4], base.z[0])
    half = 2**0.5
    torch.testing.assert_close(places.z[5], torch.tensor([half, half, 0]))
    torch.testing.assert_close(places.z[7], torch.tensor([half, 0, half]))
    assert places.condition.shape == (9, 0)


def test_a_place_is_moved_by_directions_and_by_coordinates() -> None:
    base = LatentPoints(torch.tensor([[2.0, 0, 0]]), torch.empty(1, 0))
    assert torch.equal(traversal.edit_latent(base, torch.eye(3)[1:], [0.0, 0.0], {}).z, base.z)
    rotated = traversal.edit_latent(base, torch.eye(3)[1:], [1.0, 0.0], {2: 0.5})
    torch.testing.assert_close(rotated.z, torch.tensor([[2**0.5, 2**0.5, 0.5]]))
    assert torch.equal(base.z, torch.tensor([[2.0, 0, 0]])), "the base stays where it is"


def test_the_plane_of_codes_that_lie_on_one_is_found_whole() -> None:
    on_plane = drawn(200)[:, :2] * torch.tensor([5.0, 2.0])
    codes = on_plane @ torch.linalg.qr(drawn(6, 1))[0][:2] + 3
    plane = Plane.of(codes)
    assert plane.share == pytest.approx(1, abs=1e-6)
    torch.testing.assert_close(
        plane.mean + torch.tensor(plane.coordinates) @ plane.axes, codes, atol=1e-4, rtol=0
    )
    across, down = (
        (plane.grid(3).z - plane.mean) @ plane.axes[0],
        (plane.grid(3).z - plane.mean) @ plane.axes[1],
    )
    assert across[0] < across[1] < across[2] and down[0] > down[3] > down[6], "up is the second axis"


def test_a_model_that_takes_labels_draws_between_two_digits() -> None:
    for family, changes in (("cgan", {}), ("ddpm", {"conditional": True, "guidance": 2.0})):
        walk = latent_space(family, 0.3, **changes)
        three, eight = (walk.random(5, digit) for digit in (3, 8))
        assert torch.equal(three.z, eight.z)
        first, *between, last = walk.draw(traversal.path(LatentPoints.of([three, eight]), 5, "lerp"))
        expected = walk.model.decode(torch.cat([three.z, eight.z]), torch.eye(10)[[3, 8]])
        torch.testing.assert_close(torch.stack([first, last]), expected, atol=1e-4, rtol=0)
        assert walk.morphs
        assert not any(
            torch.allclose(a, b, atol=1e-4) for a, b in zip([first, *between], [*between, last], strict=True)
        )


@pytest.mark.parametrize("family", TINY)
def test_a_morph_leads_from_one_class_to_the_other_as_the_judge_sees_them(family: str) -> None:
    extractor_run = load_extractor(DATASETS["digits"], torch.device("cpu"), SHIPPED)
    walk = latent_space(family, 0.3)
    film = walk.morph(extractor_run, seed=0)
    assert film.shape == (traversal.MORPH_FRAMES, 1, 28, 28) and film.dtype == torch.uint8
    assert torch.equal(film, walk.morph(extractor_run, seed=0))
    drawn = torch.cat(
        [quantise(walk.draw(walk.random(seed, digit))) for seed in range(8) for digit in DIGITS.morph]
    )
    above = []
    for end, digit in zip((film[:1], film[-1:]), DIGITS.morph, strict=True):
        ends, others = (extractor_run(images).logits.log_softmax(1)[:, digit] for images in (end, drawn))
        above.append(float(ends - others.median()))
    # ends were chosen from many; a conditional model has one latent for both, the best for both together
    assert (sum(above) if walk.model.conditional else min(above)) > 0


def test_an_images_place_is_what_the_model_inverts_it_to() -> None:
    images = torch.randint(0, 256, (3, 1, 28, 28), dtype=torch.uint8, generator=Generator().manual_seed(0))
    vae, ddpm = latent_space("vae", 0.3), latent_space("ddpm", 0.3)
    assert vae.invert(images, None).z.shape == (3, 4) and vae.encodes
    assert ddpm.invert(images, None).z.shape == images.shape and not ddpm.encodes
    assert not latent_space("cgan", 0.3).inverts


@pytest.mark.parametrize("family", TINY)
def test_every_family_has_directions_that_are_its_latents_and_move_its_pictures(
    family: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(directions, "DECODES", 100)
    walk = latent_space(family, 0.3)
    base, found = walk.random(0, 3), directions.model_directions(walk.model, torch.nn.Flatten())
    assert found.vectors.shape[1:] == base.z.shape[1:]
    amounts = [0.0] * len(found.shares)
    still, rotated = (
        walk.draw(traversal.edit_latent(base, found.vectors, a, {})) for a in (amounts, [1.0, *amounts[1:]])
    )
    assert torch.equal(still, walk.draw(base)) and not torch.equal(still, rotated)


def test_a_gif_goes_there_and_back_with_sharp_pixels() -> None:
    film = np.stack([np.full((4, 4, 3), value, np.uint8) for value in (0, 100, 200, 250)])
    with Image.open(io.BytesIO(traversal.gif(film, 3))) as gif:
        seen = []
        for frame in range(gif.n_frames):
            gif.seek(frame)
            seen.append(gif.convert("L").getpixel((5, 5)))
        assert gif.size == (12, 12) and gif.info["loop"] == 0
    assert seen == [0, 100, 200, 250, 200, 100]
