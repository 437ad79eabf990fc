"""Each metric's facts, once: title, unit, direction, group, format, what it needs, definition and source.

The command line, tables, pages, the report, the model card, the README and `gencore schema` read this
catalogue. To add a metric: write its function, return it from the function of its group in
`gencore.evaluation.suite` (of translations, `paired_figures`), and add a row here. Loads no torch.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal, get_args

MetricGroup = Literal[
    "distances",
    "manifold",
    "classes",
    "diversity",
    "memorisation",
    "reconstruction",
    "labels",
    "control",
    "latent",
    "cost",
    "cas",
    "translation",
]
"""The groups of metrics that an evaluation can be asked for by name."""
DEFAULT_GROUPS: tuple[MetricGroup, ...] = tuple(
    group for group in get_args(MetricGroup) if group not in ("cas", "translation")
)  # cas trains two classifiers
TRANSLATION_GROUPS: tuple[MetricGroup, ...] = ("distances", "translation", "cost")
"""Those of a model that translates images."""
FeatureSpace = Literal["classifier", "random", "inception"]
TRANSLATION_SPACES: tuple[FeatureSpace, ...] = ("classifier", "inception")
"""Those that its images are measured in."""
Group = MetricGroup | Literal["random features", "inception", "training"]
"""What measures a metric: a group, one of the two other feature spaces, or the training itself."""
Better = Literal["smaller", "larger", "nearer 1"]
Format = Literal["number", "count", "yes or no"]
Need = Literal[
    "a conditional model",
    "a model that translates",
    "sources that a filter made",
    "a model with a latent",
    "a model that reconstructs",
    "a classifier that recognises the classes",
    "Inception weights",
    "LPIPS weights",
    "2,000 images",
    "images for every k-means bin",
    "gradient norms in the event log",
    "quick distances in the event log",
    "variance of generated images in the event log",
]
NEEDS_CLASSES: Need = "a classifier that recognises the classes"
"""What figures about classes need; see `gencore.evaluation.suite.LEAST_ACCURACY`."""
QualityPart = Literal["realism", "fidelity", "variety", "coverage", "balance", "novelty"]
"""What image quality is made of; `gencore.analysis.scores` says how."""
TIMED_BATCHES = (1, 16, 100, 1000)
"""Batch sizes at which sampling is timed."""


@dataclass(frozen=True, kw_only=True)
class MetricInfo:
    """The facts of one metric."""

    id: str
    """Its key in `results.json`."""
    title: str
    """Its name on pages and in reports."""
    group: Group
    definition: str
    source: str
    """The paper that defines it, or `this project`."""
    better: Better | None = None
    """Which values are better; None for a metric that only describes, by which no models are ranked."""
    unit: str = ""
    format: Format = "number"
    needs: tuple[Need, ...] = ()
    """What must be there for it to be measured, beyond images of a trained model."""
    short: str = ""
    """Heading of its column in a table on a terminal; its id where not given."""
    headline: bool = False
    """Whether it is among the few that summary tables show."""
    quality_part: QualityPart | None = None
    """The part of the quality score that is made from it."""
    cost: str = ""
    """Title of the axis on which it is a cost of the model; empty where it is none."""

    @property
    def is_of_a_machine(self) -> bool:
        """Whether it says as much of the machine as of the model: times and rates do."""
        return self.unit in ("s", "images/s")

    @property
    def heading(self) -> str:
        """`short`, else the id."""
        return self.short or self.id

    def text(self, value: float | None, digits: int = 3) -> str:
        """`value` in this metric's format; a dash where there is none."""
        if value is None or self.format == "number":
            return number(value, digits)
        return f"{value:,.0f}" if self.format == "count" else ("yes" if value else "no")


_OWN = "this project"
_HEUSEL = "Heusel et al. 2017"
_BINKOWSKI = "Bińkowski et al. 2018"
_MANIFOLD = "Kynkäänniemi et al. 2019"
_DENSITY = "Naeem et al. 2020"
_BINS = "Richardson & Weiss 2018"
_SALIMANS = "Salimans et al. 2016"

