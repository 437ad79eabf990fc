"""Networks by the side of their images: resolutions, channels, initial weights, attention, parameters."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Generator, Tensor, nn

from gencore.config.options import PRESETS
from gencore.data.registry import DATASETS
from gencore.models import build
from gencore.networks import dcgan, resnet
from gencore.networks.classifier import CLASSIFIERS
from gencore.networks.resolution import coarsest, halvings
from gencore.networks.unet import UNet

Network = Callable[[int, int], nn.Module]
NETWORKS: dict[str, Network] = {
    "unet": lambda channels, size: UNet(channels, size, 16, classes=5),
    "attentive unet": lambda channels, size: UNet(channels, size, 16, depth=2, attention=True),
    "decoder": lambda channels, size: dcgan.Decoder(8, 5, channels, size, 8, 1),
    "encoder": lambda channels, size: dcgan.Encoder(channels, 5, size, 1, 8, 1, minibatch_stddev=True),
    "folded decoder": lambda channels, size: dcgan.Decoder(8, 5, channels, size, 8, 1, folded=True),
    "folded encoder": lambda channels, size: dcgan.Encoder(
        channels, 5, size, 1, 8, 1, minibatch_stddev=True, folded=True
    ),
    "residual decoder": lambda channels, size: resnet.Decoder(8, 5, channels, size, 8, 1),
    "residual encoder": lambda channels, size: resnet.Encoder(
        channels, 5, size, 1, 8, 1, minibatch_stddev=True
    ),
    **{
        name: lambda channels, size, kind=kind: kind(channels, size, 10, 8, 16)  # type: ignore[misc]
        for name, kind in CLASSIFIERS.items()
    },
}


def rng(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


def output(network: nn.Module, channels: int, size: int) -> Tensor:
    """What `network` makes of two images, or of two codes."""
    images, condition = torch.rand(2, channels, size, size, generator=rng()), torch.eye(5)[:2]
    match network:
        case UNet():
            return network(images, torch.tensor([3, 900]), torch.tensor([0, 5]))
        case dcgan.Decoder() | resnet.Decoder():
            return network(torch.randn(2, 8, generator=rng()), condition)
        case dcgan.Encoder() | resnet.Encoder():
            return network(images, condition)
        case _:
            return network(images)


@pytest.mark.parametrize(
    ("size", "times", "side"),
    [(16, 2, 4), (28, 2, 7), (32, 2, 8), (36, 2, 9), (40, 3, 5), (44, 2, 11), (48, 3, 6), (60, 2, 15)]
    + [(64, 3, 8)],
)
def test_large_sides_that_8_divides_are_halved_three_times_and_others_twice(
    size: int, times: int, side: int
) -> None:
    assert (halvings(size), coarsest(size)) == (times, side)


@pytest.mark.parametrize("size", [12, 30, 68])
@pytest.mark.parametrize("name", NETWORKS)
def test_a_side_that_no_network_takes_is_refused_with_those_that_are(name: str, size: int) -> None:
    with pytest.raises(ValueError, match=rf"image size is {size}; .*multiple of 4 from 16 to 64"):
        NETWORKS[name](1, size)


@pytest.mark.parametrize(("channels", "size"), [(1, 16), (3, 32), (1, 44), (3, 64)])
@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_takes_and_makes_images_of_its_size_and_channels(
    name: str, channels: int, size: int
) -> None:
    network = NETWORKS[name](channels, size)
    made = output(network, channels, size)
    images = "unet" in name or "decoder" in name
    classes = 10 if name in CLASSIFIERS else 1
    assert made.shape == ((2, channels, size, size) if images else (2, classes))
    assert made.isfinite().all()


@pytest.mark.parametrize("size", [28, 44, 48, 64])
@pytest.mark.parametrize("name", NETWORKS)
def test_maps_shrink_to_the_coarsest_side_and_no_further(name: str, size: int) -> None:
    network, sides = NETWORKS[name](1, size), set()

    def note(module: nn.Module, inputs: tuple[Tensor, ...], made: Tensor) -> None:
        if made.ndim == 4 and made.shape[2] > 1:
            sides.add(made.shape[2])

    for module in network.modules():
        module.register_forward_hook(note)
    output(network, 1, size)
    patches = 2 * coarsest(size)  # of a ConvMixer, which keeps one resolution
    assert min(sides) == (patches if name == "mixer" else coarsest(size))


@pytest.mark.parametrize(
    ("name", "grey", "colour"),
    [
        ("unet", 12194.6734, 11330.2807),
        ("decoder", 144.9236, 181.3141),
        ("encoder", 166.1992, 172.6041),
        ("folded decoder", 160.285, 172.7146),
        ("folded encoder", 206.2709, 201.6701),
        ("residual", 1165.2152, 1123.0704),
        ("plain", 373.879, 385.9936),
        ("mixer", 1245.5674, 1272.9462),
    ],
)
def test_a_seed_gives_the_weights_that_it_gave_when_all_networks_halved_twice(
    name: str, grey: float, colour: float
) -> None:
    """The sum of all weights, each parameter's times its place in the order of the module."""
    for channels, size, expected in ((1, 28, grey), (3, 32, colour)):
        torch.manual_seed(0)
        parameters = NETWORKS[name](channels, size).parameters()
        found = sum(place * x.double().sum().item() for place, x in enumerate(parameters, start=1))
        assert found == pytest.approx(expected, abs=0.01)


