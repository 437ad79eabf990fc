"""What must start quickly loads no torch when it runs; who may import whom stands in `pyproject.toml`
(import-linter).
"""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
GROUND = [
    "config.options",
    "config.commands",
    "store.events",
    "store.results",
    "store.runs",
    "data.registry",
    "training.summary",
    "evaluation.records",
    "analysis.scores",
    "analysis.comparison",
    "analysis.measured_models",
    "reports.model_card",
    "studies.plan",
    "studies.records",
    "studies.statistics",
]


@pytest.mark.parametrize("name", GROUND)
def test_the_ground_floor_loads_without_torch_or_streamlit(name: str) -> None:
    code = f"import sys, gencore.{name}; sys.exit(bool({{'torch', 'streamlit'}} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0
