"""Interpolation, path lengths and directions: closed forms on matrices that draw, and every family."""

import math
from pathlib import Path

import pytest
import torch
from support import TINY
from torch import Generator, Tensor

from gencore.config.datasets import DATASETS
from gencore.latent import directions, interpolation
from gencore.latent.directions import principal_directions
from gencore.latent.interpolation import (
    decoded,
    lerp,
    path_straightness,
    perceptual_path_length,
    slerp,
    straightness,
)
from gencore.models import build
from gencore.models.base import HasLatent

DIGITS = DATASETS["digits"]
ENDS = torch.tensor([0.0, 1.0])


def rng(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


class Matrix:
    """A model whose features are linear in z: f = zA, with z on the unit sphere."""

    spec, conditional = DIGITS, False

    def __init__(self, A: Tensor) -> None:
        self.A = A

    def draw_latent(self, n: int, rng: Generator) -> Tensor:
        return torch.nn.functional.normalize(torch.randn(n, len(self.A), generator=rng))

    def draw_condition(self, n: int, labels: Tensor | None, rng: Generator) -> Tensor:
        return torch.empty(n, 0)

    def decode(self, z: Tensor, condition: Tensor) -> Tensor:
        return z @ self.A


def identity(f: Tensor) -> Tensor:
    return f


@pytest.mark.parametrize("between", [lerp, slerp])
def test_the_ends_of_an_interpolation_are_exact(between) -> None:
    a, b = torch.randn(5, 3, 4, generator=rng(1)), 7 * torch.randn(5, 3, 4, generator=rng(2))
    path = between(a, b, ENDS)
    assert path.shape == (5, 2, 3, 4)
    assert torch.equal(path[:, 0], a) and torch.equal(path[:, 1], b)


def test_slerp_divides_the_angle_and_lerp_the_chord() -> None:
    a, b = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]])
    third = torch.tensor([1 / 3])
    torch.testing.assert_close(
        slerp(a, b, third)[0, 0], torch.tensor([math.cos(math.pi / 6), math.sin(math.pi / 6)])
    )
    torch.testing.assert_close(lerp(a, b, third)[0, 0], torch.tensor([2 / 3, 1 / 3]))


def test_slerp_keeps_the_norm_of_both_ends() -> None:
    a, b = (3 * torch.nn.functional.normalize(torch.randn(8, 50, generator=rng(seed))) for seed in (1, 2))
    norms = slerp(a, b, torch.linspace(0, 1, 9)).norm(dim=2)
    torch.testing.assert_close(norms, torch.full_like(norms, 3.0))


def test_slerp_is_straight_where_no_great_circle_is_the_shortest() -> None:
    a, weights = torch.randn(4, 6, generator=rng(1)), torch.linspace(0, 1, 5)
    for b in (a, 2 * a, -a):
        torch.testing.assert_close(slerp(a, b, weights), lerp(a, b, weights))


@pytest.mark.parametrize("between", [lerp, slerp])
def test_weights_can_differ_from_pair_to_pair(between) -> None:
    a, b, weights = (
        torch.randn(3, 5, generator=rng(1)),
        torch.randn(3, 5, generator=rng(2)),
        torch.rand(3, 2, generator=rng(3)),
    )
    each = torch.cat([between(a[i : i + 1], b[i : i + 1], weights[i]) for i in range(3)])
    torch.testing.assert_close(between(a, b, weights), each)


def test_straightness_has_its_closed_forms_whatever_the_scale_and_the_turn() -> None:
    line = torch.linspace(0, 1, 6)[:, None] * torch.tensor([1.0, 2.0])
    corner = torch.tensor([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]])
    assert straightness(line[None]) == pytest.approx(1)
    assert straightness(torch.cat([line, line.flip(0)])[None]) == pytest.approx(0)
    assert straightness(corner[None]) == pytest.approx(math.sqrt(0.5))
    turned = 100 * corner @ torch.linalg.qr(torch.randn(2, 2, generator=rng()))[0] + 5
    assert straightness(torch.stack([turned, corner])) == pytest.approx(math.sqrt(0.5), rel=1e-5)


def test_straightness_refuses_paths_that_say_nothing() -> None:
    with pytest.raises(ValueError, match="at least 3 places"):
        straightness(torch.rand(4, 2, 5))
    with pytest.raises(ValueError, match="nothing moves along 2 of 3"):
        straightness(torch.cat([torch.zeros(2, 4, 5), torch.rand(1, 4, 5)]))


def test_features_linear_in_z_turn_as_far_as_the_great_circle() -> None:
    """On the unit circle the angle omega of two samples is uniform on [0, pi]; the length is E omega^2."""
    circle = Matrix(torch.eye(2))
    found = perceptual_path_length(circle, identity, rng(), pairs=20_000)
    assert abs(found.value - math.pi**2 / 3) < 4 * found.standard_error < 0.1
    tripled = perceptual_path_length(Matrix(3 * torch.eye(2)), identity, rng(), pairs=20_000)
    assert tripled.value == pytest.approx(9 * found.value, rel=1e-3)


def test_great_circles_far_from_one_another_in_many_dimensions_bend_as_quarter_turns_do() -> None:
    found = path_straightness(Matrix(torch.eye(2000)), identity, rng())
    steps = interpolation.STEPS
    quarter = math.sqrt(2) / (steps * 2 * math.sin(math.pi / 4 / steps))
    assert found == pytest.approx(quarter, abs=0.005)


