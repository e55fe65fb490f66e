"""ONNX Runtime sessions on a device that is what was asked for."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from semalign_ros.errors import BundleError, ConfigError, DeviceError, InferenceError
from semalign_ros.inference.bundle import Bundle
from semalign_ros.inference.fixed import FixedRun
from semalign_ros.inference.loading import (
    brief,
    is_out_of_memory,
    open_session,
    session_options,
)
from semalign_ros.inference.manifest import TensorSpec
from semalign_ros.inference.placement import FirstRun, Placement
from semalign_ros.inference.providers import DEVICES, GpuOptions, check_device
from semalign_ros.types import Image

Array: TypeAlias = NDArray[Any]

ResultT = TypeVar("ResultT")

_DEFAULTS = GpuOptions()
_UNNAMED = "?"
_NUMPY: dict[str, Any] = {
    "float": np.float32,
    "float16": np.float16,
    "double": np.float64,
    "uint8": np.uint8,
    "int8": np.int8,
    "int32": np.int32,
    "int64": np.int64,
    "bool": np.bool_,
}


class OnnxSession:
    """One graph, loaded once and run from any thread.

    Its first run is profiled, which proves where the nodes run. After it has run out of
    memory it is loaded anew for the next run, which gives back all that it held.

    Args:
        path: The ``.onnx`` file.
        device: ``cpu``, ``cuda``, ``tensorrt`` or ``auto``.
        threads: Threads of one run on the CPU; None for as many as there are cores.
        gpu: How it runs on a GPU; None for the defaults.
        bundle: What the graph is of: TensorRT's engines are kept under its digest, and not at all
            without; a graph whose files have changed is not loaded anew.

    Attributes:
        device: What was loaded: ``cpu``, ``cuda`` or ``tensorrt``.
        fallback: Why ``auto`` did not get CUDA; None where it did, or was not asked.
        placement: Which nodes ran where; None before the first run, or where no profile can
            be written.

    Raises:
        ConfigError: `device` or `threads` is unknown or out of range, or the device would not
            heed an option.
        DeviceError: `device` was named and did not load.
        BundleError: ONNX Runtime refuses the graph.
    """

    def __init__(
        self,
        path: Path | str,
        device: str = "auto",
        *,
        threads: int | None = None,
        gpu: GpuOptions | None = None,
        bundle: Bundle | None = None,
    ) -> None:
        gpu = gpu or _DEFAULTS
        check_device(device, gpu)
        if threads is not None and threads < 1:
            raise ConfigError(f"threads: found {threads}, expected 1 or more, or none for all")
        self.path = Path(path)
        self.fallback: str | None = None
        self.placement: Placement | None = None
        self._fixed: FixedRun | None = None
        self._lock = threading.Lock()
        self._bundle = bundle
        content = None if bundle is None else bundle.digest
        load = partial(_create, self.path, threads=threads, content=content)
        plain = replace(gpu, cuda_graph=False)
        try:
            self.device = "cuda" if device == "auto" else device
            session, first_run = load(self.device, gpu=plain)
        except DeviceError as error:
            if device != "auto":
                raise
            self.device, self.fallback = "cpu", str(error)
            session, first_run = load(self.device, gpu=plain)
        self._session: ort.InferenceSession | None = session
        self._first_run: FirstRun | None = first_run
        self._captures = gpu.cuda_graph and self.device != "cpu"
        self._sizes: dict[str, int] | None = None
        self._load = partial(load, self.device, gpu=gpu if self._captures else plain)
        self.inputs = {i.name: _spec(i) for i in session.get_inputs()}
        self.outputs = {o.name: _spec(o) for o in session.get_outputs()}

    def require(self, inputs: Sequence[str], outputs: Sequence[str]) -> None:
        """Check that the graph has the inputs and outputs that a caller is going to use.

        Raises:
            BundleError: With all that is missing, and every input that nobody would fill.
        """
        problems = [f"no input {n!r}" for n in inputs if n not in self.inputs]
        problems += [f"no output {n!r}" for n in outputs if n not in self.outputs]
        problems += [f"unexpected input {n!r}" for n in self.inputs if n not in inputs]
        if problems:
            raise BundleError(
                f"{self.path}: {'; '.join(problems)}; the graph has inputs "
                f"{', '.join(self.inputs)} and outputs {', '.join(self.outputs)}"
            )

    def run(self, feeds: Mapping[str, Array], outputs: Sequence[str]) -> list[Array]:
        """Run the graph.

        Args:
            feeds: Array by input name, of exactly the input's dtype.
            outputs: Names of the outputs to compute.

        Returns:
            The outputs in the order asked for.

        Raises:
            InferenceError: A feed has another name, dtype or shape than the graph's, or
                ONNX Runtime failed.
        """
        for name, array in feeds.items():
            _check_feed(self.path.name, name, array, self.inputs.get(name))

        def run(session: ort.InferenceSession) -> list[Array]:
            if self._captures:
                return self._captured(session, feeds, outputs)(feeds, outputs)
            found: list[Array] = session.run(list(outputs), dict(feeds))
            return found

        if self._captures:
            self._fix_sizes(feeds)
        return self._run(run)

    def run_resident(
        self,
        feeds: Mapping[str, Array | ort.OrtValue],
        fetch: Sequence[str],
        keep: Sequence[str],
    ) -> tuple[list[Array], dict[str, ort.OrtValue]]:
        """Run the graph and leave some outputs where they are, for the next run.

        A KV cache need not cross to the host and back for every token.

        Args:
            feeds: By input name an array, or what an earlier run kept.
            fetch: Outputs to return as arrays.
            keep: Outputs to leave on the device.

        Raises:
            InferenceError: As for :meth:`run`.
        """

        def run(session: ort.InferenceSession) -> list[ort.OrtValue]:
            binding = session.io_binding()
            for name, value in feeds.items():
                if isinstance(value, ort.OrtValue):
                    binding.bind_ortvalue_input(name, value)
                else:
                    _check_feed(self.path.name, name, value, self.inputs.get(name))
                    binding.bind_cpu_input(name, value)
            for name in fetch:
                binding.bind_output(name, "cpu")
            for name in keep:
                binding.bind_output(name, self._location)
            session.run_with_iobinding(binding)
            found: list[ort.OrtValue] = binding.get_outputs()
            return found

        values = self._run(run)
        arrays = [value.numpy() for value in values[: len(fetch)]]
        return arrays, dict(zip(keep, values[len(fetch) :], strict=True))

    @property
    def _location(self) -> str:
        """Where buffers lie, in ONNX Runtime's words; TensorRT's are CUDA's."""
        return "cpu" if self.device == "cpu" else "cuda"

    def _run(self, run: Callable[[ort.InferenceSession], ResultT]) -> ResultT:
        """Run something on the session, and say of its errors what they are."""
        session = self._loaded()
        try:
            result = run(session)
        except InferenceError:
            raise
        except Exception as error:  # ONNX Runtime's errors share no base class
            name, said = self.path.name, brief(error)
            if not is_out_of_memory(error):
                raise InferenceError(f"{name}: the run failed: {said}") from error
            self._let_go(session)
            raise InferenceError(
                f"{name}: out of memory, the graph is loaded anew for the next frame: {said}; "
                "give it a smaller image or model, or more memory"
            ) from error
        with self._lock:
            first, self._first_run = self._first_run, None
        if first is not None:
            self.placement = first.end(session, self.device)
        return result

    def _loaded(self) -> ort.InferenceSession:
        with self._lock:
            if self._session is None:
                try:
                    if self._bundle is not None:
                        self._bundle.require_unaltered()
                    self._session, self._first_run = self._load(sizes=self._sizes)
                except (BundleError, DeviceError) as error:
                    raise InferenceError(f"{self.path.name}: not loaded anew: {error}") from error
            return self._session

    def _let_go(self, session: ort.InferenceSession) -> None:
        """Give back the arena and all buffers, unless another thread did so already."""
        with self._lock:
            if self._session is session:
                self._session = self._fixed = self._first_run = None

    def _fix_sizes(self, feeds: Mapping[str, Array]) -> None:
        """Have the graph loaded anew for the shapes of its first run.

        ONNX Runtime captures no graph that computes shapes on the CPU; once the sizes of the
        inputs are constants, so are all that follow from them.
        """
        with self._lock:
            if self._sizes is not None:  # another thread was first
                return
            self._session = self._first_run = None
            self._sizes = {
                size: found
                for name, array in feeds.items()
                for size, found in zip(self.inputs[name].shape, array.shape, strict=True)
                if isinstance(size, str) and size != _UNNAMED
            }

    def _captured(
        self, session: ort.InferenceSession, feeds: Mapping[str, Array], outputs: Sequence[str]
    ) -> FixedRun:
        with self._lock:
            fixed = self._fixed or FixedRun(session, self._location, feeds, outputs)
            if self._session is session:
                self._fixed = fixed
            return fixed


