"""Measured runs as one document: a page, a table, data, or all of it in a ZIP.

What other projects report is under a key of its own.
"""

from __future__ import annotations

import csv
import io
import zipfile
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from gencore.analysis.measured_models import MeasuredModels, Model, origin
from gencore.analysis.reported import Source
from gencore.analysis.scores import SCORES, Score, score_of_seed
from gencore.reports.html import html_report
from gencore.store.files import write_atomically
from gencore.store.results import Results

ENDINGS = (".html", ".csv", ".json", ".zip")


class Document(BaseModel):
    """The report as data: results, their scores, and separately what other projects report."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    schema_version: Literal[1] = 1
    dataset: str
    models: dict[str, list[str]]
    results: list[Results]
    scores: dict[str, dict[str, Score]]
    left_out: dict[str, str]
    reported: list[Source]


def document(loaded: MeasuredModels) -> Document:
    """`loaded` as data."""
    return Document(
        dataset=loaded.dataset,
        models={name: [member.run.name for member in group] for name, group in loaded.members.items()},
        results=[member.results for member in loaded.every],
        scores={model.name: model.scores for model in loaded.models},
        left_out=loaded.left_out,
        reported=loaded.reported,
    )


def render(loaded: MeasuredModels, ending: str) -> bytes:
    """The report as a file that ends in `ending`, one of ENDINGS; ValueError for any other."""
    match ending:
        case ".html":
            return html_report(loaded).encode()
        case ".csv":
            return _table(loaded).encode()
        case ".json":
            return document(loaded).model_dump_json(indent=1).encode() + b"\n"
        case ".zip":
            return _archive(loaded)
    raise ValueError(f"the file ends in {ending!r}; use {', '.join(ENDINGS)}")


def write(path: Path, loaded: MeasuredModels) -> None:
    """Write the report to `path`; its ending is the format. ValueError for one that is not in ENDINGS."""
    write_atomically(path, render(loaded, path.suffix))


def _table(loaded: MeasuredModels) -> str:
    """A row a run: what it is, its scores, and each metric with its floor, spread and extractors where known.

    Stability is of all seeds of the model; the other scores are of the run alone."""
    rows = [
        _facts(model, one) | _scores(model, one) | _figures(one)
        for model in loaded.models
        for one in model.results
    ]
    columns = dict.fromkeys(name for row in sorted(rows, key=len, reverse=True) for name in row)
    text = io.StringIO()
    writer = csv.DictWriter(text, list(columns), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _facts(model: Model, one: Results) -> dict[str, object]:
    extractors = " ".join(f"{name}:{digest}" for name, digest in one.extractor_digests.items())
    row: dict[str, object] = {
        "model": model.name,
        "run": one.run,
        "label": one.label,
        "dataset": one.dataset,
        "seed": one.seed,
        "samples": one.samples,
        "origin": origin(one),
        "extractors": extractors,
    }
    return {column: _inert(value) for column, value in row.items()}


def _scores(model: Model, one: Results) -> dict[str, object]:
    return {
        f"score_{name}": model.scores[name].value if name == "stability" else score_of_seed(name, one)
        for name in SCORES
        if name != "efficiency" or not model.unlike
    }


def _figures(one: Results) -> dict[str, object]:
    """Each metric, and after it what is known about it beyond its value."""
    row: dict[str, object] = {}
    for name, metric in one.metrics.items():
        row[name] = metric.value
        if metric.floor is not None:
            row[f"{name}_floor"] = metric.floor
        if metric.spread is not None:
            row[f"{name}_spread"] = metric.spread
        row |= {f"{name}_{extractor}": value for extractor, value in metric.by_extractor.items()}
    return row


def _inert(value: object) -> object:
    """`value`, with an apostrophe before text that a spreadsheet would run as a formula."""
    return (
        f"'{value}"
        if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r"))
        else value
    )


def _archive(loaded: MeasuredModels) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for ending in (".html", ".csv", ".json"):
            archive.writestr(f"report{ending}", render(loaded, ending))
        for member in loaded.every:
            archive.writestr(
                f"configs/{member.run.name}.json", member.config.model_dump_json(indent=1) + "\n"
            )
            if member.sheet:
                archive.writestr(f"samples/{member.run.name}.png", member.sheet)
    return content.getvalue()
