"""Commands that generate images with trained runs, measure the runs and report on them."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro
from tyro.conf import Positional

from gencore.analysis.scores import scores
from gencore.cli import tables
from gencore.cli.common import (
    DONE,
    CommonOptions,
    SamplingChanges,
    check_samples,
    evaluate_run,
    groups_of,
    no_changes,
    print_results,
    say,
)
from gencore.config.datasets import DatasetName
from gencore.config.families import family_of, translates
from gencore.config.options import Sampler
from gencore.data.registry import find
from gencore.metrics.catalog import FeatureSpace, MetricGroup
from gencore.store import runs
from gencore.store.files import write_atomically
from gencore.store.runs import RunExistsError


@dataclass(frozen=True, kw_only=True)
class Evaluate(CommonOptions):
    """Measure trained runs against the test split and write their results."""

    names: Annotated[Positional[tuple[str, ...]], tyro.conf.arg(metavar="RUN...")]
    samples: int | None = None
    """Generated images to measure on [10000, or half as many as the training split has if that is fewer; test
    pairs of a translation model, all up to that number]."""
    seed: int = 0
    """Seed of the generated images."""
    changes: Annotated[SamplingChanges, tyro.conf.arg(name="")] = field(default_factory=no_changes)
    metrics: tuple[MetricGroup, ...] = ()
    """Groups of metrics to measure; earlier results on the same images stay. `cas` is slow: it trains two
    classifiers [all but cas and translation; of a translation model distances, translation and cost]."""
    features: tuple[FeatureSpace, ...] = ("classifier",)
    """Features to measure in. `classifier`: all groups; `random`: distances and manifold in an untrained
    network's features, as a check; `inception`: FID, Inception Score and LPIPS by the published networks
    (torch-fidelity, minutes on CPU), LPIPS of a translation model between output and real image."""
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False
    """Print the results as JSON."""

    def __call__(self) -> int:
        """Run the command; returns the exit code."""
        if not self.names:
            raise ValueError("name at least one run; `gencore runs` lists them")
        check_samples(self.samples)
        if not self.features:
            raise ValueError("--features needs at least one name; `gencore evaluate --help` lists them")
        if self.metrics and "classifier" not in self.features:
            raise ValueError(
                "--metrics are measured in the classifier's features; add classifier to --features"
            )
        members = [runs.run(name, self.folder) for name in self.names]
        for run in members:  # all refusals come before the first measurement
            groups_of(run, self.metrics, self.features)
        changes = self.changes.by_field()
        found = [
            evaluate_run(run, self, self.samples, self.seed, changes, self.metrics, self.features)
            for run in members
        ]
        is_usual = (self.metrics, self.features) == ((), ("classifier",))
        if self.as_json or (is_usual and not any(translates(run.config().model) for run in members)):
            print_results(found, self.as_json)
        else:
            tables.show_measured(found)
        return DONE


@dataclass(frozen=True, kw_only=True)
class Measure(CommonOptions):
    """Measure images that were made elsewhere against a test split, as `evaluate` measures a model's."""

    path: Annotated[Positional[Path], tyro.conf.arg(metavar="FILE_OR_FOLDER")]
    """An .npz with `images` (N, H, W[, 3]) uint8 and perhaps `labels`, an IDX file, or a folder of pictures,
    with a sub-folder for each class where classes are known."""
    dataset: DatasetName
    """Data set whose test split they are compared with; they must have its size and channels."""
    name: str
    """Name of the run that shows them next to the models."""
    labels: Path | None = None
    """Class numbers, one an image: .npy, .csv, .txt or IDX."""
    overwrite: bool = False
    """Replace images of this name."""
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False
    """Print the results, and the scores that they allow, as JSON."""

    def __call__(self) -> int:
        """Run the command; returns the exit code."""
        run = runs.run(self.name, self.folder)
        if run.exists and family_of(run.config().model).is_trained:
            raise RunExistsError(f"{self.name} is a run of a model; use another --name")
        if run.exists and not self.overwrite:
            raise RunExistsError(f"images named {self.name} exist; use --overwrite or another --name")
        from gencore.data.image_files import read_images
        from gencore.evaluation.outside import images_config, measure_images

        spec = find(self.dataset, self.data_dir)
        found = read_images(self.path, spec, self.labels)
        if len(found.images) < 6:  # five neighbours of each
            raise ValueError(
                f"{self.path} holds {len(found.images)} images; use 6 or more (10000 for a figure to publish)"
            )
        words = ["measure", str(self.path), "--dataset", self.dataset, "--name", self.name]
        words += ["--labels", str(self.labels)] if self.labels else []
        config = images_config(found, spec, self.path.name)
        device = self.pick_device()
        with run.claim():
            measured = measure_images(run, config, found, device, words, self.data_dir, say)
        if self.as_json:
            scored = {name: one.model_dump(mode="json") for name, one in scores([measured]).items()}
            print(json.dumps({"results": measured.model_dump(mode="json"), "scores": scored}, indent=1))
        else:
            print_results([measured], as_json=False)
        return DONE


