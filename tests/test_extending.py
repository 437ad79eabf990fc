"""What a contributor edits to add a family or a page: done in a copy of the package, and used there."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from checkout import Checkout

from gencore.config.families import FAMILIES, sampling_options, variants
from gencore.config.options import PRESETS, preset_title

CONFIG = '''
"""Options of the toy family."""

from typing import Literal

from pydantic import Field

from gencore.config.model_sections import ModelConfig


class ToyConfig(ModelConfig):
    """The mean training image, with noise."""

    family: Literal["toy"] = "toy"
    noise: float = Field(0.1, ge=0, le=1, description="Standard deviation of the noise on a sample.")
    learning_rate: float = Field(0.1, gt=0, description="Adam's learning rate.")
'''
MODEL = '''
"""The mean training image, with noise."""

import torch
from torch import nn

from gencore.models.base import GenerativeModel, Player


class Mean(nn.Module):
    def __init__(self, spec):
        super().__init__()
        self.image = nn.Parameter(torch.zeros(1, spec.channels, spec.size, spec.size))


class Toy(GenerativeModel):
    conditional = False
    sampling = "the mean image and noise"

    def __init__(self, config, spec):
        super().__init__()
        self.config, self.spec, self.mean = config, spec, Mean(spec)
        self.players = {"mean": Player(self.mean, config.learning_rate)}

    @property
    def averaged(self):
        return self.mean

    def loss(self, player, batch, rng):
        error = (batch.images - self.mean.image).square().mean()
        return error, {"mse": error.detach()}

    def sample(self, n, labels, rng):
        noise = torch.randn(n, *self.mean.image.shape[1:], generator=rng, device=self.device)
        return (self.mean.image + self.config.noise * noise).clamp(-1, 1)
'''
ROW = """from gencore.config.toy import ToyConfig

TOY = Family(
    config=ToyConfig,
    implementation="gencore.models.toy:Toy",
    variants=(Variant("Toy", "#56B4E9", "noise → x", "It remembers one image, the mean."),),
    presets={
        "toy": Preset(ToyConfig(), is_headline=True),
        "toy-loud": Preset(ToyConfig(noise=1), note="loud"),
    },
    sampling_options=(SamplingOption("noise", "noise"),),
)

FAMILIES: dict"""
OPEN_PAGE = """
import json, sys
from functools import partial
from streamlit.testing.v1 import AppTest
from dashboard.data.machine import Doctor
from dashboard.widgets import sidebar

sidebar.Doctor = partial(Doctor, [sys.executable, "-c", ""])
app = AppTest.from_file(sys.argv[1], default_timeout=60)
app.switch_page(sys.argv[2]).run() if len(sys.argv) > 2 else app.run()
assert not app.exception, [element.value for element in app.exception]
print(json.dumps({
    "form": app.sidebar.selectbox(key="train.preset").options,
    "text": [element.value for kind in ("title", "markdown", "code") for element in app.main.get(kind)],
    "links": [link.proto.label for link in app.main.get("page_link")],
}))
"""
COMMAND = "import sys; from gencore.cli.main import main; main(sys.argv[1:])"


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path)


def test_a_new_family_is_a_config_a_model_and_a_row(checkout: Checkout) -> None:
    checkout.write("gencore/config/toy.py", CONFIG)
    checkout.write("gencore/models/toy.py", MODEL)
    checkout.replace("gencore/config/families.py", "FAMILIES: dict", ROW)
    checkout.replace(
        "gencore/config/families.py",
        "(VAE, GAN, DDPM, PIX2PIX, PALETTE, CLASSIFIER, IMAGES)",
        "(VAE, GAN, DDPM, TOY, PIX2PIX, PALETTE, CLASSIFIER, IMAGES)",
    )
    files = {"gencore/config/toy.py", "gencore/models/toy.py", "gencore/config/families.py"}
    assert set(checkout.touched) == files

    quick = "--dataset digits --epochs 2 --fd-every 0 --sheets 1 --device cpu --threads 1".split()
    checkout.run(COMMAND, "train", "toy", *quick, "--noise", "0.2")
    run = checkout.folder / "home/results/digits-toy"
    assert json.loads((run / "config.json").read_text())["model"] == {
        "family": "toy",
        "noise": 0.2,
        "learning_rate": 0.1,
    }
    assert "Toy" in checkout.run(COMMAND, "runs")
    checkout.run(COMMAND, "sample", "digits-toy", "--noise", "0", "--count", "3", "--out", "x.npz")
    images = np.load(checkout.folder / "x.npz")["images"]
    assert images.shape == (3, 28, 28) and (images == images[0]).all() and images[0].std() > 10
    assert "--toy.noise" in checkout.run(COMMAND, "compare", "--help")

    home = json.loads(checkout.run(OPEN_PAGE, "dashboard/" + script(checkout)))
    assert {"Toy", "Toy · loud"} <= set(home["form"])
    shown = "\n".join(home["text"])
    assert "It remembers one image, the mean." in shown and "noise → x" in shown
    colour = checkout.run("from gencore.analysis.colours import colour; print(colour('Toy'))")
    assert colour.strip() == "#56B4E9"


def test_a_new_page_is_a_file_and_a_line_in_the_list_of_pages(checkout: Checkout) -> None:
    checkout.write("dashboard/views/about.py", 'import streamlit as st\n\nst.title("About these models")\n')
    last = '    st.Page("views/runs.py", title="Runs"),\n'
    checkout.replace(
        f"dashboard/{script(checkout)}", last, last + '    st.Page("views/about.py", title="About"),\n'
    )
    assert len(checkout.touched) == 2
    opened = json.loads(checkout.run(OPEN_PAGE, "dashboard/" + script(checkout), "views/about.py"))
    assert opened["text"] == ["About these models"]


def script(checkout: Checkout) -> str:
    """The file that lists the pages."""
    dashboard = checkout.folder / "dashboard"
    return next(path.name for path in dashboard.glob("*.py") if "st.navigation(" in path.read_text())


def test_every_variant_has_a_colour_and_an_explanation_of_its_own() -> None:
    for task in ("generation", "translation"):
        rows = list(variants(task))
        for facts in zip(
            *((row.label, row.colour, row.diagram, row.explanation) for row in rows), strict=True
        ):
            assert all(facts) and len(set(facts)) == len(rows)
    both = list(variants("generation", "translation"))
    assert len({row.label for row in both}) == len(both)


def test_presets_have_names_and_titles_of_their_own_and_one_headline_a_variant_at_most() -> None:
    rows = [(name, row) for family in FAMILIES.values() for name, row in family.presets.items()]
    assert len(rows) == len(dict(rows)) == len({preset_title(name) for name, _ in rows})
    headline = [PRESETS[name].label for name, row in rows if row.is_headline]
    assert len(headline) == len(set(headline)) > 0


def test_a_flag_for_sampling_means_the_same_field_of_the_same_type_in_every_family() -> None:
    for flag, options in sampling_options().items():
        fields = {(option.field, str(family.config.model_fields[option.field])) for option, family in options}
        assert len(fields) == 1, flag
        for option, family in options:
            known = set(family.config.model_fields)
            assert {option.limit or option.field, (option.ignored_with or (option.field,))[0]} <= known