def test_principal_directions_of_a_matrix_are_its_singular_vectors() -> None:
    U, V = (torch.linalg.qr(torch.randn(d, d, generator=rng(d)))[0] for d in (4, 6))
    sigma = torch.tensor([5.0, 3.0, 1.0, 0.5])
    found = principal_directions(Matrix(U @ torch.diag(sigma) @ V[:4]), identity, rng())
    assert found.vectors.shape == (4, 4), "as many as z has"
    torch.testing.assert_close((found.vectors @ U).abs(), torch.eye(4), atol=1e-2, rtol=0)
    assert found.shares == pytest.approx((sigma.square() / sigma.square().sum()).tolist(), abs=1e-3)
    assert (found.vectors.gather(1, found.vectors.abs().argmax(1, keepdim=True)) > 0).all()


def test_a_model_that_draws_one_image_has_no_directions_and_no_straightness() -> None:
    still = Matrix(torch.zeros(3, 2))
    for measure in (principal_directions, path_straightness):
        with pytest.raises(ValueError, match="one image"):
            measure(still, identity, rng())
    assert perceptual_path_length(still, identity, rng()).value == 0


def test_decoding_in_chunks_changes_nothing_and_hands_each_image_its_label() -> None:
    class Labelled(Matrix):
        def decode(self, z: Tensor, condition: Tensor) -> Tensor:
            return z @ self.A + condition

    model, condition = Labelled(torch.randn(3, 2, generator=rng())), torch.arange(1200)[:, None]
    z = model.draw_latent(1200, rng())
    torch.testing.assert_close(decoded(model, z, condition, lambda f: 2 * f), 2 * model.decode(z, condition))


@pytest.mark.parametrize("family", TINY)
def test_every_family_is_walked_through(family: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(directions, "DECODES", 100)
    torch.manual_seed(0)
    model = build(TINY[family], DIGITS).eval().requires_grad_(False)
    for x in model.averaged.parameters():
        torch.nn.init.normal_(x, 0, 0.1, generator=rng(1))
    assert isinstance(model, HasLatent)
    features = torch.nn.Flatten()
    assert 0 < path_straightness(model, features, rng(), paths=12) <= 1
    assert perceptual_path_length(model, features, rng(), pairs=12).value > 0
    found, again = (principal_directions(model, features, rng()) for _ in range(2))
    flat = found.vectors.flatten(1)
    assert found.vectors.shape[1:] == model.draw_latent(1, rng()).shape[1:] and len(flat) == min(
        10, flat.shape[1]
    )
    torch.testing.assert_close(flat @ flat.T, torch.eye(len(flat)), atol=1e-4, rtol=0)
    assert list(found.shares) == sorted(found.shares, reverse=True) and sum(found.shares) <= 1 + 1e-9
    assert torch.equal(found.vectors, again.vectors)


def test_directions_within_a_basis_are_the_best_of_its_span() -> None:
    sigma = torch.tensor([5.0, 3.0, 1.0, 0.5])
    found = principal_directions(Matrix(torch.diag(sigma)), identity, rng(), basis=torch.eye(4)[1:3])
    torch.testing.assert_close(found.vectors, torch.eye(4)[1:3], atol=1e-2, rtol=0)
    assert found.shares == pytest.approx((0.9, 0.1), abs=1e-3)


def test_coarse_waves_are_orthonormal_and_hold_what_is_smooth() -> None:
    waves = directions.coarse_waves(torch.Size([3, 28, 32])).flatten(1)
    assert waves.shape == (3 * directions.COARSE**2, 3 * 28 * 32)
    torch.testing.assert_close(waves @ waves.T, torch.eye(len(waves)), atol=1e-5, rtol=0)
    smooth = torch.cos(torch.linspace(0, 3, 28))[None, :, None].expand(3, 28, 32).flatten()
    noise = torch.randn(3 * 28 * 32, generator=rng())
    kept = [(waves @ x).norm() / x.norm() for x in (smooth, noise)]
    assert kept[0] > 0.999 and kept[1] < 0.5


def test_turning_keeps_the_length_and_an_amount_of_one_is_half_a_right_angle() -> None:
    z, vectors = torch.tensor([3.0, 0.0, 0.0]), torch.eye(3)[1:]
    places = directions.rotate_towards(
        z, vectors, torch.tensor([[0.0, 0.0], [1.0, 0.0], [-1.0, 0.0], [2.0, 5.0]])
    )
    half = 3 / math.sqrt(2)
    torch.testing.assert_close(
        places[:3], torch.tensor([[3.0, 0.0, 0.0], [half, half, 0.0], [half, -half, 0.0]])
    )
    torch.testing.assert_close(places.norm(dim=1), torch.full((4,), 3.0))
    assert directions.rotate_towards(torch.rand(1, 4, 4), torch.rand(2, 1, 4, 4), torch.rand(5, 2)).shape == (
        5,
        1,
        4,
        4,
    )


def test_directions_are_found_once_for_the_same_weights_and_anew_where_what_is_kept_is_of_others_or_damaged(
    tmp_path: Path,
) -> None:
    finds: list[int] = []
    path = tmp_path / "directions.safetensors"

    def kept(weights: str, place: Path = path) -> directions.Directions:
        def find() -> directions.Directions:
            finds.append(1)
            return principal_directions(Matrix(torch.diag(torch.tensor([5.0, 3.0]))), identity, rng())

        key = {"weights": weights, "features": "pixels"}
        return directions.cached_directions(place, key, torch.Size([2]), find)

    first, again = kept("a"), kept("a")
    assert len(finds) == 1
    assert torch.equal(first.vectors, again.vectors) and (first.shares, first.places) == (
        again.shares,
        again.places,
    )
    kept("b")
    assert len(finds) == 2
    path.write_bytes(path.read_bytes()[:-3])
    kept("b")
    kept("b")
    assert len(finds) == 3
    (tmp_path / "file").touch()
    assert kept("b", tmp_path / "file" / "directions").shares == first.shares, (
        "a place that cannot be written"
    )
