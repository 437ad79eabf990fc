"""The model section of a run's config: one class a family; the fields are as those of `sections`. That of
GANs is in `gan_section`.

Import them from `gencore.config.options`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple, Protocol, TypeVar, runtime_checkable

from pydantic import Field, field_validator, model_validator

from gencore.config.datasets import LARGEST_SIZE
from gencore.config.sections import Config

Sampler = Literal["ddpm", "ddim", "dpm-solver++"]
Prior = Literal["normal", "mixture"]
Kind = Literal["plain", "conditional", "distilled", "without-adversary"]
"""Which models of a family a variant names."""
_Model = TypeVar("_Model", bound="ModelConfig")


class Teacher(NamedTuple):
    """A run whose model another one, its student, imitates."""

    run: str
    digest: str
    """Of its weights; empty where they are not to be checked."""
    steps: int
    """In how many steps the student does."""


class ModelConfig(Config):
    """What the config of every family has; `family` tells them apart in `config.json`."""

    family: str

    @property
    def is_conditional(self) -> bool:
        """Whether the model takes a class label."""
        return bool(getattr(self, "conditional", False))

    @property
    def own_label(self) -> str | None:
        """What to call it in place of its variant's name; None for that."""
        return None

    @property
    def imitated(self) -> Teacher | None:
        """The run that a distilled model imitates in fewer steps; None for other models."""
        return None

    @property
    def is_distilled(self) -> bool:
        """Whether the model imitates another in fewer steps."""
        return self.imitated is not None

    @property
    def kind(self) -> Kind:
        """Which variant of its family it is."""
        return "distilled" if self.is_distilled else "conditional" if self.is_conditional else "plain"

    @property
    def shares_of_a_batch(self) -> int:
        """Into how many shares a step divides its batch: the most turns that one player takes."""
        return int(getattr(self, "discriminator_steps", 1))

    @property
    def jitters(self) -> bool:
        """Whether it is trained on images that are cropped and flipped at random."""
        return bool(getattr(self, "jitter", False))

    @property
    def largest_size(self) -> int:
        """Height and width of the largest images that the model takes, in pixels."""
        return LARGEST_SIZE

    @property
    def number_of_clusters(self) -> int:
        """The clusters of training images that stand in for labels; 0 for none."""
        return int(getattr(self, "clusters", 0))


@runtime_checkable
class HasSamplers(Protocol):
    """A model config with a choice of samplers, each of several steps; pages about steps ask for it."""

    @property
    def step_counts(self) -> range:
        """The numbers of steps that a sampler may take."""

    @property
    def timesteps(self) -> int:
        """Length T of the noising chain."""

    @property
    def samplers(self) -> Mapping[Sampler, str]:
        """The samplers that suit this model by id, with their names, the default for few steps first."""


CLUSTERS = (
    "Condition on this many clusters of the training images, found without labels; 0 is none. "
    "Samples take clusters at random, by their shares."
)


def with_labels_or_clusters(model: _Model, clusters: int) -> _Model:
    """`model`. Raises ValueError where it is to be conditioned on labels and on clusters."""
    if model.is_conditional and clusters:
        raise ValueError(
            f"clusters is {clusters}, but a conditional model already takes labels; "
            "set clusters to 0, or conditional to false"
        )
    return model


class VAEConfig(ModelConfig):
    """Variational autoencoder (Kingma & Welling 2014)."""

    family: Literal["vae"] = "vae"
    network: Literal["conv", "mlp"] = Field(
        "conv", description="Convolutional, or the plain 784-400-latent MLP."
    )
    latent_dim: int = Field(20, ge=1, le=1024, description="Size of the latent code z.")
    width: int = Field(64, ge=8, le=512, multiple_of=8, description="Channels of the first convolution.")
    depth: int = Field(
        0, ge=0, le=8, description="Extra convolutions at the coarsest resolution, in both networks."
    )
    likelihood: Literal["bernoulli", "gaussian"] = Field(
        "bernoulli",
        description="Distribution of a pixel around the decoder's output: Bernoulli, for strokes on a plain "
        "ground, or Gaussian with the best variance common to all pixels, for photographs.",
    )
    beta: float = Field(1.0, ge=0, le=100, description="Weight of the KL term (1 is the ELBO).")
    prior: Prior = Field(
        "mixture",
        description="Distribution that z is sampled from: N(0, I), or a Gaussian mixture fitted to the "
        "training codes.",
    )
    mixture_components: int = Field(100, ge=1, le=1000, description="Gaussians in that mixture.")
    learning_rate: float = Field(1e-3, gt=0, description="Learning rate.")


