"""Which node of a graph really ran on which provider, from ONNX Runtime's own profile.

That a provider is loaded says little: a node that it cannot run goes to the CPU without
a word, and its tensors cross to the host and back for every frame.
"""

from __future__ import annotations

import contextlib
import json
import math
import shutil
import tempfile
import weakref
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnxruntime as ort

from semalign_ros.inference.providers import CPU

_SUFFIX = "ExecutionProvider"
_KERNEL = "_kernel_time"
_ENGINE = "TRTKernel"

_SMALL = 8192
"""Elements up to which a tensor is a shape, a scalar, or the index of a row or column: ONNX
Runtime computes with those on the CPU on purpose, as sending them to a GPU would cost more."""

_METADATA = ("Shape", "Size")
"""Read no element of their input, wherever it lies."""


@dataclass(frozen=True, slots=True)
class Placement:
    """Where the nodes of one graph ran.

    Args:
        nodes: Number of nodes by provider (``CPU``, ``CUDA``, ``Tensorrt``) and operator.
        fallback: Number of nodes by operator that worked on real data on the CPU although
            the session is of another device; empty on a CPU session.
    """

    nodes: Mapping[str, Mapping[str, int]]
    fallback: Mapping[str, int]

    def summary(self) -> str:
        """Nodes by provider in one line: ``CUDA 118, CPU 6``."""
        counts = {provider: sum(ops.values()) for provider, ops in self.nodes.items()}
        return ", ".join(f"{name} {n}" for name, n in counts.items()) or "no nodes"

    def fallback_summary(self) -> str:
        """Nodes that fell back in one line: ``Resize x2, NonMaxSuppression``; empty for none."""
        return name_operators(self.fallback)


def name_operators(operators: Mapping[str, int]) -> str:
    """Operators with their numbers, the most frequent first."""
    ordered = sorted(operators.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{op} x{n}" if n > 1 else op for op, n in ordered)


def placement_of(events: Iterable[Mapping[str, Any]], device: str) -> Placement:
    """Read the events of a profile.

    Args:
        events: As ONNX Runtime writes them; those that are no kernels are passed over.
        device: Of the session: ``cpu``, ``cuda`` or ``tensorrt``.
    """
    nodes: dict[str, Counter[str]] = {}
    fallback: Counter[str] = Counter()
    seen: set[tuple[str, str, str]] = set()
    for event in events:
        arguments = event.get("args") or {}
        name, provider = str(event.get("name", "")), arguments.get("provider")
        if event.get("cat") != "Node" or not provider or not name.endswith(_KERNEL):
            continue
        # A run of a loop's body, or a second run of the graph, is the same node again.
        key = name, str(arguments.get("node_index")), provider
        if key in seen:
            continue
        seen.add(key)
        op = str(arguments.get("op_name", "?"))
        if op.startswith(_ENGINE):
            op = _ENGINE  # each of TensorRT's subgraphs is an operator with a name of its own
        nodes.setdefault(provider.removesuffix(_SUFFIX), Counter())[op] += 1
        if device != "cpu" and provider == CPU and not _is_bookkeeping(op, arguments):
            fallback[op] += 1
    by_size = sorted(nodes.items(), key=lambda item: -sum(item[1].values()))
    return Placement({name: dict(ops) for name, ops in by_size}, dict(fallback))


def _is_bookkeeping(op: str, arguments: Mapping[str, Any]) -> bool:
    """Whether a node computes with shapes, and so belongs on the CPU."""
    if op in _METADATA:
        return True
    sides = [arguments.get(side) for side in ("input_type_shape", "output_type_shape")]
    if not any(sides):
        return False  # nothing is known of it
    shapes = [dims for side in sides for tensor in side or () for dims in tensor.values()]
    return all(math.prod(dims) <= _SMALL for dims in shapes)


class FirstRun:
    """Has a session profile itself until its first run is over.

    Args:
        options: Of the session that is about to be made.
    """

    def __init__(self, options: ort.SessionOptions) -> None:
        self._folder: str | None = None
        # Where nothing can be written, a session is worth more than its profile.
        with contextlib.suppress(OSError):
            self._folder = tempfile.mkdtemp(prefix="semalign_ros_")
            weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
            options.enable_profiling = True
            options.profile_file_prefix = str(Path(self._folder) / "run")

    def end(self, session: ort.InferenceSession, device: str) -> Placement | None:
        """End the profile after a run; None where there is none to be read."""
        if self._folder is None:
            return None
        path = Path(session.end_profiling())
        try:
            events = json.loads(path.read_text(encoding="utf-8", errors="replace"))
        except (OSError, ValueError):
            return None  # the disk is full, say: what is not known is not claimed
        return placement_of(events, device)
