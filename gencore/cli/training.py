"""Commands that train: one model, four side by side, the feature classifier of a data set."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import Annotated

import tyro
from tyro.conf import Positional, Suppress

from gencore import commands, comparison, driver, results, runs, tables
from gencore.cli.common import (
    DIVERGED,
    DONE,
    FAILED,
    INTERRUPTED,
    TERMINATED,
    Places,
    check_samples,
    evaluate_run,
    print_results,
    say,
)
from gencore.config import (
    HEADLINE,
    PRESETS,
    DatasetName,
    DDPMConfig,
    GANConfig,
    RunConfig,
    VAEConfig,
    features_preset,
)
from gencore.runs import Run


@dataclass(frozen=True, kw_only=True)
class Train(Places):
    """Train one model and write config, events, sheets and checkpoints of the run."""

    config: RunConfig
    name: str | None = None
    """Name of the run [DATASET-PRESET]."""
    resume: bool = False
    """Go on from the newest checkpoint of the run."""
    overwrite: bool = False
    """Delete the run of that name first."""
    evaluate: bool = False
    """Measure the run when it has finished."""
    preset: Suppress[str] = ""

    def __call__(self) -> int:
        run = runs.run(self.name or f"{self.config.data.dataset}-{self.preset}", self.folder)
        code = _train(run, self.config, self)
        if code == DONE and self.evaluate:
            evaluate_run(run, self)
        return code


@dataclass(frozen=True, kw_only=True)
class Compare(Places):
    """Train VAE, GAN, cGAN and DDPM alike, measure them and print one table."""

    dataset: DatasetName = "mnist"
    """Data set; `digits` needs no network."""
    epochs: int = 30
    """Passes over the training split."""
    batch_size: int = 128
    """Images per optimisation step."""
    seed: int = 42
    """Seed of weights, batches and noise."""
    seeds: int = 1
    """Train every model on this many seeds, from --seed on, and compare with intervals."""
    patience: int | None = None
    """Stop each model early after this many quick Fréchet distances without a better one."""
    samples: int | None = None
    """Generated images to measure on [10000, or ten for each test image if that is fewer]."""
    name: str | None = None
    """Prefix of the runs' names [DATASET]."""
    vae: VAEConfig = field(default_factory=lambda: PRESETS["vae"].model)
    gan: GANConfig = field(default_factory=lambda: PRESETS["gan"].model)
    cgan: GANConfig = field(default_factory=lambda: PRESETS["cgan"].model)
    ddpm: DDPMConfig = field(default_factory=lambda: PRESETS["ddpm"].model)
    resume: bool = False
    """Finish what an interrupted comparison began; what was measured before, as asked now, is not measured again."""
    overwrite: bool = False
    """Delete the runs of these names first."""
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False
    """Print the results as JSON; of several seeds, the comparison."""

    def __call__(self) -> int:
        check_samples(self.samples)
        if not 1 <= self.seeds <= 100:
            raise ValueError(f"--seeds is {self.seeds}; use 1 to 100 (5 for a table to publish)")
        planned = [(preset, seed) for seed in range(self.seed, self.seed + self.seeds) for preset in HEADLINE]
        members = [(self._run(preset, seed), self._config(preset, seed)) for preset, seed in planned]
        for run, config in members:  # all refusals come before the first training
            driver.refuse_if_taken(run, config, self.resume, self.overwrite)
        _ensure_features(self.dataset, self)
        device = self.pick_device()
        from gencore.evaluation import measured_before

        found: list[results.Results] = []
        diverged: dict[str, list[int]] = {}
        for run, config in members:
            ended = run.status() if self.resume and run.exists else None
            code = {"finished": DONE, "diverged": DIVERGED}[ended] if ended in ("finished", "diverged") else _train(run, config, self)
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
                say("fewer than two seeds are left that all models finished; to compare, raise --seeds and --resume")
            print_results(found, self.as_json)
        return DIVERGED if diverged else DONE

    @property
    def _words(self) -> list[str]:
        """The words after `gencore` that ask for this comparison: what names it, and what differs from the defaults."""
        words = ["compare", "--dataset", self.dataset, "--epochs", str(self.epochs), "--seed", str(self.seed), "--seeds", str(self.seeds)]
        for name in ("batch_size", "patience", "samples", "name"):
            if (value := getattr(self, name)) != Compare.__dataclass_fields__[name].default:
                words += [f"--{name.replace('_', '-')}", str(value)]
        for preset in HEADLINE:
            words += commands.changes(preset, getattr(self, preset))
        return words

    @property
    def _prefix(self) -> str:
        return self.name or self.dataset

    def _run(self, preset: str, seed: int) -> Run:
        suffix = "" if seed == self.seed else f"-seed{seed}"
        return runs.run(f"{self._prefix}-{preset}{suffix}", self.folder)

    def _compare(self, found: list[results.Results], diverged: dict[str, list[int]]) -> None:
        """Write and print what all seeds say together; `found` has the same ones of each label."""
        from gencore import devices

        of_label: dict[str, list[results.Results]] = {}
        for one in found:
            of_label.setdefault(one.label, []).append(one)
        compared = comparison.compare(of_label, self.epochs, devices.origin_here(self.pick_device(), self._words), diverged)
        path = self.folder / "results" / "comparisons" / f"{self._prefix}.json"
        path.parent.mkdir(exist_ok=True)
        results.save(path, compared)
        if self.as_json:
            print(compared.model_dump_json(indent=1))
        else:
            tables.show_comparison(compared)
            print(f"in {path}")

    def _config(self, preset: str, seed: int) -> RunConfig:
        given = PRESETS[preset].model_dump()
        given["data"] |= {"dataset": self.dataset, "batch_size": self.batch_size}
        given["training"] |= {"epochs": self.epochs, "seed": seed, "patience": self.patience}
        given["model"] = getattr(self, preset).model_dump()
        return RunConfig.model_validate(given)


