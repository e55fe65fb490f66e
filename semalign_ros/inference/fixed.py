"""Runs of a graph from and into buffers that never move, as a CUDA graph needs them."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from semalign_ros.errors import InferenceError

_NO_CAPTURE = "-1"


class FixedRun:
    """One graph with inputs of one size; one run at a time.

    Args:
        session: With CUDA graphs enabled, which its next run captures.
        location: ``cuda``, or ``cpu`` where nothing is captured.
        feeds: Arrays by input name; their shapes are the ones that stay.
        outputs: Names of the outputs that every run computes.
    """

    def __init__(
        self,
        session: ort.InferenceSession,
        location: str,
        feeds: Mapping[str, NDArray[Any]],
        outputs: Sequence[str],
    ) -> None:
        self._session = session
        self._lock = threading.Lock()
        self._outputs = tuple(outputs)
        self._shapes = {name: array.shape for name, array in feeds.items()}
        # How large the outputs are shows only in a run, which must not be the captured one.
        options = ort.RunOptions()
        options.add_run_config_entry("gpu_graph_id", _NO_CAPTURE)
        found = session.run(list(outputs), dict(feeds), options)
        place = ort.OrtValue.ortvalue_from_numpy
        # Copies: on the CPU a buffer is the array itself.
        self._inputs = {name: place(np.array(a), location, 0) for name, a in feeds.items()}
        self._results = [place(np.array(a), location, 0) for a in found]
        self._binding = session.io_binding()
        for name, value in self._inputs.items():
            self._binding.bind_ortvalue_input(name, value)
        for name, value in zip(outputs, self._results, strict=True):
            self._binding.bind_ortvalue_output(name, value)

    def __call__(
        self, feeds: Mapping[str, NDArray[Any]], outputs: Sequence[str]
    ) -> list[NDArray[Any]]:
        """Run on arrays of the same shapes.

        Raises:
            InferenceError: A shape or the outputs differ from those at the start.
        """
        found = {name: array.shape for name, array in feeds.items()}
        if found != self._shapes or tuple(outputs) != self._outputs:
            raise InferenceError(
                f"gpu.cuda_graph: captured for {_words(self._shapes)}, found {_words(found)}; "
                "publish frames of one size, or turn gpu.cuda_graph off"
            )
        with self._lock:
            for name, array in feeds.items():
                self._inputs[name].update_inplace(np.ascontiguousarray(array))
            self._session.run_with_iobinding(self._binding)
            return [np.array(value.numpy()) for value in self._results]


def _words(shapes: Mapping[str, tuple[int, ...]]) -> str:
    return ", ".join(f"{name} {list(shape)}" for name, shape in shapes.items())
