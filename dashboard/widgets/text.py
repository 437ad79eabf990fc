"""Figures and foreign text, as people read them."""

from __future__ import annotations

import re

ABSENT = "—"
_MARKDOWN = re.compile(r"([!-/:-@\[-`{-~])")


def plain(text: str) -> str:
    """Text from a file for use in Markdown: shown letter by letter, on one line, never obeyed."""
    return _MARKDOWN.sub(r"\\\1", " ".join(text.split()))


def figure(value: float | None, digits: int = 3) -> str:
    """To `digits` significant digits, thousands set apart; a dash where there is none."""
    if value is None:
        return ABSENT
    if value and abs(value) < 1e-3:
        return f"{value:.{digits - 1}e}"
    shown = float(f"{value:.{digits}g}")
    decimals = max(0, digits - len(str(int(abs(shown)))))
    return f"{shown:,.{0 if abs(shown) >= 1000 else decimals}f}"


def duration(seconds: float | None) -> str:
    """`0.8 s`, `41 s`, `3 min 20 s`, `2 h 05 min`."""
    if seconds is None:
        return ABSENT
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    minutes, hours = whole // 60, whole // 3600
    if whole < 60:
        return f"{whole} s"
    return f"{minutes} min {whole % 60:02d} s" if hours == 0 else f"{hours} h {minutes % 60:02d} min"
