"""The table of model families: a new family is a config class, a file in `models/` and a row here.

Names, colours, explanations, presets, command-line options, the training form and the choice of
implementation are read from these rows. Loads no torch.
"""

from __future__ import annotations

from collections.abc import Iterator

from gencore.config.family import QUICK_TRAINING, Family, Preset, SamplingOption, Task, Variant
from gencore.config.gan_section import GANConfig
from gencore.config.model_sections import ClassifierConfig, DDPMConfig, ImagesConfig, ModelConfig, VAEConfig
from gencore.config.sections import TrainingConfig
from gencore.config.translation_families import PALETTE, PIX2PIX

_QUICK_MUON_TRAINING = QUICK_TRAINING.model_copy(update={"optimizer": "muon"})
_QUICK_GAN_TRAINING = QUICK_TRAINING.model_copy(update={"steps": 500})
_QUICK_GAN = GANConfig(  # Muon at its usual rate makes it collapse
    width=32, depth=1, real_label=0.9, generator_learning_rate=1e-3, discriminator_learning_rate=4e-4
)
_FAST_GAN = GANConfig(
    network="folded",
    depth=1,
    real_label=0.9,
    generator_learning_rate=5e-4,
    discriminator_learning_rate=2e-4,
)
_SMALL_GAN = GANConfig(  # for losses and penalties that take several steps of the discriminator
    network="folded",
    width=32,
    depth=1,
    generator_learning_rate=1e-3,
    discriminator_learning_rate=1e-3,
    discriminator_norm="none",
)
_WGAN_GP = _SMALL_GAN.model_copy(
    update={
        "loss": "wasserstein",
        "gradient_penalty": 10.0,
        "discriminator_norm": "layer",
        "discriminator_steps": 3,
        "minibatch_stddev": False,
    }
)
_SN_WGAN_GP = _WGAN_GP.model_copy(update={"spectral_norm": "discriminator", "discriminator_norm": "none"})
_SN_GAN = _SMALL_GAN.model_copy(
    update={
        "spectral_norm": "discriminator",
        "gradient_penalty": 0.5,
        "real_label": 0.9,
        "discriminator_steps": 2,
        "generator_learning_rate": 2e-4,
        "discriminator_learning_rate": 1e-4,
    }
)
_HINGE_GAN = _SMALL_GAN.model_copy(
    update={  # with less, a discriminator of bounded slope falls behind
        "loss": "hinge",
        "spectral_norm": "discriminator",
        "generator_learning_rate": 5e-4,
        "discriminator_learning_rate": 2e-3,
    }
)
_HINGE_RESNET = _HINGE_GAN.model_copy(
    update={
        "network": "resnet",
        "beta1": 0.0,
        "discriminator_steps": 3,
        "minibatch_stddev": False,
        "discriminator_learning_rate": 5e-4,
    }
)
_DCGAN = GANConfig(minibatch_stddev=False)
_GAN_BASE = GANConfig(network="folded", width=160, depth=2, real_label=0.9)
_VAE_BATCH = 256  # at twice the rates; Muon's work is done half as often
_VAE_TRAINING = TrainingConfig(schedule="cosine", optimizer="muon", muon_learning_rate=0.04)
_VAE = VAEConfig(  # narrow, so that 30 epochs take minutes
    width=24, depth=1, mixture_components=200, learning_rate=2e-3
)
_VAE_BASE = VAEConfig(  # the number of Gaussians by the likelihood of held-out codes of colour images
    latent_dim=64, width=128, depth=3, likelihood="gaussian", mixture_components=50
)
_VAES_BY_LATENTS = (
    _VAE_BASE,
    _VAE_BASE.model_copy(update={"latent_dim": 128, "mixture_components": 20}),
    # a mixture with full covariances would take minutes to fit on a CPU
    _VAE_BASE.model_copy(update={"latent_dim": 256, "prior": "normal"}),
    _VAE_BASE.model_copy(update={"latent_dim": 512, "prior": "normal"}),
)
_GAN_TRAINING = TrainingConfig(ema_decay=0.995)
_COSINE_GAN_TRAINING = _GAN_TRAINING.model_copy(update={"schedule": "cosine"})
_DDPM_TRAINING = TrainingConfig(clip_norm=1.0, schedule="cosine")
_DDPM = DDPMConfig(  # learns shapes in fewer epochs than predicting eps
    prediction="v", noise_levels="logit-normal", standardise=True, learning_rate=2e-3
)
_GUIDED = {  # so that more steps are no worse, as results/mnist-ddpm/steps.json has it
    "guidance": 1.3,
    "guidance_most_noise": 0.995,
    "spacing": "mixed",
}
_DDPM_BASE = _DDPM.model_copy(update={"width": 96, "depth": 2, "attention": True, **_GUIDED})
_MUON_TRAINING = _DDPM_TRAINING.model_copy(update={"optimizer": "muon"})

