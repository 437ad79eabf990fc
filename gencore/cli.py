"""The command line: words become a config, the config becomes calls. No logic of training or measuring here.

Exit codes: 0 done; 1 failed (disk full, out of memory); 2 bad input, nothing written; 3 diverged; 130 and 143 stopped
by Ctrl-C and SIGTERM, a checkpoint saved.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import shlex
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro
from pydantic import ValidationError
from tyro.conf import OmitArgPrefixes, OmitSubcommandPrefixes, Positional, Suppress

from gencore import comparison, events, results, runs, tables
from gencore.config import (
    HEADLINE,
    PRESETS,
    DatasetName,
    DDPMConfig,
    GANConfig,
    RunConfig,
    Sampler,
    VAEConfig,
    features_preset,
)
from gencore.runs import Run

if TYPE_CHECKING:  # commands that need no torch start without it
    import torch

DONE, FAILED, BAD_INPUT, DIVERGED, INTERRUPTED, TERMINATED = 0, 1, 2, 3, 130, 143


@dataclass(frozen=True, kw_only=True)
class Places:
    """Where things lie and run."""

    output_dir: Path | None = None
    """Folder of results/ and checkpoints/ [$GENCORE_HOME, else the repository]."""
    data_dir: Path | None = None
    """Folder of the data sets [$GENCORE_DATA, else data/]."""
    device: str = "auto"
    """auto, cpu or cuda."""
    threads: int | None = None
    """CPU threads [all]."""

    @property
    def folder(self) -> Path:
        return self.output_dir or runs.home()

    def pick_device(self) -> torch.device:
        import torch

        from gencore import devices

        if self.threads is not None:
            if self.threads < 1:
                raise ValueError(f"--threads is {self.threads}; use 1 or more")
            torch.set_num_threads(self.threads)
        try:
            return devices.pick(self.device)
        except RuntimeError:
            raise ValueError(f"--device is {self.device!r}; use auto, cpu or cuda") from None


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
        code = train_run(run, self.config, self)
        if code == DONE and self.evaluate:
            _evaluate(run, self)
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
    """Finish what an interrupted comparison began."""
    overwrite: bool = False
    """Delete the runs of these names first."""
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False
    """Print the results as JSON; of several seeds, the comparison."""

    def __call__(self) -> int:
        _check_samples(self.samples)
        if not 1 <= self.seeds <= 100:
            raise ValueError(f"--seeds is {self.seeds}; use 1 to 100 (5 for a table to publish)")
        planned = [(preset, seed) for seed in range(self.seed, self.seed + self.seeds) for preset in HEADLINE]
        members = [(self._run(preset, seed), self._config(preset, seed)) for preset, seed in planned]
        for run, config in members:  # all refusals come before the first training
            _refuse_if_taken(run, config, self.resume, self.overwrite)
        _ensure_features(self.dataset, self)
        found = []
        for run, config in members:
            if not (self.resume and run.exists and run.status() == "finished"):
                code = train_run(run, config, self)
                if code != DONE:
                    return code
            found.append(_evaluate(run, self, samples=self.samples))
        if self.seeds == 1:
            _print_results(found, self.as_json)
        else:
            self._compare(found)
        return DONE

    @property
    def _prefix(self) -> str:
        return self.name or self.dataset

    def _run(self, preset: str, seed: int) -> Run:
        suffix = "" if seed == self.seed else f"-seed{seed}"
        return runs.run(f"{self._prefix}-{preset}{suffix}", self.folder)

    def _compare(self, found: list[results.Results]) -> None:
        """Write and print what all seeds say together."""
        of_label: dict[str, list[results.Results]] = {}
        for one in found:
            of_label.setdefault(one.label, []).append(one)
        words = ["compare", "--dataset", self.dataset, "--epochs", self.epochs, "--seed", self.seed, "--seeds", self.seeds]
        compared = comparison.compare(of_label, command=shlex.join(["gencore", *map(str, words)]))
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
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False
    """Print the results as JSON."""

    def __call__(self) -> int:
        if not self.names:
            raise ValueError("name at least one run; `gencore runs` lists them")
        _check_samples(self.samples)
        members = [runs.run(name, self.folder) for name in self.names]
        for run in members:
            run.config()  # all refusals come before the first measurement
        changes = _changes(sampler=self.sampler, sampling_steps=self.steps, prior=self.prior)
        found = [_evaluate(run, self, self.samples, self.seed, changes) for run in members]
        _print_results(found, self.as_json)
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

        changes = _changes(
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
        found = selftest(self.dataset, device, self.folder, self.data_dir, origin, say=_say)
        if self.as_json:
            print(found.model_dump_json(indent=1))
            return DONE
        tables.show_ladder(found)
        return DONE


@dataclass(frozen=True, kw_only=True)
class Runs:
    """List all runs, newest first."""

    output_dir: Path | None = None
    """Folder of results/ [$GENCORE_HOME, else the repository]."""
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False
    """Print the list as JSON."""

    def __call__(self) -> int:
        rows = [_summary(run) for run in runs.all_runs(self.output_dir)]
        if self.as_json:
            print(json.dumps(rows, indent=1, allow_nan=False))
        else:
            tables.show(rows, ["name", "model", "dataset", "status", "step", "fd", "problem"], empty="no runs yet; `gencore train vae`")
        return DONE


@dataclass(frozen=True, kw_only=True)
class Stop:
    """Stop a running training; it saves a checkpoint first."""

    name: Annotated[Positional[str], tyro.conf.arg(metavar="RUN")]
    output_dir: Path | None = None
    """Folder of results/ [$GENCORE_HOME, else the repository]."""

    def __call__(self) -> int:
        run = runs.run(self.name, self.output_dir)
        run.config()
        print(f"{run.name} stopped" if run.stop() else f"{run.name} is not running")
        return DONE


@dataclass(frozen=True, kw_only=True)
class Doctor(Places):
    """Say what this machine has: device, threads, libraries, data sets, feature classifiers."""

    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False
    """Print as JSON."""

    def __call__(self) -> int:
        import psutil
        import torch

        from gencore import devices
        from gencore.data.registry import DATASETS, availability
        from gencore.features import features_run

        device = self.pick_device()
        try:
            import torchvision  # noqa: F401

            fit = "ok"
        except (ImportError, RuntimeError) as error:
            fit = f"torch and torchvision do not fit together ({error}); pip install --force-reinstall torch torchvision"
        facts = {
            "device": devices.describe(device),
            "kind": device.type,
            "precision": str(devices.precision("auto", device)).removeprefix("torch."),
            "threads": torch.get_num_threads(),
            "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
            "torchvision": fit,
            "versions": devices.versions(),
            "datasets": {name: availability(name, self.data_dir) for name in DATASETS},
            "features": {name: (features_run(name, self.folder).results / "reference.json").exists() for name in DATASETS},
        }
        if self.as_json:
            print(json.dumps(facts, indent=1))
        else:
            for key, value in facts.items():
                print(f"{key}: {', '.join(f'{k} {v}' for k, v in value.items()) if isinstance(value, dict) else value}")
        return DONE if fit == "ok" else FAILED


@dataclass(frozen=True, kw_only=True)
class Schema:
    """Print the JSON Schema of results.json."""

    def __call__(self) -> int:
        schema = {"$schema": "https://json-schema.org/draft/2020-12/schema"} | results.Results.model_json_schema(mode="serialization")
        print(json.dumps(schema, indent=1))
        return DONE


def main(arguments: list[str] | None = None) -> None:
    """Run one command and exit with its code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        code = _parse(arguments)()
        sys.stdout.flush()
    except ValidationError as error:
        code = _complain(results.explain(error), BAD_INPUT)
    except (ValueError, FileNotFoundError) as error:
        code = _complain(str(error), BAD_INPUT)
    except BrokenPipeError:  # who reads our output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or the flush at exit complains again
        code = DONE
    except OSError as error:
        code = _complain(f"{error.strerror or error}: {error.filename or 'a file of the run'}", FAILED)
    except (MemoryError, RuntimeError) as error:
        from gencore.training import is_out_of_memory

        if not is_out_of_memory(error):
            raise
        text = str(error).partition("\n")[0]
        code = _complain(f"out of memory ({text}); close other programs, or ask for fewer images or a smaller network", FAILED)
    except KeyboardInterrupt:
        code = INTERRUPTED
    sys.exit(code)


