from __future__ import annotations

import gc
import weakref
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
from semalign_ros.inference.bundle import write_bundle
from semalign_ros.inference.fixed import FixedRun
from semalign_ros.inference.loading import is_out_of_memory, usable_devices
from semalign_ros.inference.runtime import GpuOptions, OnnxSession, numpy_dtype

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


# --- GPU options, failures ---------------------------------------------------------------


def test_an_option_that_the_device_would_not_heed_is_an_error(adder: Path) -> None:
    with pytest.raises(ConfigError, match="fp16 needs device tensorrt, found cpu"):
        OnnxSession(adder, "cpu", gpu=GpuOptions(fp16=True))


def test_fixed_buffers_give_what_a_plain_run_gives(adder: Path) -> None:
    # What a CUDA graph replays, here on the CPU: always the same buffers.
    session = ort.InferenceSession(str(adder), providers=["CPUExecutionProvider"])
    x = np.array([[1, 2]], np.float32)
    fixed = FixedRun(session, "cpu", {"x": x}, ["z", "y"])
    results = [fixed({"x": x + i}, ["z", "y"]) for i in range(3)]
    for i, (z, y) in enumerate(results):  # a later run does not write into an earlier result
        np.testing.assert_array_equal(z, (x + i) ** 2)
        np.testing.assert_array_equal(y, x + i + 1)
    np.testing.assert_array_equal(x, [[1, 2]])
    # Not contiguous, as a frame that was turned or cut is not.
    turned = np.array([[3], [4]], np.float32).T
    np.testing.assert_array_equal(fixed({"x": turned}, ["z", "y"])[0], [[9, 16]])
    with pytest.raises(InferenceError, match=r"captured for x \[1, 2\], found x \[2, 2\].*turn"):
        fixed({"x": np.zeros((2, 2), np.float32)}, ["z", "y"])


def test_a_graph_to_be_captured_knows_all_its_shapes(
    tmp_path: Path, graph_writer: Callable[..., Path]
) -> None:
    """What a CUDA graph needs, without the capture: no node is left that computes a shape."""
    n = helper.make_node
    path = graph_writer(
        tmp_path / "shapes.onnx",
        [
            n("Shape", ["x"], ["shape"]),
            n("Cast", ["shape"], ["sizes"], to=TensorProto.FLOAT),
            n("ReduceSum", ["sizes"], ["sum"], keepdims=0),
            n("Add", ["x", "sum"], ["y"]),
        ],
        {"x": (TensorProto.FLOAT, ["rows", "columns"])},
        {"y": (TensorProto.FLOAT, ["rows", "columns"])},
        {},
    )
    session = OnnxSession(path, "cpu")
    x = np.ones((2, 3), np.float32)
    np.testing.assert_array_equal(session.run({"x": x}, ["y"])[0], x + 5)
    assert session.placement is not None
    assert session.placement.nodes == {"CPU": {"Shape": 1, "Cast": 1, "ReduceSum": 1, "Add": 1}}
    session._captures = True
    for value in (1, 2):
        y = session.run({"x": value * x}, ["y"])[0]
        np.testing.assert_array_equal(y, value * x + 5)
    assert session.placement.nodes == {"CPU": {"Add": 1}}
    with pytest.raises(InferenceError, match=r"captured for x \[2, 3\], found x \[3, 3\]"):
        session.run({"x": np.ones((3, 3), np.float32)}, ["y"])


def test_one_fixed_run_serves_many_threads(adder: Path) -> None:
    session = ort.InferenceSession(str(adder), providers=["CPUExecutionProvider"])
    fixed = FixedRun(session, "cpu", {"x": np.zeros((1, 2), np.float32)}, ["y"])
    with ThreadPoolExecutor(4) as pool:
        found = pool.map(
            lambda i: fixed({"x": np.full((1, 2), i, "f4")}, ["y"])[0][0, 0], range(80)
        )
        assert list(found) == [i + 1 for i in range(80)]


