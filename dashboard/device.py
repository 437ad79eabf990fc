"""What this machine has, as `gencore doctor --json` says it: asked in the background, for it loads torch."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, ValidationError

from gencore.results import explain

TIMEOUT_SECONDS = 120


class Report(BaseModel):
    model_config = ConfigDict(frozen=True)

    device: str
    threads: int
    memory_gib: float
    datasets: dict[str, str]


class Doctor:
    """A question under way, or its answer."""

    def __init__(self, command: Sequence[str] = (sys.executable, "-m", "gencore", "doctor", "--json")):
        self.answer: Report | str | None = None
        """The report; the reason where there is none, as text; None while it is still being found out."""
        threading.Thread(target=self._ask, args=(list(command),), name="doctor", daemon=True).start()

    def _ask(self, command: list[str]) -> None:
        try:
            asked = subprocess.run(
                command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=TIMEOUT_SECONDS
            )
            self.answer = Report.model_validate_json(asked.stdout)
        except ValidationError as error:
            last_line = (asked.stderr.strip().splitlines() or [explain(error)])[-1]
            self.answer = f"gencore doctor ended with code {asked.returncode}: {last_line}"
        except subprocess.TimeoutExpired:
            self.answer = f"gencore doctor did not answer within {TIMEOUT_SECONDS} s; the machine is busy"
        except OSError as error:
            self.answer = f"gencore doctor did not start: {error.strerror}"