def _complain(text: str, code: int) -> int:
    print(f"gencore: {text}", file=sys.stderr)
    return code


def _parse(arguments: list[str]) -> Callable[[], int]:
    """The command that `arguments` spell. Exits 0 for --help; raises ValueError with one line for bad ones."""
    complaint = io.StringIO()
    try:
        with contextlib.redirect_stderr(complaint):
            return tyro.cli(_commands(), args=arguments, prog="gencore", description=_ABOUT)
    except SystemExit as end:
        if not end.code:
            raise
        raise ValueError(_one_line(complaint.getvalue())) from None


_ABOUT = "Train and measure generative models: VAE, GAN, cGAN, DDPM."


def _commands() -> object:
    """All commands as one type, as tyro wants it; `train` has a subcommand a preset, with the preset's defaults."""
    presets = {name: Train(config=config, preset=name) for name, config in PRESETS.items()}
    train = tyro.extras.subcommand_type_from_defaults(
        presets, descriptions={name: _describe(config) for name, config in PRESETS.items()}
    )
    flat = {
        Evaluate: "evaluate", Sample: "sample", Features: "features", Runs: "runs", Stop: "stop", Doctor: "doctor",
        SelfTest: "selftest", Schema: "schema",
    }  # fmt: skip
    every: object = Annotated[OmitArgPrefixes[OmitSubcommandPrefixes[tyro.conf.AvoidSubcommands[train]]], tyro.conf.subcommand("train", description=Train.__doc__)]
    every |= Annotated[tyro.conf.AvoidSubcommands[Compare], tyro.conf.subcommand("compare")]
    for command, name in flat.items():
        every |= Annotated[OmitArgPrefixes[command], tyro.conf.subcommand(name)]
    return every


