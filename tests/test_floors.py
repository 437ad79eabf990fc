"""The floors of the house: who may import whom."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FLOORS = [
    {"files", "config"},
    {"events", "results", "commands", "reported"},
    {"scores", "runs", "judge"},
    {"devices", "data.registry", "comparison", "course"},
    {"figures", "data.sources"},
    {"curves", "space"},
    {"data.batches", "diffusion", "metrics", "networks"},
    {"metrics.frechet", "metrics.manifold", "metrics.classes", "metrics.corruptions", "metrics.reconstruction"},
    {"metrics.kernel", "metrics.extrapolation", "metrics.diversity", "metrics.memorisation"},
    {"networks.mlp", "networks.dcgan", "networks.unet", "networks.classifier", "networks.random_features"},
    {"models.base"},
    {"models.vae", "models.gan", "models.ddpm", "models.classifier"},
    {"models", "checkpoints"},
    {"features", "sampling", "latent", "state"},
    {"panel", "control", "reference", "drawings", "inception", "walks"},
    {"selftest", "steps"},
    {"training"},
    {"cost", "cas"},
    {"groups"},
    {"evaluation"},
    {"tables"},
    {"evidence"},
    {"page"},
    {"report", "card", "export"},
    {"driver"},
    {"cli.common"},
    {"cli.training", "cli.measuring", "cli.looking"},
    {"cli"},
    {"__main__"},
]
"""Modules of gencore from the ground up; a module imports only from floors below its own."""
LOAD_TORCH = {"drawing.py", "denoising.py"}
PAGES_THAT_DRAW = {"gallery.py", "latent.py", "subject.py", "travel.py", "maps.py", "diffusion.py", "quiz.py"}
GROUND = ["config", "commands", "events", "results", "scores", "runs", "comparison", "course", "data.registry", "judge", "evidence", "card"]


def modules() -> dict[str, Path]:
    found = {}
    for path in (ROOT / "gencore").rglob("*.py"):
        parts = path.relative_to(ROOT / "gencore").with_suffix("").parts
        found[".".join(part for part in parts if part != "__init__")] = path
    return found


def imported(path: Path) -> set[str]:
    """Dotted names of everything imported anywhere in a file, also inside functions."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


def test_every_module_imports_only_from_lower_floors() -> None:
    level = {name: i for i, floor in enumerate(FLOORS) for name in floor}
    for name, path in modules().items():
        if name in {"", "data"}:
            continue
        assert name in level, f"gencore.{name} has no floor yet; give it one in FLOORS"
        below = {n.removeprefix("gencore.") for n in imported(path)} & set(level)
        for other in below - {name}:
            assert level[other] < level[name], f"gencore.{name} imports gencore.{other}, which is not below it"


def test_the_engine_knows_no_screen() -> None:
    for name, path in modules().items():
        roots = {n.split(".")[0] for n in imported(path)}
        screens = {"streamlit", "dashboard", "altair"} | ({"plotly"} if name not in {"figures", "curves", "space", "page"} else set())
        assert not roots & screens, f"gencore.{name} imports a screen"


@pytest.mark.parametrize("name", GROUND)
def test_the_ground_floor_loads_without_torch_or_streamlit(name: str) -> None:
    code = f"import sys, gencore.{name}; sys.exit(bool({{'torch', 'streamlit'}} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0


def test_only_pages_that_draw_load_torch_and_none_trains() -> None:
    for path in (ROOT / "dashboard").rglob("*.py"):
        heavy = {"torch", "gencore.models", "gencore.sampling"} if path.name not in LOAD_TORCH else set()
        forbidden = heavy | {"gencore.state", "gencore.training", "gencore.evaluation"}
        assert not imported(path) & forbidden, f"{path.name} imports the engine's heavy rooms"
        if path.name not in PAGES_THAT_DRAW | LOAD_TORCH:
            assert not imported(path) & {"dashboard.drawing", "dashboard.denoising", "gencore.walks"}, f"{path.name} draws nothing"