_FRECHET = MetricInfo(
    id="fd",
    title="Fréchet distance",
    group="distances",
    better="smaller",
    headline=True,
    source=_HEUSEL,
    definition="Fréchet distance between Gaussians fitted to classifier features of generated and of real"
    " images:"
    " ‖Δμ‖² + tr(Σ₁ + Σ₂ − 2(Σ₁Σ₂)^½)",
)
_KERNEL = MetricInfo(
    id="kd",
    title="Kernel distance",
    group="distances",
    better="smaller",
    source=_BINKOWSKI,
    definition="Unbiased MMD² with a cubic kernel on standardised features; it can be negative",
)
_NEIGHBOURS = (
    MetricInfo(
        id="precision",
        title="Precision",
        group="manifold",
        better="larger",
        headline=True,
        quality_part="fidelity",
        source=_MANIFOLD,
        definition="Share of generated images inside the real manifold (k = 3)",
    ),
    MetricInfo(
        id="recall",
        title="Recall",
        group="manifold",
        better="larger",
        headline=True,
        quality_part="variety",
        source=_MANIFOLD,
        definition="Share of real images inside the generated manifold (k = 3)",
    ),
    MetricInfo(
        id="density",
        title="Density",
        group="manifold",
        better="larger",
        headline=True,
        source=_DENSITY,
        definition="Mean number of real neighbourhoods that contain a generated image, divided by k = 5",
    ),
    MetricInfo(
        id="coverage",
        title="Coverage",
        group="manifold",
        better="larger",
        headline=True,
        quality_part="coverage",
        source=_DENSITY,
        definition="Share of real images with a generated image in their neighbourhood (k = 5)",
    ),
    MetricInfo(
        id="f1",
        title="F1 score",
        group="manifold",
        better="larger",
        source=_MANIFOLD,
        definition="Harmonic mean of precision and recall",
    ),
)


def _in_random_features(info: MetricInfo) -> MetricInfo:
    """The same metric in the features of an untrained network."""
    return replace(
        info,
        id=f"{info.id}_random",
        title=f"{info.title} (random network)",
        group="distances" if info.id == "fd" else "random features",
        headline=False,
        quality_part=None,
        definition=f"{info.title} in the features of a random network, which was trained on no image",
    )


def _sampling_speed(batch: int) -> MetricInfo:
    is_main = batch == 100
    return MetricInfo(
        id=f"samples_per_second_{batch}",
        title=f"Sampling speed (batches of {batch:,})",
        group="cost",
        better="larger" if is_main else None,
        unit="images/s",
        short="images/s" if is_main else "",
        headline=is_main,
        cost="seconds a sample" if is_main else "",
        source=_OWN,
        definition=f"Images generated a second, {batch:,} at a time: median of repetitions after a warm-up",
    )


def _time_to(id: str, condition: str, level: str, better: Better | None = None) -> MetricInfo:
    return MetricInfo(
        id=id,
        title=f"Time to {level}",
        group="training",
        better=better,
        unit="s",
        needs=("quick distances in the event log",),
        source=_OWN,
        definition=f"Device time of training until the quick Fréchet distance {condition}, on a logarithmic"
        " scale",
    )


def _of_translations(
    id: str, title: str, better: Better, definition: str, source: str = _OWN, unit: str = ""
) -> MetricInfo:
    """A row of an error of outputs to their real images."""
    return MetricInfo(
        id=f"translation_{id}",
        title=title,
        group="translation",
        better=better,
        unit=unit,
        needs=("a model that translates",),
        source=source,
        definition=f"{definition} Its floor is the best of three answers without a model: the source itself,"
        " the mean training image, and the training image of the nearest training source",
    )


