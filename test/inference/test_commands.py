from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from semalign_ros.cli import main
from semalign_ros.commands import doctor
from semalign_ros.commands._machine import (
    Gpu,
    check_gpus,
    find_gpus,
    memory_limit_mb,
    memory_mb,
    read_gpus,
)
from semalign_ros.commands.doctor import check_dds, check_inference, check_ros
from semalign_ros.inference.bundle import Bundle, load_bundle
from semalign_ros.resources import resource


def test_list_shows_good_and_bad(
    tmp_path: Path, own_segmenter: Bundle, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["models", "list", str(tmp_path)]) == 0
    assert "own" in capsys.readouterr().out
    own_segmenter.path("segmenter.onnx").write_bytes(b"x")
    assert main(["models", "list", str(tmp_path)]) == 1
    assert "segmenter.onnx: has 1 bytes" in " ".join(capsys.readouterr().out.split())
    assert main(["models", "list", str(tmp_path / "parts")]) == 1
    assert "no model bundle in it" in capsys.readouterr().err


def test_verify_runs_the_model(
    tmp_path: Path, own_segmenter: Bundle, tiny_clip: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = str(own_segmenter.folder)
    assert main(["models", "verify", folder]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "ok, segmenter small, files as listed (1); on cpu" in said
    # Intact, but its prompts do not fit: found by running it only.
    clip = tiny_clip.write(tmp_path / "clip", context_length=2)
    assert main(["models", "verify", str(clip.folder), folder]) == 1
    said = " ".join(capsys.readouterr().out.split())
    assert "clip: FAILED" in said
    assert "ok, segmenter" in said


def test_verify_on_a_device_that_is_not_there(
    own_segmenter: Bundle, capsys: pytest.CaptureFixture[str]
) -> None:
    import onnxruntime as ort

    if "CUDAExecutionProvider" in ort.get_available_providers():
        pytest.skip("this machine has CUDA")
    assert main(["models", "verify", str(own_segmenter.folder), "--device", "cuda"]) == 1
    assert "pip install onnxruntime-gpu" in " ".join(capsys.readouterr().out.split())


def test_verify_and_describe_tell_where_the_nodes_run(
    own_segmenter: Bundle, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = str(own_segmenter.folder)
    assert main(["models", "verify", folder]) == 0
    assert "segmenter: nodes on CPU 5" in capsys.readouterr().out
    assert main(["models", "describe", folder, "--placement"]) == 0
    said = capsys.readouterr().out
    assert f"{own_segmenter.bundle_id} on cpu" in said
    assert "Cast, Gather, Less, Mul, Where" in " ".join(said.replace("│", " ").split())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--gpu", "fp61=true"], "unknown option 'fp61'; did you mean 'fp16'?"),
        (["--gpu", "fp16"], "found 'fp16', expected NAME=VALUE"),
        (["--gpu", "engine_cache=2024-13-45"], "no YAML value (ValueError: month must be"),
        (["--gpu", "memory_mb=lots", "--device", "cuda"], "memory_mb: found 'lots', expected a"),
        (["--gpu", "fp16=true", "--device", "cuda"], "fp16 needs device tensorrt, found cuda"),
        (["--device", "gpu"], "unknown device 'gpu'; did you mean 'cpu'?"),
    ],
)
@pytest.mark.parametrize("command", ["verify", "describe", "evaluate", "calibrate", "bench"])
def test_options_of_the_gpu_are_checked(
    command: str,
    options: list[str],
    message: str,
    tmp_path: Path,
    own_segmenter: Bundle,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder, out = str(own_segmenter.folder), str(tmp_path / "out")
    arguments = {
        "verify": ["models", "verify", folder],
        "describe": ["models", "describe", folder, "--placement"],
        "evaluate": ["evaluate", str(tmp_path), "--segmenter", folder, "--out", out],
        "calibrate": ["calibrate", str(tmp_path), "--segmenter", folder, "--out", out],
        "bench": ["bench", "inference", "--models", folder],
    }[command]
    assert main([*arguments, *options]) == 1
    assert message in capsys.readouterr().err


def test_describe_prints_yaml(own_segmenter: Bundle, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "describe", str(own_segmenter.folder)]) == 0
    title, _, text = capsys.readouterr().out.partition("\n")
    assert own_segmenter.bundle_id in title
    assert yaml.safe_load(text)["kind"] == "segmenter"


@pytest.mark.parametrize("action", ["describe", "verify"])
def test_a_shipped_bundle_goes_by_its_name(action: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", action, "street_contrastive"]) == 0
    assert "street_contrastive" in capsys.readouterr().out
    main(["models", action, "street_contrastiv"])
    captured = capsys.readouterr()
    assert "shipped:" in " ".join((captured.out + captured.err).split())


FIELDS = {
    "name": "thresholds",
    "net_size": [8, 8],
    "source": {"checkpoint": "none", "licence": "MIT"},
    "output": {"confidence": "confidence"},
}


def test_add_makes_a_bundle_that_runs(
    tmp_path: Path, own_segmenter: Bundle, capsys: pytest.CaptureFixture[str]
) -> None:
    fields = tmp_path / "fields.yaml"
    fields.write_text(yaml.safe_dump(FIELDS))
    arguments = [
        "models",
        "add",
        str(own_segmenter.path("segmenter.onnx")),
        str(tmp_path / "new"),
        "--manifest",
        str(fields),
    ]
    assert main(arguments) == 0
    assert load_bundle(tmp_path / "new").manifest.name == "thresholds"
    assert main(arguments) == 1
    assert "exists already" in capsys.readouterr().err
    assert main([*arguments, "--overwrite"]) == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"input": {"name": "picture"}}, "no input 'picture'"),
        ({"input": {"layout": "NCHW"}}, "expected uint8[N, H, W, 3]"),
        ({"output": {"content": "logits", "layout": "NHWC"}}, "expected [1, H, W, C]"),
        ({"kind": "contrastive", "output": None}, "output: unknown field 'output'"),
        ({"net_size": "big"}, "net_size"),
        (
            {"class_map": {0: "road", 9: "sky"}},
            "class numbers [10], class_map knows 0 to 9",
        ),
    ],
)
def test_add_refuses_a_manifest_that_does_not_fit(
    tmp_path: Path,
    own_segmenter: Bundle,
    capsys: pytest.CaptureFixture[str],
    change: dict[str, Any],
    message: str,
) -> None:
    fields = tmp_path / "fields.yaml"
    fields.write_text(yaml.safe_dump({**FIELDS, **change}))
    model = str(own_segmenter.path("segmenter.onnx"))
    assert main(["models", "add", model, str(tmp_path / "new"), "--manifest", str(fields)]) == 1
    assert message in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


