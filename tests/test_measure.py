"""Images from outside: how they are read, what is refused, and a run of them next to the models."""

from __future__ import annotations

import gzip
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from made_files import as_idx, huge_npz, npz, picture, png_header, written
from support import Result
from visits import text_of, visit

from gencore.cli.parsing import parse
from gencore.config.datasets import DATASETS
from gencore.data.image_files import ImageSet, read_images
from gencore.data.sources import load
from gencore.models.load import load_model
from gencore.store.results import Results
from gencore.store.runs import all_runs, run

Gencore = Callable[..., Result]
DIGITS, COLOUR = DATASETS["digits"], DATASETS["cifar10"]
CPU = torch.device("cpu")


def images_of(split: str = "test", n: int | None = None) -> np.ndarray:
    return load(DATASETS["digits"], split).images[:n, 0].numpy()


def labels_of(split: str = "test", n: int | None = None) -> np.ndarray:
    return load(DATASETS["digits"], split).labels[:n].numpy()


FEW, OF_FEW = images_of(n=30), labels_of(n=30)


def expected(found: ImageSet, images: np.ndarray = FEW, labels: np.ndarray | None = None) -> None:
    assert found.images.dtype == torch.uint8 and found.images.shape == (len(images), 1, 28, 28)
    assert np.array_equal(found.images[:, 0].numpy(), images)
    if labels is None:
        assert found.labels is None
    else:
        assert found.labels.dtype == torch.int64 and found.labels.tolist() == labels.tolist()


# ---------------------------------------------------------------- what is read


@pytest.mark.parametrize("name", ["images", "arr_0", "samples"])
@pytest.mark.parametrize("shape", [(28, 28), (28, 28, 1), (1, 28, 28)])
def test_an_npz_holds_images_under_their_name_or_alone(
    tmp_path: Path, name: str, shape: tuple[int, ...]
) -> None:
    found = read_images(npz(tmp_path / "x.npz", **{name: FEW.reshape(-1, *shape)}), DIGITS)
    expected(found)


def test_labels_may_lie_in_the_npz_and_those_of_a_file_come_before_them(tmp_path: Path) -> None:
    path = npz(tmp_path / "x.npz", images=FEW, labels=OF_FEW.astype(np.uint8), more=np.zeros(3))
    expected(read_images(path, DIGITS), labels=OF_FEW)
    np.save(tmp_path / "labels.npy", OF_FEW[::-1])
    expected(read_images(path, DIGITS, tmp_path / "labels.npy"), labels=OF_FEW[::-1])


def test_what_gencore_sample_writes_can_be_read(tmp_path: Path) -> None:
    from gencore.sampling.sheets import write

    write(tmp_path / "x.npz", torch.from_numpy(FEW)[:, None], torch.from_numpy(OF_FEW))
    expected(read_images(tmp_path / "x.npz", DIGITS), labels=OF_FEW)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("last", ["images-idx3-ubyte", "images.idx"])
@pytest.mark.parametrize("packed", [False, True])
def test_an_idx_file_is_read_plain_and_gzipped(tmp_path: Path, last: str, packed: bool) -> None:
    content = as_idx(FEW)
    path = tmp_path / (f"{last}.gz" if packed else last)
    found = read_images(written(path, gzip.compress(content) if packed else content), DIGITS)
    expected(found)


@pytest.mark.parametrize("kind", ["labels.npy", "labels.csv", "labels.txt", "labels-idx1-ubyte.gz"])
def test_labels_are_read_from_each_kind_of_file(tmp_path: Path, kind: str) -> None:
    path = tmp_path / kind
    if kind.endswith("npy"):
        np.save(path, OF_FEW)
    elif kind.endswith("gz"):
        written(path, gzip.compress(as_idx(OF_FEW.astype(np.uint8))))
    else:
        path.write_text("\n".join(map(str, OF_FEW)))
    images = written(tmp_path / "images-idx3-ubyte", as_idx(FEW))
    expected(read_images(images, DIGITS, path), labels=OF_FEW)


