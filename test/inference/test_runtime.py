from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper

from semalign_ros.errors import BundleError, ConfigError, DeviceError, InferenceError
from semalign_ros.inference import runtime
from semalign_ros.inference.runtime import OnnxSession, numpy_dtype, usable_devices

no_gpu = pytest.mark.skipif(
    "CUDAExecutionProvider" in ort.get_available_providers(), reason="this machine has CUDA"
)


@pytest.fixture
def adder(tmp_path: Path, graph_writer: Callable[..., Path]) -> Path:
    return graph_writer(
        tmp_path / "adder.onnx",
        [helper.make_node("Add", ["x", "one"], ["y"]), helper.make_node("Mul", ["x", "x"], ["z"])],
        {"x": (TensorProto.FLOAT, ["N", 2])},
        {"y": (TensorProto.FLOAT, ["N", 2]), "z": (TensorProto.FLOAT, ["N", 2])},
        {"one": np.float32(1)},
    )


def test_outputs_come_in_the_order_asked_for(adder: Path) -> None:
    session = OnnxSession(adder, "cpu", threads=1)
    x = np.array([[1, 2], [3, 4]], np.float32)
    z, y = session.run({"x": x}, ["z", "y"])
    np.testing.assert_array_equal(y, x + 1)
    np.testing.assert_array_equal(z, x * x)


@no_gpu
@pytest.mark.parametrize("device", ["cuda", "tensorrt"])
def test_a_named_device_that_is_absent_is_an_error(adder: Path, device: str) -> None:
    with pytest.raises(DeviceError, match=rf"device {device}: .*pip install onnxruntime-gpu"):
        OnnxSession(adder, device)


@no_gpu
def test_auto_says_what_it_got(adder: Path) -> None:
    session = OnnxSession(adder, "auto")
    assert session.device == "cpu"
    assert session.fallback is not None
    assert "no CUDAExecutionProvider" in session.fallback


def test_a_listed_provider_that_does_not_load_is_an_error(
    adder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What onnxruntime-gpu without its libraries does: the provider is listed, the session
    # comes up on the CPU with no more than a line on stderr.
    listed = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr(runtime.ort, "get_available_providers", lambda: listed)
    real = ort.InferenceSession

    def quietly_on_the_cpu(model: Any, options: Any, **_: Any) -> ort.InferenceSession:
        return real(model, options, providers=["CPUExecutionProvider"])

    monkeypatch.setattr(runtime.ort, "InferenceSession", quietly_on_the_cpu)
    with pytest.raises(DeviceError, match="is listed but did not load, found CPUExecution"):
        OnnxSession(adder, "cuda")
    session = OnnxSession(adder, "auto")
    assert (session.device, "did not load" in str(session.fallback)) == ("cpu", True)


@no_gpu
def test_the_devices_that_really_work() -> None:
    devices = usable_devices()
    assert devices["cpu"] is None
    assert "pip install onnxruntime-gpu" in str(devices["cuda"])


def test_unknown_device_and_thread_count(adder: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"unknown device 'gpu'.*valid: auto, cpu, cuda, tensorrt"
    ):
        OnnxSession(adder, "gpu")
    with pytest.raises(ConfigError, match="threads: found 0"):
        OnnxSession(adder, "cpu", threads=0)


@pytest.mark.parametrize("content", [b"", b"nonsense", None])
def test_a_file_that_is_no_graph(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "bad.onnx"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(BundleError, match=r"bad\.onnx: (no such file|ONNX Runtime refuses)"):
        OnnxSession(path, "cpu")


def test_an_operator_that_does_not_exist(
    tmp_path: Path, adder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    import onnx

    model = onnx.load(adder)
    model.graph.node[0].op_type = "Conjure"
    onnx.save(model, tmp_path / "odd.onnx")
    with pytest.raises(BundleError, match=r"refuses the graph.*Conjure"):
        OnnxSession(tmp_path / "odd.onnx", "cpu")
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    "feed",
    [
        {"x": np.zeros((1, 3), np.float32)},
        {"x": np.zeros((2,), np.float32)},
        {"x": np.zeros((1, 2), np.float64)},
        {"w": np.zeros((1, 2), np.float32)},
        {},
    ],
)
def test_a_wrong_feed_is_an_inference_error(adder: Path, feed: dict[str, Any]) -> None:
    session = OnnxSession(adder, "cpu")
    with pytest.raises(InferenceError, match=r"adder\.onnx"):
        session.run(feed, ["y"])
    with pytest.raises(InferenceError, match=r"adder\.onnx"):
        session.run_resident(feed, ["y"], [])


def test_require_lists_all_that_differs(adder: Path) -> None:
    session = OnnxSession(adder, "cpu")
    session.require(["x"], ["y"])
    with pytest.raises(BundleError, match="no input 'image'; no output 'logits'; unexpected input"):
        session.require(["image"], ["logits", "y"])


def test_kept_outputs_feed_the_next_run(adder: Path) -> None:
    session = OnnxSession(adder, "cpu")
    x = np.array([[1, 2]], np.float32)
    fetched, kept = session.run_resident({"x": x}, ["y"], ["z"])
    np.testing.assert_array_equal(fetched[0], x + 1)
    again, _ = session.run_resident({"x": kept["z"]}, ["y", "z"], [])
    np.testing.assert_array_equal(again[0], x * x + 1)
    np.testing.assert_array_equal(again[1], x**4)


def test_one_session_serves_many_threads(adder: Path) -> None:
    session = OnnxSession(adder, "cpu", threads=1)

    def run(i: int) -> float:
        fetched, kept = session.run_resident({"x": np.full((1, 2), i, np.float32)}, ["y"], ["z"])
        return float(fetched[0][0, 0] + kept["z"].numpy()[0, 1])

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(run, range(50))) == [i + 1 + i * i for i in range(50)]


def test_a_type_that_numpy_lacks() -> None:
    with pytest.raises(BundleError, match="bfloat16 cannot be fed"):
        numpy_dtype("bfloat16")
