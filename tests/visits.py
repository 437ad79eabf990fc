"""Pages that draw, opened without a browser, on models trained in moments."""

from __future__ import annotations

import json
import sys
from functools import partial
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest
from support import record, tiny_config

from dashboard.data.machine import Doctor
from dashboard.widgets import sidebar
from gencore.data.sources import ImageData
from gencore.store.runs import Run, run

REPOSITORY = Path(__file__).resolve().parent.parent
REPORT = {"device": "cpu", "threads": 1, "memory_gib": 8, "datasets": {"digits": "bundled"}}


def visit(page: str, run: list[str] | None = None, **address: str) -> AppTest:
    """The page at this address, after its first run."""
    app = AppTest.from_file(str(REPOSITORY / "dashboard/app.py"), default_timeout=60)
    for key, value in (address | ({"run": run} if run else {})).items():
        app.query_params[key] = value
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            sidebar, "Doctor", partial(Doctor, [sys.executable, "-c", f"print({json.dumps(REPORT)!r})"])
        )
        return checked(app.switch_page(f"views/{page}.py").run())


def checked(app: AppTest) -> AppTest:
    assert not app.exception, [element.value for element in app.exception]
    return app


def text_of(app: AppTest) -> str:
    kinds = ("title", "markdown", "caption", "error", "warning", "info", "code", "subheader", "badge")
    found = (element for kind in kinds for element in app.main.get(kind))
    return "\n".join(str(element.value) for element in found).replace("\\", "")


def pictures(app: AppTest) -> dict[str, str]:
    """Each picture of the page by its alternative text: the address, a hash of its content, or the
    content.
    """
    found = {image.alt: image.url for element in app.main.get("image") for image in element.proto.imgs}
    parts = [
        json.loads(element.proto.json) for element in app.main.get("bidi_component") if element.proto.json
    ]
    return found | {data["alt"]: data["picture"] for data in parts if "picture" in data}


def trained(folder: Path, family: str, data: ImageData, name: str | None = None, **training: object) -> Run:
    """A run of a tiny model, one epoch old."""
    made = run(name or family, folder)
    made.create(tiny_config(family, **{"epochs": 1} | training))
    record(made, data)
    return made