def test_a_folder_of_pictures_is_read_in_the_order_of_names_and_other_files_are_left(tmp_path: Path) -> None:
    for number, image in reversed(list(enumerate(FEW))):
        kind = "PNG" if number % 2 else "BMP"
        written(tmp_path / f"{number:03d}.{kind.lower()}", picture(image, kind))
    (tmp_path / "readme.txt").write_text("about these")
    expected(read_images(tmp_path, DIGITS))


@pytest.mark.parametrize("named", ["by number", "by class"])
def test_sub_folders_are_the_classes_by_name_or_number(tmp_path: Path, named: str) -> None:
    spelt = DIGITS.model_copy(update={"class_names": ("zero", "one", "two", *"3456789")})
    spec = DIGITS if named == "by number" else spelt
    names = [str(c) if named == "by number" else spec.class_names[c] for c in OF_FEW]
    for number, name in enumerate(names):
        written(tmp_path / name / f"{number:03d}.png", picture(FEW[number]))
    in_order = sorted(range(30), key=lambda i: (names[i], i))
    expected(read_images(tmp_path, spec), FEW[in_order], OF_FEW[in_order])


def test_pictures_become_grey_or_coloured_as_the_data_set_is(tmp_path: Path) -> None:
    coloured = np.zeros((32, 32, 3), np.uint8)
    coloured[..., 0] = 200
    written(tmp_path / "colour/a.png", picture(coloured))
    written(tmp_path / "colour/b.png", picture(np.full((32, 32), 90, np.uint8)))
    found = read_images(tmp_path / "colour", COLOUR).images
    assert found.shape == (2, 3, 32, 32) and found[:, :, 5, 5].tolist() == [[200, 0, 0], [90, 90, 90]]
    written(tmp_path / "grey/a.png", picture(coloured[:28, :28]))
    assert read_images(tmp_path / "grey", DIGITS).images.unique().tolist() == [60]  # 0.299 of red


@pytest.mark.parametrize("last", [True, False])
def test_colour_arrays_may_have_their_channels_last_or_first(tmp_path: Path, last: bool) -> None:
    wanted = np.random.default_rng(0).integers(256, size=(7, 3, 32, 32), dtype=np.uint8)
    given = wanted.transpose(0, 2, 3, 1) if last else wanted
    found = read_images(npz(tmp_path / "x.npz", images=given), COLOUR).images
    assert np.array_equal(found.numpy(), wanted) and found.is_contiguous()


