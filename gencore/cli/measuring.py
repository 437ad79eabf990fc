"""Commands that draw from trained runs, measure them and report."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro
from tyro.conf import Positional

from gencore import results, runs, tables
from gencore.cli.common import DONE, Places, changes_of, check_samples, evaluate_run, print_results, say
from gencore.config import DatasetName, Sampler
from gencore.files import write_atomically


@dataclass(frozen=True, kw_only=True)
class Evaluate(Places):
    """Measure trained runs against the test split and write their results."""

    names: Annotated[Positional[tuple[str, ...]], tyro.conf.arg(metavar="RUN...")]
    samples: int | None = None
    """Generated images to measure on [10000, or ten for each test image if that is fewer]."""
    seed: int = 0
    """Seed of the generated images."""
    sampler: Sampler | None = None
    """Draw with another sampler (DDPM)."""
    steps: int | None = None
    """Draw with another number of sampling steps (DDPM)."""
    prior: Literal["normal", "mixture"] | None = None
    """Draw codes from another prior (VAE)."""
    metrics: tuple[results.MetricGroup, ...] = results.DEFAULT_GROUPS
    """Groups to measure; what was measured before of the same images stays. `cas` trains two classifiers: ask for it."""
    features: tuple[results.FeatureSpace, ...] = ("classifier",)
    """`classifier` serves all groups; `random`: distances and manifold in an untrained network's features, a second
    opinion; `inception`: FID and Inception Score (torch-fidelity, minutes on a CPU)."""
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False
    """Print the results as JSON."""

    def __call__(self) -> int:
        if not self.names:
            raise ValueError("name at least one run; `gencore runs` lists them")
        check_samples(self.samples)
        if not (self.metrics and self.features):
            raise ValueError("--metrics and --features need at least one name each; `gencore evaluate --help` lists them")
        if self.metrics != results.DEFAULT_GROUPS and "classifier" not in self.features:
            raise ValueError("--metrics are measured in the classifier's features; add classifier to --features")
        members = [runs.run(name, self.folder) for name in self.names]
        for run in members:
            run.config()  # all refusals come before the first measurement
        changes = changes_of(sampler=self.sampler, sampling_steps=self.steps, prior=self.prior)
        asked = {"groups": self.metrics, "spaces": self.features}
        found = [evaluate_run(run, self, self.samples, self.seed, changes, **asked) for run in members]
        if self.as_json or (self.metrics, self.features) == (results.DEFAULT_GROUPS, ("classifier",)):
            print_results(found, self.as_json)
        else:
            tables.show_measured(found)
        return DONE


@dataclass(frozen=True, kw_only=True)
class Sample(Places):
    """Draw images from a trained run into a PNG sheet or an NPZ."""

    name: Annotated[Positional[str], tyro.conf.arg(metavar="RUN")]
    count: int = 100
    """How many images."""
    out: Path = Path("samples.png")
    """File to write: .png is a sheet, .npz holds `images` uint8 (N, H, W) or (N, H, W, 3), and `labels` where conditional."""
    digit: int | None = None
    """Class to draw (conditional models) [all in turn]."""
    seed: int = 0
    """Seed of the noise."""
    sampler: Sampler | None = None
    """Another sampler (DDPM)."""
    steps: int | None = None
    """Another number of sampling steps (DDPM)."""
    guidance: float | None = None
    """Classifier-free guidance scale (conditional DDPM)."""
    prior: Literal["normal", "mixture"] | None = None
    """Another prior (VAE)."""
    averaged: bool = True
    """Draw from the averaged weights (EMA) or from the last ones."""

    def __call__(self) -> int:
        if not 1 <= self.count <= 1_000_000:
            raise ValueError(f"--count is {self.count}; use 1 to 1000000")
        if self.out.suffix not in {".png", ".npz"}:
            raise ValueError(f"--out is {self.out}; end it in .png (a sheet) or .npz (arrays)")
        run = runs.run(self.name, self.folder)
        run.config()
        device = self.pick_device()
        import torch

        from gencore import devices, sampling

        changes = changes_of(
            sampler=self.sampler, sampling_steps=self.steps, guidance=self.guidance, prior=self.prior
        )
        model, _ = sampling.load_model(run, device, self.averaged, changes)
        classes = len(model.spec.class_names)
        if self.digit is not None and not (model.conditional and 0 <= self.digit < classes):
            raise ValueError(
                f"--digit is {self.digit}; {run.name} draws classes 0 to {classes - 1}" if model.conditional
                else f"{run.name} takes no labels, so --digit has no meaning; use a cGAN or a conditional DDPM"
            )  # fmt: skip
        labels = None
        if model.conditional:
            labels = torch.arange(self.count, device=device) % classes
            labels = torch.full_like(labels, self.digit) if self.digit is not None else labels
        dtype = devices.precision(run.config().training.precision, device)
        images = sampling.generate(model, self.count, labels, self.seed, dtype)
        sampling.write(self.out, images, labels)
        print(f"{self.count} images of {run.name} ({model.sampling}) in {self.out}")
        return DONE


@dataclass(frozen=True, kw_only=True)
class Steps(Places):
    """Measure fd and seconds a picture of a DDPM by sampler and number of steps, into steps.json of the run."""

    name: Annotated[Positional[str], tyro.conf.arg(metavar="RUN")]
    samplers: tuple[Sampler, ...] = ("dpm-solver++", "ddim")
    """Samplers to try; `ddpm` takes all T steps, so it takes long."""
    counts: tuple[int, ...] = (2, 5, 10, 20, 50)
    """Numbers of steps to try; others that were measured before stay."""
    samples: int | None = None
    """Images a point [2000, or ten for each test image if that is fewer]."""
    seed: int = 0
    """Seed of the noise."""
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False
    """Print the curve as JSON."""

    def __call__(self) -> int:
        check_samples(self.samples)
        run = runs.run(self.name, self.folder)
        run.config()
        device = self.pick_device()
        from gencore import steps

        with run.claim():
            curve = steps.measure(run, device, self.samplers, self.counts, self.samples, self.seed, self.data_dir, say=say)
        if self.as_json:
            print(curve.model_dump_json(indent=1))
        else:
            tables.show_steps(curve)
        return DONE


@dataclass(frozen=True, kw_only=True)
class SelfTest(Places):
    """Show what each metric sees: real images, and the same images spoilt in known ways."""

    dataset: Positional[DatasetName]
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False
    """Print the ladder as JSON."""

    def __call__(self) -> int:
        device = self.pick_device()
        from gencore import devices
        from gencore.selftest import selftest

        origin = devices.origin_here(device, ["selftest", self.dataset])
        found = selftest(self.dataset, device, self.folder, self.data_dir, origin, say=say)
        if self.as_json:
            print(found.model_dump_json(indent=1))
            return DONE
        tables.show_ladder(found)
        return DONE


@dataclass(frozen=True, kw_only=True)
class Report:
    """Write measured runs as one page, table or data file, or all of it in a ZIP."""

    names: Annotated[Positional[tuple[str, ...]], tyro.conf.arg(metavar="RUN...")]
    out: Path = Path("report.html")
    """File to write: .html is one self-contained page, .csv a row a run, .json everything, .zip all of it."""
    output_dir: Path | None = None
    """Folder of results/ [$GENCORE_HOME, else the repository]."""

    def __call__(self) -> int:
        from gencore import evidence, report  # with Plotly, slow to import

        if self.out.suffix not in report.ENDINGS:
            raise ValueError(f"--out is {self.out}; end it in {', '.join(report.ENDINGS)}")
        found = evidence.gather(self.names, self.output_dir)
        for name, reason in found.left_out.items():
            say(f"{name} is left out: {reason}")
        report.write(self.out, found)
        print(f"{', '.join(model.name for model in found.models)} on {found.dataset} in {self.out}")
        return DONE


@dataclass(frozen=True, kw_only=True)
class Export:
    """Write what a run is and is worth as a model card, or the network that draws as an ONNX graph."""

    name: Annotated[Positional[str], tyro.conf.arg(metavar="RUN")]
    out: Path = Path("card.md")
    """File to write: .md is a model card, .onnx the network with averaged weights (needs onnxscript)."""
    output_dir: Path | None = None
    """Folder of results/ and checkpoints/ [$GENCORE_HOME, else the repository]."""

    def __call__(self) -> int:
        if self.out.suffix not in {".md", ".onnx"}:
            raise ValueError(f"--out is {self.out}; end it in .md (a model card) or .onnx (the network)")
        run = runs.run(self.name, self.output_dir)
        run.config()
        if self.out.suffix == ".md":
            from gencore import card

            content = card.card(run).encode()
        else:
            from gencore import export

            content = export.onnx(run)
        write_atomically(self.out, content)
        print(f"{run.name} in {self.out}")
        return DONE
