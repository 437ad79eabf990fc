"""View of the latent page with test images, what the model gives back of them, and how alike they are."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from dashboard.data import generation
from dashboard.data.generation import SamplingOptions
from dashboard.views.latent_model import SMALL, SelectedModel, show_images
from dashboard.widgets.text import figure, plain
from gencore.config.datasets import DatasetSpec
from gencore.latent import reconstruction
from gencore.latent.reconstruction import Reconstructions
from gencore.latent.traversal import LatentSpace
from gencore.metrics import catalog

LOOKED_AT = 500
"""Most test images that are given back."""
MAX_PASSES = generation.MAX_PASSES // 20
"""Most network passes, each of one image: seconds, as the view computes them unasked."""
SHOWN = 10
"""Images that are shown first."""
ALL = "all"
PSNR, SSIM = "reconstruction_psnr", "reconstruction_ssim"


def show(selected: SelectedModel) -> None:
    """Originals, reconstructions and differences: the first, the best and the worst; figures by class."""
    if not reconstruction.can_reconstruct(selected.latent_space):
        st.info(
            f"A {plain(selected.entry.label)} cannot find the latent of an image, so it gives none back. "
            "Choose a run of a VAE or of a diffusion model.",
            icon=":material/compare:",
        )
        return
    with st.spinner("Reconstructing …", show_time=True):
        found = _reconstructions(
            selected.sampling_options, selected.version, selected.spec, selected.latent_space
        )
    _show_overview(selected, found)
    shown = _choose_class(selected.spec, found)
    count = min(SHOWN, len(shown.numbers))
    _show_rows(selected, f"The first {count} of them", shown.only(slice(count)))
    with st.container(horizontal=True, gap="large"):
        for title, extremes in (("Best", shown.best), ("Worst", shown.worst)):
            with st.container(width=max(320, selected.scale(SMALL) * selected.size * SHOWN // 2)):
                _show_rows(selected, title, extremes)
    st.caption(
        "Rows: originals, reconstructions, absolute differences (black is none). Best and worst are by PSNR."
    )
    _show_classes(selected.spec, found)


@st.cache_resource(max_entries=8, show_spinner=False)
def _reconstructions(
    sampling_options: SamplingOptions, version: int, spec: DatasetSpec, _latent_space: LatentSpace
) -> Reconstructions:
    affordable = max(1, MAX_PASSES // reconstruction.passes_per_image(_latent_space))
    return reconstruction.reconstruct(
        _latent_space, generation.real_data(spec, "test"), min(LOOKED_AT, affordable, spec.test_count)
    )


def _show_overview(selected: SelectedModel, found: Reconstructions) -> None:
    """The means, and what the reader has to know to compare them between models."""
    count, spec = len(found.numbers), found.spec
    with st.container(horizontal=True, gap="large"):
        for name, value in ((PSNR, _decibels(reconstruction.decibels(found.psnr))), (SSIM, _ssim(found))):
            about = f"{catalog.METRICS[name].definition} ({name})"
            st.metric(catalog.title(name), value, help=about, width="content")
    st.caption(
        f"Means over {count:,} of {spec.test_count:,} test images, the first of each {spec.noun} in turn. "
        f"Each image has {spec.channels * spec.size**2:,} numbers and is given back from a latent of "
        f"{found.latent_size:,}, by {reconstruction.passes_per_image(selected.latent_space):,} network "
        "evaluations. A larger latent loses less, so compare models with latents of about the same size."
    )


def _choose_class(spec: DatasetSpec, found: Reconstructions) -> Reconstructions:
    """The reconstructions of the class that the visitor chooses, or all."""
    seen = [spec.class_names[label] for label in found.labels.unique().tolist()]
    chosen = st.selectbox(spec.noun.capitalize(), [ALL, *seen], key="class", bind="query-params", width=220)
    return found if chosen == ALL else found.only(found.labels == spec.class_names.index(chosen))


def _show_rows(selected: SelectedModel, title: str, found: Reconstructions) -> None:
    """Three rows of images, and the figures of each."""
    st.markdown(f"**{title}**")
    count = len(found.numbers)
    numbers = ", ".join(str(number) for number in found.numbers.tolist())
    show_images(
        selected,
        generation.pictures(found.rows(count)),
        f"{title}: test images {numbers}, their reconstructions and the differences",
        count,
        SMALL,
    )
    st.caption(
        " · ".join(
            f"image {one.number} ({plain(one.class_name)}) {_decibels(one.psnr)}"
            for one in reconstruction.by_image(found)
        )
    )


def _show_classes(spec: DatasetSpec, found: Reconstructions) -> None:
    """The figures by class, a row each."""
    rows = pd.DataFrame(
        [(one.class_name, one.images, one.psnr, one.ssim) for one in reconstruction.by_class(found)],
        columns=[spec.noun.capitalize(), "Images", PSNR, SSIM],
    )
    columns = {
        PSNR: st.column_config.NumberColumn(
            catalog.title(PSNR), format="%.1f dB", help="Empty where an image is a perfect copy."
        ),
        SSIM: st.column_config.NumberColumn(catalog.title(SSIM), format="%.3f"),
    }
    st.dataframe(rows, hide_index=True, width="content", column_config=columns)


def _decibels(psnr: float | None) -> str:
    return "infinite" if psnr is None else f"{figure(psnr)} dB"


def _ssim(found: Reconstructions) -> str:
    return figure(found.ssim.mean().item())
