"""ONNX Runtime sessions on a device that is what was asked for."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state as ort_errors

from semalign_ros.errors import BundleError, ConfigError, DeviceError, InferenceError, unknown_name
from semalign_ros.inference.manifest import TensorSpec
from semalign_ros.types import Image

Array: TypeAlias = NDArray[Any]

DEVICES: tuple[str, ...] = ("auto", "cpu", "cuda", "tensorrt")
"""What `device` may be. ``auto`` is CUDA where it loads, else the CPU."""

_CPU = "CPUExecutionProvider"
_PROVIDERS = {
    "cpu": (_CPU,),
    "cuda": ("CUDAExecutionProvider", _CPU),
    "tensorrt": ("TensorrtExecutionProvider", "CUDAExecutionProvider", _CPU),
}
_WAY_OUT = {
    "cuda": "install `pip install onnxruntime-gpu[cuda,cudnn]` in place of onnxruntime, with an "
    "NVIDIA driver of the same CUDA version; or choose device: auto or cpu",
    "tensorrt": "install `pip install onnxruntime-gpu[cuda,cudnn] tensorrt` in place of "
    "onnxruntime, with an NVIDIA driver of the same CUDA version; or choose device: cuda or auto",
}
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
# What ONNX Runtime raises when the model is at fault, whatever the device.
_MODEL_ERRORS = (
    ort_errors.InvalidProtobuf,
    ort_errors.InvalidGraph,
    ort_errors.NoSuchFile,
    ort_errors.NoModel,
)


class OnnxSession:
    """One graph, loaded once and run from any thread.

    Args:
        path: The ``.onnx`` file.
        device: ``cpu``, ``cuda``, ``tensorrt`` or ``auto``.
        threads: Threads of one run on the CPU; None for as many as there are cores.

    Attributes:
        device: What was loaded: ``cpu``, ``cuda`` or ``tensorrt``.
        fallback: Why ``auto`` did not get CUDA; None where it did, or was not asked.

    Raises:
        ConfigError: `device` or `threads` is unknown or out of range.
        DeviceError: `device` was named and did not load.
        BundleError: ONNX Runtime refuses the graph.
    """

    def __init__(self, path: Path | str, device: str = "auto", *, threads: int | None = None):
        if device not in DEVICES:
            raise ConfigError(unknown_name("device", device, DEVICES))
        if threads is not None and threads < 1:
            raise ConfigError(f"threads: found {threads}, expected 1 or more, or none for all")
        self.path = Path(path)
        self.fallback: str | None = None
        if device != "auto":
            self.device = device
            self._session = _create(self.path, device, threads)
        else:
            try:
                self.device = "cuda"
                self._session = _create(self.path, "cuda", threads)
            except DeviceError as error:
                self.device, self.fallback = "cpu", str(error)
                self._session = _create(self.path, "cpu", threads)
        self.inputs = {i.name: _spec(i) for i in self._session.get_inputs()}
        self.outputs = {o.name: _spec(o) for o in self._session.get_outputs()}

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
        try:
            found: list[Array] = self._session.run(list(outputs), dict(feeds))
        except Exception as error:  # ONNX Runtime's errors share no base class
            raise InferenceError(f"{self.path.name}: the run failed: {_brief(error)}") from error
        return found

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
        try:
            binding = self._session.io_binding()
            for name, value in feeds.items():
                if isinstance(value, ort.OrtValue):
                    binding.bind_ortvalue_input(name, value)
                else:
                    _check_feed(self.path.name, name, value, self.inputs.get(name))
                    binding.bind_cpu_input(name, value)
            for name in fetch:
                binding.bind_output(name, "cpu")
            for name in keep:
                binding.bind_output(name, "cpu" if self.device == "cpu" else "cuda")
            self._session.run_with_iobinding(binding)
            values = binding.get_outputs()
        except InferenceError:
            raise
        except Exception as error:  # ONNX Runtime's errors share no base class
            raise InferenceError(f"{self.path.name}: the run failed: {_brief(error)}") from error
        arrays = [value.numpy() for value in values[: len(fetch)]]
        return arrays, dict(zip(keep, values[len(fetch) :], strict=True))


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


def usable_devices() -> dict[str, str | None]:
    """Devices that a session really loads on here, each with the reason where it does not.

    Returns:
        None for a usable device, else what is wrong and the way out.
    """
    return {device: _why_unusable(device) for device in _PROVIDERS}


def _why_unusable(device: str) -> str | None:
    try:
        _open(_identity_graph(), device, None, "a test graph")
    except (DeviceError, BundleError) as error:
        return str(error)
    return None


def _identity_graph() -> bytes:
    from onnx import TensorProto, helper  # only `semalign doctor` needs it

    value = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in ("input", "output")
    ]
    node = helper.make_node("Identity", ["input"], ["output"])
    graph = helper.make_graph([node], "identity", value[:1], value[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return bytes(model.SerializeToString())


def _create(path: Path, device: str, threads: int | None) -> ort.InferenceSession:
    if not path.is_file():
        raise BundleError(f"{path}: no such file")
    return _open(str(path), device, threads, str(path))


def _open(model: str | bytes, device: str, threads: int | None, name: str) -> ort.InferenceSession:
    wanted = _PROVIDERS[device][0]
    listed = ort.get_available_providers()
    if wanted not in listed:
        raise DeviceError(
            f"device {device}: this ONNX Runtime {ort.__version__} has {', '.join(listed)} "
            f"and no {wanted}; {_WAY_OUT[device]}"
        )
    if device != "cpu":
        # CUDA and cuDNN from wheels, which no loader path names; older releases cannot.
        getattr(ort, "preload_dlls", lambda: None)()
    options = ort.SessionOptions()
    options.log_severity_level = 4  # every failure reaches the caller as an exception
    # A thread that spins between frames takes a core from the other models of the vehicle.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if threads is not None:
        options.intra_op_num_threads = threads
    providers = [(p, _provider_options(p)) for p in _PROVIDERS[device] if p in listed]
    try:
        # With its own fallback ONNX Runtime would change the device and only print it.
        session = ort.InferenceSession(model, options, providers=providers, enable_fallback=0)
    except _MODEL_ERRORS as error:
        raise BundleError(f"{name}: ONNX Runtime refuses the graph: {_brief(error)}") from error
    except Exception as error:  # ONNX Runtime's errors share no base class
        if device == "cpu":
            raise BundleError(f"{name}: ONNX Runtime refuses the graph: {_brief(error)}") from error
        raise DeviceError(
            f"device {device}: {wanted} failed on {name}: {_brief(error)}; {_WAY_OUT[device]}"
        ) from error
    loaded = session.get_providers()
    if wanted not in loaded:
        raise DeviceError(
            f"device {device}: {wanted} is listed but did not load, found {', '.join(loaded)}; "
            f"{_WAY_OUT[device]}"
        )
    return session


def _provider_options(provider: str) -> dict[str, str]:
    if provider != "TensorrtExecutionProvider":
        return {}
    # Building an engine takes minutes; it is kept outside the bundle, whose files are hashed.
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = cache / "semalign_ros" / "tensorrt"
    folder.mkdir(parents=True, exist_ok=True)
    return {"trt_engine_cache_enable": "1", "trt_engine_cache_path": str(folder)}


def _spec(value: ort.NodeArg) -> TensorSpec:
    dtype = str(value.type).removeprefix("tensor(").removesuffix(")")
    shape = tuple(d if isinstance(d, int) else str(d or "?") for d in value.shape)
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


def _brief(error: Exception) -> str:
    """First line of an error; ONNX Runtime puts a C++ stack below it."""
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0][:400]


__all__ = ["DEVICES", "Array", "OnnxSession", "check_image", "numpy_dtype", "usable_devices"]