class DDPMConfig(ModelConfig):
    """Denoising diffusion probabilistic model (Ho et al. 2020)."""

    family: Literal["ddpm"] = "ddpm"
    width: int = Field(
        64, ge=16, le=512, multiple_of=16, description="Channels at the U-Net's fine resolution."
    )
    depth: int = Field(1, ge=1, le=8, description="Residual blocks at each resolution, down and up.")
    attention: bool = Field(
        False, description="Self-attention between all places at the U-Net's coarsest resolution."
    )
    timesteps: int = Field(1000, ge=2, le=10_000, description="Length T of the noising chain.")
    beta_start: float = Field(1e-4, gt=0, lt=1, description="First noise variance of the linear schedule.")
    beta_end: float = Field(0.02, gt=0, lt=1, description="Last noise variance of the linear schedule.")
    prediction: Literal["eps", "v", "flow"] = Field("eps", description="What the network predicts.")
    noise_levels: Literal["uniform", "logit-normal"] = Field(
        "uniform",
        description="Distribution of t in training: uniform, or most often where signal and noise are equal.",
    )
    standardise: bool = Field(
        False,
        description="Scale the U-Net's input to mean 0 and variance 1; the U-Net predicts what the best "
        "linear estimate leaves over.",
    )
    conditional: bool = Field(False, description="Condition on the class label.")
    clusters: int = Field(0, ge=0, le=1000, description=CLUSTERS)
    label_dropout: float = Field(
        0.1, ge=0, lt=1, description="Share of labels (or clusters) hidden in training, for guidance."
    )
    guidance: float = Field(1.0, ge=0, le=20, description="Classifier-free guidance scale; 1 is none.")
    guidance_most_noise: float = Field(
        1.0,
        ge=0,
        le=1,
        description="Guide only where at most this share of the variance of x_t is noise.",
    )
    sampler: Sampler = Field(
        "dpm-solver++",
        description="Sampler; `ddpm` is the ancestral one, which takes every step of the chain.",
    )
    sampling_steps: int = Field(
        10, ge=1, le=10_000, description="Steps of that sampler (`ddpm` always takes T)."
    )
    spacing: Literal["trailing", "mixed"] = Field(
        "trailing",
        description="Timesteps of a sampler: even with a long last step, which suits models without "
        "guidance, or half-way between even in t and even in log SNR, with a last step from little noise.",
    )
    learning_rate: float = Field(1e-3, gt=0, description="Learning rate.")
    teacher: str = Field(
        "", description="Run whose steps a distilled model imitates; `gencore distill` sets what it needs."
    )
    teacher_digest: str = Field("", description="Digest of that run's weights.")
    teacher_steps: int = Field(
        4, ge=1, le=100, description="Steps of the teacher that a distilled model takes in one."
    )
    distilled_steps: int = Field(
        0, ge=0, le=100, description="The number of steps that a distilled model is made for; 0 is any."
    )

    @property
    def imitated(self) -> Teacher | None:
        """As in ModelConfig."""
        if not self.distilled_steps:
            return None
        return Teacher(self.teacher, self.teacher_digest, self.distilled_steps)

    @property
    def step_counts(self) -> range:
        """As `HasSamplers`."""
        least, most = self.distilled_steps or 1, self.distilled_steps or self.timesteps
        return range(least, most + 1)

    @property
    def samplers(self) -> Mapping[Sampler, str]:
        """As `HasSamplers`; a flow has the Euler step alone, which goes by the id `ddim`."""
        if self.prediction == "flow":
            return {"ddim": "Euler along the flow"}
        if self.is_distilled:
            return {"ddim": "DDIM"}
        return {"dpm-solver++": "DPM-Solver++", "ddim": "DDIM", "ddpm": "ancestral DDPM"}

    @model_validator(mode="after")
    def _orders(self) -> DDPMConfig:
        if self.beta_start > self.beta_end:
            raise ValueError(f"beta_start is {self.beta_start}, above beta_end {self.beta_end}; swap them")
        if self.sampling_steps > self.timesteps:
            raise ValueError(
                f"sampling_steps is {self.sampling_steps}, more than timesteps {self.timesteps}; "
                "lower sampling_steps"
            )
        if self.prediction == "flow" and self.sampler != "ddim":
            raise ValueError(
                "prediction flow is sampled along straight lines; use sampler ddim (the Euler step)"
            )
        if self.is_distilled:
            self._check_student()
        return with_labels_or_clusters(self, self.clusters)

    def _check_student(self) -> None:
        if not self.teacher:
            raise ValueError(
                f"distilled_steps is {self.distilled_steps} without a teacher; use `gencore distill RUN`"
            )
        if self.prediction == "flow":
            raise ValueError("a flow is not distilled; use prediction v or eps")
        if self.distilled_steps * self.teacher_steps > self.timesteps:
            raise ValueError(
                f"{self.distilled_steps} steps of {self.teacher_steps} of the teacher's are more than the "
                f"{self.timesteps} timesteps of its chain; lower steps or teacher_steps"
            )
        if (self.sampler, self.sampling_steps) != ("ddim", self.distilled_steps):
            raise ValueError(
                f"this model is distilled for {self.distilled_steps} steps of sampler ddim and takes no "
                "other; leave sampler and steps as they are, or sample from its teacher"
            )


class ClassifierConfig(ModelConfig):
    """The feature extractor of a data set; not a generative model."""

    family: Literal["classifier"] = "classifier"
    network: Literal["residual", "plain", "mixer"] = Field(
        "residual", description="Residual blocks, plain convolutions, or a ConvMixer."
    )
    width: int = Field(32, ge=8, le=512, multiple_of=8, description="Channels of the first convolution.")
    feature_dim: int = Field(128, ge=8, le=2048, description="Width of the penultimate layer.")
    augment: Literal["none", "affine", "shift", "warp"] = Field(
        "affine", description="Turn, scale and shift, only shift, or bend the training images a little."
    )
    learning_rate: float = Field(2e-3, gt=0, description="Learning rate.")

    @field_validator("augment", mode="before")
    @classmethod
    def _of_older_configs(cls, given: object) -> object:
        return ("none", "affine")[given] if isinstance(given, bool) else given


class ImagesConfig(ModelConfig):
    """Images from outside, which are measured like a model's; nothing here is trained."""

    family: Literal["images"] = "images"
    source: str = Field(description="Name of the file or folder that they were read from.")
    digest: str = Field(description="SHA-256 of the images and labels as read.")
    count: int = Field(ge=1, description="How many images there are.")
    conditional: bool = Field(False, description="Whether each comes with the class it is meant to show.")

    @property
    def own_label(self) -> str:
        """As in ModelConfig: each set of images is a row of its own."""
        return f"images of {self.source}"
