"""What documents name exists: the tests and commands of docs/seeds.md."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from gencore.cli.parsing import parse

ROOT = Path(__file__).resolve().parent.parent
SEEDS = (ROOT / "docs" / "seeds.md").read_text()
ROWS = [
    line for line in SEEDS.splitlines() if line.startswith("| ") and not line.startswith(("| part", "| ---"))
]
SPANS = re.findall(r"`([^`\n]+)`", SEEDS)
TESTS = sorted({span for span in SPANS if "::" in span})
COMMANDS = sorted({span for span in SPANS if span.startswith("gencore ")})
SCRIPTS = sorted({span for span in SPANS if span.startswith("python ")})


@pytest.mark.parametrize("name", TESTS)
def test_a_test_that_is_named_exists(name: str) -> None:
    file, test = name.split("::")
    assert f"def {test}(" in (ROOT / "tests" / file).read_text()


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_parses(command: str) -> None:
    assert callable(parse(shlex.split(command)[1:]))


@pytest.mark.parametrize("command", SCRIPTS)
def test_a_script_exists(command: str) -> None:
    assert (ROOT / shlex.split(command)[1]).is_file()


@pytest.mark.parametrize("row", ROWS)
def test_a_row_names_its_test_or_a_script_or_says_that_it_is_not_there_yet(row: str) -> None:
    part, here, test = row.strip("| ").split(" | ")
    assert part and here
    assert (test == "–") == ("::" not in test)
    assert "::" in test or "not yet" in here or "`python " in here


def test_every_system_has_its_rows() -> None:
    sections = re.split(r"^## S(\d)", SEEDS, flags=re.MULTILINE)
    assert sections[1::2] == [*"01234"]
    assert all(section.count("\n| ") > 5 for section in sections[2::2])