def with_values(network: UNet) -> UNet:
    """With weights under which every layer shows: zero-initialised ones would hide it."""
    for x in network.parameters():
        nn.init.normal_(x, 0, 0.1, generator=rng(1))
    return network.requires_grad_(False)


@pytest.mark.parametrize("size", [32, 64])
def test_attention_begins_as_the_identity_and_then_changes_the_output(size: int) -> None:
    plain = with_values(UNet(3, size, 16))
    attentive = UNet(3, size, 16, attention=True).requires_grad_(False)
    missing, unexpected = attentive.load_state_dict(plain.state_dict(), strict=False)
    assert missing and all(".attention." in name for name in missing) and not unexpected
    x, t = torch.randn(2, 3, size, size, generator=rng()), torch.tensor([3, 900])
    torch.testing.assert_close(attentive(x, t), plain(x, t))
    for name, weight in attentive.named_parameters():
        if name in missing:
            nn.init.normal_(weight, 0, 0.1, generator=rng(2))
    assert not torch.allclose(attentive(x, t), plain(x, t), atol=1e-3)


@pytest.mark.parametrize("size", [32, 64])
@pytest.mark.parametrize("name", NETWORKS)
def test_every_weight_takes_part_in_the_output(name: str, size: int) -> None:
    network = NETWORKS[name](1, size)
    for x in network.parameters():
        nn.init.normal_(x, 0, 0.1, generator=rng(1))
    output(network, 1, size).square().sum().backward()
    assert [name for name, x in network.named_parameters() if x.grad is None or not x.grad.any()] == []


@pytest.mark.parametrize(("size", "stages"), [(32, 5), (64, 7)])
def test_each_stage_has_as_many_blocks_as_the_depth_says(size: int, stages: int) -> None:
    networks = [UNet(1, size, 16, depth=depth) for depth in (1, 3)]
    blocks = [sum(name.endswith("conv_out") for name, _ in net.named_modules()) for net in networks]
    assert blocks == [stages, 3 * stages]


@pytest.mark.parametrize("size", [32, 64])
def test_attention_is_at_the_coarsest_resolution_alone(size: int) -> None:
    network, sides = UNet(1, size, 16, attention=True), []
    for name, module in network.named_modules():
        if name.endswith(".attention"):
            module.register_forward_hook(lambda module, inputs, made: sides.append(made.shape[2]))
    output(network, 1, size)
    assert sides == [8, 8, 8], "on the way down, in the middle, on the way up"


def test_attention_agrees_with_torchs_own() -> None:
    attention = with_values(UNet(1, 32, 32, attention=True)).middle.attention
    assert isinstance(attention, nn.Module)
    x = torch.randn(2, 64, 8, 8, generator=rng())
    ours = attention(x) - x
    theirs = nn.MultiheadAttention(64, num_heads=2, batch_first=True)
    theirs.load_state_dict(
        {
            "in_proj_weight": attention.query_key_value.weight.flatten(1),
            "in_proj_bias": attention.query_key_value.bias,
            "out_proj.weight": attention.out.weight.flatten(1),
            "out_proj.bias": attention.out.bias,
        }
    )
    places = attention.norm(x).flatten(2).transpose(1, 2)  # (B, C, H, W) -> (B, HW, C)
    expected, _ = theirs.requires_grad_(False)(places, places, places)
    assert ours.abs().mean() > 0.1
    torch.testing.assert_close(ours.flatten(2).transpose(1, 2), expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(
    ("preset", "grey", "colour"),
    [
        ("vae-base", 7.00, 7.75),
        ("vae-64", 7.00, 7.75),
        ("vae-128", 9.41, 10.90),
        ("gan-base", 8.51, 9.50),
        ("cgan-base", 7.08, 7.64),
        ("ddpm-base", 6.61, 6.63),
        ("cddpm-base", 6.60, 6.61),
    ],
)
def test_presets_of_base_size_have_6_to_11_million_parameters(
    preset: str, grey: float, colour: float
) -> None:
    for dataset, millions in (("mnist", grey), ("cifar10", colour)):
        with torch.device("meta"):
            model = build(PRESETS[preset].model, DATASETS[dataset])
        count = sum(x.numel() for player in model.players.values() for x in player.module.parameters())
        assert count / 1e6 == pytest.approx(millions, abs=0.01) and 6e6 < count < 11e6
