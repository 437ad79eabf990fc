"""Commands that train: one model, the headline models side by side, the feature extractors of a data set."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated

import tyro
from tyro.conf import Positional, Suppress

from gencore.analysis import comparison
from gencore.cli import tables
from gencore.cli.common import (
    DIVERGED,
    DONE,
    FAILED,
    INTERRUPTED,
    TERMINATED,
    CommonOptions,
    check_samples,
    evaluate_run,
    print_results,
    say,
)
from gencore.config import commands
from gencore.config.datasets import DatasetName, DatasetSpec, in_file_names
from gencore.config.options import (
    EXTRACTORS,
    HEADLINE,
    PRESETS,
    QUICK,
    ModelConfig,
    RunConfig,
    features_preset,
)
from gencore.data.registry import find, with_data
from gencore.evaluation.records import ReferenceFigures
from gencore.store import results, runs
from gencore.store.runs import Run
from gencore.training import process

_FINE_TUNING = 4
"""A student begins with trained weights: its learning rates are its teacher's divided by this."""

_ALWAYS_NAMED = ("dataset", "epochs", "seed", "seeds")
"""Options that the command of a comparison names even where they have their defaults."""


@dataclass(frozen=True, kw_only=True)
class Train(CommonOptions):
    """Train one model; write its config, events, sample sheets and checkpoints."""

    config: RunConfig
    name: str | None = None
    """Name of the run [DATASET-PRESET]."""
    resume: bool = False
    """Continue from the newest checkpoint of the run."""
    overwrite: bool = False
    """Delete the run of that name first."""
    evaluate: bool = False
    """Measure the run when it has finished."""
    preset: Suppress[str] = ""

    def __call__(self) -> int:
        """Run the command; returns the exit code."""
        config = with_data(self.config, self.data_dir)
        if (fewer := config.data.batch_size) < self.config.data.batch_size:
            say(f"batches of {fewer} images, as {config.dataset_spec.title} is small")
        run = runs.run(self.name or f"{in_file_names(config.data.dataset)}-{self.preset}", self.folder)
        code = _train(run, config, self, resume=self.resume, overwrite=self.overwrite)
        if code == DONE and self.evaluate:
            evaluate_run(run, self)
        return code


@dataclass(frozen=True, kw_only=True)
class Distill(CommonOptions):
    """Train a student that makes the images of a diffusion model in a few passes of its network."""

    run: Positional[str]
    """The teacher: a run of a DDPM, with or without labels, that has a checkpoint."""
    steps: int = 4
    """Steps of the student, each one pass of its network; 1 to 8 make sense."""
    teacher_steps: int = 4
    """Steps of the teacher that the student takes in one."""
    epochs: int = 3
    """Passes over the training split, at a quarter of the teacher's learning rates."""
    seed: int = 42
    """Seed of batches and noise."""
    name: str | None = None
    """Name of the student's run [RUN-STEPS-steps]."""
    resume: bool = False
    """Continue from the newest checkpoint of the student."""
    overwrite: bool = False
    """Delete the run of that name first."""
    evaluate: bool = False
    """Measure the student when it has finished."""

    def __call__(self) -> int:
        """Run the command; returns the exit code."""
        teacher = runs.run(self.run, self.folder)
        student = runs.run(self.name or f"{self.run}-{self.steps}-steps", self.folder)
        code = _train(student, self._config(teacher), self, resume=self.resume, overwrite=self.overwrite)
        if code == DONE and self.evaluate:
            evaluate_run(student, self)
        return code

    def _config(self, teacher: Run) -> RunConfig:
        """The teacher's, with a sampler of few steps. Raises ValueError for a model that has no steps."""
        config = teacher.config()
        if config.model.family != "ddpm" or config.model.is_distilled:
            raise ValueError(f"run {teacher.name} is a {config.label}; only a DDPM can be distilled")
        from gencore.models.load import load_weights

        given = config.model_dump()
        given["model"]["learning_rate"] /= _FINE_TUNING
        given["training"]["muon_learning_rate"] /= _FINE_TUNING
        given["model"] |= {
            "teacher": teacher.name,
            "teacher_digest": load_weights(teacher).digest,
            "teacher_steps": self.teacher_steps,
            "distilled_steps": self.steps,
            "sampler": "ddim",
            "sampling_steps": self.steps,
            "guidance": 1.0,
        }
        given["training"] |= {"epochs": self.epochs, "steps": None, "seed": self.seed, "fd_every": 1}
        return RunConfig.model_validate(given)