def _describe(config: RunConfig) -> str:
    network = "plain MLPs" if getattr(config.model, "network", "conv") == "mlp" else "convolutional"
    if isinstance(config.model, DDPMConfig):
        network += f", predicts {config.model.prediction}"
    return f"{config.label}, {network}: {type(config.model).__doc__}"


def _one_line(box: str) -> str:
    """tyro's framed complaint without the frame, the pointers to help and pydantic's internals."""
    _, _, text = re.sub(r"[╭╮╰╯│─]+", "\n", box).strip().partition("\n")  # the frame's title goes too
    text = re.sub(r"\s+", " ", text.partition("For full helptext")[0].partition("] in gencore")[0])
    text = re.sub(r"\[type=.*?\]|For further information visit \S+|Value error, ", "", text)
    text = re.sub(r"Error parsing (\S+): invalid literal for int.*?: ('.*?') .*", r"\1 is \2; give a whole number", text)
    text = re.sub(r"Error parsing (\S+): could not convert string to float: ('.*?') .*", r"\1 is \2; give a number", text)
    if nearest := re.search(r"(Unrecognized options: .*?) Perhaps you meant: (.*)", text):
        flags = dict.fromkeys(re.findall(r"(?<!\S)--[a-z][\w.-]*", nearest[2].replace("--help", "")))
        text = f"{nearest[1]}; perhaps you meant {', '.join(flags)}"
    text = re.sub(r"Error parsing \S+: \d+ validation errors? for \w+ (\w+ (?=Input|Value))?", _flag, text)
    return re.sub(r"\s+", " ", text).strip()