_TRANSLATION = (
    _of_translations(
        "l1",
        "Translation error (L1)",
        "smaller",
        "Mean absolute error of outputs to the real images of test pairs, pixels from 0 to 1.",
        source="Isola et al. 2017",
    ),
    _of_translations(
        "psnr",
        "Translation PSNR",
        "larger",
        "Peak signal-to-noise ratio of outputs to the real images of test pairs, with a peak of 1.",
        unit="dB",
    ),
    _of_translations(
        "ssim",
        "Translation SSIM",
        "larger",
        "Structural similarity of outputs to the real images of test pairs.",
        source="Wang et al. 2004",
    ),
    _of_translations(
        "feature_lpips",
        "Translation feature LPIPS",
        "smaller",
        "Mean LPIPS distance of output and real image in the layers of this project's classifier, all"
        " channels with weight 1: not comparable with published LPIPS.",
        source="Zhang et al. 2018",
    ),
    MetricInfo(
        id="translation_lpips",
        title="Translation LPIPS",
        group="inception",
        better="smaller",
        needs=("a model that translates", "LPIPS weights"),
        source="Zhang et al. 2018",
        definition="Mean distance of output and real image by VGG16 with the published weights, by"
        " torch-fidelity, at the size of the images",
    ),
    MetricInfo(
        id="source_agreement",
        title="Agreement with the source",
        group="translation",
        better="larger",
        needs=("a model that translates", "sources that a filter made"),
        source=_OWN,
        definition="The filter that made the sources, applied to the outputs and compared with the sources:"
        " F1 of edge pixels with a tolerance of one pixel; 1 - L1 of other filters",
    ),
    MetricInfo(
        id="label_agreement",
        title="Agreement with the label",
        group="translation",
        better="larger",
        needs=("a model that translates", NEEDS_CLASSES),
        source=_OWN,
        definition="Share of the outputs that the classifier recognises as the class of their pair. Its floor"
        " is that of the real images",
    ),
    MetricInfo(
        id="translation_variety",
        title="Variety of translations",
        group="translation",
        needs=("a model that translates",),
        source=_OWN,
        definition="Mean absolute difference of two translations of one source with different seeds, pixels"
        " from 0 to 1; 0 where the model is a function of its source",
    ),
)

_ROWS = (
    _FRECHET,
    _in_random_features(_FRECHET),
    MetricInfo(
        id="fd_infinity",
        title="Fréchet distance, extrapolated",
        group="distances",
        needs=("2,000 images",),
        source="Chong & Forsyth 2020",
        definition="Fréchet distance extrapolated to infinitely many images, without the bias of a finite"
        " sample",
    ),
    MetricInfo(
        id="fd_over_floor",
        title="Fréchet distance ÷ floor",
        group="distances",
        better="smaller",
        unit="× real images",
        short="fd ÷ floor",
        headline=True,
        quality_part="realism",
        source=_OWN,
        definition="Fréchet distance divided by that of as many real images: geometric mean over the feature"
        " extractors, mean over sampling seeds",
    ),
    MetricInfo(
        id="fd_over_floor_uniform",
        title="Fréchet distance ÷ floor, classes asked for alike",
        group="distances",
        needs=("a conditional model",),
        unit="× real images",
        source=_OWN,
        definition="The same where each class is asked for equally often, of the model and of real images",
    ),
    MetricInfo(
        id="fd_of_blur",
        title="Fréchet distance of blurred images",
        group="distances",
        source=_OWN,
        definition="Fréchet distance of real images blurred 3 × 3, in the first extractor's features",
    ),
    MetricInfo(
        id="blur_over_floor",
        title="Fréchet distance ÷ floor of blurred images",
        group="distances",
        unit="× real images",
        source=_OWN,
        definition="The same of real images blurred 3 × 3: the bad end of the scale of realism",
    ),
    MetricInfo(
        id="fid",
        title="FID (Inception)",
        group="inception",
        better="smaller",
        needs=("Inception weights",),
        source=_HEUSEL,
        definition="Fréchet distance in Inception features, by torch-fidelity's network",
    ),
    _KERNEL,
    _in_random_features(_KERNEL),
    *_NEIGHBOURS,
    *map(_in_random_features, _NEIGHBOURS),
    MetricInfo(
        id="class_total_variation",
        title="Class share distance",
        group="classes",
        needs=(NEEDS_CLASSES,),
        better="smaller",
        quality_part="balance",
        source=_OWN,
        definition="Total variation distance between generated and real shares of the classes, corrected by"
        " the"
        " classifier's confusion matrix",
    ),
    MetricInfo(
        id="class_coverage",
        title="Class coverage",
        group="classes",
        needs=(NEEDS_CLASSES,),
        better="larger",
        source=_OWN,
        definition="Share of the classes that reach at least a fifth of their real share",
    ),
    MetricInfo(
        id="classifier_score",
        title="Classifier score",
        group="classes",
        needs=(NEEDS_CLASSES,),
        better="larger",
        source=_SALIMANS,
        definition="exp E KL(p(y|x) ‖ p(y)) by this project's classifier, over all images at once; not the"
        " Inception Score. Its spread is the standard error, twice that the half-width of a 95 % interval",
    ),
    MetricInfo(
        id="inception_score",
        title="Inception Score",
        group="inception",
        better="larger",
        needs=("Inception weights",),
        source=_SALIMANS,
        definition="exp E KL(p(y|x) ‖ p(y)) by Inception, by torch-fidelity: mean over ten splits of the"
        " images, its spread the standard deviation over them",
    ),
    MetricInfo(
        id="lpips",
        title="LPIPS between images",
        group="inception",
        needs=("LPIPS weights",),
        source="Zhang et al. 2018",
        definition="Mean distance of two generated images by VGG16 with the published weights, by"
        " torch-fidelity, at the size of the images. Its floor is that of real images",
    ),
    MetricInfo(
        id="bins_total_variation",
        title="Bin coverage error (k-means)",
        group="diversity",
        better="smaller",
        needs=("images for every k-means bin",),
        source=_BINS,
        definition="Total variation distance between generated and real shares of k-means bins of the"
        " features",
    ),
    MetricInfo(
        id="bins_different",
        title="Bins that differ (k-means)",
        group="diversity",
        better="smaller",
        needs=("images for every k-means bin",),
        source=_BINS,
        definition="Share of the k-means bins whose generated and real shares differ significantly",
    ),
    MetricInfo(
        id="bin_coverage",
        title="Mode coverage (k-means)",
        group="diversity",
        better="larger",
        needs=("images for every k-means bin",),
        source=_BINS,
        definition="Share of the k-means bins that reach at least a fifth of their real share",
    ),
    MetricInfo(
        id="feature_lpips",
        title="Feature LPIPS between images",
        group="diversity",
        source="Zhang et al. 2018",
        definition="Mean LPIPS distance of two generated images in the layers of this project's classifier,"
        " all channels with weight 1: not comparable with published LPIPS. Read it beside that of real"
        " images: less is little variety, but pure noise has less too",
    ),
    MetricInfo(
        id="feature_distance_ratio",
        title="Feature distance ratio",
        group="diversity",
        better="nearer 1",
        unit="of real",
        source=_OWN,
        definition="Mean pairwise feature distance divided by that of real images; both too small and too"
        " large are bad",
    ),
    MetricInfo(
        id="pixel_variance_ratio",
        title="Pixel variance ratio",
        group="diversity",
        better="nearer 1",
        unit="of real",
        source=_OWN,
        definition="Pixel variance divided by that of real images; largest for noise",
    ),
    MetricInfo(
        id="within_class_variance",
        title="Variance within classes",
        group="diversity",
        needs=(NEEDS_CLASSES,),
        better="nearer 1",
        unit="of real",
        source=_OWN,
        definition="Feature variance within a class divided by the real one, mean over the classes; below 1"
        " for too little variety, above 1 where images are malformed",
    ),
    MetricInfo(
        id="worst_within_class_variance",
        title="Variance within the worst class",
        group="diversity",
        needs=(NEEDS_CLASSES,),
        unit="of real",
        source=_OWN,
        definition="The variance ratio of the class with the smallest one; near 0 where a class is one image"
        " repeated",
    ),
    MetricInfo(
        id="conditional_accuracy",
        title="Label accuracy",
        group="labels",
        better="larger",
        needs=("a conditional model", NEEDS_CLASSES),
        short="accuracy",
        headline=True,
        source="Odena et al. 2017",
        definition="Share of the generated images that the classifier recognises as the requested class",
    ),
    MetricInfo(
        id="worst_class_accuracy",
        title="Label accuracy of the worst class",
        group="labels",
        needs=("a conditional model", NEEDS_CLASSES),
        source=_OWN,
        definition="Label accuracy of the class with the smallest one",
    ),
    MetricInfo(
        id="cas",
        title="Classification accuracy score",
        group="cas",
        better="larger",
        needs=("a conditional model",),
        source="Ravuri & Vinyals 2019",
        definition="Accuracy on real images of a classifier trained on generated images only",
    ),
    MetricInfo(
        id="authentic_share",
        title="Authentic share",
        group="memorisation",
        quality_part="novelty",
        source="Alaa et al. 2022",
        definition="Share of the images that are farther from their nearest training image than that image"
        " is from its"
        " own nearest neighbour",
    ),
    MetricInfo(
        id="train_distance_ratio",
        title="Distance to training images",
        group="memorisation",
        unit="of test images",
        source=_OWN,
        definition="Median distance to the nearest training image, divided by that of unseen real images",
    ),
    MetricInfo(
        id="reconstruction_mse",
        title="Reconstruction error (MSE)",
        group="reconstruction",
        needs=("a model that reconstructs",),
        source=_OWN,
        definition="Mean squared error of reconstructed test images, pixels from 0 to 1",
    ),
    MetricInfo(
        id="reconstruction_psnr",
        title="Reconstruction PSNR",
        group="reconstruction",
        unit="dB",
        needs=("a model that reconstructs",),
        source=_OWN,
        definition="Peak signal-to-noise ratio of reconstructed test images, with a peak of 1",
    ),
    MetricInfo(
        id="reconstruction_ssim",
        title="Reconstruction SSIM",
        group="reconstruction",
        needs=("a model that reconstructs",),
        source="Wang et al. 2004",
        definition="Structural similarity of reconstructed test images to the originals",
    ),
    *_TRANSLATION,
    MetricInfo(
        id="control_hit_rate",
        title="Control hit rate",
        group="control",
        needs=(NEEDS_CLASSES,),
        better="larger",
        source=_OWN,
        definition="Share of the images, steered to a class, that are recognised as it and lie inside the"
        " real manifold",
    ),
    MetricInfo(
        id="control_worst_hit_rate",
        title="Control hit rate of the worst class",
        group="control",
        needs=(NEEDS_CLASSES,),
        source=_OWN,
        definition="Control hit rate of the class with the smallest one",
    ),
    MetricInfo(
        id="control_chance",
        title="Control hit rate by chance",
        group="control",
        needs=(NEEDS_CLASSES,),
        source=_OWN,
        definition="Control hit rate of the model when it is not steered",
    ),
    MetricInfo(
        id="control_real_accuracy",
        title="Control hit rate of real images",
        group="control",
        needs=(NEEDS_CLASSES,),
        source=_OWN,
        definition="Control hit rate of real images of each class: the best that is possible",
    ),
    MetricInfo(
        id="control_coverage",
        title="Coverage within requested classes",
        group="control",
        needs=(NEEDS_CLASSES,),
        better="larger",
        source=_DENSITY,
        definition="Coverage of the real images of each class by the images steered to it, mean over the"
        " classes",
    ),
    MetricInfo(
        id="path_straightness",
        title="Latent path straightness",
        group="latent",
        needs=("a model with a latent",),
        source=_OWN,
        definition="Feature distance between the ends of a path through latent space, divided by its length"
        " in features",
    ),
    MetricInfo(
        id="perceptual_path_length",
        title="Perceptual path length",
        group="latent",
        needs=("a model with a latent",),
        source="Karras et al. 2019",
        definition="Squared change of the features by a small step in latent space; compare within one model"
        " only",
    ),
    MetricInfo(
        id="training_seconds",
        title="Training time",
        group="training",
        better="smaller",
        unit="s",
        short="train s",
        headline=True,
        cost="seconds of training",
        source=_OWN,
        definition="Time in which the device trained, without evaluation: on a CPU processor time divided by"
        " threads, so that other work on the machine does not count",
    ),
    _time_to("seconds_to_blur", "is that of real images blurred 3 × 3", "a blur", better="smaller"),
    _time_to("seconds_to_half", "has come half of the way from the blur to real images", "half-way"),
    *map(_sampling_speed, TIMED_BATCHES),
    MetricInfo(
        id="peak_memory_mib",
        title="Peak memory",
        group="training",
        unit="MiB",
        cost="peak memory, MiB",
        source=_OWN,
        definition="Largest amount of memory in use during training, beyond that of a process that has only"
        " loaded its libraries",
    ),
    MetricInfo(
        id="parameters",
        title="Parameters",
        group="training",
        format="count",
        source=_OWN,
        definition="Number of trained parameters",
    ),
    MetricInfo(
        id="sampling_parameters",
        title="Parameters used to sample",
        group="training",
        format="count",
        source=_OWN,
        definition="Number of the parameters that sampling uses",
    ),
    MetricInfo(
        id="flops_per_sample",
        title="Operations per image",
        group="cost",
        unit="FLOPs",
        source=_OWN,
        definition="Floating-point operations of matrix products and convolutions for one image",
    ),
    MetricInfo(
        id="network_evaluations",
        title="Network passes per image",
        group="cost",
        format="count",
        source=_OWN,
        definition="Forward passes through the network for one image",
    ),
    MetricInfo(
        id="gradient_spike_share",
        title="Gradient spikes",
        group="training",
        needs=("gradient norms in the event log",),
        source=_OWN,
        definition="Share of the steps whose log gradient norm exceeds median + 6 MAD of the 200 steps"
        " before",
    ),
    MetricInfo(
        id="loss_variance",
        title="Loss variance",
        group="training",
        source=_OWN,
        definition="Variance of the means that the event log holds of a loss over the second half of the"
        " training, of the loss that varies most; losses of different families do not compare",
    ),
    MetricInfo(
        id="collapse_share",
        title="Share of the training in collapse",
        group="training",
        needs=("variance of generated images in the event log",),
        source=_OWN,
        definition="Share of the steps, after the first tenth, in which images generated within a condition"
        " varied less than a tenth as much as real ones, by pixels",
    ),
    MetricInfo(
        id="convergence_epoch",
        title="Epochs to converge",
        group="training",
        needs=("quick distances in the event log",),
        source=_OWN,
        definition="Epoch of the first quick Fréchet distance whose log score is at least 95 % of the best",
    ),
    MetricInfo(
        id="convergence_rate",
        title="Convergence rate",
        group="training",
        needs=("quick distances in the event log",),
        source=_OWN,
        definition="Fall of the logarithm of the quick Fréchet distance an epoch, from the first one until"
        " the epoch of convergence",
    ),
    MetricInfo(
        id="training_finite",
        title="Training stayed finite",
        group="training",
        format="yes or no",
        source=_OWN,
        definition="1 where training ended with finite losses and weights, 0 where it diverged",
    ),
    MetricInfo(
        id="fd_last_over_best",
        title="Last over best quick distance",
        group="training",
        needs=("quick distances in the event log",),
        source=_OWN,
        definition="Log score of the last quick Fréchet distance divided by the best one: 1 where the model"
        " kept its best",
    ),
)
METRICS: dict[str, MetricInfo] = {row.id: row for row in _ROWS}
"""Every metric by its id, in the order in which figures and tables list them."""