@dataclass(frozen=True, kw_only=True)
class Compare(CommonOptions):
    """Train the headline models alike, measure them and print one table."""

    dataset: DatasetName = "mnist"
    """Data set; `digits` needs no network."""
    epochs: int = 30
    """Passes over the training split."""
    batch_size: int | None = None
    """Images per optimisation step [each recipe's own]."""
    seed: int = 42
    """Seed of weights, batches and noise."""
    seeds: int = 1
    """Train every model on this many seeds, from --seed on, and compare with intervals."""
    patience: int | None = None
    """Stop each model early after this many quick Fréchet distances without a better one."""
    samples: int | None = None
    """Generated images to measure on [10000, or half as many as the training split has if that is fewer]."""
    name: str | None = None
    """Prefix of the runs' names [DATASET]."""
    quick: bool = False
    """Take the quick preset of each model, a training of seconds, instead of --epochs and model options."""
    models: Annotated[dict[str, ModelConfig], tyro.conf.arg(name="")] = field(
        default_factory=lambda: {preset: PRESETS[preset].model for preset in HEADLINE}
    )
    resume: bool = False
    """Continue an interrupted comparison; runs that have finished and are measured stay as they are."""
    overwrite: bool = False
    """Delete the runs of these names first."""
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False
    """Print the results as JSON; of several seeds, the comparison."""

    def __call__(self) -> int:
        """Run the command; returns the exit code."""
        check_samples(self.samples)
        if not 1 <= self.seeds <= 100:
            raise ValueError(f"--seeds is {self.seeds}; use 1 to 100 (5 for a table to publish)")
        if self.quick and self.models != {preset: PRESETS[preset].model for preset in HEADLINE}:
            raise ValueError("--quick has recipes of its own; leave out the options of models, or --quick")
        spec, seeds = find(self.dataset, self.data_dir), range(self.seed, self.seed + self.seeds)
        planned = [(preset, seed) for seed in seeds for preset in self._presets(spec)]
        members = [(self._run(preset, seed), self._config(preset, seed, spec)) for preset, seed in planned]
        for run, config in members:  # all refusals come before the first training
            process.refuse_if_taken(run, config, self.resume, self.overwrite)
        _ensure_features(spec, self)
        device = self.pick_device()
        from gencore.evaluation.evaluate import measured_before

        found: list[results.Results] = []
        diverged: dict[str, list[int]] = {}
        for run, config in members:
            ended = run.status() if self.resume and run.exists else None
            code = (
                {"finished": DONE, "diverged": DIVERGED}[ended]
                if ended in ("finished", "diverged")
                else _train(run, config, self, resume=self.resume, overwrite=self.overwrite)
            )
            if code == DIVERGED:
                say(f"{run.name} diverged and is left out")
                diverged.setdefault(config.label, []).append(config.training.seed)
                continue
            if code != DONE:
                return code
            known = measured_before(run, device, self.samples) if self.resume else None
            found.append(known or evaluate_run(run, self, samples=self.samples))
        lost = {seed for label in {one.label for one in found} for seed in diverged.get(label, ())}
        shared = [one for one in found if one.seed not in lost]
        if len({one.seed for one in shared}) > 1:
            self._compare(shared, diverged)
        elif found:
            if self.seeds > 1:
                say(
                    "fewer than two seeds are left that all models finished; to compare, raise --seeds and "
                    "--resume"
                )
            print_results(found, self.as_json)
        return DIVERGED if diverged else DONE

    @property
    def _words(self) -> list[str]:
        """The words after `gencore` that ask for this comparison; defaults are left out."""
        words = ["compare"]
        for name in ("dataset", "epochs", "seed", "seeds", "batch_size", "patience", "samples", "name"):
            value, default = getattr(self, name), getattr(Compare, name)
            if self.quick and name == "epochs":
                words.append("--quick")
            elif value != default or name in _ALWAYS_NAMED:
                words += [f"--{name.replace('_', '-')}", str(value)]
        for preset in HEADLINE:
            words += commands.changes(preset, self.models[preset])
        return words

    @property
    def _prefix(self) -> str:
        return self.name or in_file_names(self.dataset)

    def _run(self, preset: str, seed: int) -> Run:
        suffix = "" if seed == self.seed else f"-seed{seed}"
        preset = QUICK[preset] if self.quick else preset
        return runs.run(f"{self._prefix}-{preset}{suffix}", self.folder)

    def _compare(self, found: list[results.Results], diverged: dict[str, list[int]]) -> None:
        """Compare the models over seeds, write it and print it; `found` has the same seeds for each label."""
        from gencore import devices

        of_label: dict[str, list[results.Results]] = {}
        for one in found:
            of_label.setdefault(one.label, []).append(one)
        compared = comparison.compare(
            of_label,
            None if self.quick else self.epochs,
            devices.origin_here(self.pick_device(), self._words),
            diverged,
        )
        path = runs.comparisons_folder(self.folder) / f"{self._prefix}.json"
        results.save(path, compared)
        if self.as_json:
            print(compared.model_dump_json(indent=1))
        else:
            tables.show_comparison(compared)
            print(f"in {path}")

    def _presets(self, spec: DatasetSpec) -> list[str]:
        """The headline presets that suit the data set."""
        suited = [
            preset for preset in HEADLINE if spec.is_labelled or not PRESETS[preset].model.is_conditional
        ]
        if left_out := [PRESETS[preset].label for preset in HEADLINE if preset not in suited]:
            say(f"{spec.title} has no labels, so {', '.join(left_out)} is left out")
        return suited

    def _config(self, preset: str, seed: int, spec: DatasetSpec) -> RunConfig:
        given = PRESETS[QUICK[preset] if self.quick else preset].model_dump()
        if self.batch_size is not None:
            given["data"]["batch_size"] = self.batch_size
        given["training"] |= {"seed": seed}
        if not self.quick:
            given["training"] |= {"epochs": self.epochs, "patience": self.patience}
            given["model"] = self.models[preset].model_dump()
        return RunConfig.model_validate(given).on(spec)


