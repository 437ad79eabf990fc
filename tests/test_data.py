"""Data sets and batches. The faults are real: caused on copies of real files, or on a local server."""

import gzip
import hashlib
import http.server
import os
import pickle
import shutil
import struct
import subprocess
import sys
import threading
import urllib.error
import urllib.request
import warnings
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch

from gencore.config.datasets import DATASETS, DatasetSpec
from gencore.data.batches import Batches, dequantise, quantise
from gencore.data.published import PUBLISHED, Archive
from gencore.data.registry import availability, data_folder
from gencore.data.sources import ImageData, load
from gencore.data.verification import DataError, UnverifiedDataWarning

IMAGES, LABELS = "MNIST/raw/train-images-idx3-ubyte", "MNIST/raw/train-labels-idx1-ubyte"


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_given: object, **_options: object) -> None:
        raise urllib.error.URLError("Network is unreachable")

    monkeypatch.setattr(urllib.request, "urlopen", refuse)


@pytest.fixture(scope="module")
def real_archives() -> Path:
    """The folder with MNIST's four archives."""
    given = os.environ.get("GENCORE_DATA")
    folder = Path(given or "/nonexistent") / "MNIST" / "raw"
    if not all((folder.parent.parent / archive.path).exists() for archive in PUBLISHED["mnist"].archives):
        pytest.skip(f"GENCORE_DATA is {given or 'not set'}; set it to a folder that holds MNIST/raw/*.gz")
    return folder


def copy_archives(source: Path, folder: Path) -> Path:
    (folder / "MNIST/raw").mkdir(parents=True)
    for archive in source.glob("*.gz"):
        shutil.copy(archive, folder / "MNIST/raw")
    return folder


@pytest.fixture
def archives(real_archives: Path, tmp_path: Path) -> Path:
    """A data folder with MNIST's archives, to be damaged."""
    return copy_archives(real_archives, tmp_path)


@pytest.fixture(scope="module")
def unpacked_once(real_archives: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = copy_archives(real_archives, tmp_path_factory.mktemp("data"))
    load(DATASETS["mnist"], "test", folder)
    return folder


@pytest.fixture
def unpacked(unpacked_once: Path, tmp_path: Path) -> Path:
    """A data folder with MNIST unpacked, to be damaged."""
    return Path(shutil.copytree(unpacked_once, tmp_path / "data"))


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that a real HTTP server offers as the mirror."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_given: object) -> None: ...

    folder = tmp_path / "served"
    folder.mkdir()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder)) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        monkeypatch.setenv("GENCORE_DATA_MIRROR", f"http://127.0.0.1:{server.server_port}/")
        yield folder
        server.shutdown()