def test_add_says_out_and_takes_any_name(
    tmp_path: Path, own_segmenter: Bundle, capsys: pytest.CaptureFixture[str]
) -> None:
    model, fields = tmp_path / "a b:c.onnx", tmp_path / "fields.yaml"
    model.write_bytes(own_segmenter.path("segmenter.onnx").read_bytes())
    fields.write_text(yaml.safe_dump({**FIELDS, "output": {"name": "mask"}}))
    arguments = ["models", "add", str(model), str(tmp_path / "new"), "--manifest", str(fields)]
    assert main(arguments) == 1
    said = capsys.readouterr().err
    assert f"{tmp_path / 'new' / 'segmenter.onnx'}: no output 'mask'" in said
    fields.write_text(yaml.safe_dump(FIELDS) + "net_size: [4, 4]\n")
    assert main(arguments) == 1
    assert "key 'net_size' is there twice" in capsys.readouterr().err
    fields.write_text(yaml.safe_dump(FIELDS))
    assert main(arguments) == 0


def test_one_bad_bundle_does_not_hide_the_others(
    tmp_path: Path, own_segmenter: Bundle, capsys: pytest.CaptureFixture[str]
) -> None:
    # Two links in a circle: on some versions of Python a RuntimeError.
    bad = tmp_path / "bad"
    shutil.copytree(own_segmenter.folder, bad)
    (bad / "segmenter.onnx").unlink()
    (bad / "segmenter.onnx").symlink_to(bad / "other.onnx")
    (bad / "other.onnx").symlink_to(bad / "segmenter.onnx")
    half = tmp_path / ".half.123.partial"
    shutil.copytree(own_segmenter.folder, half)
    assert main(["models", "list", str(tmp_path)]) == 1
    said = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert "own segmenter 8x8" in said
    assert "bad bad, see below" in said
    assert "half" not in said
    assert main(["models", "verify", str(bad), str(own_segmenter.folder)]) == 1
    assert "ok, segmenter small" in " ".join(capsys.readouterr().out.split())


