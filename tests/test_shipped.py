"""What comes with the repository: whole, measured as it lies there, and told truly in the README."""

import json
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
import torch

from gencore.analysis.comparison import Comparison
from gencore.config.datasets import DATASETS
from gencore.config.options import EXTRACTORS, HEADLINE, PRESETS
from gencore.evaluation.floors import load_reference_figures
from gencore.evaluation.sampler_sweep import SamplerSweep
from gencore.latent import directions
from gencore.models.feature_extractor import load_extractor
from gencore.models.load import load_model
from gencore.sampling.generate import generate
from gencore.store import events, runs
from gencore.store.checkpoints import load_checkpoint
from gencore.store.extractor_runs import features_run
from gencore.store.results import Results, load

ROOT = Path(__file__).resolve().parent.parent
CPU = torch.device("cpu")
SHIPPED = [f"mnist-{preset}" for preset in HEADLINE]

sys.path.insert(0, str(ROOT))


@pytest.fixture(params=SHIPPED)
def run(request: pytest.FixtureRequest) -> runs.Run:
    return runs.run(request.param, ROOT)


def test_a_shipped_run_trained_its_preset_to_the_end(run: runs.Run) -> None:
    assert run.is_shipped and run.status() == "finished"
    differs = run.config().difference(PRESETS[run.name.removeprefix("mnist-")])
    # how often a state was saved, or a quick distance taken, and of how many images, changes no weight
    of_no_weight = ("training.checkpoint_every:", "training.fd_every:", "training.fd_samples:")
    assert [line for line in differs if not line.startswith(of_no_weight)] == []


def test_its_results_were_measured_on_the_weights_that_lie_here(run: runs.Run) -> None:
    found = run.load_results()
    assert found is not None
    assert found.checkpoint_digest == load_checkpoint(run.checkpoints / "final.safetensors").digest
    digests = {name: load_extractor(DATASETS["mnist"], CPU, ROOT, name).digest for name in EXTRACTORS}
    assert found.extractor_digests == digests and found.extractor_digest == digests["residual"]
    assert list(found.metrics["fd_over_floor"].by_extractor) == list(EXTRACTORS)
    assert {origin.kind for origin in found.origins.values()} == {"shipped"}
    assert found.metrics["fd"].samples == 10_000


def test_its_results_obey_the_published_schema(run: runs.Run) -> None:
    schema = Results.model_json_schema(mode="serialization")
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(json.loads(run.results_path.read_bytes()), schema)


def test_its_training_time_is_the_event_logs(run: runs.Run) -> None:
    found, last = run.load_results(), events.last(run.events_path)
    assert found is not None and isinstance(last, events.Ended)
    assert found.value("training_seconds") == events.device_seconds(last)


def test_it_draws_images_that_are_neither_black_nor_alike(run: runs.Run) -> None:
    model, _ = load_model(run, CPU)
    labels = torch.arange(4) if model.conditional else None
    images = generate(model, 4, labels, seed=1, dtype=torch.float32).float()
    assert images.std() > 30 and images.std(dim=0).mean() > 10


def test_its_directions_come_with_it(run: runs.Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the first visit of the latent page looks for them, a minute for the DDPM on a CPU."""
    monkeypatch.setattr(directions, "model_directions", lambda *_: pytest.fail("they were looked for"))
    model, checkpoint = load_model(run, CPU)
    extractor_run = load_extractor(DATASETS["mnist"], CPU, ROOT)
    found = directions.run_directions(
        run,
        model,
        checkpoint.digest,
        extractor_run.network.features,
        extractor_run.digest,
    )
    assert len(found.vectors) == 10 and sum(found.shares) <= 1


def test_its_sheets_lie_where_its_events_say(run: runs.Run) -> None:
    drawn = [e for e in events.tail(run.events_path).events if isinstance(e, events.Sheet)]
    assert drawn and all((run.results / e.file).exists() for e in drawn)
    assert (run.results / "samples.png").exists() and (run.results / "morph.png").exists()


def test_the_ddpms_steps_were_measured_on_its_weights() -> None:
    ddpm = runs.run("mnist-ddpm", ROOT)
    curve = load(ddpm.results / "steps.json", SamplerSweep)
    assert curve.checkpoint_digest == load_checkpoint(ddpm.checkpoints / "final.safetensors").digest
    assert {point.origin.kind for point in curve.points} == {"shipped"}
    assert {(point.sampler, point.steps) for point in curve.points} >= {
        ("dpm-solver++", 10),
        ("ddim", 10),
        ("dpm-solver++", 50),
    }


def test_a_shipped_comparison_is_over_seeds_and_by_the_classifiers_that_ship() -> None:
    paths = list(runs.comparisons_folder(ROOT).glob("*.json"))
    if not paths:
        pytest.skip("no comparison over seeds ships")
    digests = {load_extractor(DATASETS["mnist"], CPU, ROOT, name).digest for name in EXTRACTORS}
    for path in paths:
        compared = load(path, Comparison)
        assert set(compared.runs) == {PRESETS[preset].label for preset in HEADLINE}
        assert len(compared.seeds) > 1 and compared.extractor_digest in digests
        assert compared.origin.kind == "shipped" and f"--epochs {compared.epochs}" in compared.origin.command


@pytest.mark.parametrize("extractor", EXTRACTORS)
@pytest.mark.parametrize(("dataset", "least"), [("mnist", 0.99), ("digits", 0.97)])
def test_a_shipped_feature_extractor_is_good_and_its_floors_are_its_own(
    dataset: str, least: float, extractor: str
) -> None:
    loaded = load_extractor(DATASETS[dataset], CPU, ROOT, extractor)
    reference = load_reference_figures(dataset, loaded, ROOT)  # raises where the digests differ
    assert reference.test_accuracy >= least and reference.misorders == []
    assert 0 < reference.floors["fd"].value < reference.fd_of_blur < reference.fd_of_noise
    assert features_run(dataset, ROOT, extractor).is_shipped
    assert features_run(dataset, ROOT, extractor).config().model == EXTRACTORS[extractor]
    assert bool(reference.half_floors) == (extractor == "residual")


def test_all_shipped_weights_together_stay_under_40_megabytes() -> None:
    listed = ["git", "ls-files", "--", "checkpoints", "results"]
    files = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    weights = [path for path in files if path.endswith(".safetensors")]
    folders = {Path(path).parent.name for path in weights}
    extractors = {features_run(of, ROOT, name).name for of in ("digits", "mnist") for name in EXTRACTORS}
    assert folders >= {*SHIPPED, *extractors}
    assert sum((ROOT / path).stat().st_size for path in weights) < 40e6


def test_the_readmes_tables_are_what_their_command_writes() -> None:
    from benchmarks.readme_table import over_seeds, table

    assert all(part in (ROOT / "README.md").read_text() for part in (table(), over_seeds()))