@pytest.fixture
def hungry(tmp_path: Path, graph_writer: Callable[..., Path]) -> Path:
    """Graph that fills 2**44 bytes for each element above 4, and none below."""
    n = helper.make_node
    return graph_writer(
        tmp_path / "hungry.onnx",
        [
            n("Shape", ["x"], ["length"]),
            n("Sub", ["length", "four"], ["over"]),
            n("Max", ["over", "zero"], ["above"]),
            n("Mul", ["above", "much"], ["size"]),
            n("ConstantOfShape", ["size"], ["filled"]),
            n("Size", ["filled"], ["count"]),
            n("Cast", ["count"], ["counted"], to=TensorProto.FLOAT),
            n("Add", ["x", "counted"], ["y"]),
        ],
        {"x": (TensorProto.FLOAT, ["N"])},
        {"y": (TensorProto.FLOAT, ["N"])},
        {name: np.array([v]) for name, v in (("four", 4), ("zero", 0), ("much", 2**44))},
    )


def test_a_session_that_ran_out_of_memory_is_loaded_anew(hungry: Path) -> None:
    session = OnnxSession(hungry, "cpu")
    small, large = np.ones(3, np.float32), np.ones(6, np.float32)
    np.testing.assert_array_equal(session.run({"x": small}, ["y"])[0], small)
    held = weakref.ref(session._session)
    for run in (
        lambda: session.run({"x": large}, ["y"]),
        lambda: session.run_resident({"x": large}, ["y"], []),
    ):
        with pytest.raises(InferenceError, match=r"hungry\.onnx: out of memory, .*more memory"):
            run()
        gc.collect()
        assert held() is None  # what it held is given back
        np.testing.assert_array_equal(session.run({"x": small}, ["y"])[0], small)
        held = weakref.ref(session._session)


def test_another_failure_keeps_the_session(adder: Path) -> None:
    session = OnnxSession(adder, "cpu")
    before = session._session
    with pytest.raises(InferenceError, match="the run failed"):
        session.run({}, ["y"])
    assert session._session is before


def test_a_session_that_cannot_be_loaded_anew_fails_by_the_frame(hungry: Path) -> None:
    session = OnnxSession(hungry, "cpu")
    with pytest.raises(InferenceError, match="out of memory"):
        session.run({"x": np.ones(6, np.float32)}, ["y"])
    aside = hungry.rename(hungry.with_suffix(".gone"))
    for _ in range(2):
        with pytest.raises(InferenceError, match=r"not loaded anew: .*no such file"):
            session.run({"x": np.ones(3, np.float32)}, ["y"])
    aside.rename(hungry)
    assert session.run({"x": np.ones(3, np.float32)}, ["y"])[0].shape == (3,)


def test_another_model_under_the_same_name_is_not_loaded_anew(
    hungry: Path, tmp_path: Path, manifest_of_segmenter: Any
) -> None:
    manifest = manifest_of_segmenter(graphs={"segmenter": {"file": "m.onnx"}})
    bundle = write_bundle(tmp_path / "bundle", manifest, {"m.onnx": hungry})
    graph = bundle.path("m.onnx")
    session = OnnxSession(graph, "cpu", bundle=bundle)
    with pytest.raises(InferenceError, match="out of memory"):
        session.run({"x": np.ones(6, np.float32)}, ["y"])
    kept = graph.read_bytes()
    changed = bytearray(kept)
    changed[-1] ^= 1
    graph.write_bytes(bytes(changed))
    with pytest.raises(InferenceError, match=r"not loaded anew: .*bundle: changed since .*altered"):
        session.run({"x": np.ones(3, np.float32)}, ["y"])
    graph.write_bytes(kept)
    assert session.run({"x": np.ones(3, np.float32)}, ["y"])[0].shape == (3,)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (RuntimeError("bfc_arena.cc:360 Failed to allocate memory for requested buffer"), True),
        (RuntimeError("Available memory of 1024 is smaller than requested bytes of 4096"), True),
        (RuntimeError("CUDA failure 2: out of memory ; GPU=0"), True),
        (RuntimeError("CUBLAS failure 3: CUBLAS_STATUS_ALLOC_FAILED"), True),
        (MemoryError(), True),
        (RuntimeError("CUDA failure 700: an illegal memory access was encountered"), False),
        (RuntimeError("indices element out of data bounds, idx=33"), False),
    ],
)
def test_what_means_that_memory_has_run_out(error: Exception, expected: bool) -> None:
    assert is_out_of_memory(error) is expected
