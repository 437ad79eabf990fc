"""What a page fetches to run models: the runtime, the scripts that use it, and the decoders of runs."""

from __future__ import annotations

from pathlib import Path

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from dashboard.components.in_page.fetch_runtime import SCRIPT, WEB_ASSEMBLY
from gencore.reports import page_decoders
from gencore.store import runs

_HERE = Path(__file__).parent
_FILES = {
    "player.mjs": _HERE / "player.mjs",
    "worker.mjs": _HERE / "worker.mjs",
    "thinning.mjs": _HERE / "thinning.mjs",
    SCRIPT: _HERE / "runtime" / SCRIPT,
    WEB_ASSEMBLY: _HERE / "runtime" / f"{WEB_ASSEMBLY}.gz",
}
_KEPT = {"Cache-Control": "max-age=31536000, immutable"}
"""Of what is another address when it changes."""


async def _file(request: Request) -> Response:
    path = _FILES.get(request.path_params["name"])
    if path is None:
        return PlainTextResponse("no such file", 404)
    if path.suffix == ".gz":
        return FileResponse(path, media_type="application/wasm", headers={"Content-Encoding": "gzip"})
    return FileResponse(path, media_type="text/javascript")


async def _decoder(request: Request) -> Response:
    try:
        path = await run_in_threadpool(page_decoders.decoder, runs.run(request.path_params["run"]))
    except (ValueError, OSError) as error:
        return PlainTextResponse(str(error), 404)
    return FileResponse(path, media_type="application/octet-stream", headers=_KEPT)


ROUTES: list[BaseRoute] = [
    Route("/in-page/decoder/{run}.onnx", _decoder),
    Route("/in-page/{name}", _file),
]
"""For the dashboard's app; `?weights=…` after a decoder's address tells the browser which it has."""