def test_the_digest_is_of_images_and_labels(tmp_path: Path) -> None:
    plain = ImageSet(torch.from_numpy(FEW)[:, None], None)
    labelled = plain._replace(labels=torch.from_numpy(OF_FEW))
    other = labelled._replace(labels=torch.from_numpy((OF_FEW + 1) % 10))
    brighter = plain._replace(images=plain.images // 2)
    assert len({one.digest for one in (plain, labelled, other, brighter)}) == 4
    assert plain.digest == ImageSet(plain.images.clone(), None).digest


# ---------------------------------------------------------------- what is refused


def torn_npz(path: Path) -> Path:
    whole = npz(path, images=FEW).read_bytes()
    return written(path, whole[: len(whole) // 2])


def array_named_npz(path: Path) -> Path:
    with path.open("wb") as file:
        np.save(file, FEW)
    return path


def spoilt_npz(path: Path) -> Path:
    """One byte of the compressed pixels is another."""
    content = bytearray(npz(path, images=FEW).read_bytes())
    content[len(content) // 2] ^= 255
    return written(path, bytes(content))


BAD_FILES: dict[str, tuple[Callable[[Path], Path], str]] = {
    "nothing there": (lambda p: p / "no.npz", "does not exist"),
    "another size": (lambda p: npz(p / "x.npz", images=FEW[:, :27]), r"uint8 of shape \(30, 27, 28\)"),
    "colour in a grey set": (lambda p: npz(p / "x.npz", images=np.stack([FEW] * 3, 3)), "expected uint8"),
    "float pixels": (lambda p: npz(p / "x.npz", images=FEW / 255), "holds float64 of shape"),
    "no images": (lambda p: npz(p / "x.npz", images=FEW[:0]), "N at least 1"),
    "one number": (lambda p: npz(p / "x.npz", images=np.uint8(3)), "expected uint8"),
    "arrays of unknown names": (lambda p: npz(p / "x.npz", a=FEW, b=FEW), "holds a, b; call the array"),
    "objects": (lambda p: npz(p / "x.npz", images=np.array([{}])), "cannot be read"),
    "a torn NPZ": (lambda p: torn_npz(p / "x.npz"), "cannot be read"),
    "a spoilt NPZ": (lambda p: spoilt_npz(p / "x.npz"), "cannot be read"),
    "no NPZ at all": (lambda p: written(p / "x.npz", b"these are no images"), "cannot be read"),
    "an empty NPZ": (lambda p: written(p / "x.npz", b""), "cannot be read"),
    "an NPY called NPZ": (lambda p: array_named_npz(p / "x.npz"), "x.npz"),
    "an NPZ that claims a terabyte": (lambda p: huge_npz(p / "x.npz"), "x.npz"),
    "an IDX file of integers": (lambda p: written(p / "x", as_idx(FEW.astype(">i4"), 12)), "no IDX file of"),
    "text": (lambda p: written(p / "x.txt", b"3, 4, 5"), "no IDX file of unsigned bytes, no .npz and no"),
    "a torn IDX file": (lambda p: written(p / "x", as_idx(FEW)[:-9]), "its header, which claims 23520"),
    "an IDX file with more": (lambda p: written(p / "x", as_idx(FEW) + b"1"), "or more after its header"),
    "half a header": (lambda p: written(p / "x", as_idx(FEW)[:9]), "cannot be read as IDX"),
    "a torn gzip": (lambda p: written(p / "x.gz", gzip.compress(as_idx(FEW))[:-40]), "cannot be read as IDX"),
    "no gzip": (lambda p: written(p / "x.gz", as_idx(FEW)), "cannot be read as IDX"),
    "an IDX file that claims too much": (
        lambda p: written(p / "x", b"\0\0\x08\3" + struct.pack(">3I", 7_000_000, 28, 28)),
        "claims 5488000000 bytes; at most",
    ),
    "an IDX file that claims too much to count": (
        lambda p: written(p / "x", b"\0\0\x08\2" + struct.pack(">2I", 2**31, 2**32 - 1) + b"12"),
        "claims 9223372034707292160 bytes; at most",
    ),
    "an IDX file whose size is negative in 64 bits": (
        lambda p: written(p / "x", b"\0\0\x08\3" + struct.pack(">3I", 2**31, 2**31, 2) + b"12"),
        "claims 9223372036854775808 bytes; at most",
    ),
    "a folder without pictures": (lambda p: written(p / "x/a.txt", b"").parent, "holds no pictures"),
    "a picture of another size": (
        lambda p: written(p / "x/a.png", picture(FEW[0, :20])).parent,
        "a.png has 28 x 20 pixels; .* has 28 x 28, so resize",
    ),
    "a torn picture": (lambda p: written(p / "x/a.png", picture(FEW[0])[:-60]).parent, "a.png is no picture"),
    "no picture": (lambda p: written(p / "x/a.png", b"no picture").parent, "a.png is no picture"),
    "a large picture": (lambda p: written(p / "x/a.png", png_header(10_000, 10_000)).parent, "a.png"),
    "a decompression bomb": (
        lambda p: written(p / "x/a.png", png_header(60_000, 60_000)).parent,
        "a.png is refused: .*decompression bomb",
    ),
    "sixteen bits a pixel": (
        lambda p: written(p / "x/a.png", picture(FEW[0].astype(np.uint16) * 200)).parent,
        "a.png",
    ),
    "an unknown class": (
        lambda p: written(p / "x/cats/a.png", picture(FEW[0])).parent.parent,
        "has a folder that is not named like a class: cats is no class of .*; there are 0, 1, 2",
    ),
    "a class beyond the last": (
        lambda p: written(p / "x/10/a.png", picture(FEW[0])).parent.parent,
        "10 is no class of",
    ),
}


@pytest.mark.parametrize(("make", "says"), BAD_FILES.values(), ids=BAD_FILES)
def test_images_that_cannot_be_measured_are_refused_in_a_sentence_that_names_the_file(
    tmp_path: Path, make: Callable[[Path], Path], says: str
) -> None:
    path = make(tmp_path)
    with pytest.raises(ValueError, match=says) as refusal:
        read_images(path, DIGITS)
    assert path.name in str(refusal.value) and "\n" not in str(refusal.value)


def as_npy(path: Path, labels: object) -> Path:
    np.save(path, labels)
    return path


BAD_LABELS: dict[str, tuple[Callable[[Path], Path], str]] = {
    "too few": (lambda p: as_npy(p / "y.npy", OF_FEW[:-1]), r"shape \(29,\) and int64; expected 30 integers"),
    "too many axes": (lambda p: as_npy(p / "y.npy", OF_FEW[:, None]), r"shape \(30, 1\)"),
    "no whole numbers": (lambda p: as_npy(p / "y.npy", OF_FEW / 1), "float64; expected 30 integers"),
    "beyond the last class": (lambda p: as_npy(p / "y.npy", OF_FEW + 1), "expected 30 integers from 0 to 9"),
    "negative": (lambda p: as_npy(p / "y.npy", OF_FEW - 1), "expected 30 integers from 0 to 9"),
    "objects": (lambda p: as_npy(p / "y.npy", np.array([{}] * 30)), "cannot be read as one class number"),
    "words": (lambda p: written(p / "y.csv", b"three\nfour"), "cannot be read as one class number"),
    "not there": (lambda p: p / "y.npy", "cannot be read as one class number"),
    "an empty NPY": (lambda p: written(p / "y.npy", b""), "y.npy"),
    "another kind of file": (lambda p: written(p / "y.json", b"[1, 2]"), "no IDX file of unsigned bytes"),
}


@pytest.mark.parametrize(("make", "says"), BAD_LABELS.values(), ids=BAD_LABELS)
def test_labels_that_do_not_fit_are_refused_in_a_sentence_that_names_their_file(
    tmp_path: Path, make: Callable[[Path], Path], says: str
) -> None:
    path = make(tmp_path)
    with pytest.raises(ValueError, match=says) as refusal:
        read_images(npz(tmp_path / "x.npz", images=FEW), DIGITS, path)
    assert path.name in str(refusal.value)


def files(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("path", "words", "says"),
    [
        ("size.npz", "", "expected uint8 (N, 28, 28)"),
        ("torn", "", "which claims 23520"),
        ("bomb", "", "decompression bomb"),
        ("no.npz", "", "does not exist"),
        ("good.npz", "--labels short.csv", "expected 30 integers from 0 to 9"),
    ],
)
def test_a_refusal_of_the_command_writes_nothing(
    with_extractor: Path, tmp_path: Path, gencore: Gencore, path: str, words: str, says: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    npz(tmp_path / "size.npz", images=FEW[:, :27])
    npz(tmp_path / "good.npz", images=FEW)
    written(tmp_path / "torn", as_idx(FEW)[:-9])
    written(tmp_path / "bomb/a.png", png_header(60_000, 60_000))
    (tmp_path / "short.csv").write_text("1\n2\n3")
    before = files(with_extractor)
    refused = gencore("measure", path, "--dataset", "digits", "--name", "theirs", *words.split())
    assert refused.code == 2 and says in refused.complaint
    assert files(with_extractor) == before and not (with_extractor / "results/theirs").exists()


# ---------------------------------------------------------------- the command


def measure(gencore: Gencore, path: Path, *words: object, name: str = "theirs") -> Result:
    return gencore("measure", path, "--dataset", "digits", "--name", name, *words)


@pytest.fixture
def half(tmp_path: Path) -> Path:
    """Every second real image of the test split, with its label."""
    return npz(tmp_path / "half.npz", images=images_of()[::2], labels=labels_of()[::2])


def test_held_out_real_images_come_out_near_the_floor_and_score_high(
    with_extractor: Path, gencore: Gencore, half: Path
) -> None:
    printed = measure(gencore, half, "--json").json
    found, scored = Results.model_validate(printed["results"]), printed["scores"]
    assert found == run("theirs").load_results()
    assert (found.run, found.label, found.samples) == ("theirs", "images of half.npz", 149)
    assert found.value("fd_over_floor") < 1.5 and found.metrics["fd_over_floor"].floor == 1
    assert set(found.metrics["fd_over_floor"].by_extractor) == {"residual", "plain", "mixer"}
    for name in ("precision", "coverage", "authentic_share", "conditional_accuracy"):
        assert found.value(name) > 0.8 * found.metrics[name].floor
    assert scored["quality"]["value"] > 0.8 and not scored["quality"]["note"]
    assert found.origins.keys() == {"evaluation"}
    assert found.origins["evaluation"].command == (f"gencore measure {half} --dataset digits --name theirs")


def test_without_training_and_sampling_there_is_no_stability_and_no_efficiency(
    with_extractor: Path, gencore: Gencore, half: Path
) -> None:
    scored = measure(gencore, half, "--json").json["scores"]
    for name in ("stability", "efficiency"):
        assert scored[name]["value"] is None and scored[name]["missing"]
    found = run("theirs").load_results()
    assert not [name for name in found.metrics if name.startswith(("samples_per_second", "training"))]
    assert all(metric.value is not None or metric.reason for metric in found.metrics.values())


def test_the_test_split_itself_lies_at_no_distance(
    with_extractor: Path, gencore: Gencore, tmp_path: Path
) -> None:
    printed = measure(gencore, npz(tmp_path / "all.npz", images=images_of()), "--json")
    assert printed.code == 0, printed.err
    found = Results.model_validate(printed.json["results"])
    assert found.value("fd_over_floor") == pytest.approx(0, abs=1e-6)
    assert printed.json["scores"]["quality"]["parts"]["realism"] == 1


def test_noise_comes_out_far_from_the_floor_and_scores_nothing(
    with_extractor: Path, gencore: Gencore, tmp_path: Path
) -> None:
    noise = np.random.default_rng(0).integers(256, size=(150, 28, 28), dtype=np.uint8)
    printed = measure(gencore, npz(tmp_path / "noise.npz", images=noise), "--json").json
    assert printed["results"]["metrics"]["fd_over_floor"]["value"] > 10
    assert printed["scores"]["quality"]["value"] < 0.1


def test_copies_of_training_images_are_found_out(
    with_extractor: Path, gencore: Gencore, tmp_path: Path
) -> None:
    path = npz(tmp_path / "copies.npz", images=images_of("train", 150))
    quality = measure(gencore, path, "--json").json["scores"]["quality"]
    assert quality["value"] < 0.3 and quality["note"].startswith("copies training images")


def test_images_with_labels_are_judged_by_them_and_those_without_say_so(
    with_extractor: Path, gencore: Gencore, tmp_path: Path
) -> None:
    images, labels = images_of("train", 750), labels_of("train", 750)
    right = npz(tmp_path / "right.npz", images=images, labels=labels)
    wrong = npz(tmp_path / "wrong.npz", images=images, labels=(labels + 1) % 10)
    bare = npz(tmp_path / "bare.npz", images=images)
    found, scored = {}, {}
    for path in (right, wrong, bare):
        printed = measure(gencore, path, "--json", name=path.stem).json
        found[path.stem] = Results.model_validate(printed["results"])
        scored[path.stem] = printed["scores"]["controllability"]
    assert found["right"].value("conditional_accuracy") > 0.5 > found["wrong"].value("conditional_accuracy")
    assert sum(map(sum, found["right"].confusion)) == 750 and found["bare"].confusion is None
    assert scored["right"]["value"] > 0.8 > 0.2 > scored["wrong"]["value"]
    assert scored["bare"]["value"] is None and "without labels" in scored["bare"]["missing"]["hits"]
    assert run("right").config().model.is_conditional and not run("bare").config().model.is_conditional
    assert run("right").config().model.digest != run("wrong").config().model.digest


def test_images_that_lack_a_class_are_measured_with_their_labels(
    with_extractor: Path, gencore: Gencore, tmp_path: Path
) -> None:
    images, labels = images_of("train", 700), labels_of("train", 700)
    kept = labels != 3
    path = npz(tmp_path / "x.npz", images=images[kept], labels=labels[kept])
    printed = measure(gencore, path, "--json")
    assert printed.code == 0, printed.err
    metrics = printed.json["results"]["metrics"]
    assert metrics["class_total_variation"]["value"] > 0.05
    assert metrics["conditional_accuracy"]["warning"] == "1 of 10 classes were not asked for"
    assert metrics["control_hit_rate"]["value"] is None
    assert "images of each class; one has 0" in metrics["control_hit_rate"]["reason"]


@pytest.mark.parametrize("n", [6, 20])
def test_so_few_images_that_a_blur_is_no_worse_are_measured_and_shown(
    with_extractor: Path, gencore: Gencore, tmp_path: Path, n: int
) -> None:
    path = npz(tmp_path / "few.npz", images=images_of()[:n])
    printed = measure(gencore, path, "--json")
    assert printed.code == 0, printed.err
    assert printed.json["results"]["metrics"]["fd"]["warning"]
    visit("home")


@pytest.mark.parametrize(("n", "says"), [(3, "use 6 or more"), (1530, "there are 1500")])
def test_too_few_images_and_more_than_their_floor_can_be_drawn_of_are_refused_and_no_run_is_made(
    with_extractor: Path, gencore: Gencore, tmp_path: Path, n: int, says: str
) -> None:
    images = np.concatenate([images_of("train"), FEW])[:n]
    refused = measure(gencore, npz(tmp_path / "x.npz", images=images))
    assert refused.code == 2 and str(n) in refused.complaint and says in refused.complaint
    assert not run("theirs").exists
    assert "--samples" not in refused.complaint, "an option that this command does not have"


def test_without_extractors_the_command_that_trains_them_is_named_and_no_run_is_made(
    home: Path, gencore: Gencore, half: Path
) -> None:
    refused = measure(gencore, half)
    assert refused.code == 2 and "run `gencore features digits` first" in refused.complaint
    assert not run("theirs").exists


def test_the_name_of_a_model_is_refused_and_the_model_stays(
    with_extractor: Path, gencore: Gencore, half: Path
) -> None:
    before = files(with_extractor / "results/vae") | files(with_extractor / "checkpoints/vae")
    for words in ([], ["--overwrite"]):
        refused = measure(gencore, half, *words, name="vae")
        assert refused.code == 2 and "vae is a run of a model; use another --name" in refused.complaint
    refused = measure(gencore, half, "--overwrite", name="features-digits")
    assert refused.code == 2 and "features-digits is a run of a model" in refused.complaint
    assert files(with_extractor / "results/vae") | files(with_extractor / "checkpoints/vae") == before


def test_images_of_the_name_are_replaced_only_where_that_is_asked_for(
    with_extractor: Path, gencore: Gencore, half: Path, tmp_path: Path
) -> None:
    assert measure(gencore, half).code == 0
    before = run("theirs").load_results()
    other = npz(tmp_path / "other.npz", images=images_of()[1::2])
    refused = measure(gencore, other)
    assert refused.code == 2 and "images named theirs exist; use --overwrite" in refused.complaint
    assert run("theirs").load_results() == before
    assert measure(gencore, other, "--overwrite").code == 0
    after = run("theirs").load_results()
    assert after.samples == 148 and after.checkpoint_digest != before.checkpoint_digest
    assert run("theirs").config().model.source == "other.npz" and after.confusion is None
    assert [one.name for one in all_runs()].count("theirs") == 1


def test_a_replacement_that_fails_leaves_what_was_there(
    with_extractor: Path, gencore: Gencore, half: Path, tmp_path: Path
) -> None:
    assert measure(gencore, half).code == 0
    before = files(run("theirs").results)
    many = npz(tmp_path / "many.npz", images=np.concatenate([images_of("train"), FEW]))
    assert measure(gencore, many, "--overwrite").code == 2
    assert measure(gencore, npz(tmp_path / "bad.npz", images=FEW / 2), "--overwrite").code == 2
    assert files(run("theirs").results) == before


def test_the_same_images_are_measured_the_same_and_labels_of_a_file_are_in_the_command(
    with_extractor: Path, gencore: Gencore, half: Path, tmp_path: Path
) -> None:
    np.save(tmp_path / "y.npy", labels_of()[::2])
    bare = npz(tmp_path / "bare.npz", images=images_of()[::2])
    one, two = (
        measure(gencore, path, *words, "--json", name=name).json["results"]
        for path, words, name in ((half, [], "one"), (bare, ["--labels", tmp_path / "y.npy"], "two"))
    )
    assert one["metrics"] == two["metrics"] and one["checkpoint_digest"] == two["checkpoint_digest"]
    words = two["origins"]["evaluation"]["command"].split()
    assert words[0] == "gencore" and words[-2:] == ["--labels", str(tmp_path / "y.npy")]
    assert parse(words[1:]).labels == tmp_path / "y.npy"


# ---------------------------------------------------------------- next to the models


@pytest.fixture
def beside(with_extractor: Path, gencore: Gencore, half: Path) -> Path:
    """A home folder with a measured model and images called `theirs`."""
    assert gencore("evaluate", "vae", "--samples", "149").code == 0
    assert measure(gencore, half).code == 0
    return with_extractor


def test_tables_list_images_beside_models_as_finished(beside: Path, gencore: Gencore) -> None:
    listed = gencore("runs")
    assert listed.code == 0
    rows = {line.split()[0]: line for line in listed.out.splitlines() if line.strip()}
    assert "images of " in rows["theirs"] and "finished" in rows["theirs"]
    assert "vae" in rows
    printed = gencore("runs", "--json").json
    assert {"theirs", "vae"} <= {one["name"] for one in printed}


@pytest.mark.parametrize(
    "words",
    ["evaluate theirs", "evaluate vae theirs", "sample theirs --out x.png", "steps theirs",
     "export theirs --out x.onnx", "export theirs --out x.md"],
)  # fmt: skip
def test_commands_that_need_a_model_say_in_a_sentence_that_images_are_no_model(
    beside: Path, gencore: Gencore, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(beside)
    before = run("theirs").load_results()
    refused = gencore(*words.split())
    assert refused.code == 2 and "Traceback" not in refused.err
    last = refused.err.strip().splitlines()[-1]
    assert last == "gencore: run theirs holds images from outside and no model that could make more"
    assert run("theirs").load_results() == before and not list(beside.glob("x.*"))
    with pytest.raises(ValueError, match="holds images from outside"):
        load_model(run("theirs"), CPU)


def test_a_training_of_that_name_is_refused(beside: Path, gencore: Gencore) -> None:
    for words in ([], ["--resume"]):
        refused = gencore("train", "vae-mlp", "--dataset", "digits", "--name", "theirs", *words)
        assert refused.code == 2 and "theirs" in refused.complaint
    assert not run("theirs").config().model.is_distilled and run("theirs").load_results()


def test_reports_show_images_beside_models(beside: Path, gencore: Gencore, tmp_path: Path) -> None:
    for ending in (".html", ".csv", ".json"):
        out = tmp_path / f"report{ending}"
        assert gencore("report", "vae", "theirs", "--out", out).code == 0
        assert "images of " in out.read_text()


@pytest.mark.parametrize("page", ["home", "performance", "trust", "runs"])
def test_a_page_shows_images_beside_models(beside: Path, page: str) -> None:
    app = visit(page)
    tables = "\n".join(table.value.to_string() for table in [*app.main.dataframe, *app.main.table])
    assert "images of " in text_of(app) + tables or "theirs" in text_of(app) + tables


@pytest.mark.parametrize("page", ["home", "gallery", "latent", "performance", "trust", "runs"])
def test_no_page_fails_where_images_are_all_there_is_or_are_chosen(
    with_extractor: Path, gencore: Gencore, half: Path, page: str
) -> None:
    assert measure(gencore, half).code == 0
    visit(page)
    visit(page, run=["theirs"])
    visit(page, run=["theirs", "vae"])


def test_images_alone_are_no_reason_for_a_page_to_fail(
    with_extractor: Path, gencore: Gencore, half: Path
) -> None:
    assert measure(gencore, half).code == 0
    run("vae").delete()
    for page in ("home", "gallery", "latent", "performance", "trust", "runs", "diffusion", "quiz", "live"):
        visit(page)