def title(metric: str) -> str:
    """The title of `metric`; the id itself for one that the catalogue does not have."""
    info = METRICS.get(metric)
    return info.title if info else metric


def unit(metric: str) -> str:
    """The unit of `metric`; empty where it has none or is not known."""
    info = METRICS.get(metric)
    return info.unit if info else ""


def text(metric: str, value: float | None, digits: int = 3) -> str:
    """`value` in the format of `metric`, with `digits` significant digits; a dash where there is none."""
    info = METRICS.get(metric)
    return info.text(value, digits) if info else number(value, digits)


def better(metric: str) -> Better | None:
    """Which values of `metric` are better; None for one that only describes or is not known."""
    info = METRICS.get(metric)
    return info.better if info else None


def headline() -> tuple[MetricInfo, ...]:
    """The few metrics that summary tables show."""
    return tuple(info for info in METRICS.values() if info.headline)


def compared() -> Iterator[MetricInfo]:
    """The metrics that have a better and a worse end."""
    return (info for info in METRICS.values() if info.better)


def costs() -> dict[str, MetricInfo]:
    """What a model costs, by the title of its axis."""
    return {info.cost: info for info in METRICS.values() if info.cost}


def schema() -> dict[str, dict[str, str]]:
    """JSON Schema of the properties of `metrics` in results.json: each metric with title and definition."""
    return {
        info.id: {
            "$ref": "#/$defs/Metric",
            "title": info.title,
            "description": f"{info.definition} ({info.source}).",
        }
        for info in METRICS.values()
    }


def number(value: float | None, digits: int = 3) -> str:
    """`value` to `digits` significant digits with thousands separators; a dash where there is none."""
    if value is None:
        return "–"
    rounded = f"{value:.{digits}g}"
    return f"{float(rounded):,.0f}" if abs(value) >= 10**digits else rounded
