"""Tables of the command line: plain columns in a pipe, rules and folded cells on a terminal."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys

import pytest

from gencore.cli import tables

LONG = "word " * 40
ROWS: list[dict[str, object]] = [{"name": "a", "fd": 1.23456}, {"name": "[red]b[/red]", "note": LONG}]


def test_a_pipe_gets_plain_uncut_columns_with_a_dash_for_what_is_absent(
    capsys: pytest.CaptureFixture[str],
) -> None:
    tables.show(ROWS, ["name", "fd", "note"], empty="nothing")
    header, first, second = capsys.readouterr().out.splitlines()
    assert header.split() == ["name", "fd", "note"] and first.split() == ["a", "1.235", "—"]
    assert second.split() == ["[red]b[/red]", "—", *LONG.split()]
    assert "\x1b" not in header + first + second


def test_a_cell_with_line_breaks_stays_in_its_row(capsys: pytest.CaptureFixture[str]) -> None:
    tables.show([{"problem": "torn\nfile\t."}], ["problem"], empty="nothing")
    assert capsys.readouterr().out.splitlines() == ["problem", "torn file ."]


def test_no_rows_print_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    tables.show([], ["name"], empty="no runs yet")
    assert capsys.readouterr().out == "no runs yet\n"


def test_a_terminal_gets_a_table_of_its_width_with_all_words() -> None:
    code = f"from gencore.cli import tables; tables.show({ROWS!r}, ['name', 'fd', 'note'], empty='')"
    controller, terminal = pty.openpty()
    done = subprocess.run(
        [sys.executable, "-c", code],
        stdout=terminal,
        env=os.environ | {"COLUMNS": "60", "TERM": "xterm"},
        check=False,
    )
    os.close(terminal)
    shown = re.sub(r"\x1b\[[\d;]*m", "", os.read(controller, 1 << 16).decode())  # without bold
    os.close(controller)
    assert done.returncode == 0
    lines = shown.splitlines()
    assert max(map(len, lines)) <= 60 and any(line.strip().startswith("───") for line in lines)
    assert shown.count("word") == 40 and "[red]b[/red]" in shown and "1.235" in shown
