"""Measuring and every page on data sets unlike MNIST: two classes, 63 classes, colour without labels."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import torch
from PIL import Image

from gencore.config.options import EXTRACTORS, DataConfig, RunConfig, TrainingConfig
from gencore.data.adding import add
from gencore.data.importing.options import ImportOptions
from gencore.data.importing.reading import read
from gencore.data.sources import load
from gencore.evaluation.evaluate import evaluate
from gencore.evaluation.floors import measure_reference_figures
from gencore.models.feature_extractor import MissingFeaturesError, load_extractor
from gencore.store.extractor_runs import features_run
from gencore.store.results import Results
from gencore.store.runs import run
from tests.support import QUIET, TINY, Result, record
from tests.test_own_data import write_pictures
from tests.visits import text_of, visit

CPU = torch.device("cpu")
PAGES = (
    "home",
    "live",
    "gallery",
    "latent",
    "translate",
    "performance",
    "diffusion",
    "quiz",
    "trust",
    "runs",
)


class Kind(NamedTuple):
    """What a data set is like."""

    classes: int
    count: int
    colour: bool
    labelled: bool
    size: int


KINDS = {
    "two grey classes": Kind(2, 150, False, True, 16),
    "63 grey classes": Kind(63, 5, False, True, 16),
    "colour without labels": Kind(3, 100, True, False, 20),
}


class Made(NamedTuple):
    """A home folder with a data set `own`, tiny extractors, and tiny models that are measured."""

    home: Path
    kind: Kind
    results: dict[str, Results]


@pytest.fixture(scope="module", params=list(KINDS))
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    kind, home = KINDS[request.param], tmp_path_factory.mktemp("own")
    write_pictures(home / "pictures", kind.classes, kind.count, colour=kind.colour, labelled=kind.labelled)
    options = ImportOptions(size=kind.size, holdout=0.3)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GENCORE_HOME", str(home))
        patch.delenv("GENCORE_DATA", raising=False)
        spec = add(read(home / "pictures", options), "own", "pictures", options, home / "data").spec
        train = load(spec, "train")

        def config(model: object, **training: object) -> RunConfig:
            return RunConfig(
                data=DataConfig(dataset="own", batch_size=32),
                own_data=spec,
                model=model,
                training=TrainingConfig(**QUIET | {"checkpoint_every": 1000} | training),
            )

        for name, full_size in EXTRACTORS.items():
            extractor = features_run("own", home, name)
            small = full_size.model_copy(update={"width": 8, "feature_dim": 8})
            extractor.create(config(small, epochs=8, ema_decay=0.9))
            record(extractor, train)
            measure_reference_figures(extractor, CPU, None, lambda text: None, name)
        families = [family for family in TINY if kind.labelled or family != "cgan"]
        for family in families:
            trained = run(f"own-{family}", home)
            trained.create(config(TINY[family], epochs=2, sheets=1))
            record(trained, train)
        yield Made(home, kind, {name: evaluate(run(f"own-{name}", home), CPU) for name in families})


@pytest.fixture
def here(made: Made, monkeypatch: pytest.MonkeyPatch) -> Made:
    """The made home folder as the home of this test."""
    monkeypatch.setenv("GENCORE_HOME", str(made.home))
    monkeypatch.delenv("GENCORE_DATA", raising=False)
    return made


def test_models_are_measured_and_what_cannot_be_has_a_reason(made: Made) -> None:
    for name, found in made.results.items():
        assert found.value("fd_over_floor") > 0, name
        assert len(found.metrics["fd_over_floor"].by_extractor) >= 1
        for metric, one in found.metrics.items():
            assert one.value is not None or one.reason, metric
        known = [found.value(metric) is not None for metric in ("class_coverage", "control_hit_rate")]
        assert known[0] or "figures about classes need" in found.metrics["class_coverage"].reason
    assert len(found.class_names) == found.class_shares.__len__()


def test_extractors_of_another_version_of_the_data_are_refused(made: Made) -> None:
    spec = run("own-vae", made.home).config().dataset_spec
    assert load_extractor(spec, CPU, made.home).spec == spec
    with pytest.raises(MissingFeaturesError, match="another version.*gencore features own --overwrite"):
        load_extractor(spec.model_copy(update={"digest": "0" * 64}), CPU, made.home)


@pytest.mark.parametrize("page", PAGES)
def test_every_page_shows_the_models_and_says_nothing_of_digits(here: Made, page: str) -> None:
    app = visit(page, [f"own-{name}" for name in here.results])
    kinds = ("selectbox", "slider", "button", "button_group", "segmented_control")
    labels = [element.label for kind in kinds for element in app.main.get(kind)]
    labels += [
        option for element in app.main.get("button_group") for option in getattr(element, "options", [])
    ]
    shown = text_of(app) + "\\n".join(labels)
    assert not app.exception
    assert "digit" not in shown.lower().replace("--dataset digits", ""), shown


def test_the_latent_page_walks_between_classes_and_ends(here: Made) -> None:
    for walk in ("interpolation", "map", "reconstruction"):
        for name in here.results:
            visit("latent", [f"own-{name}"], walk=walk)


def test_images_of_every_kind_are_given_back_and_interpolated_by_commands(
    made: Made, gencore: Callable[..., Result], tmp_path: Path
) -> None:
    folders = ("--output-dir", made.home, "--data-dir", made.home / "data", "--out", tmp_path / "x.png")
    spec = run("own-vae", made.home).config().dataset_spec
    classes = spec.class_names
    tested = load(spec, "test", made.home / "data").labels.unique().tolist()  # not every cluster
    for family in ("vae", "ddpm"):
        found = gencore("reconstruct", f"own-{family}", "--count", 9, "--json", *folders).json
        of_classes = {one["class_name"]: one["images"] for one in found["classes"]}
        assert list(of_classes) == [classes[label] for label in tested][:9]
        assert sum(of_classes.values()) == 9
        with Image.open(tmp_path / "x.png") as sheet:
            assert sheet.size == (9 * made.kind.size, 3 * made.kind.size)
            assert sheet.mode == ("RGB" if made.kind.colour else "L")
        done = gencore("interpolate", f"own-{family}", "--from", classes[1], "--to", classes[0], *folders)
        assert done.code == 0 and f"first image: {classes[1]} with probability" in done.err
        with Image.open(tmp_path / "x.png") as strip:
            assert strip.size == (11 * made.kind.size, made.kind.size)


def test_a_button_prepares_a_data_set_that_has_no_extractors(home: Path) -> None:
    write_pictures(home / "pictures", 2, 150)
    options = ImportOptions(size=16, holdout=0.45)
    add(read(home / "pictures", options), "bare", "pictures", options, home / "data")
    app = visit("home")
    app.sidebar.selectbox(key="train.dataset").set_value("bare").run()
    button = next(one for one in app.sidebar.button if one.label == "Prepare this data set")
    button.click().run()
    extractor = features_run("bare")
    try:
        deadline = time.monotonic() + 60
        while extractor.process() is None:
            assert time.monotonic() < deadline, extractor.log_path.read_text()
            time.sleep(0.1)
        shown = [caption.value for caption in app.run().sidebar.caption]
        assert any("bare is being prepared: 0 of 3" in text for text in shown), shown
    finally:
        extractor.stop(patience_seconds=30)
    assert extractor.config().own_data.name == "bare"
