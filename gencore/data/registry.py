"""Data sets by name: the published ones, those of one's own in the data folder, and pairs derived from them.

Imports no torch, so forms and lists can show the table at no cost.
"""

from __future__ import annotations

import os
from difflib import get_close_matches
from pathlib import Path
from typing import Literal

from gencore.config.datasets import DATASETS, DatasetSpec, checked_name, derived, original_name
from gencore.config.filters import FILTERS
from gencore.config.options import RunConfig
from gencore.data import own
from gencore.data.published import PUBLISHED
from gencore.store import runs

Availability = Literal["bundled", "your own", "on disk", "would be downloaded"]


def data_folder() -> Path:
    """The folder that holds the data sets: $GENCORE_DATA, else `data/` in the home folder of the runs."""
    given = os.environ.get("GENCORE_DATA")
    return Path(given) if given else runs.home() / "data"


def known(folder: Path | None = None) -> dict[str, DatasetSpec]:
    """All data sets by name: the published ones, and one's own in `folder` (default: `data_folder()`)."""
    return DATASETS | {added.spec.name: added.spec for added in own.readable(folder or data_folder())}


def pairs(folder: Path | None = None) -> dict[str, DatasetSpec]:
    """All data sets of pairs by name: one's own, and what each filter makes of each set that it suits."""
    sets = known(folder).values()
    made = [
        derived(filter_id, spec)
        for spec in sets
        for filter_id, row in FILTERS.items()
        if not spec.is_paired and not (row.needs_colour and spec.channels == 1)
    ]
    return {spec.name: spec for spec in (*(spec for spec in sets if spec.is_paired), *made)}


def find(name: str, folder: Path | None = None) -> DatasetSpec:
    """The data set of that name, or the pairs that `FILTER:NAME` makes of one.

    Raises ValueError that names the sets there are, and for a filter that does not suit the set;
    UnreadableError.
    """
    filter_id, colon, name = (checked_name(name) if ":" in name else name).rpartition(":")
    if spec := DATASETS.get(name) or own.find(name, folder or data_folder()):
        return derived(filter_id, spec) if colon else spec
    names = list(known(folder))
    alike = get_close_matches(name, names, n=1)
    raise ValueError(
        f"there is no data set {name}; {f'perhaps {alike[0]}; ' if alike else ''}there are "
        f"{', '.join(names)}; `gencore data add` makes one of your own pictures"
    )


def with_data(config: RunConfig, folder: Path | None = None) -> RunConfig:
    """`config` with the data set that it names, as it is now. Raises as `find`, and ValidationError."""
    return config.on(find(config.data.dataset, folder))


def availability(name: str, folder: Path | None = None) -> Availability:
    """Whether the files are in `folder` (default: `data_folder()`). Looks at names only."""
    name = original_name(name)
    if name not in PUBLISHED:
        return "your own"
    files = PUBLISHED[name]
    if not files.archives:
        return "bundled"
    folder = folder or data_folder()
    for paths in (files.unpacked, [archive.path for archive in files.archives]):
        if all((folder / path).is_file() for path in paths):
            return "on disk"
    return "would be downloaded"