@dataclass(frozen=True, kw_only=True)
class Features(CommonOptions):
    """Train the feature extractors of a data set, and measure real against real images in their features."""

    dataset: Positional[DatasetName]
    overwrite: bool = False
    """Delete them first."""
    resume: bool = False
    """Continue where an earlier call ended; those that have finished stay, and are measured again."""
    seed: int = 42
    """Seed of weights and batches of the first; each further one takes the next."""
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False
    """Print the floors as JSON."""

    def __call__(self) -> int:
        """Run the command; returns the exit code."""
        spec = find(self.dataset, self.data_dir)
        found = _make_features(spec, self, seed=self.seed, resume=self.resume, overwrite=self.overwrite)
        if isinstance(found, int):
            return found
        if self.as_json:
            print(json.dumps({name: one.model_dump(mode="json") for name, one in found.items()}, indent=1))
        else:
            _print_references(self.dataset, found)
        return DONE


def _train(
    run: Run, config: RunConfig, common: CommonOptions, *, resume: bool = False, overwrite: bool = False
) -> int:
    """Train `run` and print how it ended; returns the exit code."""
    last = process.drive(run, config, common.pick_device(), resume, overwrite, common.data_dir)
    say(f"{run.name}: {last.status}, {last.reason} ({last.seconds:.1f} s of training)")
    if last.status == "stopped":
        return INTERRUPTED if "Ctrl-C" in last.reason else TERMINATED
    return {"finished": DONE, "diverged": DIVERGED, "failed": FAILED}[last.status]


def _make_features(
    spec: DatasetSpec,
    common: CommonOptions,
    *,
    seed: int = 42,
    resume: bool = False,
    overwrite: bool = False,
) -> dict[str, ReferenceFigures] | int:
    """Train each feature extractor unless it has finished, and measure its floors; else the exit code."""
    device = common.pick_device()
    from gencore.evaluation.floors import measure_reference_figures
    from gencore.store.extractor_runs import features_run

    found, folder, spec = {}, common.folder, spec.original
    planned = {
        name: (features_run(spec.name, folder, name), features_preset(spec, name, seed))
        for name in EXTRACTORS
    }
    missing = {
        name: run
        for name, (run, _) in planned.items()
        if not (resume and run.exists and run.status() == "finished")
    }
    for name, run in missing.items():  # all refusals come before the first training
        process.refuse_if_taken(run, planned[name][1], resume, overwrite)
    for name, (run, config) in planned.items():
        if name in missing and (
            code := _train(run, config, common, resume=resume and run.exists, overwrite=overwrite)
        ):
            return code
        with run.claim():
            found[name] = measure_reference_figures(run, device, common.data_dir, say, name)
    return found


def _print_references(dataset: DatasetName, found: Mapping[str, ReferenceFigures]) -> None:
    for name, reference in found.items():
        wrong = f"; not used, as it puts {' and '.join(reference.misorders)} ahead of a blur"
        print(
            f"{dataset}, {name}: {100 * reference.test_accuracy:.2f} % on the test split, "
            f"fd floor {reference.floors['fd'].value:.3f}, of a blur {reference.fd_of_blur:.0f}, "
            f"of noise {reference.fd_of_noise:.0f}{wrong if reference.misorders else ''}"
        )


def _ensure_features(spec: DatasetSpec, common: CommonOptions) -> None:
    """Train the feature extractors of the data set that are missing. Raises ValueError if that fails."""
    from gencore.store.extractor_runs import features_run

    dataset = spec.name
    records = [features_run(dataset, common.folder, name).results / "reference.json" for name in EXTRACTORS]
    try:
        for path in records:
            results.load(path, ReferenceFigures)
        return
    except (FileNotFoundError, results.UnreadableError):  # never measured, or by an older version
        say(f"{dataset} lacks feature extractors or their floors; making them first")
    found = _make_features(spec, common, resume=True)
    if isinstance(found, int):
        raise ValueError(
            f"the feature extractors of {dataset} did not finish; run `gencore features {dataset} --resume`"
        )
    _print_references(dataset, found)
