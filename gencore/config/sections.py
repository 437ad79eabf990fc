"""What a run is asked to do: data, model, training.

These models are the one source of options: command-line flags and their help, the dashboard's forms,
validation and `config.json` all come from the fields below. A preset is a complete `RunConfig`.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

DatasetName = Literal["mnist", "fashion-mnist", "kmnist", "emnist-digits", "cifar10", "digits"]
Sampler = Literal["ddpm", "ddim", "dpm-solver++"]


class Config(BaseModel):
    """Frozen, and unknown keys are errors that name the known ones."""

    model_config = ConfigDict(frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _name_unknown_keys(cls, given: object) -> object:
        if isinstance(given, dict):
            unknown = sorted(set(given) - set(cls.model_fields))
            if unknown:
                raise ValueError(f"unknown key {', '.join(unknown)}; known keys: {', '.join(cls.model_fields)}")
        return given


class DataConfig(Config):
    dataset: DatasetName = Field("mnist", description="Data set to train on; `digits` needs no network.")
    batch_size: int = Field(128, ge=2, le=8192, description="Images per optimisation step.")


class VAEConfig(Config):
    """Variational autoencoder (Kingma & Welling 2014), Bernoulli decoder."""

    family: Literal["vae"] = "vae"
    network: Literal["conv", "mlp"] = Field("conv", description="Convolutional, or the plain 784-400-latent MLP.")
    latent_dim: int = Field(20, ge=1, le=1024, description="Size of the latent code z.")
    width: int = Field(64, ge=8, le=512, multiple_of=8, description="Channels of the first convolution.")
    depth: int = Field(0, ge=0, le=8, description="Extra convolutions at the coarsest resolution, in both networks.")
    beta: float = Field(1.0, ge=0, le=100, description="Weight of the KL term (1 is the ELBO).")
    prior: Literal["normal", "mixture"] = Field(
        "mixture", description="Where z is drawn from to sample: N(0, I), or a Gaussian mixture fitted to the training codes."
    )
    learning_rate: float = Field(1e-3, gt=0, description="Adam's learning rate.")


class GANConfig(Config):
    """Generative adversarial network (Goodfellow et al. 2014), conditional on request (Mirza & Osindero 2014)."""

    family: Literal["gan"] = "gan"
    network: Literal["conv", "mlp"] = Field("conv", description="DCGAN convolutions, or plain MLPs.")
    conditional: bool = Field(False, description="Join the class label to the input of both networks (cGAN).")
    latent_dim: int = Field(100, ge=1, le=1024, description="Size of the latent code z.")
    width: int = Field(64, ge=8, le=512, multiple_of=8, description="Channels at the finest convolution.")
    depth: int = Field(0, ge=0, le=8, description="Extra convolutions at the coarsest resolution, in both networks.")
    real_label: float = Field(1.0, gt=0.5, le=1, description="Discriminator's target for real images (0.9 smooths).")
    minibatch_stddev: bool = Field(True, description="Show the discriminator how much a batch varies (conv only).")
    generator_learning_rate: float = Field(2e-4, gt=0, description="Adam's learning rate of the generator.")
    discriminator_learning_rate: float = Field(2e-4, gt=0, description="Adam's learning rate of the discriminator.")
    beta1: float = Field(0.5, ge=0, lt=1, description="Adam's first-moment decay.")


class DDPMConfig(Config):
    """Denoising diffusion (Ho et al. 2020)."""

    family: Literal["ddpm"] = "ddpm"
    width: int = Field(64, ge=16, le=512, multiple_of=16, description="Channels at the U-Net's fine resolution.")
    timesteps: int = Field(1000, ge=2, le=10_000, description="Length T of the noising chain.")
    beta_start: float = Field(1e-4, gt=0, lt=1, description="First noise variance of the linear schedule.")
    beta_end: float = Field(0.02, gt=0, lt=1, description="Last noise variance of the linear schedule.")
    prediction: Literal["eps", "v", "flow"] = Field("eps", description="What the network predicts.")
    noise_levels: Literal["uniform", "logit-normal"] = Field(
        "uniform", description="How training draws t: evenly, or most often where signal and noise are alike."
    )
    standardise: bool = Field(False, description="Let the U-Net see pixels of mean 0 and variance 1, and say what the best linear guess leaves out.")
    conditional: bool = Field(False, description="Condition on the class label.")
    label_dropout: float = Field(0.1, ge=0, lt=1, description="Share of labels hidden in training, for guidance.")
    guidance: float = Field(1.0, ge=0, le=20, description="Classifier-free guidance scale; 1 is none.")
    sampler: Sampler = Field("dpm-solver++", description="How noise becomes an image.")
    sampling_steps: int = Field(10, ge=1, le=10_000, description="Steps of that sampler (`ddpm` always takes T).")
    learning_rate: float = Field(1e-3, gt=0, description="Adam's learning rate.")

    @model_validator(mode="after")
    def _orders(self) -> DDPMConfig:
        if self.beta_start > self.beta_end:
            raise ValueError(f"beta_start is {self.beta_start}, above beta_end {self.beta_end}; swap them")
        if self.sampling_steps > self.timesteps:
            raise ValueError(
                f"sampling_steps is {self.sampling_steps}, more than timesteps {self.timesteps}; lower sampling_steps"
            )
        if self.prediction == "flow" and self.sampler != "ddim":
            raise ValueError("prediction flow is sampled along straight lines; use sampler ddim (the Euler step)")
        return self


class ClassifierConfig(Config):
    """The feature extractor of a data set; not a generative model."""

    family: Literal["classifier"] = "classifier"
    width: int = Field(32, ge=8, le=512, multiple_of=8, description="Channels of the first convolution.")
    feature_dim: int = Field(128, ge=8, le=2048, description="Width of the penultimate layer.")
    augment: bool = Field(True, description="Rotate, scale and shift the training images a little.")
    learning_rate: float = Field(2e-3, gt=0, description="Adam's learning rate.")


ModelConfig = Annotated[VAEConfig | GANConfig | DDPMConfig | ClassifierConfig, Field(discriminator="family")]


class TrainingConfig(Config):
    epochs: int = Field(30, ge=1, le=100_000, description="Passes over the training split.")
    seed: int = Field(42, ge=0, lt=2**31, description="Seed of weights, batches and noise.")
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        "auto", description="Arithmetic of the networks; auto takes bfloat16 where the hardware has it."
    )
    schedule: Literal["constant", "cosine"] = Field("constant", description="Course of the learning rate.")
    clip_norm: float | None = Field(None, gt=0, description="Clip each player's gradient to this norm.")
    ema_decay: float = Field(0.999, ge=0, lt=1, description="Decay of the averaged weights used for sampling; 0 is none.")
    checkpoint_every: int = Field(10, ge=1, description="Epochs between checkpoints.")
    progress_every: int = Field(20, ge=1, description="Steps between figures in the event log.")
    sheets: int = Field(10, ge=0, le=1000, description="Fixed-noise sample sheets a run, evenly spread.")
    fd_every: int = Field(1, ge=0, description="Epochs between quick Fréchet distances; 0 is never.")
    fd_samples: int = Field(2000, ge=256, le=50_000, description="Images of a quick Fréchet distance.")
    patience: int | None = Field(None, ge=1, description="Stop early after this many quick distances without a better one.")

    @model_validator(mode="after")
    def _early_stopping_needs_distances(self) -> TrainingConfig:
        if self.patience is not None and self.fd_every == 0:
            raise ValueError("patience counts quick Fréchet distances; set fd_every to 1 or more")
        return self


class RunConfig(Config):
    data: DataConfig = DataConfig()
    model: ModelConfig
    training: TrainingConfig = TrainingConfig()

    @property
    def label(self) -> str:
        """The model's name as people write it: VAE, GAN, cGAN, DDPM, cDDPM."""
        prefix = "c" if getattr(self.model, "conditional", False) else ""
        return prefix + (self.model.family.upper() if self.model.family != "classifier" else "features")

    def difference(self, other: RunConfig) -> list[str]:
        """One line for each field that differs, as `training.seed: 42 here, 7 there`."""
        ours, theirs = _flatten(self.model_dump(mode="json")), _flatten(other.model_dump(mode="json"))
        return [
            f"{key}: {ours.get(key)} here, {theirs.get(key)} there"
            for key in sorted(ours.keys() | theirs.keys())
            if ours.get(key) != theirs.get(key)
        ]


