"""A run as a model card, and its network as a graph that another program runs to the same numbers."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from browser.made_runs import config, measured
from browser.made_runs import trained as told
from support import QUIET, TINY, Result, pairs_of, record, tiny_config
from visits import trained

from gencore.config.options import (
    DataConfig,
    GANConfig,
    ModelConfig,
    PaletteConfig,
    Pix2PixConfig,
    RunConfig,
    TrainingConfig,
)
from gencore.data.batches import dequantise
from gencore.data.sources import ImageData
from gencore.metrics import catalog
from gencore.metrics.catalog import number
from gencore.models.ddpm import DDPM
from gencore.models.load import load_model, load_translator, load_weights
from gencore.reports.decoder import NOISE_SEED, decoder
from gencore.reports.model_card import DIGITS, card, code
from gencore.reports.onnx import onnx
from gencore.sampling.translate import translate
from gencore.store import results
from gencore.store.results import Metric, Origin
from gencore.store.runs import Run, run

HOSTILE = "![x](http://e.vil/)\n# <img src=x onerror=alert(1)> | `a` [b](javascript:c) *d* www.e.vil {{ f }}"
MORE = {
    "gan": GANConfig(width=8, latent_dim=8, depth=1),
    "spectral-gan": GANConfig(width=8, latent_dim=8, depth=1, spectral_norm="both"),
    "cddpm": TINY["ddpm"].model_copy(update={"conditional": True, "guidance": 2.0}),
    "attention": TINY["ddpm"].model_copy(update={"attention": True, "depth": 2}),
    "standardised": TINY["ddpm"].model_copy(update={"prediction": "v", "standardise": True}),
    "flow": TINY["ddpm"].model_copy(update={"prediction": "flow", "sampler": "ddim"}),
}


def lines(text: str, begin: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith(begin)]


def rows(text: str) -> dict[str, list[str]]:
    """The cells of each metric's row after title and id, by its id."""
    cells = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines(text, "| ")[2:]]
    return {row[1].replace("\\", ""): row[2:] for row in cells}


# the card


def test_a_card_has_every_figure_with_floor_samples_and_blind_spots_and_says_what_is_absent(
    tmp_path: Path,
) -> None:
    one = measured(tmp_path, "digits-ddpm", config("ddpm"), 0.5)
    found = one.load_results()
    seen = found.metrics["precision"].model_copy(
        update={"blind_to": ["blurred", "one class missing"], "warning": "few images"}
    )
    results.save(one.results_path, found.model_copy(update={"metrics": found.metrics | {"precision": seen}}))
    text = card(one)
    shown = rows(text)
    for name, metric in one.load_results().metrics.items():
        if metric.value is None:
            absent = f"- {catalog.title(name)} ({name}): ".replace("_", "\\_")
            assert name not in shown and len(lines(text, absent)) == 1
            continue
        samples = "–" if metric.samples is None else f"{metric.samples:,}"
        assert shown[name][:3] == [
            number(metric.value, DIGITS),
            metric.unit or catalog.unit(name),
            number(metric.floor, DIGITS),
        ]
        assert shown[name][4] == samples and shown[name][6] == metric.measured_in
    assert shown["precision"][-1] == "blurred, one class missing" and "- Precision: few images" in text
    assert "- Training time (training\\_seconds): left out to show \\<b\\>a\\</b\\> dash" in text


def test_a_card_says_how_it_was_trained_and_how_to_draw(tmp_path: Path) -> None:
    text = card(measured(tmp_path, "my_cgan", config("cgan"), 0.5))
    for part in (
        "# cGAN on scikit-learn digits: my\\_cgan",
        "gencore sample my_cgan --count 64 --out sheet.png --class 0\n",
        "seed 42",
        "of a requested class",
        "Command: `gencore evaluate my_cgan`",
        "- Device: cpu, 2 threads, float32",
        "digits test split",
        "- evaluation (shipped): `gencore evaluate my_cgan` on cpu",
        "No weights in checkpoints/my\\_cgan",
    ):
        assert part in text, part
    head = text.split("---\n")[1].splitlines()
    assert head == ["library_name: gencore", "tags:", "- gan", "- digits", "- image-generation"]


def test_a_run_without_results_or_log_has_a_card_that_says_so(tmp_path: Path) -> None:
    text = card(told(tmp_path, "raw", config("gan"), until=0.5, end=None))
    assert "None: not measured yet; gencore evaluate raw does it" in text and not lines(text, "| ")
    assert (
        "Time: not known, the event log has no end" in text and "the original command is not recorded" in text
    )
    bare = run("bare", tmp_path)
    bare.create(config("vae"))
    assert "Device: not known, the event log has no start" in card(bare)


def test_a_results_file_that_is_torn_is_named_without_the_path_of_this_machine(tmp_path: Path) -> None:
    one = measured(tmp_path, "x", config("vae"), 0.5)
    one.results_path.write_text("{")
    text = card(one)
    assert "results.json is not readable" in text and str(tmp_path) not in text


