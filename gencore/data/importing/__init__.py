"""Pictures of any origin to arrays: `read(path, options)` gives `Imported`. Imports no torch."""

from gencore.data.importing.options import ImportOptions
from gencore.data.importing.reading import read
from gencore.data.importing.report import (
    ClassCount,
    Duplicate,
    Imported,
    ImportReport,
    SizeCount,
    Unreadable,
)

__all__ = [
    "ClassCount",
    "Duplicate",
    "ImportOptions",
    "ImportReport",
    "Imported",
    "SizeCount",
    "Unreadable",
    "read",
]