def test_list_takes_a_shipped_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "list", "street_contrastive"]) == 0
    assert "street_contrastive" in capsys.readouterr().out


@pytest.mark.real
def test_the_manifest_in_the_docs_makes_a_bundle_of_the_real_model(
    tmp_path: Path, real_segmenter: Path
) -> None:
    page = Path(__file__).resolve().parents[2] / "docs" / "bundles.md"
    text = page.read_text().split("```yaml\n# deeplab.yaml")[1].split("```")[0]
    fields = tmp_path / "deeplab.yaml"
    fields.write_text(text)
    out = str(tmp_path / "deeplab")
    assert main(["models", "add", str(real_segmenter), out, "--manifest", str(fields)]) == 0


def test_the_recorded_answers_in_the_docs_load(tmp_path: Path) -> None:
    from semalign_ros.inference import open_vlm

    page = Path(__file__).resolve().parents[2] / "docs" / "bundles.md"
    path = tmp_path / "answers.jsonl"
    path.write_text(page.read_text().split("```json\n")[1].split("```")[0])
    open_vlm(path)


# --- doctor ------------------------------------------------------------------------------


def test_doctor_passes_where_the_tests_run(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--json"]) == 0
    found = {c["name"]: c for c in json.loads(capsys.readouterr().out)}
    assert found["device cpu"]["level"] == "ok"
    assert found["rclpy"]["level"] in ("ok", "warn")
    assert all(c["advice"] for c in found.values() if c["level"] in ("warn", "fail"))
    assert main(["doctor"]) == 0
    assert "device cpu" in capsys.readouterr().out


def test_doctor_without_rclpy_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_installed", lambda name: name != "rclpy")
    (check,) = check_ros()
    assert check.level == "fail"
    assert "pip install 'semalign_ros[ros]'" in check.advice


def test_doctor_reports_an_rclpy_that_does_not_import(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The real fault: rclpy's wheel without its middleware.
    (tmp_path / "rclpy").mkdir()
    fault = "raise ImportError('librmw_fastrtps_cpp.so: cannot open shared object file')"
    (tmp_path / "rclpy" / "__init__.py").write_text(fault)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    (check,) = check_ros()
    assert check.level == "fail"
    assert "librmw_fastrtps_cpp.so" in check.found
    assert "ros-rclpy[fastrtps]" in check.advice


def test_doctor_fails_and_does_not_break_without_a_package(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real = doctor._installed
    monkeypatch.setattr(doctor, "_installed", lambda name: name != "onnxruntime" and real(name))
    assert main(["doctor", "--json"]) == 1
    found = {c["name"]: c for c in json.loads(capsys.readouterr().out)}
    assert found["packages"]["advice"] == "`pip install onnxruntime`"


def test_doctor_tells_a_package_that_is_too_old(monkeypatch: pytest.MonkeyPatch) -> None:
    releases = {"pydantic": (1, 10), "matplotlib": (3, 6)}
    monkeypatch.setattr(doctor, "_release", lambda name: releases.get(name, (99, 0)))
    (check,) = [c for c in doctor.check_python() if c.name == "packages"]
    assert (check.level, check.advice) == (
        "fail",
        "`pip install 'pydantic>=2.5' 'matplotlib>=3.7'`",
    )


def broken(folder: Path, module: str, fault: str) -> dict[str, str]:
    """An environment in which a package does not import."""
    (folder / module).mkdir()
    (folder / module / "__init__.py").write_text(f"raise {fault}\n")
    return {**os.environ, "PYTHONPATH": str(folder)}


def semalign(*arguments: str, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "semalign_ros", *arguments]
    root = Path(__file__).parents[2]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=root, env=env)


@pytest.mark.parametrize("module", ["cv2", "rich", "yaml", "onnxruntime"])
def test_doctor_names_a_package_that_does_not_import(tmp_path: Path, module: str) -> None:
    env = broken(tmp_path, module, "ImportError('libGL.so.1: cannot open shared object file')")
    done = semalign("doctor", env=env)
    assert (done.returncode, done.stderr) == (1, "")
    words = " ".join(done.stdout.replace("│", " ").split())
    assert f"{module} does not import: ImportError: libGL.so.1" in words.replace(": does", " does")
    assert f"{module}: `pip install --force-reinstall " in words
    assert "The main job cannot run yet" in words


def test_other_commands_name_it_too(tmp_path: Path) -> None:
    done = semalign("models", "list", env=broken(tmp_path, "cv2", "ImportError('no libGL.so.1')"))
    assert done.returncode == 1
    assert done.stderr == (
        "semalign models: no libGL.so.1; `semalign doctor` tells which packages are missing or "
        "broken\n"
    )


def test_doctor_goes_on_after_a_check_that_breaks(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def check_weather() -> Any:
        yield doctor.Check("sun", "ok", "shines")
        raise RuntimeError("no sky")

    monkeypatch.setattr(doctor, "GROUPS", (check_weather, doctor.check_machine))
    assert main(["doctor", "--json"]) == 1
    found = [(c["name"], c["level"], c["found"]) for c in json.loads(capsys.readouterr().out)]
    assert found[:2] == [("sun", "ok", "shines"), ("weather", "fail", "RuntimeError: no sky")]
    assert found[2][0] == "cores"


@pytest.mark.parametrize(
    ("name", "value", "advice"),
    [
        ("ROS_DOMAIN_ID", "abc", "`unset ROS_DOMAIN_ID`"),
        ("ROS_DOMAIN_ID", "500", "`unset ROS_DOMAIN_ID`"),
        ("RMW_IMPLEMENTATION", "rmw_cyclonedds_cpp", "`unset RMW_IMPLEMENTATION`"),
    ],
)
@pytest.mark.dds
def test_doctor_makes_a_node(
    name: str, value: str, advice: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    check = next(check_ros())
    assert (check.name, check.level) == ("rclpy", "fail")
    assert check.advice.startswith(advice), check.found


@pytest.mark.parametrize("file", ["memory.max", "memory/memory.limit_in_bytes"])
def test_the_memory_of_a_container_is_bounded(tmp_path: Path, file: str) -> None:
    assert memory_limit_mb(tmp_path) == (float("inf"), "no limit")
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).write_text("max\n")
    assert memory_limit_mb(tmp_path) == (float("inf"), "no limit")
    (tmp_path / file).write_text("1500000000\n")
    assert memory_limit_mb(tmp_path) == (1500.0, "the control group")


def test_doctor_names_a_profile_that_is_not_there(tmp_path: Path) -> None:
    environment = {
        "FASTDDS_DEFAULT_PROFILES_FILE": str(tmp_path / "gone.xml"),
        "ROS_DISTRO": "kilted",
    }
    found = {c.name: c for c in check_dds(environment)}
    assert found["FASTDDS_DEFAULT_PROFILES_FILE"].level == "warn"
    assert "gone.xml: no such file" in found["FASTDDS_DEFAULT_PROFILES_FILE"].found


def test_available_memory(tmp_path: Path) -> None:
    path = tmp_path / "meminfo"
    path.write_text("MemTotal:  8000000 kB\nMemAvailable:    2000000 kB\n")
    assert memory_mb(path) == 2048.0
    assert memory_mb(path, "MemTotal") == 8192.0
    assert memory_mb(tmp_path / "gone") is None


@pytest.fixture
def smi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Put an nvidia-smi that runs this shell script first in the PATH."""

    def install(script: str) -> None:
        tool = tmp_path / "nvidia-smi"
        tool.write_text(f"#!/bin/sh\n{script}\n")
        tool.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    return install


def test_doctor_tells_gpu_driver_and_memory(smi: Callable[[str], None]) -> None:
    smi(
        'echo "NVIDIA RTX A2000, 580.95.05, 6138, 5000"; echo "Orin (nvgpu), 540.3.0, [N/A], [N/A]"'
    )
    gpus, problem = find_gpus()
    assert problem == ""
    assert gpus[0] == Gpu("NVIDIA RTX A2000", "580.95.05", 6138 * 1.048576, 5000 * 1.048576)
    assert gpus[1] == Gpu("Orin (nvgpu)", "540.3.0", None, None)
    first, second = check_gpus()
    assert (first.level, first.found) == (
        "ok",
        "NVIDIA RTX A2000, driver 580.95.05, 5243 of 6436 MB free",
    )
    assert (second.level, second.found) == ("ok", "Orin (nvgpu), driver 540.3.0")


def test_doctor_warns_of_a_full_gpu(smi: Callable[[str], None]) -> None:
    smi('echo "NVIDIA RTX A2000, 580.95.05, 6138, 100"')
    (check,) = check_gpus()
    assert check.level == "warn"
    assert "gpu.memory_mb" in check.advice


def test_doctor_warns_of_a_driver_that_does_not_answer(smi: Callable[[str], None]) -> None:
    smi('echo "Failed to initialize NVML: Driver/library version mismatch"; exit 18')
    (check,) = check_gpus()
    assert check.level == "warn"
    assert "Driver/library version mismatch" in check.found
    assert "reboot" in check.advice


def test_doctor_warns_of_a_gpu_that_lies_idle(smi: Callable[[str], None]) -> None:
    import onnxruntime as ort

    if "CUDAExecutionProvider" in ort.get_available_providers():
        pytest.skip("this machine has CUDA")
    smi('echo "NVIDIA RTX A2000, 580.95.05, 6138, 5000"')
    found = {c.name: c for c in check_inference()}
    assert found["device cuda"].level == "warn"
    assert "pip install onnxruntime-gpu" in found["device cuda"].advice
    assert found["device tensorrt"].level == "info"


def test_doctor_asks_the_kernel_where_there_is_no_tool(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_gpus(tmp_path / "gone") == ([], "")
    (tmp_path / "gpus" / "0000:01:00.0").mkdir(parents=True)
    (tmp_path / "version").write_text(
        "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.95.05  Release Build\n"
        "GCC version:  gcc version 13.3.0\n"
    )
    information = "Model: \t\t NVIDIA RTX A2000\nIRQ:   \t\t 141\n"
    (tmp_path / "gpus" / "0000:01:00.0" / "information").write_text(information)
    assert find_gpus(tmp_path) == ([Gpu("NVIDIA RTX A2000", "580.95.05", None, None)], "")
    assert read_gpus("") == []


@pytest.mark.parametrize(
    ("content", "level", "found"),
    [
        (None, "ok", "shared-memory segment of 67 MB"),
        ("<dds><segment_size>524288</segment_size></dds>", "warn", "a segment of 0.5 MB"),
        ("<dds/>", "warn", "no segment_size"),
        ("<dds", "warn", "not readable"),
    ],
)
def test_doctor_looks_into_the_fast_dds_profile(
    tmp_path: Path, content: str | None, level: str, found: str
) -> None:
    profile = resource("config", "fastdds", "profile.xml")
    if content is not None:
        profile = tmp_path / "profile.xml"
        profile.write_text(content)
    name = "FASTDDS_DEFAULT_PROFILES_FILE"
    environment = {name: str(profile), "ROS_DISTRO": "kilted"}
    check = {c.name: c for c in check_dds(environment)}[name]
    assert (check.level, found in check.found) == (level, True), check.found
    assert bool(check.advice) == (level == "warn")


def test_the_vehicle_path_imports_no_torch_transformers_or_ros() -> None:
    code = (
        "import sys, semalign_ros.inference, semalign_ros.commands.models, "
        "semalign_ros.commands.doctor; "
        "print([m for m in ('torch', 'transformers', 'rclpy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
