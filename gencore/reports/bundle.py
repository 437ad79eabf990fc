"""Measured runs as one document: a page, a table, data, or all of it in a ZIP.

What other projects report stands under its own key, apart from what was measured.
"""

from __future__ import annotations

import csv
import io
import zipfile
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from gencore.evidence import Evidence, origin
from gencore.files import write_atomically
from gencore.page import page
from gencore.reported import Source
from gencore.results import Results
from gencore.scores import Score

ENDINGS = (".html", ".csv", ".json", ".zip")


class Document(BaseModel):
    """The report as data: what was measured, the scores made of it, and apart from both what others report."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    schema_version: Literal[1] = 1
    dataset: str
    models: dict[str, list[str]]
    results: list[Results]
    scores: dict[str, dict[str, Score]]
    left_out: dict[str, str]
    reported: list[Source]


def document(evidence: Evidence) -> Document:
    return Document(
        dataset=evidence.dataset,
        models={name: [member.run.name for member in group] for name, group in evidence.members.items()},
        results=[member.results for member in evidence.every],
        scores={model.name: model.scores for model in evidence.models},
        left_out=evidence.left_out,
        reported=evidence.reported,
    )


def render(evidence: Evidence, ending: str) -> bytes:
    """The report as a file that ends in `ending`, one of ENDINGS; ValueError for any other."""
    match ending:
        case ".html":
            return page(evidence).encode()
        case ".csv":
            return _table(evidence).encode()
        case ".json":
            return document(evidence).model_dump_json(indent=1).encode() + b"\n"
        case ".zip":
            return _archive(evidence)
    raise ValueError(f"the file ends in {ending!r}; use {', '.join(ENDINGS)}")


def write(path: Path, evidence: Evidence) -> None:
    write_atomically(path, render(evidence, path.suffix))


def _table(evidence: Evidence) -> str:
    """A row a run: what it is, each metric and, where there is one, its floor."""
    names = list(dict.fromkeys(name for member in evidence.every for name in member.results.metrics))
    floored = {name for member in evidence.every for name, metric in member.results.metrics.items() if metric.floor is not None}
    columns = [column for name in names for column in (name, f"{name}_floor") if column == name or name in floored]
    text = io.StringIO()
    writer = csv.DictWriter(text, ["model", "run", "label", "dataset", "seed", "origin", *columns], lineterminator="\n")
    writer.writeheader()
    for model in evidence.models:
        for one in model.results:
            row: dict[str, object] = {"model": model.name, "run": one.run, "label": one.label, "dataset": one.dataset, "seed": one.seed}
            row["origin"] = origin(one)
            row = {column: _inert(value) for column, value in row.items()}
            for name, metric in one.metrics.items():
                row |= {name: metric.value} | ({f"{name}_floor": metric.floor} if name in floored else {})
            writer.writerow(row)
    return text.getvalue()


def _inert(value: object) -> object:
    """Text that a spreadsheet would take for a formula, made plain."""
    return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")) else value


def _archive(evidence: Evidence) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for ending in (".html", ".csv", ".json"):
            archive.writestr(f"report{ending}", render(evidence, ending))
        for member in evidence.every:
            archive.writestr(f"configs/{member.run.name}.json", member.config.model_dump_json(indent=1) + "\n")
            if member.sheet:
                archive.writestr(f"samples/{member.run.name}.png", member.sheet)
    return content.getvalue()