def left_in(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


# The table


def test_the_table_is_shown_without_loading_torch() -> None:
    code = (
        "import sys, gencore.data.registry; sys.exit('torch' in sys.modules or 'torchvision' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_names_and_checksums_are_those_that_torchvision_has() -> None:
    from torchvision import datasets

    for name, kind in (
        ("mnist", datasets.MNIST),
        ("fashion-mnist", datasets.FashionMNIST),
        ("kmnist", datasets.KMNIST),
    ):
        assert [(Path(path).name, md5) for path, md5 in PUBLISHED[name].archives] == kind.resources
    assert DATASETS["fashion-mnist"].class_names == tuple(datasets.FashionMNIST.classes)
    assert DATASETS["kmnist"].class_names == tuple(datasets.KMNIST.classes)
    assert PUBLISHED["emnist-digits"].archives[0].md5 == datasets.EMNIST.md5
    assert PUBLISHED["cifar10"].archives == ((datasets.CIFAR10.filename, datasets.CIFAR10.tgz_md5),)


def test_availability_follows_the_files(tmp_path: Path) -> None:
    files = PUBLISHED["mnist"]
    assert availability("digits", tmp_path) == "bundled"
    assert availability("mnist", tmp_path) == "would be downloaded"
    for archive in files.archives:
        (tmp_path / archive.path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / archive.path).touch()
    assert availability("mnist", tmp_path) == "on disk"


def test_the_data_folder_is_named_by_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GENCORE_DATA", str(tmp_path / "here"))
    assert data_folder() == tmp_path / "here"
    monkeypatch.delenv("GENCORE_DATA")
    monkeypatch.setenv("GENCORE_HOME", str(tmp_path))
    assert data_folder() == tmp_path / "data"


# The sets


def test_digits_need_no_network_and_fill_the_range(offline: None, tmp_path: Path) -> None:
    train, test = load(DATASETS["digits"], "train", tmp_path), load(DATASETS["digits"], "test", tmp_path)
    assert train.images.shape == (1500, 1, 28, 28) and test.images.shape == (297, 1, 28, 28)
    assert train.images.dtype == torch.uint8 and train.labels.dtype == torch.int64
    assert train.images.min() == 0 and train.images.max() == 255
    assert left_in(tmp_path) == []


def test_the_split_of_digits_is_stratified_repeatable_and_disjoint() -> None:
    train, test = load(DATASETS["digits"], "train"), load(DATASETS["digits"], "test")
    assert torch.equal(train.images, load(DATASETS["digits"], "train").images)
    shares = train.labels.bincount() / 1500 - test.labels.bincount() / 297
    assert shares.abs().max() < 0.005
    # no two of the 1,797 bundled images are alike, so equal images would be shared ones
    assert not {image.numpy().tobytes() for image in train.images} & {
        image.numpy().tobytes() for image in test.images
    }


@pytest.mark.mnist
def test_mnist_is_whole_and_as_published(unpacked_once: Path, offline: None) -> None:
    train, test = (
        load(DATASETS["mnist"], "train", unpacked_once),
        load(DATASETS["mnist"], "test", unpacked_once),
    )
    assert train.images.shape == (60_000, 1, 28, 28) and test.labels.shape == (10_000,)
    assert train.labels[:5].tolist() == [5, 0, 4, 1, 9]
    assert train.images.float().mean().item() / 255 == pytest.approx(0.1307, abs=1e-4)
    assert availability("mnist", unpacked_once) == "on disk"


@pytest.mark.mnist
def test_unpacking_leaves_only_the_files_of_the_set(unpacked_once: Path) -> None:
    files = PUBLISHED["mnist"]
    assert left_in(unpacked_once) == sorted([*files.unpacked, *(archive.path for archive in files.archives)])


def write_idx(path: Path, values: torch.Tensor) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    header = struct.pack(f">HBB{values.ndim}I", 0, 8, values.ndim, *values.shape)
    path.write_bytes(header + values.to(torch.uint8).numpy().tobytes())


@pytest.fixture
def small_emnist(monkeypatch: pytest.MonkeyPatch) -> DatasetSpec:
    """EMNIST with two images a split: its unpacked files have no checksum, so tests can make some."""
    spec = DATASETS["emnist-digits"].model_copy(update={"train_count": 2, "test_count": 2})
    monkeypatch.setitem(DATASETS, "emnist-digits", spec)
    return spec


def test_emnist_comes_out_upright(small_emnist: DatasetSpec, tmp_path: Path) -> None:
    upright = torch.arange(2 * 28 * 28).remainder(251).view(2, 28, 28)
    for path in PUBLISHED[small_emnist.name].unpacked:
        write_idx(tmp_path / path, upright.transpose(1, 2) if "images" in path else torch.tensor([3, 7]))
    with pytest.warns(UnverifiedDataWarning, match="is not verified"):
        loaded = load(DATASETS["emnist-digits"], "test", tmp_path)
    assert torch.equal(loaded.images, upright[:, None].to(torch.uint8))
    assert loaded.labels.tolist() == [3, 7]


def test_a_label_without_a_class_is_refused(small_emnist: DatasetSpec, tmp_path: Path) -> None:
    for path in PUBLISHED[small_emnist.name].unpacked:
        write_idx(tmp_path / path, torch.zeros(2, 28, 28) if "images" in path else torch.tensor([3, 200]))
    with (
        pytest.warns(UnverifiedDataWarning),
        pytest.raises(
            DataError, match="emnist-digits-train-labels-idx1-ubyte is damaged: it holds label 200"
        ),
    ):
        load(DATASETS["emnist-digits"], "train", tmp_path)


def test_cifar10_comes_out_channel_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from torchvision.datasets import CIFAR10

    batches = PUBLISHED["cifar10"].unpacked
    monkeypatch.setattr(CIFAR10, "train_list", [[Path(path).name, None] for path in batches[:5]])
    monkeypatch.setattr(CIFAR10, "test_list", [[Path(batches[5]).name, None]])
    monkeypatch.setattr(CIFAR10, "meta", CIFAR10.meta | {"md5": None})
    pixels = torch.arange(3 * 32 * 32).remainder(251).to(torch.uint8)
    content = {
        "data": pixels[None].numpy(),
        "labels": [4],
        "label_names": list(DATASETS["cifar10"].class_names),
    }
    for path in batches:
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_bytes(pickle.dumps(content))
    loaded = load(DATASETS["cifar10"], "train", tmp_path)
    assert torch.equal(loaded.images, pixels.view(1, 3, 32, 32).expand(5, 3, 32, 32))
    assert loaded.labels.tolist() == [4] * 5


# Faults of files


@pytest.mark.mnist
@pytest.mark.parametrize("fault", ["one byte changed", "cut short", "empty", "bomb", "not a gzip file"])
def test_a_damaged_archive_is_refused_by_name_and_left_alone(
    archives: Path, offline: None, fault: str
) -> None:
    archive = archives / f"{IMAGES}.gz"
    content = archive.read_bytes()
    archive.write_bytes({
        "one byte changed": content[:1000] + bytes([content[1000] ^ 1]) + content[1001:],
        "cut short": content[: len(content) // 2],
        "empty": b"",
        "bomb": gzip.compress(bytes(1 << 27)),
        "not a gzip file": b"<html>404</html>",
    }[fault])  # fmt: skip
    before = left_in(archives)
    with pytest.raises(
        DataError, match=r"train-images-idx3-ubyte\.gz is damaged: its MD5 is .* delete it"
    ) as caught:
        load(DATASETS["mnist"], "train", archives)
    assert len(str(caught.value).splitlines()) == 1
    assert left_in(archives) == before


@pytest.mark.mnist
def test_a_data_set_whose_archive_was_put_right_loads(archives: Path, offline: None) -> None:
    archive = archives / f"{IMAGES}.gz"
    whole = archive.read_bytes()
    archive.write_bytes(whole[:-1])
    with pytest.raises(DataError):
        load(DATASETS["mnist"], "train", archives)
    archive.write_bytes(whole)
    assert len(load(DATASETS["mnist"], "train", archives).images) == 60_000


@pytest.mark.mnist
@pytest.mark.parametrize("fault", ["wrong magic", "other count", "cut short", "empty", "far too long"])
@pytest.mark.parametrize("file", [IMAGES, LABELS])
def test_a_damaged_unpacked_file_is_refused_by_name(
    unpacked: Path, offline: None, file: str, fault: str
) -> None:
    path = unpacked / file
    with path.open("r+b") as opened:
        if fault == "wrong magic":
            opened.write(b"PK\x03\x04")
        elif fault == "other count":
            opened.seek(4)
            opened.write(struct.pack(">I", 59_999))
        else:
            length = path.stat().st_size
            opened.truncate({"cut short": length - 1, "empty": 0, "far too long": 1 << 34}[fault])
    with pytest.raises(DataError, match=f"{path.name} is damaged: .* expected .* delete it") as caught:
        load(DATASETS["mnist"], "train", unpacked)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.mnist
def test_a_deleted_unpacked_file_is_unpacked_again(unpacked: Path, offline: None) -> None:
    (unpacked / LABELS).unlink()
    assert load(DATASETS["mnist"], "train", unpacked).labels.bincount().sum() == 60_000


def test_damaged_cifar10_is_refused_before_it_is_unpickled(offline: None, tmp_path: Path) -> None:
    for path in PUBLISHED["cifar10"].unpacked:
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_bytes(b"not what was published")
    with pytest.raises(DataError, match="cifar-10-batches-py is damaged: .* delete that folder"):
        load(DATASETS["cifar10"], "test", tmp_path)


# Files that look right and are not the published ones


@pytest.mark.mnist
@pytest.mark.parametrize("file", [IMAGES, LABELS])
def test_a_file_with_other_content_under_a_right_header_is_refused(
    unpacked: Path, offline: None, file: str
) -> None:
    path = unpacked / file
    with path.open("r+b") as opened:
        opened.seek(-1, os.SEEK_END)
        last = opened.read(1)
        opened.seek(-1, os.SEEK_END)
        opened.write(bytes([last[0] ^ 1]))
    with pytest.raises(DataError, match=f"{path.name} is not the published file: its SHA-256 is .* expected"):
        load(DATASETS["mnist"], "train", unpacked)
    assert len(load(DATASETS["mnist"], "test", unpacked).images) == 10_000, "the other split is as published"
    path.unlink()
    assert len(load(DATASETS["mnist"], "train", unpacked).images) == 60_000, (
        "unpacked again, as the message says"
    )


@pytest.mark.mnist
def test_another_data_set_under_the_names_of_mnist_is_refused(unpacked: Path, offline: None) -> None:
    """As notMNIST is: it is published in files of MNIST's names, shapes and number of classes."""
    generator = torch.Generator().manual_seed(0)
    letters = torch.randint(256, (60_000, 28, 28), generator=generator, dtype=torch.uint8)
    write_idx(unpacked / IMAGES, letters)
    write_idx(unpacked / LABELS, torch.arange(60_000) % 10)
    with pytest.raises(DataError, match="is not the published file"):
        load(DATASETS["mnist"], "train", unpacked)


def test_files_without_a_published_checksum_are_compared_with_the_archive_beside_them(
    small_emnist: DatasetSpec, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for path in PUBLISHED[small_emnist.name].unpacked:
        write_idx(tmp_path / path, torch.zeros(2, 28, 28) if "images" in path else torch.tensor([3, 7]))
    archive = tmp_path / PUBLISHED[small_emnist.name].archives[0].path
    with zipfile.ZipFile(archive, "w") as packed:
        for path in PUBLISHED[small_emnist.name].unpacked:
            packed.writestr(f"gzip/{Path(path).name}.gz", gzip.compress((tmp_path / path).read_bytes()))
    md5 = hashlib.md5(archive.read_bytes()).hexdigest()
    files = PUBLISHED[small_emnist.name]
    files = replace(files, archives=(Archive(files.archives[0].path, md5),))
    monkeypatch.setitem(PUBLISHED, "emnist-digits", files)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load(DATASETS["emnist-digits"], "train", tmp_path)
    write_idx(tmp_path / files.unpacked[0], torch.ones(2, 28, 28))
    with pytest.raises(DataError, match="train-images-idx3-ubyte is not the published file"):
        load(DATASETS["emnist-digits"], "train", tmp_path)
    archive.write_bytes(archive.read_bytes() + b"more")
    with pytest.raises(DataError, match=r"gzip\.zip is damaged: its MD5 is"):
        load(DATASETS["emnist-digits"], "train", tmp_path)


@pytest.mark.mnist
def test_a_gzipped_file_beside_an_unpacked_one_verifies_it(
    unpacked: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """KMNIST and Fashion-MNIST are published like MNIST, but only their archives' checksums are known."""
    monkeypatch.setitem(PUBLISHED, "mnist", replace(PUBLISHED["mnist"], sha256=()))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load(DATASETS["mnist"], "test", unpacked)
    labels = "MNIST/raw/t10k-labels-idx1-ubyte"
    write_idx(unpacked / labels, torch.zeros(10_000))
    with pytest.raises(DataError, match="t10k-labels-idx1-ubyte is not the published file"):
        load(DATASETS["mnist"], "test", unpacked)
    (unpacked / f"{labels}.gz").unlink()
    with pytest.warns(UnverifiedDataWarning, match="t10k-labels-idx1-ubyte is not verified: .*SHA-256"):
        load(DATASETS["mnist"], "test", unpacked)


def test_digits_that_scikit_learn_has_changed_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    import sklearn.datasets

    changed = sklearn.datasets.load_digits()
    changed.images[0, 0, 0] += 1
    monkeypatch.setattr(sklearn.datasets, "load_digits", lambda: changed)
    with pytest.raises(DataError, match="scikit-learn's digits are not the published ones"):
        load(DATASETS["digits"], "train")


def test_the_digest_of_data_depends_on_every_pixel_and_label_and_on_nothing_else() -> None:
    data = load(DATASETS["digits"], "test")
    assert data.digest == load(DATASETS["digits"], "test").digest != load(DATASETS["digits"], "train").digest
    images, labels = data.images.clone(), data.labels.clone()
    images[-1, 0, -1, -1] ^= 1
    labels[0] = (labels[0] + 1) % 10
    others = [replace(data, images=images), replace(data, labels=labels)]
    assert len({one.digest for one in (data, *others)}) == 3


# Faults of the network, the folder and the installation


@pytest.mark.parametrize("name", ["kmnist", "emnist-digits", "cifar10"])
def test_no_network_and_no_data_names_the_ways_out(offline: None, tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError) as caught:
        load(DATASETS[name], "train", tmp_path)
    said = str(caught.value)
    assert "Network is unreachable" in said and len(said.splitlines()) == 2
    for way_out in (
        str(tmp_path),
        PUBLISHED[name].archives[0].path,
        "--data-dir",
        "GENCORE_DATA",
        "--dataset digits",
    ):
        assert way_out in said
    assert left_in(tmp_path) == []


@pytest.mark.mnist
def test_a_mirror_is_downloaded_from(real_archives: Path, served: Path, tmp_path: Path) -> None:
    copy_archives(real_archives, served)
    assert len(load(DATASETS["mnist"], "test", tmp_path / "data").images) == 10_000
    assert availability("mnist", tmp_path / "data") == "on disk"


@pytest.mark.parametrize("offered", ["nothing", "something else"])
def test_a_bad_download_is_told_and_leaves_nothing_behind(served: Path, tmp_path: Path, offered: str) -> None:
    archive = served / PUBLISHED["cifar10"].archives[0].path
    if offered == "something else":
        archive.write_bytes(b"<html>please log in</html>")
    with pytest.raises(DataError, match="cannot be downloaded .*(404|corrupted)"):
        load(DATASETS["cifar10"], "train", tmp_path / "data")
    assert left_in(tmp_path / "data") == []


def test_a_folder_that_cannot_be_written_is_named(offline: None, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(
        DataError, match=r"file/data cannot be read or written \(Not a directory\); name another folder"
    ):
        load(DATASETS["kmnist"], "train", tmp_path / "file/data")


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes where it likes")
def test_a_folder_without_permission_is_named(offline: None, tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(DataError, match="cannot be read or written .Permission denied.; name another folder"):
        load(DATASETS["kmnist"], "train", tmp_path)


def test_a_torchvision_that_does_not_fit_is_explained(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    broken = tmp_path / "site/torchvision/__init__.py"
    broken.parent.mkdir(parents=True)
    broken.write_text("raise RuntimeError('operator torchvision::nms does not exist')")
    monkeypatch.syspath_prepend(tmp_path / "site")
    for module in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
        monkeypatch.delitem(sys.modules, module)
    with pytest.raises(
        DataError, match="do not fit together .*nms.*`pip install --force-reinstall torch torchvision`"
    ):
        load(DATASETS["kmnist"], "train", tmp_path / "data")


# Batches


def numbered(count: int) -> ImageData:
    """Images that carry their own number as the label."""
    pixels = torch.randint(
        256, (count, 1, 4, 4), generator=torch.Generator().manual_seed(0), dtype=torch.uint8
    )
    return ImageData(pixels, torch.arange(count), DATASETS["digits"])


def order(batches: Batches, steps: range) -> list[int]:
    return [label for step in steps for label in batches.batch(step).labels.tolist()]


def test_quantise_inverts_dequantise_on_all_values() -> None:
    pixels = torch.arange(256).to(torch.uint8)
    images = dequantise(pixels)
    assert images.dtype == torch.float32 and images[0] == -1 and images[-1] == 1
    assert torch.equal(quantise(images), pixels)


def test_quantise_rounds_to_the_nearest_and_clamps() -> None:
    images = torch.tensor([-3.0, -1.0, -1 + 0.6 / 127.5, -1 + 1.4 / 127.5, 1.0, 3.0])
    assert quantise(images).tolist() == [0, 0, 1, 1, 255, 255]


def test_a_batch_pairs_images_in_range_with_their_labels() -> None:
    data = numbered(10)
    images, labels, _ = Batches(data, batch_size=4, seed=1).batch(0)
    assert images.shape == (4, 1, 4, 4) and images.dtype == torch.float32 and labels.dtype == torch.int64
    assert torch.equal(quantise(images), data.images[labels])


def test_random_access_gives_what_going_through_gives() -> None:
    data = numbered(50)
    through = [Batches(data, 8, seed=3).batch(step) for step in range(20)]
    jumping = Batches(data, 8, seed=3)
    for step in (19, 0, 7, 6, 19, 12):
        assert torch.equal(jumping.batch(step).labels, through[step].labels)
        assert torch.equal(jumping.batch(step).images, through[step].images)


def test_an_epoch_shows_no_image_twice_and_drops_other_images_each_time() -> None:
    batches = Batches(numbered(50), 8, seed=3)
    assert batches.steps_per_epoch == 6
    epochs = [order(batches, range(6 * epoch, 6 * epoch + 6)) for epoch in range(4)]
    assert all(len(set(shown)) == 48 for shown in epochs)
    assert len({frozenset(shown) for shown in epochs}) > 1


def test_every_seed_and_every_epoch_has_its_own_order() -> None:
    # 0 and 2**32 differ in nothing that torch's CPU generator would keep of them
    orders = [
        tuple(Batches(numbered(50), 50, seed).batch(epoch).labels.tolist())
        for seed in (0, 1, 2, 2**32)
        for epoch in range(3)
    ]
    assert len(set(orders)) == len(orders)


def test_a_batch_larger_than_the_data_is_refused() -> None:
    with pytest.raises(ValueError, match="batch_size is 11, but .* has 10 images here; use 1 to 10"):
        Batches(numbered(10), batch_size=11, seed=0)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_batch_never_makes_the_host_wait_for_the_gpu() -> None:
    data = numbered(50).to("cuda")
    batches = Batches(data, 8, seed=3)
    torch.cuda.set_sync_debug_mode("error")
    try:
        on_device = [batches.batch(step).labels for step in range(12)]
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert torch.equal(
        torch.cat(on_device).cpu(), torch.tensor(order(Batches(numbered(50), 8, seed=3), range(12)))
    )