def _flag(match: re.Match[str]) -> str:
    """The flag that a field's name stands for."""
    return f"--{match[1].strip().replace('_', '-')}: " if match[1] else ""


def _check_samples(samples: int | None) -> None:
    if samples is not None and not 2 <= samples <= 1_000_000:
        raise ValueError(f"--samples is {samples}; use 2 to 1000000 (10000 for a figure to publish)")


def _changes(**options: object) -> dict[str, object]:
    return {name: value for name, value in options.items() if value is not None}


def _refuse_if_taken(run: Run, config: RunConfig, resume: bool, overwrite: bool) -> None:
    """Raises RunExistsError, RunBusyError, or ValueError with the difference of configs, before anything is touched."""
    if not run.exists:
        return
    if (process := run.process()) and process.pid != os.getpid():
        raise runs.RunBusyError(f"another process is training or measuring run {run.name}; `gencore stop {run.name}` first")
    if resume and (difference := config.difference(run.config())):
        raise ValueError(f"run {run.name} has another config: {'; '.join(difference)}; repeat its options or use --overwrite")
    if not (resume or overwrite):
        raise runs.RunExistsError(f"a run named {run.name} exists; use --resume, --overwrite or another --name")


def _refuse_if_finished(run: Run, resume: bool) -> None:
    newest = events.last(run.events_path)
    if resume and isinstance(newest, events.Ended) and newest.status == "finished":
        raise ValueError(f"run {run.name} has finished; use --overwrite or another --name to train again")


def train_run(run: Run, config: RunConfig, places: Places) -> int:
    """Train to the end, to a signal or to a fault; the exit code says which."""
    resume, overwrite = getattr(places, "resume", False), getattr(places, "overwrite", False)
    _refuse_if_taken(run, config, resume, overwrite)
    _refuse_if_finished(run, resume)
    device = places.pick_device()
    from gencore.training import prepare, train

    prepare(config, device, run.results.parent.parent, places.data_dir)  # refuses before anything is written
    with _signals() as reason, run.claim():
        _refuse_if_taken(run, config, resume, overwrite)  # again: another process may have been faster
        _refuse_if_finished(run, resume)
        if overwrite:
            run.clear()
        if not run.exists:
            run.create(config)
        resume = resume and run.events_path.exists()
        events.repair(run.events_path)
        stream = train(run, device, resume, should_stop=reason, data_folder=places.data_dir)
        last = _record(run, stream)
    print(f"{run.name}: {last.status}, {last.reason} ({last.seconds:.1f} s of training)", file=sys.stderr)
    if last.status == "stopped":
        return INTERRUPTED if "Ctrl-C" in last.reason else TERMINATED
    return {"finished": DONE, "diverged": DIVERGED, "failed": FAILED}[last.status]


def _record(run: Run, stream: Iterator[events.Event]) -> events.Ended:
    """Append each event to the log and show it: a bar on a terminal, plain lines elsewhere."""
    from tqdm import tqdm

    with tqdm(desc=run.name, unit="step", disable=None if sys.stderr.isatty() else True) as bar:
        for event in stream:
            events.append(run.events_path, event)
            if isinstance(event, events.Started):
                bar.reset(event.total_steps)
            elif isinstance(event, events.Resumed):
                bar.update(event.step - bar.n)
            elif isinstance(event, events.Progress):
                bar.update(event.step - bar.n)
                bar.set_postfix_str(_figures(event))
                if not sys.stderr.isatty() and event.epoch.is_integer():
                    print(f"{run.name} epoch {event.epoch:g}: {_figures(event)}", file=sys.stderr, flush=True)
            elif isinstance(event, events.QuickDistance):
                bar.write(f"{run.name} epoch {event.epoch:g}: quick fd {event.fd}", file=sys.stderr)
            elif isinstance(event, events.Notice):
                bar.write(f"{run.name}: {event.text}", file=sys.stderr)
            elif isinstance(event, events.Ended):
                return event
    raise AssertionError("a training ends with an Ended event")