def test_text_from_files_is_shown_and_not_obeyed(tmp_path: Path) -> None:
    one = measured(tmp_path, "x", config("vae"), 0.5)
    found = one.load_results()
    hostile = Origin(
        kind="measured",
        command=HOSTILE,
        device=HOSTILE,
        threads=1,
        versions={HOSTILE: HOSTILE},
        unix_time=0,
        notes=[HOSTILE],
    )
    metric = Metric(value=1.0, unit=HOSTILE, blind_to=[HOSTILE], warning=HOSTILE)
    before = len(card(one).splitlines())
    results.save(
        one.results_path,
        found.model_copy(
            update={
                "metrics": found.metrics | {HOSTILE: metric, "recall": Metric(value=None, reason=HOSTILE)},
                "reference": HOSTILE,
                "extractor": HOSTILE,
                "sampler": HOSTILE,
                "origins": {"training": hostile, "evaluation": hostile},
                "checkpoint_digest": HOSTILE,
                "class_names": [HOSTILE] * 10,
            }
        ),
    )
    text = card(one)
    assert (
        "onerror" in text and len(text.splitlines()) == before + 4
    )  # a row less and an absence; a metric, a warning, two notes
    live = text.replace(code(HOSTILE), "")
    assert not re.search(r"(?<!\\)(<img|!\[|\]\(|`a`|\*d)|http://|www\.", live)
    assert "{{ f }}" not in live and all(
        len(re.split(r"(?<!\\)\|", line)) == 12 for line in lines(text, "| ")
    )


def test_code_ends_where_its_text_ends() -> None:
    assert code("a b") == "`a b`" and code("a `` b") == "```a `` b```" and code("`x`\n# y") == "`` `x` # y ``"


def test_figures_of_other_weights_are_said_to_be_so(with_extractor: Path) -> None:
    one = run("vae")
    assert load_weights(one).digest in card(one)
    made = measured(with_extractor, "other", config("vae"), 0.5)
    made.checkpoints.mkdir(exist_ok=True)
    (made.checkpoints / "final.safetensors").write_bytes(one.weights_path.read_bytes())
    assert "The figures are of other weights" in card(made)
    made.weights_path.write_bytes(b"rubbish")
    assert "final.safetensors is damaged" in card(made)


# the graph


def tiny(family: str, folder: Path, data: ImageData) -> Run:
    if family in TINY:
        return trained(folder, family, data)
    one = run(family, folder)
    one.create(tiny_config("vae", epochs=1).model_copy(update={"model": MORE[family]}))
    record(one, data)
    return one


@pytest.mark.parametrize("family", [*TINY, *MORE])
def test_the_graph_computes_what_the_model_does_at_any_batch(
    home: Path, few_digits: ImageData, family: str
) -> None:
    one = tiny(family, home, few_digits)
    content = onnx(one)
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    model, checkpoint = load_model(one, torch.device("cpu"))
    about = session.get_modelmeta().custom_metadata_map
    assert (about["run"], about["sha256"], about["dataset"]) == (one.name, checkpoint.digest, "digits")
    assert (
        str(Path(torch.__file__).parent).encode() not in content
        and str(Path(__file__).parent.parent).encode() not in content
    )
    for n in (1, 5):
        rng = torch.Generator().manual_seed(n)
        z, labels = model.draw_latent(n, rng), torch.arange(n) if model.conditional else None
        if isinstance(model, DDPM):
            t = torch.randint(20, (n,), generator=rng)
            inputs, expected = {"x_t": z, "t": t.float(), "labels": labels}, model.network(z, t, labels)
        else:
            condition = model.draw_condition(n, labels, rng)
            inputs = {"z": z, "condition": condition if model.condition_dim else None}
            expected = model.decode(z, condition)
        given = {name: x.numpy() for name, x in inputs.items() if x is not None}
        assert {entry.name for entry in session.get_inputs()} == set(given)
        [got] = session.run(None, given)
        assert got.shape == tuple(expected.shape) and (torch.from_numpy(got) - expected).abs().max() < 1e-4


def test_the_metadata_of_a_denoiser_say_how_to_sample(home: Path, few_digits: ImageData) -> None:
    about = (
        onnxruntime.InferenceSession(onnx(tiny("cddpm", home, few_digits)))
        .get_modelmeta()
        .custom_metadata_map
    )
    assert (about["timesteps"], about["guidance"], about["family"]) == ("20", "2.0", "cDDPM")
    assert (
        about["prediction"] == "the noise eps"
        and about["betas"] == "linear from 0.0001 to 0.02"
        and "10 is no class" in about["labels"]
    )


# the command


def test_the_command_writes_what_the_name_ends_in(
    gencore: Callable[..., Result], with_extractor: Path
) -> None:
    for out in (with_extractor / "new" / "x.md", with_extractor / "x.onnx"):
        done = gencore("export", "vae", "--out", out)
        assert done.code == 0 and str(out) in done.out and out.stat().st_size > 1000
    assert (with_extractor / "new" / "x.md").read_text() == card(run("vae"))