VAE = Family(
    config=VAEConfig,
    implementation="gencore.models.vae:VAE",
    variants=(
        Variant(
            "VAE",
            "#E69F00",
            "x → encoder → z → decoder → x",
            "An encoder compresses each image to a short vector z, and a decoder reconstructs the image "
            "from it. Both are trained together, and z is kept close to a normal distribution, so decoding "
            "random vectors gives new images. Training takes minutes and does not collapse; the images have"
            " soft edges.",
        ),
    ),
    presets={
        # a KL term of half the weight: sharper images, as samples come from a mixture fitted to the codes
        "vae": Preset(
            _VAE.model_copy(update={"beta": 0.5}), _VAE_TRAINING, is_headline=True, batch_size=_VAE_BATCH
        ),
        "vae-elbo": Preset(_VAE, _VAE_TRAINING, batch_size=_VAE_BATCH, note="ELBO, β = 1"),
        "vae-base": Preset(_VAE_BASE, _VAE_TRAINING, batch_size=_VAE_BATCH, note="base size"),
        **{
            f"vae-{model.latent_dim}": Preset(
                model, _VAE_TRAINING, batch_size=_VAE_BATCH, note=f"{model.latent_dim} latents"
            )
            for model in _VAES_BY_LATENTS
        },
        "beta-vae": Preset(
            _VAE.model_copy(update={"beta": 4.0, "prior": "normal"}),
            _VAE_TRAINING,
            batch_size=_VAE_BATCH,
            note="β = 4",
        ),
        "vae-mlp": Preset(VAEConfig(network="mlp"), note="plain MLP"),
        "vae-quick": Preset(
            VAEConfig(width=32, depth=1, beta=0.5), _QUICK_MUON_TRAINING, is_quick=True, note="quick"
        ),
    },
    sampling_options=(SamplingOption("prior", "prior"),),
)

GAN = Family(
    config=GANConfig,
    implementation="gencore.models.gan:GAN",
    variants=(
        Variant(
            "GAN",
            "#CC79A7",
            "noise → generator → x ← discriminator",
            "A generator makes images from noise, and a discriminator learns to tell them from real ones; "
            "each is trained against the other. The images are sharp. The risk is mode collapse: a "
            "generator that makes only a few kinds of image.",
        ),
        Variant(
            "cGAN",
            "#0072B2",
            "noise + 7 → generator → x ← discriminator + 7",
            "A GAN in which both networks also get the class label. Given the label 7, the generator should"
            " make many different sevens. A conditional GAN can have the right class and still little "
            "variety, so recall and coverage are measured as well as accuracy.",
            "conditional",
        ),
    ),
    presets={
        "gan": Preset(_FAST_GAN.model_copy(update={"clusters": 100}), _COSINE_GAN_TRAINING, is_headline=True),
        "cgan": Preset(
            _FAST_GAN.model_copy(update={"conditional": True}), _COSINE_GAN_TRAINING, is_headline=True
        ),
        "gan-base": Preset(
            _GAN_BASE.model_copy(update={"clusters": 100}), _COSINE_GAN_TRAINING, note="base size"
        ),
        "cgan-base": Preset(
            _GAN_BASE.model_copy(update={"conditional": True}), _COSINE_GAN_TRAINING, note="base size"
        ),
        "gan-plain": Preset(GANConfig(depth=2, real_label=0.9), _GAN_TRAINING, note="no clusters"),
        "gan-mlp": Preset(GANConfig(network="mlp"), _GAN_TRAINING, note="plain MLP"),
        "dcgan": Preset(_DCGAN, _GAN_TRAINING, note="DCGAN"),
        "deep-dcgan": Preset(_DCGAN.model_copy(update={"depth": 3}), _GAN_TRAINING, note="deep DCGAN"),
        "wgan-gp": Preset(_WGAN_GP, _COSINE_GAN_TRAINING, batch_size=192, note="WGAN-GP"),
        "sn-wgan-gp": Preset(
            _SN_WGAN_GP, _COSINE_GAN_TRAINING, batch_size=192, note="WGAN-GP, spectral norm"
        ),
        "sn-gan": Preset(_SN_GAN, TrainingConfig(patience=15), note="spectral norm"),
        "hinge-gan": Preset(_HINGE_GAN, _COSINE_GAN_TRAINING, note="hinge"),
        "hinge-resnet": Preset(
            _HINGE_RESNET, _COSINE_GAN_TRAINING, batch_size=192, note="hinge, residual blocks"
        ),
        "gan-quick": Preset(_QUICK_GAN, _QUICK_GAN_TRAINING, is_quick=True, note="quick"),
        "cdcgan": Preset(
            _DCGAN.model_copy(update={"conditional": True, "conditioning": "embedding"}),
            _GAN_TRAINING,
            note="DCGAN, embedded labels",
        ),
        "cgan-quick": Preset(
            _QUICK_GAN.model_copy(update={"conditional": True}),
            _QUICK_GAN_TRAINING,
            is_quick=True,
            note="quick",
        ),
        "cgan-mlp": Preset(
            GANConfig(network="mlp", conditional=True, real_label=0.9), _GAN_TRAINING, note="plain MLP"
        ),
    },
)

DDPM = Family(
    config=DDPMConfig,
    implementation="gencore.models.ddpm:DDPM",
    variants=(
        Variant(
            "DDPM",
            "#009E73",
            "noise → denoise → denoise → … → x",
            "Noise is added to images step by step, and a network learns to undo one step. Starting from "
            "pure noise, many such steps give a new image. Training is stable, because there is no "
            "opponent; sampling takes many passes through the network where the other models take one.",
        ),
        Variant(
            "cDDPM",
            "#D55E00",
            "noise → denoise + 7 → denoise + 7 → … → x",
            "A DDPM whose network also gets the class label. Labels are hidden for some training images, so"
            " the network also learns to work without one. Guidance then amplifies what the label changes: "
            "images fit their class better and vary less.",
            "conditional",
        ),
        Variant(
            "distilled DDPM",
            "#56B4E9",
            "noise → denoise → denoise → x",
            "A DDPM that starts from the weights of a trained one, its teacher, and learns to take in one "
            "step what the teacher takes several for. It makes nearly the teacher's images in a few passes "
            "through the network.",
            "distilled",
        ),
    ),
    presets={
        "ddpm": Preset(
            _DDPM.model_copy(update={"clusters": 100, **_GUIDED}), _MUON_TRAINING, is_headline=True
        ),
        "cddpm": Preset(_DDPM.model_copy(update={"conditional": True, **_GUIDED}), _MUON_TRAINING),
        "ddpm-base": Preset(
            _DDPM_BASE.model_copy(update={"clusters": 100}), _MUON_TRAINING, note="base size"
        ),
        "cddpm-base": Preset(
            _DDPM_BASE.model_copy(update={"conditional": True}), _MUON_TRAINING, note="base size"
        ),
        "ddpm-plain": Preset(_DDPM, _DDPM_TRAINING, note="no clusters"),
        "ddpm-eps": Preset(DDPMConfig(), _DDPM_TRAINING, note="classic ε"),
        "ddpm-quick": Preset(
            _DDPM.model_copy(update={"width": 32, "clusters": 50}),
            _QUICK_MUON_TRAINING.model_copy(update={"steps": 240, "clip_norm": 1.0}),
            is_quick=True,
            note="quick",
        ),
    },
    sampling_options=(
        SamplingOption("sampler", "sampler"),
        SamplingOption("sampling_steps", "steps", limit="timesteps", ignored_with=("sampler", "ddpm")),
        SamplingOption("spacing", "spacing", ignored_with=("sampler", "ddpm")),
        SamplingOption("guidance", "guidance", needs_condition=True),
        SamplingOption("guidance_most_noise", "guidance_most_noise", needs_condition=True),
    ),
)

