"""The options of a generative adversarial network, and which of them contradict each other."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from gencore.config.model_sections import CLUSTERS, ModelConfig, with_labels_or_clusters

AdversarialLoss = Literal["bce", "hinge", "least-squares", "wasserstein"]
DiscriminatorNorm = Literal["batch", "layer", "none"]
Augmentation = Literal["none", "translation", "translation-cutout", "colour-translation-cutout"]


class GANConfig(ModelConfig):
    """Generative adversarial network (Goodfellow et al. 2014), optionally conditional (Mirza & Osindero)."""

    family: Literal["gan"] = "gan"
    network: Literal["conv", "folded", "resnet", "mlp"] = Field(
        "conv",
        description="DCGAN convolutions; the same without one at full resolution, which is faster; residual "
        "blocks, which are slower; or plain MLPs.",
    )
    conditional: bool = Field(False, description="Give the class label to both networks (cGAN).")
    conditioning: Literal["joined", "embedding", "projection"] = Field(
        "joined",
        description="How networks take a label or cluster: as a one-hot vector joined to the input; as a "
        "learned vector joined to it; or, in the discriminator, by an inner product with its features. The "
        "last two are not for mlp.",
    )
    latent_dim: int = Field(100, ge=1, le=1024, description="Size of the latent code z.")
    width: int = Field(64, ge=8, le=512, multiple_of=8, description="Channels at the finest convolution.")
    depth: int = Field(
        0, ge=0, le=8, description="Extra convolutions at the coarsest resolution, in both networks."
    )
    loss: AdversarialLoss = Field(
        "bce",
        description="Adversarial loss: cross-entropy (non-saturating), which needs least tuning; hinge, with "
        "spectral_norm; least squares; or Wasserstein, with gradient_penalty 10 or spectral_norm.",
    )
    real_label: float = Field(
        1.0,
        gt=0.5,
        le=1,
        description="Discriminator's target for real images (0.9 is label smoothing); of the losses bce and "
        "least-squares.",
    )
    gradient_penalty: float = Field(
        0.0,
        ge=0,
        le=1000,
        description="Weight of the penalty on slopes of the discriminator other than 1, between real and "
        "generated images; 10 is usual with wasserstein, 0 is none.",
    )
    penalty: Literal["two-sided", "one-sided"] = Field(
        "two-sided",
        description="Which slopes gradient_penalty acts on: all other than 1, or only those above 1.",
    )
    r1: float = Field(
        0.0,
        ge=0,
        le=1000,
        description="Weight of the R1 penalty on the discriminator's squared slope at real images; 0.1 to 10 "
        "steady the losses bce, hinge and least-squares, 0 is none.",
    )
    spectral_norm: Literal["none", "discriminator", "both"] = Field(
        "none",
        description="Divide weights by their largest singular value, which bounds the network's slope: in "
        "the discriminator, or in both networks.",
    )
    discriminator_norm: DiscriminatorNorm = Field(
        "batch",
        description="Normalisation in the discriminator (not mlp, which has none): batch, or with a gradient "
        "penalty, R1 or wasserstein layer or none.",
    )
    discriminator_steps: int = Field(
        1,
        ge=1,
        le=20,
        description="Steps of the discriminator for each of the generator. They share a batch, so raise "
        "batch_size with them.",
    )
    minibatch_stddev: bool = Field(
        True,
        description="Give the discriminator the standard deviation over the batch (not mlp); turn it off to "
        "let gradient_penalty act on each image alone.",
    )
    augmentation: Augmentation = Field(
        "none",
        description="Change what the discriminator sees, real and generated: shifted, with a square cut out, "
        "or in other colours too where images have some. For small data sets.",
    )
    generator_learning_rate: float = Field(2e-4, gt=0, description="Learning rate of the generator.")
    discriminator_learning_rate: float = Field(2e-4, gt=0, description="Learning rate of the discriminator.")
    beta1: float = Field(0.5, ge=0, lt=1, description="Adam's first-moment decay.")
    clusters: int = Field(0, ge=0, le=1000, description=CLUSTERS)

    @model_validator(mode="after")
    def _switches_agree(self) -> GANConfig:
        if self.loss in ("hinge", "wasserstein") and self.real_label < 1:
            raise ValueError(
                f"real_label is {self.real_label}, but loss {self.loss} has no target for real images; set "
                "real_label to 1, or loss to bce or least-squares"
            )
        self._check_conditioning()
        self._check_slope()
        return with_labels_or_clusters(self, self.clusters)

    def _check_conditioning(self) -> None:
        """Raises ValueError where there is nothing to embed, or the network takes no embedding."""
        if self.conditioning == "joined":
            return
        if self.network == "mlp":
            raise ValueError(
                f"conditioning is {self.conditioning}, but network mlp takes a condition joined to its input "
                "alone; set conditioning to joined, or network to conv, folded or resnet"
            )
        if not self.conditional and not self.clusters:
            raise ValueError(
                f"conditioning is {self.conditioning}, but the model has neither labels nor clusters; set "
                "conditional to true, clusters to 100, or conditioning to joined"
            )

    def _check_slope(self) -> None:
        """Raises ValueError where the bound on the discriminator's slope is missing or undone."""
        norm = "none" if self.network == "mlp" else self.discriminator_norm
        if self.loss == "wasserstein" and not self.gradient_penalty and self.spectral_norm == "none":
            raise ValueError(
                "loss wasserstein needs a discriminator of bounded slope; set gradient_penalty to 10, or "
                "spectral_norm to discriminator"
            )
        per_image = [
            f"loss {self.loss}" if self.loss == "wasserstein" else "",
            f"gradient_penalty {self.gradient_penalty}" if self.gradient_penalty else "",
            f"r1 {self.r1}" if self.r1 else "",
        ]
        if norm == "batch" and any(per_image):
            raise ValueError(
                f"{' and '.join(filter(None, per_image))} bounds the discriminator's slope at each image, "
                "but discriminator_norm batch mixes the images of a batch; set discriminator_norm to layer "
                "or none"
            )
        if self.loss == "wasserstein" and not self.gradient_penalty and norm == "layer":
            raise ValueError(
                "spectral_norm alone bounds the slope for loss wasserstein, and discriminator_norm layer "
                "undoes that; set discriminator_norm to none, or gradient_penalty to 10"
            )