@dataclass(frozen=True, kw_only=True)
class Sample(CommonOptions):
    """Generate images with a trained run and write a PNG sheet or an NPZ."""

    name: Annotated[Positional[str], tyro.conf.arg(metavar="RUN")]
    count: int = 100
    """How many images."""
    out: Path = Path("samples.png")
    """File to write: .png is a sheet; .npz holds `images`, uint8 (N, H, W) or (N, H, W, 3), and the `labels`
    of conditional models."""
    label: Annotated[str | None, tyro.conf.arg(name="class", aliases=("--digit",))] = None
    """Class to generate, by name or number (conditional models) [all in turn]."""
    seed: int = 0
    """Seed of the noise."""
    changes: Annotated[SamplingChanges, tyro.conf.arg(name="")] = field(default_factory=no_changes)
    averaged: bool = True
    """Use the averaged weights (EMA); otherwise those of the last step."""

    def __call__(self) -> int:
        """Run the command; returns the exit code."""
        if not 1 <= self.count <= 1_000_000:
            raise ValueError(f"--count is {self.count}; use 1 to 1000000")
        if self.out.suffix not in {".png", ".npz"}:
            raise ValueError(f"--out is {self.out}; end it in .png (a sheet) or .npz (arrays)")
        run = runs.run(self.name, self.folder)
        run.config()
        device = self.pick_device()
        import torch

        from gencore import devices
        from gencore.models.load import load_model
        from gencore.sampling import sheets
        from gencore.sampling.generate import generate

        model, _ = load_model(run, device, self.averaged, self.changes.by_field())
        if self.label is not None and not model.conditional:
            raise ValueError(
                f"{run.name} takes no labels, so --class has no meaning; use a conditional model"
            )
        labels = None
        if model.conditional:
            labels = torch.arange(self.count, device=device) % model.spec.classes
            if self.label is not None:
                labels = torch.full_like(labels, model.spec.class_index(self.label))
        dtype = devices.precision(run.config().training.precision, device)
        images = generate(model, self.count, labels, self.seed, dtype)
        sheets.write(self.out, images, labels)
        print(f"{self.count} images of {run.name} ({model.sampling}) in {self.out}")
        return DONE


@dataclass(frozen=True, kw_only=True)
class Steps(CommonOptions):
    """Measure Fréchet distance and seconds per image by sampler and number of steps; write steps.json."""

    name: Annotated[Positional[str], tyro.conf.arg(metavar="RUN")]
    samplers: tuple[Sampler, ...] = ("dpm-solver++", "ddim")
    """Samplers to measure; `ddpm` takes all T steps, so it is slow."""
    counts: tuple[int, ...] = ()
    """Numbers of steps to measure; earlier results for other numbers stay [2 5 10 20 50]."""
    samples: int | None = None
    """Images per point [2000, or half as many as the training split has if that is fewer]."""
    seed: int = 0
    """Seed of the noise."""
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False
    """Print the curve as JSON."""

    def __call__(self) -> int:
        """Run the command; returns the exit code."""
        check_samples(self.samples)
        run = runs.run(self.name, self.folder)
        run.config()
        device = self.pick_device()
        from gencore.evaluation import sampler_sweep

        with run.claim():
            curve = sampler_sweep.measure(
                run, device, self.samplers, self.counts, self.samples, self.seed, self.data_dir, say=say
            )
        if self.as_json:
            print(curve.model_dump_json(indent=1))
        else:
            tables.show_sampler_sweep(curve)
        return DONE


