"""Images that translation models make of source images, for the page *Translate*. Loads torch.

One picture at a time, with the noise of one seed: the same source, the same image, in the page as well."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO

import streamlit as st
import torch
from pydantic import ValidationError
from torch import Generator, Tensor

from dashboard.components.drawing_board import PageTranslator
from dashboard.data import generation
from gencore import devices
from gencore.config.datasets import DatasetSpec
from gencore.data.filters import sources_of
from gencore.data.importing.entries import Entry as PictureFile
from gencore.data.importing.pictures import UnreadableError
from gencore.data.source_pictures import read_square
from gencore.metrics.reconstruction import psnr_by_image, ssim_by_image
from gencore.models.base import Translates, TranslatesByTable
from gencore.models.load import load_translator
from gencore.reports.decoder import NOISE_SEED
from gencore.sampling.sheets import to_png
from gencore.sampling.translate import translate, triptychs
from gencore.store.results import explain
from gencore.store.runs import Run

TRIPTYCH_SIDE = 128
"""Pixels of a picture of a downloaded triptych, at least about."""


@dataclass(frozen=True)
class Pair:
    """A source image and, where it is known, the real image that belongs to it; uint8."""

    name: str
    """For people and for files, as in `test-17`."""
    source: Tensor  # (1, Cs, H, W)
    real: Tensor | None  # (1, C, H, W)


@dataclass(frozen=True)
class Translator:
    """A model ready to translate, the arithmetic of its networks, and the training step of its weights."""

    model: Translates
    dtype: torch.dtype
    step: int


@dataclass(frozen=True)
class Errors:
    """How far an image is from the real one."""

    l1: float
    """Mean absolute difference, as a share of the range from black to white."""
    psnr: float
    """Decibels; infinite for an equal image."""
    ssim: float


def load(run: Run) -> Translator:
    """Raises what `generation.FAULTS` names."""
    return _load(run, generation.written(run))


@st.cache_resource(max_entries=8, show_spinner=False)
def _load(run: Run, version: int) -> Translator:
    try:
        model, checkpoint = load_translator(run, devices.pick())
    except ValidationError as error:
        raise ValueError(explain(error)) from error
    dtype = devices.precision(run.config().training.precision, model.device)
    return Translator(model, dtype, int(checkpoint.metadata["step"]))


def translated(run: Run, source: Tensor) -> Tensor:
    """The image (1, C, H, W) uint8 of a source (1, Cs, H, W) uint8. Raises what `generation.FAULTS` names."""
    shape = tuple(source.shape)
    return _translated(run, generation.written(run), source.numpy().tobytes(), shape)


@st.cache_data(max_entries=256, show_spinner=False)
def _translated(run: Run, version: int, source: bytes, shape: tuple[int, ...]) -> Tensor:
    translator = _load(run, version)
    pixels = torch.frombuffer(bytearray(source), dtype=torch.uint8).view(shape)
    return translate(translator.model, pixels, NOISE_SEED, translator.dtype).cpu()


def for_the_page(run: Run) -> PageTranslator | str:
    """What lets the browser translate by itself, or why it cannot. Raises what `generation.FAULTS` names."""
    model = load(run).model
    graph = f"in-page/decoder/{run.name}.onnx?weights={generation.written(run)}"
    if not isinstance(model, TranslatesByTable):
        return PageTranslator(graph, None, [])
    try:
        steps = model.step_table()
    except ValueError as error:
        return str(error)
    noise = model.draw_noise(1, Generator(model.device).manual_seed(NOISE_SEED))
    return PageTranslator(graph, noise.cpu().numpy(), steps)


def test_pair(spec: DatasetSpec, number: int) -> Pair:
    """Pair `number` of the test split. Raises what `generation.FAULTS` names.

    Its source is made alone: a filter treats each image by itself."""
    data = generation.real_data(spec.original, "test")
    real = data.images[number : number + 1]
    if spec.filter_id:
        return Pair(f"test-{number}", sources_of(spec.filter_id, real), real)
    assert data.sources is not None, "a data set of pairs has sources"
    return Pair(f"test-{number}", data.sources[number : number + 1], real)


def uploaded_pair(content: bytes, spec: DatasetSpec, is_source: bool) -> Pair:
    """A picture that a visitor sent, cut to the square in its middle and scaled.

    It is the source, or the real image of which the data set's filter makes one. Raises ValueError."""
    file = PictureFile("the file", len(content), lambda: BytesIO(content))
    channels = spec.source_channels if is_source else spec.channels
    try:
        picture = read_square(file, channels, spec.size)[None]
    except UnreadableError as error:
        raise ValueError(
            f"This file cannot be read as a picture: {error}. Choose a PNG, JPEG or WebP picture."
        ) from error
    if is_source:
        return Pair("upload", picture, None)
    return Pair("upload", sources_of(spec.filter_id, picture), picture)


def errors(image: Tensor, real: Tensor) -> Errors:
    """Of an image and the real one, both (1, C, H, W) uint8."""
    a, b = image.float() / 255, real.float() / 255
    return Errors((a - b).abs().mean().item(), psnr_by_image(a, b).item(), ssim_by_image(a, b).item())


def triptych(*images: Tensor) -> bytes:
    """The PNG of images (1, Cs or C, H, W) uint8 in a row, each pixel drawn as a square of several."""
    scale = -(-TRIPTYCH_SIDE // images[0].shape[2])
    row = triptychs(*images).repeat_interleave(scale, dim=2).repeat_interleave(scale, dim=3)
    return to_png(row, len(images))