def _flatten(nested: dict, prefix: str = "") -> dict[str, object]:
    flat: dict[str, object] = {}
    for key, value in nested.items():
        flat |= _flatten(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat


_GAN_TRAINING = TrainingConfig(ema_decay=0.995)
_DDPM_TRAINING = TrainingConfig(clip_norm=1.0, schedule="cosine", fd_every=2, fd_samples=1000)  # its samples cost most
_VELOCITY = {"prediction": "v", "noise_levels": "logit-normal", "standardise": True, "learning_rate": 2e-3}  # learns shapes in fewer epochs than eps

PRESETS: dict[str, RunConfig] = {
    "vae": RunConfig(model=VAEConfig(depth=2)),
    "gan": RunConfig(model=GANConfig(depth=2, real_label=0.9), training=_GAN_TRAINING),
    "cgan": RunConfig(
        model=GANConfig(conditional=True, depth=1, real_label=0.9),
        training=_GAN_TRAINING.model_copy(update={"schedule": "cosine"}),
    ),
    "ddpm": RunConfig(model=DDPMConfig(**_VELOCITY), training=_DDPM_TRAINING),
    "cddpm": RunConfig(model=DDPMConfig(**_VELOCITY, conditional=True), training=_DDPM_TRAINING),
    "ddpm-eps": RunConfig(model=DDPMConfig(), training=_DDPM_TRAINING),
    "vae-mlp": RunConfig(model=VAEConfig(network="mlp")),
    "gan-mlp": RunConfig(model=GANConfig(network="mlp"), training=_GAN_TRAINING),
    "cgan-mlp": RunConfig(model=GANConfig(network="mlp", conditional=True, real_label=0.9), training=_GAN_TRAINING),
}
"""Complete configurations by name. The first four are the headline models, on the protocol of the seeds."""

HEADLINE = ("vae", "gan", "cgan", "ddpm")


def features_preset(dataset: DatasetName) -> RunConfig:
    """The configuration of a data set's feature classifier: more epochs where the data set is small."""
    epochs = 40 if dataset == "digits" else 8
    return RunConfig(
        data=DataConfig(dataset=dataset, batch_size=64 if dataset == "digits" else 128),
        model=ClassifierConfig(augment=True),
        training=TrainingConfig(epochs=epochs, schedule="cosine", ema_decay=0.99, checkpoint_every=epochs, sheets=0, fd_every=0),
    )
