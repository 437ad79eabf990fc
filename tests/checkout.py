"""A copy of the package in a folder of its own, for tests that extend it as a contributor would."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent


class Checkout:
    """gencore and its dashboard in `folder`; every edit is recorded in `touched`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.touched: list[str] = []
        for package in ("gencore", "dashboard"):
            shutil.copytree(
                REPOSITORY / package, folder / package, ignore=shutil.ignore_patterns("__pycache__")
            )

    def write(self, path: str, text: str) -> None:
        """A new file."""
        assert not (self.folder / path).exists()
        (self.folder / path).write_text(text)
        self.touched.append(path)

    def replace(self, path: str, old: str, new: str) -> None:
        """One edit of a file, at the one place where `old` stands."""
        text = (self.folder / path).read_text()
        assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {path}"
        (self.folder / path).write_text(text.replace(old, new))
        self.touched.append(path)

    def run(self, program: str, *arguments: str) -> str:
        """Standard output of a Python program that imports this copy; the test fails where it does."""
        done = subprocess.run(
            [sys.executable, "-c", program, *arguments],
            cwd=self.folder,
            env=os.environ | {"PYTHONPATH": str(self.folder), "GENCORE_HOME": str(self.folder / "home")},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout
