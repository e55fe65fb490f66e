"""What may import what: the rules that keep the core small and the vehicle's path light."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "semalign_ros"
MODULES = sorted(PACKAGE.rglob("*.py"))
ROS = {
    "rclpy",
    "builtin_interfaces",
    "std_msgs",
    "std_srvs",
    "sensor_msgs",
    "diagnostic_msgs",
    "geometry_msgs",
    "visualization_msgs",
    "rosgraph_msgs",
    "lifecycle_msgs",
    "rcl_interfaces",
}
TRAINING = {"torch", "transformers"}


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.split(".")[0])
    return names


def folder(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0]


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_only_nodes_know_ros_and_only_training_knows_torch(path):
    if folder(path) != "nodes":
        assert not imported(path) & ROS
    if folder(path) not in ("train", "export"):
        assert not imported(path) & TRAINING


def test_the_vehicles_path_loads_neither_torch_nor_transformers():
    script = (
        "import sys, semalign_ros.monitor, semalign_ros.evaluation.sweep, "
        "semalign_ros.nodes.monitor_node\n"
        "print(sorted({'torch', 'transformers'} & set(sys.modules)))"
    )
    result = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=120
    )
    assert result.stdout.strip() == "[]"


def test_onnx_runtime_reports_to_nobody(tmp_path):
    # Its builds tell Microsoft of every session unless told not to before they are imported.
    code = (
        "from semalign_ros.inference import open_segmenter\n"
        "open_segmenter('models/street_segmenter', 'cpu')\n"
    )
    home = {"HOME": str(tmp_path), "XDG_CACHE_HOME": ""}
    environment = {n: v for n, v in os.environ.items() if n != "ORT_DISABLE_TELEMETRY"} | home
    subprocess.run([sys.executable, "-c", code], env=environment, cwd=PACKAGE.parent, check=True)
    assert not list(tmp_path.rglob("*onnxruntime*"))