@pytest.mark.parametrize(
    ("name", "out", "told"),
    [
        ("nosuch", "x.pdf", r"x\.pdf; end it in \.md .* or \.onnx"),
        ("nosuch", "x.md", "no run named nosuch"),
        ("features-digits", "x.md", "draws no images"),
        ("features-digits", "x.onnx", "draws no images"),
    ],
)
def test_what_cannot_be_exported_is_refused_in_one_line(
    gencore: Callable[..., Result], with_extractor: Path, name: str, out: str, told: str
) -> None:
    refused = gencore("export", name, "--out", with_extractor / out)
    assert refused.code == 2 and re.search(told, refused.complaint) and not (with_extractor / out).exists()


# the decoder for a browser


@pytest.mark.parametrize("family", ["vae", "cgan", "cddpm", "standardised", "flow"])
def test_a_decoder_makes_the_images_of_the_model_with_weights_of_half_the_size(
    home: Path, few_digits: ImageData, family: str
) -> None:
    one = tiny(family, home, few_digits)
    if family == "flow":
        with pytest.raises(ValueError, match="Euler"):
            decoder(one)
        return
    content = decoder(one)
    model, _ = load_model(one, torch.device("cpu"))
    weights = sum(x.numel() for x in model.averaged.parameters())
    assert len(content) < 2 * weights + 400_000
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    rng = torch.Generator().manual_seed(3)
    z = model.draw_latent(1, rng)
    condition = model.draw_condition(1, torch.tensor([7]) if model.conditional else None, rng)
    given = {"condition": condition.numpy()} if model.condition_dim else {}
    steps = json.loads(session.get_modelmeta().custom_metadata_map.get("steps", "null"))
    if steps:
        x = previous = z.numpy()
        for row in steps:
            inputs = {"z": x, "previous": previous, "row": np.float32(row)}
            x, previous = session.run(["next_z", "x_0"], inputs | given)
    else:
        [x] = session.run(["images"], {"z": z.numpy()} | given)
    expected = model.decode(z, condition).numpy()
    assert 127.5 * np.abs(x.clip(-1, 1) - expected).max() < 2, "levels of 255"


def test_a_decoder_is_written_by_its_flag_and_other_files_take_no_options_of_sampling(
    gencore: Callable[..., Result], with_extractor: Path
) -> None:
    out = with_extractor / "x.onnx"
    assert gencore("export", "vae", "--decoder", "--out", out).code == 0 and out.stat().st_size > 1000
    for words, said in (
        (("--decoder", "--out", "x.md"), "a decoder is an .onnx file"),
        (("--out", out, "--prior", "normal"), "add --decoder"),
    ):
        refused = gencore("export", "vae", *words)
        assert refused.code == 2 and said in refused.complaint


@pytest.mark.parametrize(
    ("model", "steps"),
    [
        (Pix2PixConfig(width=8), 0),
        (Pix2PixConfig(width=8, adversarial=False, norm="instance"), 0),
        (PaletteConfig(width=16, sampling_steps=3), 3),
        (PaletteConfig(width=16, sampling_steps=3, sampler="ddim"), 3),
    ],
    ids=["pix2pix", "L1 alone", "palette", "palette by DDIM"],
)
def test_a_translator_for_the_browser_makes_the_image_of_seed_0_of_a_source(
    home: Path, model: ModelConfig, steps: int
) -> None:
    pairs = pairs_of("digits", 32)
    one = run("tiny")
    data = DataConfig(dataset="edges:digits", batch_size=16)
    one.create(RunConfig(data=data, model=model, training=TrainingConfig(**QUIET | {"epochs": 1})))
    record(one, pairs)
    session = onnxruntime.InferenceSession(decoder(one), providers=["CPUExecutionProvider"])
    translator, _ = load_translator(one, torch.device("cpu"))
    metadata = session.get_modelmeta().custom_metadata_map
    assert len(json.loads(metadata.get("steps", "[]"))) == steps
    for source in pairs.sources[:3, None]:
        given = {"source": dequantise(source).numpy()}
        if steps:
            x = previous = translator.draw_noise(1, torch.Generator().manual_seed(NOISE_SEED)).numpy()
            for row in json.loads(metadata["steps"]):
                inputs = {"z": x, "previous": previous, "row": np.float32(row)}
                x, previous = session.run(["next_z", "x_0"], inputs | given)
        else:
            [x] = session.run(["images"], given)
        expected = translate(translator, source, NOISE_SEED, torch.float32).float().numpy()
        assert np.abs((x.clip(-1, 1) + 1) * 127.5 - expected).max() < 2, "levels of 255"


def test_a_sampler_that_adds_noise_at_each_step_is_not_exported_for_the_browser(home: Path) -> None:
    one = run("ancestral")
    model = PaletteConfig(width=16, sampler="ddpm")
    data = DataConfig(dataset="edges:digits", batch_size=16)
    one.create(RunConfig(data=data, model=model, training=TrainingConfig(**QUIET | {"epochs": 1})))
    record(one, pairs_of("digits", 16))
    with pytest.raises(ValueError, match="ancestral sampler adds noise at each step"):
        decoder(one)