def _figures(event: events.Progress) -> str:
    losses = " ".join(f"{name} {value:.4g}" if value is not None else f"{name} nan" for name, value in event.losses.items())
    return f"{losses} | {event.images_per_second:.0f} images/s"


@contextlib.contextmanager
def _signals() -> Iterator[Callable[[], str | None]]:
    """Ctrl-C and SIGTERM become a reason to stop after the step; a second one ends the process at once."""
    reasons: list[str] = []
    names = {signal.SIGINT: "Ctrl-C", signal.SIGTERM: "SIGTERM"}

    def note(number: int, frame: object) -> None:
        reasons.append(f"stopped by {names[signal.Signals(number)]}")
        for each in names:
            signal.signal(each, signal.SIG_DFL)

    before = {number: signal.signal(number, note) for number in names}
    try:
        yield lambda: reasons[0] if reasons else None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _evaluate(
    run: Run, places: Places, samples: int | None = None, seed: int = 0, changes: dict[str, object] | None = None
) -> results.Results:
    device = places.pick_device()
    from gencore.evaluation import evaluate

    with run.claim():
        return evaluate(run, device, samples, seed, changes, places.data_dir, say=lambda text: _say(f"{run.name}: {text}"))


def _make_features(
    dataset: DatasetName, places: Places, seed: int = 42, resume: bool = False, overwrite: bool = False, as_json: bool = False
) -> int:
    device = places.pick_device()
    from gencore.evaluation import measure_reference
    from gencore.features import features_run

    run = features_run(dataset, places.folder)
    preset = features_preset(dataset)
    config = preset.model_copy(update={"training": preset.training.model_copy(update={"seed": seed})})
    if not (resume and run.exists and run.status() == "finished"):
        if code := train_run(run, config, places):
            return code
    with run.claim():
        reference = measure_reference(run, device, places.data_dir, say=_say)
    if as_json:
        print(reference.model_dump_json(indent=1))
    else:
        print(f"{run.name}: {100 * reference.test_accuracy:.2f} % on the test split, fd floor {reference.floors['fd'].value:.3f}, fd of noise {reference.fd_of_noise:.0f}")
    return DONE


def _ensure_features(dataset: DatasetName, places: Places) -> None:
    from gencore.features import features_run

    run = features_run(dataset, places.folder)
    if not (run.results / "reference.json").exists():
        _say(f"{dataset} has no feature classifier yet; training it first")
        if _make_features(dataset, Features(dataset=dataset, resume=run.exists, **_places(places)), resume=run.exists):
            raise ValueError(f"the feature classifier of {dataset} did not finish; run `gencore features {dataset}`")


def _places(places: Places) -> dict[str, object]:
    return {name: getattr(places, name) for name in Places.__dataclass_fields__}


def _summary(run: Run) -> dict[str, object]:
    """One row of the list; a run that cannot be read says why."""
    row: dict[str, object] = {"name": run.name, "status": run.status()}
    try:
        config, found = run.config(), run.load_results()
        newest = events.last(run.events_path)
        row |= {"model": config.label, "dataset": config.data.dataset, "seed": config.training.seed}
        row |= {"step": getattr(newest, "step", None), "fd": found.value("fd") if found else None}
    except (results.UnreadableError, OSError) as error:
        row |= {"status": "unreadable", "problem": str(error)}
    return row


def _print_results(found: list[results.Results], as_json: bool) -> None:
    if as_json:
        print(json.dumps([json.loads(one.model_dump_json()) for one in found], indent=1, allow_nan=False))
    else:
        tables.show_results(found)
