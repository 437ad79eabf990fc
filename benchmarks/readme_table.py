"""Write the tables of shipped results into README.md, between their markers.

python benchmarks/readme_table.py
"""

from __future__ import annotations

import re
from pathlib import Path

from gencore.analysis import scores
from gencore.analysis.comparison import Comparison
from gencore.config.options import HEADLINE
from gencore.metrics import catalog
from gencore.store import results, runs

README = Path(__file__).resolve().parent.parent / "README.md"
COLUMNS = (
    "precision",
    "recall",
    "coverage",
    "conditional_accuracy",
    "within_class_variance",
    "authentic_share",
)
RATIO = "fd_over_floor"
COMPARISON = "mnist"
"""A comparison over seeds that may ship; without it the README has no table of seeds."""
COMPARED = (RATIO, "recall", "coverage", "quality", "stability", "controllability")


def figure(value: float | None, digits: int = 3) -> str:
    return "–" if value is None else f"{value:.{digits}g}"


def ratio(found: results.Results) -> str:
    """The mean over sampling seeds with their deviation, and the range over feature extractors."""
    metric = found.metrics[RATIO]
    spread = f" ± {figure(metric.spread, 2)}" if metric.spread is not None else ""
    low, high = min(metric.by_extractor.values()), max(metric.by_extractor.values())
    return f"{figure(metric.value)}{spread} | {figure(low, 2)} to {figure(high, 2)}"


def row(found: results.Results) -> str:
    seconds, speed = found.value("training_seconds"), found.value("samples_per_second_100")
    cells = [
        found.label,
        ratio(found),
        *(figure(found.value(name)) for name in COLUMNS),
        "–" if seconds is None else f"{seconds / 60:.0f} min",
        "–" if speed is None else f"{speed:,.0f}",
    ]
    return f"| {' | '.join(cells)} |"


def score_row(found: results.Results, unlike: str) -> str:
    of_model = scores.scores([found], unlike=unlike)
    return f"| {' | '.join([found.label, *(figure(of_model[name].value, 2) for name in scores.SCORES)])} |"


def places(members: list[results.Results], of: str) -> str:
    """On what, and with how many threads, `of` (training, evaluation) ran; each place once."""
    origins = [one.origins[of] for one in members]
    return ", ".join(
        dict.fromkeys(
            f"{one.device} ({one.threads} thread{'s' if one.threads > 1 else ''})" for one in origins
        )
    )


def table() -> str:
    members = [one for preset in HEADLINE if (one := runs.run(f"mnist-{preset}").load_results())]
    first = members[0]
    floors = [figure(first.metrics[name].floor) if name in first.metrics else "–" for name in COLUMNS]
    titles = ["", catalog.title(RATIO), "by extractor", *map(catalog.title, COLUMNS), "training", "samples/s"]
    versions = ", ".join(dict.fromkeys(one.origins["evaluation"].versions["torch"] for one in members))
    missing = {
        f"{name}: {reason}"
        for one in members
        for name, score in scores.scores([one], unlike=scores.unlike_machines(members)).items()
        for reason in score.missing.values()
    }
    return "\n".join(
        [
            f"| {' | '.join(titles)} |",
            "|" + " --- |" * len(titles),
            *map(row, members),
            f"| *real images (floor)* | 1 | | {' | '.join(floors)} | | |",
            "",
            f"| {' | '.join(['score', *scores.SCORES])} |",
            "|" + " --- |" * (1 + len(scores.SCORES)),
            *(score_row(one, scores.unlike_machines(members)) for one in members),
            "",
            f"One training seed ({first.seed}) and three sampling seeds (±: their standard deviation);"
            f" {first.metrics['fd'].samples:,} images from averaged weights against the "
            f"{first.reference}."
            f" Absent: {'; '.join(sorted(missing)) or 'nothing'}. Trained by `gencore train` on"
            f" {places(members, 'training')}; measured by `gencore evaluate` on"
            f" {places(members, 'evaluation')}; torch {versions}.",
        ]
    )


def over_seeds() -> str:
    """The shipped comparison: means with half the 95 % interval, and what ties; nothing where none ships."""
    path = runs.comparisons_folder() / f"{COMPARISON}.json"
    if not path.exists():
        return ""
    compared = results.load(path, Comparison)
    rankings = {name: compared.rankings[name] for name in COMPARED if name in compared.rankings}
    origin = compared.origin
    assert origin is not None, f"{COMPARISON} does not say where it comes from"

    def cell(name: str, label: str) -> str:
        estimate = rankings[name].models.get(label)
        if estimate is None or estimate.high is None:
            return figure(estimate.mean if estimate else None)
        return f"{figure(estimate.mean)} ± {figure(estimate.high - estimate.mean, 2)}"

    ties = {
        name: [
            f"{p.first} and {p.second}{' (extractors disagree)' if p.extractors_disagree else ''}"
            for p in ranking.pairs
            if p.better is None
        ]
        for name, ranking in rankings.items()
    }
    tied = "; ".join(f"{' · '.join(pairs)} by {catalog.title(name)}" for name, pairs in ties.items() if pairs)
    return "\n".join(
        [
            f"| after {compared.epochs} epochs | {' | '.join(map(catalog.title, rankings))} |",
            "|" + " --- |" * (1 + len(rankings)),
            *(
                f"| {label} | {' | '.join(cell(name, label) for name in rankings)} |"
                for label in compared.runs
            ),
            "",
            f"Means over {len(compared.seeds)} training seeds ± half their 95 % t-interval;"
            f" {compared.samples:,} images each. Ties, where a paired t-test with Holm's correction for all"
            f" pairs does not tell two models apart: {tied or 'none'}."
            f" `{origin.command}` on {origin.device}"
            f" ({origin.threads} thread{'s' if origin.threads > 1 else ''})"
            f"{''.join(f'; {note}' for note in (*origin.notes, compared.lost) if note)}.",
        ]
    )


def main() -> None:
    text = README.read_text()
    for name, content in {"results": table(), "seeds": over_seeds()}.items():
        marked = re.search(rf"<!-- {name} -->\n(.*?)<!-- end of {name} -->", text, re.DOTALL)
        assert marked, f"README.md has lost its markers of {name}"
        text = f"{text[: marked.start(1)]}{content}\n{text[marked.end(1) :]}"
    README.write_text(text)


if __name__ == "__main__":
    main()
