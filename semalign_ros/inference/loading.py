"""Loads graphs on a device that is what was asked for, and names what goes wrong."""

from __future__ import annotations

from collections.abc import Mapping

import onnxruntime as ort
from onnxruntime.capi import onnxruntime_pybind11_state as ort_errors

from semalign_ros.errors import BundleError, DeviceError
from semalign_ros.inference.providers import (
    PROVIDERS,
    WAY_OUT,
    GpuOptions,
    make_engine_folder,
    provider_list,
)

# What ONNX Runtime raises when the model is at fault, whatever the device.
_MODEL_ERRORS = (
    ort_errors.InvalidProtobuf,
    ort_errors.InvalidGraph,
    ort_errors.NoSuchFile,
    ort_errors.NoModel,
)

# Of ONNX Runtime's arena, with and without gpu_mem_limit; of CUDA, cuDNN and cuBLAS; of C++.
_OUT_OF_MEMORY = (
    "failed to allocate memory",
    "smaller than requested bytes",
    "out of memory",
    "alloc_failed",
    "bad_alloc",
    "bad allocation",
)


def session_options(
    threads: int | None = None, sizes: Mapping[str, int] | None = None
) -> ort.SessionOptions:
    """Options of every session.

    Args:
        threads: Of one run on the CPU; None for one a core.
        sizes: By the name of a dimension that the graph leaves open, the one size that it
            will have.
    """
    options = ort.SessionOptions()
    options.log_severity_level = 4  # every failure reaches the caller as an exception
    # A thread that spins between frames takes a core from the other models of the vehicle.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if threads is not None:
        options.intra_op_num_threads = threads
    for name, size in (sizes or {}).items():
        options.add_free_dimension_override_by_name(name, size)
    return options


def open_session(
    model: str | bytes,
    device: str,
    options: ort.SessionOptions,
    gpu: GpuOptions,
    name: str,
    content: str | None = None,
) -> ort.InferenceSession:
    """Load a graph on a device, or fail.

    Args:
        model: Path or bytes of the graph.
        device: ``cpu``, ``cuda`` or ``tensorrt``.
        options: Of the session.
        gpu: How it runs on a GPU.
        name: Of the graph, for messages.
        content: As for :func:`~semalign_ros.inference.providers.provider_list`.

    Raises:
        DeviceError: The device did not load, or cannot run the graph as asked.
        BundleError: ONNX Runtime refuses the graph.
        ConfigError: The folder for TensorRT's engines cannot be written.
    """
    wanted = PROVIDERS[device][0]
    listed = ort.get_available_providers()
    if wanted not in listed:
        raise DeviceError(
            f"device {device}: this ONNX Runtime {ort.__version__} has {', '.join(listed)} "
            f"and no {wanted}; {WAY_OUT[device]}"
        )
    if device != "cpu":
        # CUDA and cuDNN from wheels, which no loader path names; older releases cannot.
        getattr(ort, "preload_dlls", lambda: None)()
    if device == "tensorrt" and content is not None:
        make_engine_folder(gpu, content)
    providers = [(p, o) for p, o in provider_list(device, gpu, content) if p in listed]
    try:
        # With its own fallback ONNX Runtime would change the device and only print it.
        session = ort.InferenceSession(model, options, providers=providers, enable_fallback=0)
    except _MODEL_ERRORS as error:
        raise BundleError(f"{name}: ONNX Runtime refuses the graph: {brief(error)}") from error
    except Exception as error:  # ONNX Runtime's errors share no base class
        if device == "cpu":
            raise BundleError(f"{name}: ONNX Runtime refuses the graph: {brief(error)}") from error
        hint = "turn gpu.cuda_graph off; or " if gpu.cuda_graph else ""
        raise DeviceError(
            f"device {device}: {wanted} failed on {name}: {brief(error)}; {hint}{WAY_OUT[device]}"
        ) from error
    loaded = session.get_providers()
    if wanted not in loaded:
        raise DeviceError(
            f"device {device}: {wanted} is listed but did not load, found {', '.join(loaded)}; "
            f"{WAY_OUT[device]}"
        )
    return session


def usable_devices() -> dict[str, str | None]:
    """Devices that a session really loads on here, each with the reason where it does not.

    Returns:
        None for a usable device, else what is wrong and the way out.
    """
    return {device: _why_unusable(device) for device in PROVIDERS}


def _why_unusable(device: str) -> str | None:
    try:
        open_session(_identity_graph(), device, session_options(), GpuOptions(), "a test graph")
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


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error of ONNX Runtime, CUDA or NumPy says that memory has run out."""
    text = str(error).lower()
    return isinstance(error, MemoryError) or any(words in text for words in _OUT_OF_MEMORY)


def brief(error: Exception) -> str:
    """First line of an error; ONNX Runtime puts a C++ stack below it."""
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0][:400]
