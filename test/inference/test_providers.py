from __future__ import annotations

from pathlib import Path

import pytest

from semalign_ros.errors import ConfigError
from semalign_ros.inference.providers import (
    GpuOptions,
    engine_folder,
    make_engine_folder,
    provider_list,
)

CUDA, TENSORRT, CPU = (f"{n}ExecutionProvider" for n in ("CUDA", "Tensorrt", "CPU"))
DIGEST = "ab" * 32


def test_without_options_a_provider_keeps_its_defaults() -> None:
    assert provider_list("cpu", GpuOptions()) == [(CPU, {})]
    assert provider_list("cuda", GpuOptions()) == [(CUDA, {"enable_cuda_graph": "0"}), (CPU, {})]


def test_options_of_cuda() -> None:
    ((name, options), _) = provider_list("cuda", GpuOptions(cuda_graph=True, memory_mb=1500))
    assert name == CUDA
    assert options == {
        "enable_cuda_graph": "1",
        "gpu_mem_limit": "1500000000",
        "arena_extend_strategy": "kSameAsRequested",
    }


def test_options_of_tensorrt(tmp_path: Path) -> None:
    gpu = GpuOptions(fp16=True, cuda_graph=True, memory_mb=100, engine_cache=str(tmp_path))
    found = dict(provider_list("tensorrt", gpu, DIGEST))
    assert list(found) == [TENSORRT, CUDA, CPU]
    folder = str(engine_folder(gpu, DIGEST))
    assert found[TENSORRT] == {
        "trt_fp16_enable": "1",
        "trt_cuda_graph_enable": "1",
        "trt_max_workspace_size": "100000000",
        "trt_engine_cache_enable": "1",
        "trt_engine_cache_path": folder,
        "trt_timing_cache_enable": "1",
        "trt_timing_cache_path": folder,
    }
    # A graph within a graph cannot be captured.
    assert found[CUDA]["enable_cuda_graph"] == "0"
    assert "trt_engine_cache_enable" not in dict(provider_list("tensorrt", gpu))[TENSORRT]


def test_another_model_or_another_release_gets_another_engine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gpu = GpuOptions(engine_cache=str(tmp_path))
    first = engine_folder(gpu, DIGEST)
    assert first.parent == tmp_path
    assert engine_folder(gpu, "cd" * 32) != first
    monkeypatch.setattr("onnxruntime.__version__", "9.9.9")
    assert engine_folder(gpu, DIGEST) != first
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert engine_folder(GpuOptions(), DIGEST).is_relative_to(tmp_path / "cache")


def test_an_engine_folder_that_cannot_be_made(tmp_path: Path) -> None:
    make_engine_folder(GpuOptions(engine_cache=str(tmp_path / "new" / "deep")), DIGEST)
    assert len(list((tmp_path / "new" / "deep").iterdir())) == 1
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"gpu\.engine_cache: .*file.* cannot be made"):
        make_engine_folder(GpuOptions(engine_cache=str(tmp_path / "file")), DIGEST)


@pytest.mark.parametrize(
    ("device", "gpu", "message"),
    [
        ("cpu", GpuOptions(cuda_graph=True), "cuda_graph needs device auto or cuda or tensorrt"),
        ("cpu", GpuOptions(memory_mb=1), "memory_mb needs device .*, found cpu"),
        ("cuda", GpuOptions(fp16=True), "fp16 needs device tensorrt, found cuda"),
        ("auto", GpuOptions(fp16=True, engine_cache="x"), "fp16 needs .*; engine_cache needs"),
        ("cuda", GpuOptions(memory_mb=-1), "memory_mb: found -1"),
    ],
)
def test_an_option_that_the_device_would_not_heed_is_refused(
    device: str, gpu: GpuOptions, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        gpu.check(device)
