"""What each metric is, in a line, and whose definition it follows."""

from __future__ import annotations

from typing import NamedTuple

from gencore.results import BETTER


class Definition(NamedTuple):
    text: str
    source: str


_OWN = "this project"
_MANIFOLD = "Kynkäänniemi et al. 2019"
_DENSITY = "Naeem et al. 2020"
_DEFINED: dict[str, tuple[str, str]] = {
    "fd": ("Fréchet distance of Gaussians fitted to classifier features: ‖Δμ‖² + tr(Σ₁ + Σ₂ − 2(Σ₁Σ₂)^½)", "Heusel et al. 2017"),
    "fd_infinity": ("fd extrapolated to endless images, without the bias of a finite sample", "Chong & Forsyth 2020"),
    "fd_of_noise": ("fd of uniform pixel noise: the other end of the scale", _OWN),
    "fid": ("fd in Inception features, by torch-fidelity", "Heusel et al. 2017"),
    "kd": ("Unbiased MMD² with a cubic kernel on standardised features; may be negative", "Bińkowski et al. 2018"),
    "precision": ("Share of generated images inside the real manifold (k = 3)", _MANIFOLD),
    "recall": ("Share of real images inside the generated manifold (k = 3)", _MANIFOLD),
    "density": ("How many real neighbourhoods hold a generated image, as a multiple of k = 5", _DENSITY),
    "coverage": ("Share of real images with a generated one in their neighbourhood (k = 5)", _DENSITY),
    "f1": ("Harmonic mean of precision and recall", _MANIFOLD),
    "class_total_variation": ("Distance between generated and real shares of the classes, corrected by the classifier's confusion", _OWN),
    "class_coverage": ("Share of classes that get at least a fifth of their real share", _OWN),
    "classifier_score": ("exp E KL(p(y|x) ‖ p(y)) by this project's classifier, never called Inception Score", "Salimans et al. 2016"),
    "inception_score": ("exp E KL(p(y|x) ‖ p(y)) by Inception, by torch-fidelity", "Salimans et al. 2016"),
    "bins_total_variation": ("Distance between generated and real shares of k-means bins of the features", "Richardson & Weiss 2018"),
    "bins_different": ("Share of those bins whose filling differs significantly", "Richardson & Weiss 2018"),
    "feature_distance_ratio": ("Mean pairwise feature distance over that of real images; two-sided", _OWN),
    "pixel_variance_ratio": ("Pixel variance over that of real images; two-sided, and largest for noise", _OWN),
    "within_class_variance": ("Feature variance within the classes over the real one, mean of the classes", _OWN),
    "worst_within_class_variance": ("The same in the poorest class: a picture a class has almost none", _OWN),
    "conditional_accuracy": ("How often the classifier sees the class that was asked for", "Odena et al. 2017"),
    "worst_class_accuracy": ("The same in the worst class", _OWN),
    "cas": ("Accuracy on real images of a classifier trained on generated ones alone", "Ravuri & Vinyals 2019"),
    "authentic_share": ("Share of images farther from their nearest training image than that one is from its own neighbour", "Alaa et al. 2022"),
    "train_distance_ratio": ("Median distance to the nearest training image, over that of unseen real images", _OWN),
    "reconstruction_mse": ("Mean squared error of the test split given back, pixels from 0 to 1", _OWN),
    "reconstruction_psnr": ("Peak signal-to-noise ratio of the same, with a peak of 1", _OWN),
    "reconstruction_ssim": ("Structural similarity of the same", "Wang et al. 2004"),
    "control_hit_rate": ("How often a model steered to a class lands on it, inside the real manifold", _OWN),
    "control_worst_hit_rate": ("The same for the class that it misses most", _OWN),
    "control_chance": ("The same of a model that is not steered", _OWN),
    "control_real_accuracy": ("Hits of real images: the best that can be", _OWN),
    "control_coverage": ("Coverage within the classes asked for", _DENSITY),
    "path_straightness": ("Distance between the ends of a walk through latent space over the way walked, in features", _OWN),
    "perceptual_path_length": ("Squared change of features by a small step in latent space; compare within one model only", "Karras et al. 2019"),
    "training_seconds": ("Training time without evaluation", _OWN),
    "peak_memory_mib": ("Most memory held while training", _OWN),
    "parameters": ("Numbers that training sets", _OWN),
    "sampling_parameters": ("Those of them that drawing needs", _OWN),
    "flops_per_sample": ("Floating-point operations for one image", _OWN),
    "network_evaluations": ("Passes through the network for one image", _OWN),
    "gradient_spike_share": ("Share of steps whose log gradient norm exceeds median + 6 MAD of the 200 before", _OWN),
    "training_finite": ("1 where training ended with finite numbers", _OWN),
    "fd_last_over_best": ("Score of the last quick fd over that of the best: did it hold what it had", _OWN),
    "seconds_to_half": ("Training time until the score of the quick fd reaches 0.5", _OWN),
    "seconds_to_three_quarters": ("The same for 0.75", _OWN),
    "seconds_to_nine_tenths": ("The same for 0.9", _OWN),
}  # fmt: skip
RUNGS = {
    "blurred": "each pixel the mean of the 3 × 3 about it",
    "noisy": "Gaussian noise of a tenth of the range added",
    "shifted": "moved 2 pixels to the right",
    "binarised": "black and white alone",
    "half duplicated": "every image of a random half twice",
    "one class missing": "all but one class",
    "single class": "only one class",
    "pure noise": "no image at all: uniform noise",
}
"""What was done to real images on each rung of the ladder."""


def definition(metric: str) -> Definition | None:
    """None for a metric that is not described."""
    if metric in _DEFINED:
        return Definition(*_DEFINED[metric])
    if metric.startswith("samples_per_second_"):
        return Definition(f"Images drawn a second, {metric.rpartition('_')[2]} at a time, warmed up, median", _OWN)
    base = metric.removesuffix("_random")
    if base != metric and base in _DEFINED:
        return Definition(f"{base} in the features of a random network that has seen no image", _OWN)
    return None


def better(metric: str) -> str:
    """Which way is better; empty for what only describes."""
    return BETTER.get(metric, "")
