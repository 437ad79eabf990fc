"""Make trained runs the shipped ones: averaged weights, a thinned event log, fresh results.

    export GENCORE_HOME=elsewhere; gencore features mnist; gencore features digits
    for model in vae gan cgan ddpm; do gencore train $model --threads 1; done; unset GENCORE_HOME
    GENCORE_HOME=elsewhere gencore budgets mnist-vae mnist-gan mnist-cgan mnist-ddpm
    python benchmarks/ship.py --from elsewhere features-mnist mnist-vae mnist-gan mnist-cgan mnist-ddpm
    git add --force results checkpoints

A comparison over seeds ships as the file alone, under the name that it was given:

    gencore compare --epochs 2 --seeds 3 --name mnist-2-epochs --output-dir elsewhere
    python benchmarks/ship.py --from elsewhere comparisons/mnist-2-epochs \\
        --note "with other work on the same cores"

The results are measured on the weights that ship, on this machine, by `gencore evaluate`. Without --from,
runs that ship already are measured again, with --metrics by these groups of metrics alone.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path

from gencore import devices
from gencore.analysis.comparison import Comparison
from gencore.cli.main import main as gencore
from gencore.config.families import translates
from gencore.config.options import EXTRACTORS, HasSamplers
from gencore.evaluation import training_features
from gencore.evaluation.records import BUDGETS_FILE, Budgets, Ladder, ReferenceFigures
from gencore.evaluation.sampler_sweep import SamplerSweep
from gencore.latent.directions import run_directions
from gencore.models.feature_extractor import load_extractor
from gencore.models.load import load_model
from gencore.reports import page_decoders
from gencore.sampling.cache import FOLDER
from gencore.store import events, results, runs
from gencore.store.checkpoints import load_checkpoint, save_checkpoint
from gencore.store.extractor_runs import features_run
from gencore.store.results import Origin, Results
from gencore.store.runs import Run

PROGRESS_KEPT = 400


def thinned(history: list[events.Event]) -> list[events.Event]:
    """The history as it counts, with at most about PROGRESS_KEPT progress events: neighbours become one."""
    history = events.without_void(history)
    progress = [event for event in history if isinstance(event, events.Progress)]
    size = -(-len(progress) // PROGRESS_KEPT)
    groups = (progress[start : start + size] for start in range(0, len(progress), size))
    merged = {id(group[-1]): _merged(group) for group in groups}
    return [
        merged.get(id(event), event)
        for event in history
        if not isinstance(event, events.Progress) or id(event) in merged
    ]


def _mean(values: list[float | None]) -> float | None:
    """None where one of them is not finite."""
    known = [value for value in values if value is not None]
    return statistics.fmean(known) if len(known) == len(values) else None


def _merged(group: list[events.Progress]) -> events.Progress:
    """One event for neighbours: means of their means, the norms of all their steps."""

    def means(of: Callable[[events.Progress], dict[str, float | None]]) -> dict[str, float | None]:
        columns = {name: [of(event).get(name) for event in group] for name in of(group[-1])}
        return {name: _mean(values) for name, values in columns.items()}

    return group[-1].model_copy(
        update={
            "images_per_second": statistics.fmean(event.images_per_second for event in group),
            "losses": means(lambda event: event.losses),
            "gradient_norms": means(lambda event: event.gradient_norms),
            "norms": {
                name: [norm for event in group for norm in event.norms.get(name, [])]
                for name in group[-1].norms
            },
        }
    )


def ship(source: Run, target: Run) -> None:
    """Copy what pages and sampling need of a finished run."""
    if source.status() != "finished":
        raise SystemExit(f"{source.name} is {source.status()}; only finished runs ship")
    for folder in (target.results, target.checkpoints):
        shutil.rmtree(folder, ignore_errors=True)
    results.save(target.config_path, source.config())
    for event in thinned(events.tail(source.events_path).events):
        events.append(target.events_path, event)
    if (source.results / "sheets").exists():
        shutil.copytree(source.results / "sheets", target.results / "sheets")
    final = load_checkpoint(source.checkpoints / "final.safetensors")
    averaged = {name: tensor for name, tensor in final.tensors.items() if name.startswith("average.")}
    save_checkpoint(target.checkpoints / "final.safetensors", averaged, final.metadata)
    if (source.results / BUDGETS_FILE).exists():
        budgets = results.load(source.results / BUDGETS_FILE, Budgets)
        points = [point.model_copy(update={"origin": as_shipped(point.origin)}) for point in budgets.points]
        results.save(target.results / BUDGETS_FILE, budgets.model_copy(update={"points": points}))
    (target.results / "shipped").write_text("Trained before delivery; see results.json for where.\n")


def ship_comparison(source: Path, name: str, notes: list[str]) -> None:
    compared = results.load(runs.comparisons_folder(source) / f"{name}.json", Comparison)
    assert compared.origin, "a comparison that was written has an origin"
    origin = as_shipped(compared.origin).model_copy(update={"notes": notes})
    results.save(runs.comparisons_folder() / f"{name}.json", compared.model_copy(update={"origin": origin}))


def mark_as_shipped(path: Path, kind: type[ReferenceFigures] | type[Ladder]) -> None:
    record = results.load(path, kind)
    assert record.origin, f"{path} has no origin"
    results.save(path, record.model_copy(update={"origin": as_shipped(record.origin)}))


def as_shipped(origin: Origin) -> Origin:
    return origin.model_copy(update={"kind": "shipped"})


def run_command(*words: str) -> None:
    try:
        gencore(list(words))
    except SystemExit as end:
        if end.code:
            raise


def measure(target: Run, metrics: Sequence[str] = ()) -> None:
    """Measure a shipped run here, by the commands that users have, and mark the results as shipped.

    `metrics` are groups of metrics of a model; none are all, and what else ships with it."""
    if target.name.startswith("features-"):
        dataset = target.config().data.dataset
        run_command("features", dataset, "--resume")
        run_command("selftest", dataset)
        mark_as_shipped(target.results / "selftest.json", Ladder)
        for run in extractor_runs(target):
            mark_as_shipped(run.results / "reference.json", ReferenceFigures)
    else:
        run_command("evaluate", target.name, *(["--metrics", *metrics] if metrics else []))
        found = target.load_results()
        assert isinstance(found, Results)
        origins = {kind: as_shipped(origin) for kind, origin in found.origins.items()}
        results.save(target.results_path, found.model_copy(update={"origins": origins}))
        if not metrics and not translates(target.config().model):
            keep_directions(target)
            if isinstance(target.config().model, HasSamplers):
                measure_steps(target)
        page_decoders.decoder(target)  # for browsers, so that no visitor waits for it
    shutil.rmtree(target.checkpoints / FOLDER, ignore_errors=True)  # images generated to be measured
    for run in extractor_runs(target):
        shutil.rmtree((run.checkpoints / training_features.FILE).parent, ignore_errors=True)
        (run.results / ".lock").unlink(missing_ok=True)  # left by measuring; no one trains a shipped run
    (target.results / ".lock").unlink(missing_ok=True)


def extractor_runs(target: Run) -> list[Run]:
    """The runs of the feature extractors of the data set that `target` is of, beside it."""
    dataset = target.config().data.dataset
    return [features_run(dataset, target.home, name) for name in EXTRACTORS]


def measure_steps(target: Run) -> None:
    """fd against steps, of fewer images than the command draws by default: minutes on a CPU."""
    run_command("steps", target.name, "--samples", "1000")
    path = target.results / "steps.json"
    curve = results.load(path, SamplerSweep)
    points = [point.model_copy(update={"origin": as_shipped(point.origin)}) for point in curve.points]
    results.save(path, curve.model_copy(update={"points": points}))


def keep_directions(target: Run) -> None:
    """The directions that the latent page would compute at its first visit: a minute for a DDPM on a CPU."""
    device = devices.pick()
    model, checkpoint = load_model(target, device)
    extractor = load_extractor(target.config().dataset_spec, device)
    run_directions(target, model, checkpoint.digest, extractor.network.features, extractor.digest)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--from",
        dest="home",
        type=Path,
        help="folder that holds results/ and checkpoints/ of the trained runs",
    )
    parser.add_argument(
        "--note",
        action="append",
        default=[],
        help="what a reader of a comparison has to know about how it was made",
    )
    parser.add_argument("--metrics", nargs="+", default=[], help="groups of metrics, as in gencore evaluate")
    parser.add_argument("names", nargs="+", help="feature classifiers first")
    arguments = parser.parse_args()
    for name in arguments.names:
        if name.startswith("comparisons/") and arguments.home:
            ship_comparison(arguments.home, name.removeprefix("comparisons/"), arguments.note)
            continue
        if arguments.home:
            source = runs.run(name, arguments.home)
            for run in extractor_runs(source) if name.startswith("features-") else [source]:
                ship(run, runs.run(run.name))
        measure(runs.run(name), arguments.metrics)


if __name__ == "__main__":
    main()