@dataclass(frozen=True, kw_only=True)
class MeasureBudgets(CommonOptions):
    """Measure how good a training was after 1, 3, 10 and 30 minutes of work; write budgets.json."""

    names: Annotated[Positional[tuple[str, ...]], tyro.conf.arg(metavar="RUN...")]
    samples: int | None = None
    """Images per point [5000, or half as many as the training split has if that is fewer]."""
    seed: int = 0
    """Seed of the noise."""
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False
    """Print what was measured as JSON."""

    def __call__(self) -> int:
        """Run the command; returns the exit code."""
        if not self.names:
            raise ValueError("name at least one run; `gencore runs` lists them")
        check_samples(self.samples)
        members = [runs.run(name, self.folder) for name in self.names]
        for run in members:
            run.config()  # all refusals come before the first measurement
        device = self.pick_device()
        from gencore.evaluation import budgets

        found = []
        for run in members:
            with run.claim():
                found.append(budgets.measure(run, device, self.samples, self.seed, self.data_dir, say))
        if self.as_json:
            print(json.dumps([one.model_dump(mode="json") for one in found], indent=1))
        else:
            tables.show_budgets(found)
        return DONE


@dataclass(frozen=True, kw_only=True)
class SelfTest(CommonOptions):
    """Show how each metric reacts to real images that are corrupted in known ways."""

    dataset: Positional[DatasetName]
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False
    """Print the scores by corruption and severity as JSON."""

    def __call__(self) -> int:
        """Run the command; returns the exit code."""
        device = self.pick_device()
        from gencore import devices
        from gencore.evaluation.ladder import measure_ladder

        spec, origin = (
            find(self.dataset, self.data_dir).original,
            devices.origin_here(device, ["selftest", self.dataset]),
        )
        found = measure_ladder(spec, device, self.folder, self.data_dir, origin, say=say)
        if self.as_json:
            print(found.model_dump_json(indent=1))
            return DONE
        tables.show_ladder(found)
        return DONE


@dataclass(frozen=True, kw_only=True)
class Report:
    """Write the results of runs as an HTML page, a table or JSON, or all of them in a ZIP."""

    names: Annotated[Positional[tuple[str, ...]], tyro.conf.arg(metavar="RUN...")]
    out: Path = Path("report.html")
    """File to write: .html is one whole page, .csv has a row a run, .json everything, .zip all three."""
    output_dir: Path | None = None
    """Folder of results/ [$GENCORE_HOME, else the repository]."""

    def __call__(self) -> int:
        """Run the command; returns the exit code."""
        from gencore.analysis import measured_models
        from gencore.reports import bundle  # with Plotly, slow to import

        if self.out.suffix not in bundle.ENDINGS:
            raise ValueError(f"--out is {self.out}; end it in {', '.join(bundle.ENDINGS)}")
        found = measured_models.load_measured_models(self.names, self.output_dir)
        for name, reason in found.left_out.items():
            say(f"{name} is left out: {reason}")
        bundle.write(self.out, found)
        print(f"{', '.join(model.name for model in found.models)} on {found.dataset} in {self.out}")
        return DONE


@dataclass(frozen=True, kw_only=True)
class Export:
    """Write a run's model card, or the network that generates its images as an ONNX graph."""

    name: Annotated[Positional[str], tyro.conf.arg(metavar="RUN")]
    out: Path = Path("card.md")
    """File to write: .md is a model card, .onnx is the network with averaged weights."""
    decoder: bool = False
    """Write the way from a latent, or from a source image, to an image instead: one image at a time, weights
    in half precision, for a model that samples in steps one step with the table of steps. The dashboard runs
    it in the browser."""
    changes: Annotated[SamplingChanges, tyro.conf.arg(name="")] = field(default_factory=no_changes)
    output_dir: Path | None = None
    """Folder of results/ and checkpoints/ [$GENCORE_HOME, else the repository]."""

    def __call__(self) -> int:
        """Run the command; returns the exit code."""
        if self.out.suffix not in {".md", ".onnx"}:
            raise ValueError(f"--out is {self.out}; end it in .md (a model card) or .onnx (the network)")
        run, changes = runs.run(self.name, self.output_dir), self.changes.by_field()
        run.config()
        if not self.decoder and changes:
            raise ValueError("options of sampling change only the decoder; add --decoder")
        if self.decoder and self.out.suffix != ".onnx":
            raise ValueError(f"--out is {self.out}; a decoder is an .onnx file")
        if self.decoder:
            from gencore.reports.decoder import decoder

            content = decoder(run, changes)
        elif self.out.suffix == ".md":
            from gencore.reports import model_card

            content = model_card.card(run).encode()
        else:
            from gencore.reports import onnx

            content = onnx.onnx(run)
        write_atomically(self.out, content)
        print(f"{run.name} in {self.out}")
        return DONE