CLASSIFIER = Family(
    config=ClassifierConfig,
    implementation="gencore.models.classifier:Classifier",
    variants=(
        Variant("features", "#8A8F98", "x → classifier → label", "The feature extractor of a data set."),
    ),
    task="classification",
)

IMAGES = Family(
    config=ImagesConfig,
    implementation="",
    variants=tuple(
        Variant("images from outside", "#8A8F98", "file → x", "Images that were made elsewhere.", kind)
        for kind in ("plain", "conditional")
    ),
    task="none",
)

FAMILIES: dict[str, Family] = {
    family.name: family for family in (VAE, GAN, DDPM, PIX2PIX, PALETTE, CLASSIFIER, IMAGES)
}
"""All families by name, in the order in which pages show them."""


def family_of(model: ModelConfig) -> Family:
    """The row that `model`'s class belongs to."""
    return FAMILIES[model.family]


def variants(*tasks: Task) -> Iterator[Variant]:
    """The variants of the families that have one of these tasks, in the table's order."""
    for family in FAMILIES.values():
        if family.task in tasks:
            yield from family.variants


def translates(model: ModelConfig) -> bool:
    """Whether `model` makes images of source images."""
    return family_of(model).task == "translation"


def refuse_other_tasks(run: str, model: ModelConfig, task: Task) -> None:
    """Raises ValueError where `model`, that of `run`, has another task than `task`."""
    family = family_of(model)
    if family.task == task:
        return
    label = family.variant(model).label
    raise ValueError(
        {
            "generation": f"run {run} is a {label}, which takes no source image; name a run of "
            f"{', '.join(variant.label for variant in variants('translation'))}",
            "translation": f"run {run} is a {label}, which makes images of source images; use "
            f"`gencore translate {run}`",
            "classification": f"run {run} is a feature classifier; it draws no images",
            "none": f"run {run} holds images from outside and no model that could make more",
        }[family.task]
    )


def preset_family(preset: str) -> Family:
    """The family of a preset. Raises KeyError for an unknown name."""
    return next(family for family in FAMILIES.values() if preset in family.presets)


def options_of(model: ModelConfig) -> list[SamplingOption]:
    """The sampling options that act on `model`; a distilled one is sampled as it was trained."""
    takes_condition = model.is_conditional or model.number_of_clusters > 0
    return [
        option
        for option in family_of(model).sampling_options
        if not model.is_distilled and (takes_condition or not option.needs_condition)
    ]


def sampling_options() -> dict[str, list[tuple[SamplingOption, Family]]]:
    """The options that sampling may change by flag, each with the families that have it."""
    found: dict[str, list[tuple[SamplingOption, Family]]] = {}
    for family in FAMILIES.values():
        for option in family.sampling_options:
            found.setdefault(option.flag, []).append((option, family))
    return found
