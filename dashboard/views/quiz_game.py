"""A game of real or drawn: what is asked, and how often each source was taken for real. No Streamlit, no
torch.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from scipy.stats import binomtest

DECK = 30
"""Questions until pictures are drawn anew; all models draw beforehand, so that waiting tells nothing."""
REAL = None


@dataclass(frozen=True)
class Count:
    """How often pictures of one source were taken for real."""

    real: int = 0
    """How many were taken for real."""
    shown: int = 0

    def __str__(self) -> str:
        """`3 of 7 · 43 % (10 to 82 %)`, the exact 95 % interval (Clopper & Pearson 1934)."""
        if self.shown == 0:
            return "none shown yet"
        low, high = binomtest(self.real, self.shown).proportion_ci(0.95)
        share = self.real / self.shown
        return f"{self.real} of {self.shown} · {100 * share:.0f} % ({100 * low:.0f} to {100 * high:.0f} %)"


@dataclass(frozen=True)
class Question:
    """One picture and its source."""

    picture: np.ndarray  # (H, W, 3) uint8
    source: str | None
    """The run that drew it, or REAL."""


@dataclass(frozen=True)
class Game:
    """All that is kept, in the visitor's session alone; nothing of it is in the address."""

    seed: int = field(default_factory=lambda: secrets.randbelow(2**31))
    asked: int = 0
    question: Question | None = None
    before: Question | None = None
    took_for_real: bool = False
    counts: dict[str | None, Count] = field(default_factory=dict)

    def answered(self, real: bool) -> Game:
        """The game after the answer 'real' or 'generated'. The page asks a question before."""
        assert self.question is not None, "nothing was asked"
        source = self.question.source
        count = self.counts.get(source, Count())
        counts = self.counts | {source: Count(count.real + real, count.shown + 1)}
        return replace(
            self, asked=self.asked + 1, question=None, before=self.question, took_for_real=real, counts=counts
        )

    @property
    def deck(self) -> int:
        """Seed of the pictures to draw now."""
        return self.seed + self.asked // DECK

    @property
    def right(self) -> int:
        """Answers that were true."""
        return sum(c.real if source is REAL else c.shown - c.real for source, c in self.counts.items())

    def asking(self, drawn: Mapping[str, np.ndarray], real: np.ndarray) -> Game:
        """With a question: a real picture as often as a drawn one, each model as often as another.

        `drawn` holds pictures (DECK, H, W, 3) by run, in an order that follows no label; `real` is (N, H, W,
        3)."""
        rng = np.random.default_rng([self.seed, self.asked])
        if rng.random() < 0.5:
            return replace(self, question=Question(real[rng.integers(len(real))], REAL))
        source = sorted(drawn)[rng.integers(len(drawn))]
        return replace(self, question=Question(drawn[source][self.asked % DECK], source))
