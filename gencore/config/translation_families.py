"""The rows of the families that translate images, for the table in `families`."""

from __future__ import annotations

from gencore.config.family import QUICK_TRAINING, Family, Preset, Variant
from gencore.config.sections import TrainingConfig
from gencore.config.translation_section import PaletteConfig, Pix2PixConfig

_TRANSLATION_TRAINING = TrainingConfig(  # no quick distances: they ignore which source an image is of
    epochs=5, schedule="cosine", ema_decay=0.99, checkpoint_every=1, fd_every=0
)
_PALETTE_TRAINING = _TRANSLATION_TRAINING.model_copy(update={"optimizer": "muon", "clip_norm": 1.0})
_PIX2PIX = Pix2PixConfig(  # the paper's rates times five, for batches of 32 in place of 1
    generator_learning_rate=1e-3, discriminator_learning_rate=1e-3
)
_PIX2PIX_BATCH = 32

PIX2PIX = Family(
    config=Pix2PixConfig,
    implementation="gencore.models.pix2pix:Pix2Pix",
    variants=(
        Variant(
            "pix2pix",
            "#CC79A7",
            "source → U-Net → x ← PatchGAN + source",
            "A U-Net turns a source image, such as edges, into an image. It learns from two losses: the mean "
            "absolute error against the real image, and a discriminator, the PatchGAN, which tells real "
            "patches from generated ones. The first puts things in their place, the second makes them sharp.",
        ),
        Variant(
            "L1 U-Net",
            "#E69F00",
            "source → U-Net → x",
            "The U-Net of pix2pix without its discriminator: it learns from the mean absolute error alone. "
            "Where a source leaves a choice, the best answer to that error is between the choices, so images "
            "are blurred.",
            "without-adversary",
        ),
    ),
    presets={
        "pix2pix": Preset(_PIX2PIX, _TRANSLATION_TRAINING, is_headline=True, batch_size=_PIX2PIX_BATCH),
        "pix2pix-l1": Preset(
            _PIX2PIX.model_copy(update={"adversarial": False}),
            _TRANSLATION_TRAINING,
            is_headline=True,
            batch_size=_PIX2PIX_BATCH,
        ),
        "pix2pix-spectral": Preset(
            _PIX2PIX.model_copy(update={"spectral_norm": True}),
            _TRANSLATION_TRAINING,
            batch_size=_PIX2PIX_BATCH,
            note="spectral norm",
        ),
        "pix2pix-base": Preset(  # the paper's networks, rates and normalisation of single images
            Pix2PixConfig(width=64, norm="instance", jitter=True),
            _TRANSLATION_TRAINING.model_copy(update={"ema_decay": 0.999}),
            batch_size=4,
            note="base size",
        ),
        "pix2pix-quick": Preset(
            _PIX2PIX.model_copy(update={"width": 16}),
            QUICK_TRAINING,
            is_quick=True,
            batch_size=_PIX2PIX_BATCH,
            note="quick",
        ),
    },
    task="translation",
)

PALETTE = Family(
    config=PaletteConfig,
    implementation="gencore.models.palette:Palette",
    variants=(
        Variant(
            "Palette",
            "#009E73",
            "noise + source → denoise + source → … → x",
            "A DDPM whose network also sees the source image at every step. It has no opponent and draws "
            "other images of a source from other noise, where pix2pix draws nearly the same one. An image "
            "takes several passes through the network.",
        ),
    ),
    presets={
        "palette": Preset(PaletteConfig(), _PALETTE_TRAINING, is_headline=True),
        "palette-quick": Preset(
            PaletteConfig(width=32),
            QUICK_TRAINING.model_copy(update={"steps": 240, "optimizer": "muon", "clip_norm": 1.0}),
            is_quick=True,
            note="quick",
        ),
    },
    task="translation",
)
