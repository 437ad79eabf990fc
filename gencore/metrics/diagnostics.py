"""What tells how an adversarial training goes, beside its losses: each figure's title and what to look for.

A model returns these figures among the parts of its loss, event logs keep them apart by these names, and the
Live page draws them. `gencore.models.adversarial_diagnostics` computes most. Loads no torch.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Diagnostic:
    """The facts of one figure."""

    title: str
    look_for: str
    """One line for whoever watches its curve."""


DIAGNOSTICS: dict[str, Diagnostic] = {
    "variance_ratio": Diagnostic(
        "Variance · generated ÷ real",
        "About 1 is as varied as real images. Near 0, the generator draws one image: it has collapsed.",
    ),
    "accuracy_real": Diagnostic(
        "Accuracy of D · real",
        "D is the discriminator. 0.5 is guessing; at 1 on both kinds for long, the generator learns little.",
    ),
    "accuracy_fake": Diagnostic(
        "Accuracy of D · generated",
        "A slow fall from 1 is good. Near 0, the generator fools it with every image.",
    ),
    "d_real": Diagnostic(
        "Probability by D · real",
        "Above the one of generated images. They meet at 0.5 where the discriminator cannot tell them apart.",
    ),
    "d_fake": Diagnostic(
        "Probability by D · generated",
        "Near 0 for long, the generator is far behind.",
    ),
    "output_real": Diagnostic(
        "Output of D · real",
        "Only its distance from the output on generated images counts, and whether either runs away.",
    ),
    "output_fake": Diagnostic(
        "Output of D · generated",
        "Only its distance from the output on real images counts, and whether either runs away.",
    ),
    "wasserstein_estimate": Diagnostic(
        "Wasserstein estimate",
        "Output of D on real − on generated images. It falls as images get closer to real ones.",
    ),
    "lipschitz_estimate": Diagnostic(
        "Largest slope of D",
        "A lower bound of its Lipschitz constant. A rise without end often comes before instability.",
    ),
    "gradient_penalty": Diagnostic(
        "Gradient penalty",
        "Near 0, slopes are near 1 as asked for. Where it stays above 1, its weight is too small.",
    ),
    "r1": Diagnostic(
        "R1 penalty",
        "A rise means that the discriminator gets steep at real images: more weight calms it.",
    ),
}
"""By name in an event log, in the order in which they are drawn."""