@dataclass(frozen=True, kw_only=True)
class Features(Places):
    """Train the feature classifier of a data set and measure the floors through it."""

    dataset: Positional[DatasetName]
    overwrite: bool = False
    """Train it anew."""
    resume: bool = False
    """Go on from the newest checkpoint."""
    seed: int = 42
    """Seed of weights and batches."""
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False
    """Print the floors as JSON."""

    def __call__(self) -> int:
        return _make_features(self.dataset, self, self.seed, self.resume, self.overwrite, self.as_json)


def _train(run: Run, config: RunConfig, places: Places) -> int:
    """Train as `places`, a command that trains, says; the exit code says how it ended."""
    resume, overwrite = getattr(places, "resume", False), getattr(places, "overwrite", False)
    last = driver.drive(run, config, places.pick_device(), resume, overwrite, places.data_dir)
    print(f"{run.name}: {last.status}, {last.reason} ({last.seconds:.1f} s of training)", file=sys.stderr)
    if last.status == "stopped":
        return INTERRUPTED if "Ctrl-C" in last.reason else TERMINATED
    return {"finished": DONE, "diverged": DIVERGED, "failed": FAILED}[last.status]


def _make_features(
    dataset: DatasetName, places: Places, seed: int = 42, resume: bool = False, overwrite: bool = False, as_json: bool = False
) -> int:
    device = places.pick_device()
    from gencore.features import features_run
    from gencore.reference import measure_reference

    run = features_run(dataset, places.folder)
    preset = features_preset(dataset)
    config = preset.model_copy(update={"training": preset.training.model_copy(update={"seed": seed})})
    if not (resume and run.exists and run.status() == "finished"):
        if code := _train(run, config, places):
            return code
    with run.claim():
        reference = measure_reference(run, device, places.data_dir, say=say)
    if as_json:
        print(reference.model_dump_json(indent=1))
    else:
        print(f"{run.name}: {100 * reference.test_accuracy:.2f} % on the test split, fd floor {reference.floors['fd'].value:.3f}, fd of noise {reference.fd_of_noise:.0f}")
    return DONE


def _ensure_features(dataset: DatasetName, places: Places) -> None:
    from gencore.features import features_run

    run = features_run(dataset, places.folder)
    if not (run.results / "reference.json").exists():
        say(f"{dataset} has no feature classifier yet; training it first")
        if _make_features(dataset, Features(dataset=dataset, resume=run.exists, **_places(places)), resume=run.exists):
            raise ValueError(f"the feature classifier of {dataset} did not finish; run `gencore features {dataset}`")


def _places(places: Places) -> dict[str, object]:
    return {name: getattr(places, name) for name in Places.__dataclass_fields__}
