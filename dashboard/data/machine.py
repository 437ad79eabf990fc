"""What this machine has and how fast it trains, found out by processes of their own: both load torch."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from gencore.config.options import RunConfig
from gencore.store.results import explain

TIMEOUT_SECONDS = 120
Answer = TypeVar("Answer")


class Machine(BaseModel):
    """What `gencore doctor --json` reports, as far as the pages use it."""

    model_config = ConfigDict(frozen=True)

    device: str
    threads: int
    memory_gib: float
    datasets: dict[str, str]


class BackgroundCommand(Generic[Answer]):
    """A command that runs in the background, and what it printed once it has ended."""

    def __init__(
        self, title: str, command: Sequence[str], read: Callable[[str], Answer], stdin: str = ""
    ) -> None:
        self.answer: Answer | str | None = None
        """The answer; text that says why there is none; None while the command runs."""
        self._title, self._read = title, read
        threading.Thread(target=self._run, args=(list(command), stdin), name=title, daemon=True).start()

    def _run(self, command: list[str], stdin: str) -> None:
        try:
            done = subprocess.run(
                command, input=stdin, capture_output=True, text=True, timeout=TIMEOUT_SECONDS
            )
            self.answer = self._read(done.stdout)
        except ValidationError as error:
            last_line = (done.stderr.strip().splitlines() or [explain(error)])[-1]
            self.answer = f"{self._title} ended with code {done.returncode}: {last_line}"
        except subprocess.TimeoutExpired:
            self.answer = f"{self._title} did not answer within {TIMEOUT_SECONDS} s; the machine is busy"
        except OSError as error:
            self.answer = f"{self._title} did not start: {error.strerror}"


class Doctor(BackgroundCommand[Machine]):
    """`gencore doctor`: device, threads, memory and data sets of this machine."""

    def __init__(self, command: Sequence[str] = (sys.executable, "-m", "gencore", "doctor", "--json")):
        super().__init__("gencore doctor", command, Machine.model_validate_json)


class PaceProbe(BackgroundCommand[float]):
    """Images per second that this machine trains `config` at, measured over a few steps."""

    def __init__(
        self,
        config: RunConfig,
        command: Sequence[str] = (sys.executable, "-m", "gencore.training.pace"),
    ):
        positive_number = TypeAdapter(float).validate_json
        super().__init__("the probe of this machine", command, positive_number, config.model_dump_json())