def numpy_dtype(name: str) -> np.dtype[Any]:
    """NumPy dtype of an ONNX Runtime element type.

    Raises:
        BundleError: NumPy has none (bfloat16).
    """
    if name not in _NUMPY:
        raise BundleError(f"element type {name} cannot be fed; valid: {', '.join(_NUMPY)}")
    dtype: np.dtype[Any] = np.dtype(_NUMPY[name])
    return dtype


def check_image(image: Image) -> None:
    """Check that an array is an image.

    Raises:
        InferenceError: It is not u8[H, W, 3].
    """
    if image.dtype != "uint8" or image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
        raise InferenceError(f"image is {image.dtype}{list(image.shape)}, expected u8[H, W, 3]")


def _create(
    path: Path,
    device: str,
    *,
    threads: int | None,
    gpu: GpuOptions,
    content: str | None,
    sizes: Mapping[str, int] | None = None,
) -> tuple[ort.InferenceSession, FirstRun]:
    if not path.is_file():
        raise BundleError(f"{path}: no such file")
    options = session_options(threads, sizes)
    first_run = FirstRun(options)
    return open_session(str(path), device, options, gpu, str(path), content), first_run


def _spec(value: ort.NodeArg) -> TensorSpec:
    dtype = str(value.type).removeprefix("tensor(").removesuffix(")")
    shape = tuple(d if isinstance(d, int) else str(d or _UNNAMED) for d in value.shape)
    return TensorSpec(name=value.name, dtype=dtype, shape=shape)


def _check_feed(graph: str, name: str, array: Array, spec: TensorSpec | None) -> None:
    if spec is None:
        raise InferenceError(f"{graph}: no input {name!r}")
    wrong_shape = len(array.shape) != len(spec.shape) or any(
        isinstance(want, int) and want != found
        for found, want in zip(array.shape, spec.shape, strict=True)
    )
    if wrong_shape or array.dtype != _NUMPY.get(spec.dtype):
        raise InferenceError(
            f"{graph}: input {name!r} is {array.dtype}{list(array.shape)}, expected "
            f"{spec.dtype}[{', '.join(map(str, spec.shape))}]"
        )


__all__ = [
    "DEVICES",
    "Array",
    "GpuOptions",
    "OnnxSession",
    "check_image",
    "numpy_dtype",
]
