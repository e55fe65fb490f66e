"""Execution providers of a device, and their options."""

from __future__ import annotations

import os
from dataclasses import dataclass, fields, replace
from pathlib import Path

import onnxruntime as ort

from semalign_ros.errors import ConfigError, unknown_name

DEVICES: tuple[str, ...] = ("auto", "cpu", "cuda", "tensorrt")
"""What `device` may be. ``auto`` is CUDA where it loads, else the CPU."""

CPU = "CPUExecutionProvider"
_CUDA = "CUDAExecutionProvider"
_TENSORRT = "TensorrtExecutionProvider"
PROVIDERS: dict[str, tuple[str, ...]] = {
    "cpu": (CPU,),
    "cuda": (_CUDA, CPU),
    "tensorrt": (_TENSORRT, _CUDA, CPU),
}
"""Providers by device, the one that must load first; the others take what it leaves."""

WAY_OUT: dict[str, str] = {
    "cuda": "install `pip install onnxruntime-gpu[cuda,cudnn]` in place of onnxruntime, with an "
    "NVIDIA driver of the same CUDA version; or choose device: auto or cpu",
    "tensorrt": "install `pip install onnxruntime-gpu[cuda,cudnn] tensorrt` in place of "
    "onnxruntime, with an NVIDIA driver of the same CUDA version; or choose device: cuda or auto",
}
"""What to do where a device does not load."""

_MB = 1_000_000


@dataclass(frozen=True, slots=True)
class GpuOptions:
    """How a graph runs on a GPU.

    Args:
        fp16: TensorRT computes in half precision where that is faster; scores change a little.
        cuda_graph: Capture the graph that sees the image once, and replay it as one launch; every
            frame must then have the size of the first, and every node must run on the GPU.
        memory_mb: Most memory that each graph's arena may take, MB; 0 for all.
        engine_cache: Folder for TensorRT's engines; empty for ``~/.cache/semalign_ros/tensorrt``.
    """

    fp16: bool = False
    cuda_graph: bool = False
    memory_mb: int = 0
    engine_cache: str = ""

    def check(self, device: str) -> None:
        """Refuse what `device` would not heed.

        Raises:
            ConfigError: Names every such option and the devices that know it.
        """
        wanted = {
            "fp16": ("tensorrt",),
            "cuda_graph": ("auto", "cuda", "tensorrt"),
            "memory_mb": ("auto", "cuda", "tensorrt"),
            "engine_cache": ("tensorrt",),
        }
        problems = [
            f"{item.name} needs device {' or '.join(wanted[item.name])}, found {device}"
            for item in fields(self)
            if getattr(self, item.name) != item.default and device not in wanted[item.name]
        ]
        if self.memory_mb < 0:
            problems.append(f"memory_mb: found {self.memory_mb}, expected 0 or more")
        if problems:
            raise ConfigError(f"gpu options: {'; '.join(problems)}")


def check_device(device: str, gpu: GpuOptions) -> None:
    """Refuse an unknown device, or options that it would not heed.

    Raises:
        ConfigError: With the nearest name, or every option that is out of place.
    """
    if device not in DEVICES:
        raise ConfigError(unknown_name("device", device, DEVICES))
    gpu.check(device)


def provider_list(
    device: str, gpu: GpuOptions, content: str | None = None
) -> list[tuple[str, dict[str, str]]]:
    """Providers of a device with their options, as ONNX Runtime takes them.

    Args:
        device: ``cpu``, ``cuda`` or ``tensorrt``.
        gpu: What is wanted.
        content: Digest of the bundle that the graph is of; None keeps no engine. ONNX Runtime
            itself finds an engine by the graph's structure alone, so that a model with other
            weights would run the old ones.
    """
    options: dict[str, dict[str, str]] = {name: {} for name in PROVIDERS[device]}
    if device == "tensorrt":
        options[_TENSORRT] = _tensorrt_options(gpu, content)
        # It captures the whole run; what it leaves to CUDA must not be captured within.
        gpu = replace(gpu, cuda_graph=False)
    if device != "cpu":
        options[_CUDA] = _cuda_options(gpu)
    return list(options.items())


def _cuda_options(gpu: GpuOptions) -> dict[str, str]:
    options = {"enable_cuda_graph": str(int(gpu.cuda_graph))}
    if gpu.memory_mb:
        # The default doubles its regions, and would reach for more than the limit leaves.
        options |= {
            "gpu_mem_limit": str(gpu.memory_mb * _MB),
            "arena_extend_strategy": "kSameAsRequested",
        }
    return options


def _tensorrt_options(gpu: GpuOptions, content: str | None) -> dict[str, str]:
    options = {
        "trt_fp16_enable": str(int(gpu.fp16)),
        "trt_cuda_graph_enable": str(int(gpu.cuda_graph)),
    }
    if gpu.memory_mb:
        options["trt_max_workspace_size"] = str(gpu.memory_mb * _MB)
    if content is not None:
        folder = str(engine_folder(gpu, content))
        options |= {
            "trt_engine_cache_enable": "1",
            "trt_engine_cache_path": folder,
            "trt_timing_cache_enable": "1",
            "trt_timing_cache_path": folder,
        }
    return options


def engine_folder(gpu: GpuOptions, content: str) -> Path:
    """Folder of the engines of one bundle, outside of it; the releases keep theirs apart.

    An engine is read by the TensorRT release that wrote it only.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    root = Path(gpu.engine_cache).expanduser() if gpu.engine_cache else None
    return (root or cache / "semalign_ros" / "tensorrt") / f"{content[:16]}-ort{ort.__version__}"


def make_engine_folder(gpu: GpuOptions, content: str) -> None:
    """Make :func:`engine_folder`.

    Raises:
        ConfigError: It cannot be made.
    """
    try:
        engine_folder(gpu, content).mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError, ValueError) as error:  # RuntimeError: no such user's home
        raise ConfigError(
            f"gpu.engine_cache: {gpu.engine_cache or 'the default'} cannot be made "
            f"({getattr(error, 'strerror', None) or error}); name a folder that this user may write"
        ) from error
