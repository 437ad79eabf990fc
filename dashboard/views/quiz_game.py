"""State of the quiz: the current question and the answers by source. Loads neither Streamlit nor torch."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from scipy.stats import binomtest

BATCH_SIZE = 30
"""Images generated per model at once. All models generate before the first question, so that waiting times
reveal nothing; after BATCH_SIZE questions new images are generated.
"""
REAL = None
"""The source of a real image; the source of a generated one is the name of its run."""


@dataclass(frozen=True)
class AnswerCount:
    """How often images of one source were judged to be real."""

    judged_real: int = 0
    shown: int = 0

    def __str__(self) -> str:
        """`3 of 7 · 43 % (10 to 82 %)`, the exact 95 % interval (Clopper & Pearson 1934)."""
        if self.shown == 0:
            return "none shown yet"
        low, high = binomtest(self.judged_real, self.shown).proportion_ci(0.95)
        share = self.judged_real / self.shown
        interval = f"{100 * low:.0f} to {100 * high:.0f} %"
        return f"{self.judged_real} of {self.shown} · {100 * share:.0f} % ({interval})"


@dataclass(frozen=True)
class Question:
    """One image and its source."""

    image: np.ndarray  # (H, W, 3) uint8
    source: str | None
    """The run that generated it, or REAL."""


@dataclass(frozen=True)
class Game:
    """The whole state. It is in the visitor's session only; the address would reveal the answers."""

    seed: int = field(default_factory=lambda: secrets.randbelow(2**31))
    answered: int = 0
    """Number of questions answered so far."""
    question: Question | None = None
    previous: Question | None = None
    previous_judged_real: bool = False
    counts: dict[str | None, AnswerCount] = field(default_factory=dict)

    def with_answer(self, judged_real: bool) -> Game:
        """The game after an answer to its question."""
        assert self.question is not None, "there is no question to answer"
        source = self.question.source
        count = self.counts.get(source, AnswerCount())
        count = AnswerCount(count.judged_real + judged_real, count.shown + 1)
        return replace(
            self,
            answered=self.answered + 1,
            question=None,
            previous=self.question,
            previous_judged_real=judged_real,
            counts=self.counts | {source: count},
        )

    @property
    def batch_seed(self) -> int:
        """Seed of the images to generate for the current question."""
        return self.seed + self.answered // BATCH_SIZE

    @property
    def correct(self) -> int:
        """Number of correct answers."""
        return sum(
            count.judged_real if source is REAL else count.shown - count.judged_real
            for source, count in self.counts.items()
        )

    def with_question(self, generated: Mapping[str, np.ndarray], real: np.ndarray) -> Game:
        """The game with its next question: half of them are real, the other half split evenly among the runs.

        `generated` holds images (BATCH_SIZE, H, W, 3) by run, in an order independent of their labels; `real`
        is (N, H, W, 3).
        """
        rng = np.random.default_rng([self.seed, self.answered])
        if rng.random() < 0.5:
            return replace(self, question=Question(real[rng.integers(len(real))], REAL))
        source = sorted(generated)[rng.integers(len(generated))]
        return replace(self, question=Question(generated[source][self.answered % BATCH_SIZE], source))
