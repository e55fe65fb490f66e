"""`semalign doctor`: what this machine can do, and what to do about the rest."""

from __future__ import annotations

import argparse
import functools
import importlib.metadata
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from semalign_ros.commands._machine import Check, check_gpus, check_machine, find_gpus
from semalign_ros.errors import SemalignError

HELP = "check this machine: ROS 2, inference devices, DDS settings, memory, models"
EXAMPLE = "semalign doctor"

_PACKAGES = {
    "numpy": "numpy",
    "cv2": "opencv-python-headless",
    "yaml": "pyyaml",
    "pydantic": "pydantic",
    "onnx": "onnx",
    "onnxruntime": "onnxruntime",
    "tokenizers": "tokenizers",
    "rosbags": "rosbags",
    "pyarrow": "pyarrow",
    "scipy": "scipy",
    "jinja2": "jinja2",
    "matplotlib": "matplotlib",
    "av": "av",
    "rich": "rich",
}
# Distributions come with older ones: Ubuntu 24.04 with pydantic 1 and matplotlib 3.6.
_OLDEST = {"pydantic": (2, 5), "matplotlib": (3, 7), "rosbags": (0, 11), "pyarrow": (14,)}
_MESSAGES = (
    "builtin_interfaces",
    "diagnostic_msgs",
    "geometry_msgs",
    "lifecycle_msgs",
    "rosgraph_msgs",
    "sensor_msgs",
    "std_msgs",
    "std_srvs",
    "visualization_msgs",
)
# Distribution by the version of its rclpy, for wheels, which set no ROS_DISTRO.
_DISTRIBUTIONS = {"3.3": "humble", "7.1": "jazzy", "9.1": "kilted"}
_TESTED = ("jazzy", "kilted")
_MIN_SHM_MB = 256
_SEGMENT = 64 << 20
_MIN_SEGMENT = 16 << 20
_GET_ROS = (
    "source /opt/ros/<distribution>/setup.bash where ROS 2 is installed, else "
    "`pip install 'semalign_ros[ros]'`"
)
# Imports run in a child: they change the process, and a broken one may kill it.
_ROS_PROBE = """
import importlib, json, sys
found = {"missing": []}
import rclpy
from rclpy.utilities import get_rmw_implementation_identifier
found["rmw"] = get_rmw_implementation_identifier()
for name in sys.argv[1:]:
    try:
        importlib.import_module(name + (".srv" if name == "std_srvs" else ".msg"))
    except ImportError:
        found["missing"].append(name)
rclpy.init()
rclpy.create_node("semalign_doctor").destroy_node()
rclpy.shutdown()
print("PROBE" + json.dumps(found))
"""
_PACKAGE_PROBE = """
import importlib, json, sys
broken = {}
for name in sys.argv[1:]:
    try:
        importlib.import_module(name)
    except BaseException as error:
        broken[name] = f"{type(error).__name__}: {error}"
print("PROBE" + json.dumps(broken))
"""
_ADVICE_ON_ROS = {
    "ROS_DOMAIN_ID": "`unset ROS_DOMAIN_ID`, or set it to a number from 0 to 232",
    "domainId is over 232": "`unset ROS_DOMAIN_ID`, or set it to a number from 0 to 232",
    "Expected RMW implementation": "`unset RMW_IMPLEMENTATION`, or install the middleware that it "
    "names",
    "librmw": "a ROS middleware is missing: `pip install ros-rclpy[fastrtps]`",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the output format."""
    parser.add_argument("--json", action="store_true", help="print the findings as JSON")


def run(args: argparse.Namespace) -> int:
    """Print all findings; status 1 only where the main job cannot run."""
    checks = list(_findings())
    failed = any(check.level == "fail" for check in checks)
    if args.json:
        print(json.dumps([{f: getattr(c, f) for f in c.__slots__} for c in checks], indent=1))
        return int(failed)
    _print_table(checks)
    # Not in the table: what is to be copied must not be folded.
    for check in checks:
        if check.advice:
            print(f"{check.name}: {check.advice}")
    print(
        "The main job cannot run yet: see the lines marked fail."
        if failed
        else "Live monitoring, replay and offline evaluation can run."
    )
    return int(failed)


def _findings() -> Iterator[Check]:
    for group in GROUPS:
        try:
            yield from group()
        except Exception as error:  # what is broken here is to be told, and ends nothing
            name = group.__name__.removeprefix("check_")
            found = f"{type(error).__name__}: {error}"
            yield Check(name, "fail", found, "see the lines above; else reinstall semalign_ros")


def _print_table(checks: Sequence[Check]) -> None:
    try:
        from rich.console import Console
        from rich.markup import escape
        from rich.table import Column, Table
    except ImportError:
        for check in checks:
            print(f"{check.level:5} {check.name}: {check.found}")
        return
    colours = {"ok": "green", "info": "blue", "warn": "yellow", "fail": "bold red"}
    table = Table("", "check", Column("found", overflow="fold"), show_lines=False)
    for check in checks:
        colour = colours[check.level]
        table.add_row(f"[{colour}]{check.level}", escape(check.name), escape(check.found))
    Console().print(table)


def _probe(code: str, names: Iterable[str]) -> tuple[dict[str, Any] | None, str]:
    """What a child found, or None and its last words."""
    try:
        child = subprocess.run(
            [sys.executable, "-c", code, *names],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=60,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return None, "the import did not end within 60 s"
    line = next((x for x in child.stdout.splitlines() if x.startswith("PROBE")), None)
    said = (
        (child.stderr.strip() or child.stdout.strip()).splitlines()
        or [f"exit status {child.returncode}"]
    )[-1]
    return (None, said) if line is None else (json.loads(line.removeprefix("PROBE")), said)


def check_python() -> Iterator[Check]:
    """Interpreter and required packages."""
    from semalign_ros import __version__

    version = ".".join(map(str, sys.version_info[:3]))
    good = sys.version_info >= (3, 10)
    yield Check(
        "python",
        "ok" if good else "fail",
        f"{version}, semalign_ros {__version__}, {sys.executable}",
        "" if good else "use Python 3.10 or newer",
    )
    absent = _absent_packages()
    if absent:
        advice = f"`pip install {' '.join(absent)}`"
        yield Check("packages", "fail", f"missing: {', '.join(absent)}", advice)
    broken = _broken_packages()
    for module, problem in broken.items():
        advice = f"`pip install --force-reinstall {_PACKAGES.get(module, 'semalign_ros')}`"
        yield Check(module, "fail", f"does not import: {problem}", advice)
    if not absent and not broken:
        yield Check("packages", "ok", f"all {len(_PACKAGES)} are there")


def check_inference() -> Iterator[Check]:
    """Devices that really load a graph."""
    if _absent_packages() or _broken_packages():
        return  # reported already, and nothing of ours imports without them
    import onnxruntime

    from semalign_ros.inference.loading import usable_devices

    onnxruntime.set_default_logger_severity(4)  # it would print beside our table what that says

    levels: dict[str, Literal["fail", "warn", "info"]] = {"cpu": "fail", "tensorrt": "info"}
    # A GPU that lies idle is a fault; TensorRT is a choice.
    levels["cuda"] = "warn" if find_gpus()[0] else "info"
    for device, problem in usable_devices().items():
        if problem is None:
            yield Check(f"device {device}", "ok", f"ONNX Runtime {onnxruntime.__version__}")
        else:
            found, _, advice = problem.removeprefix(f"device {device}: ").partition("; ")
            yield Check(f"device {device}", levels[device], found, advice)


def check_models() -> Iterator[Check]:
    """The shipped bundles."""
    if _absent_packages() or _broken_packages():
        return
    from semalign_ros.commands.models import bundle_folders
    from semalign_ros.resources import resource

    try:
        folders = bundle_folders(resource("models"))
    except SemalignError as error:
        yield Check("models", "warn", str(error), "give your own with --segmenter and --vlm")
        return
    from semalign_ros.inference import load_bundle

    for folder in folders:
        try:
            bundle = load_bundle(folder)
        except SemalignError as error:
            yield Check(f"model {folder.name}", "warn", str(error), "reinstall the package")
        else:
            yield Check(f"model {folder.name}", "ok", f"{bundle.manifest.kind}, as hashed")


def check_ros(environment: Mapping[str, str] = os.environ) -> Iterator[Check]:
    """The client library, the messages and the distribution."""
    if not _installed("rclpy"):
        yield Check("rclpy", "fail", "not found", _GET_ROS)
        return
    found, said = _probe(_ROS_PROBE, _MESSAGES)
    if found is None:
        advice = next((a for words, a in _ADVICE_ON_ROS.items() if words in said), _GET_ROS)
        yield Check("rclpy", "fail", f"no node can be made: {said}", advice)
        return
    wheel = _version("ros-rclpy")
    distribution = environment.get("ROS_DISTRO") or _DISTRIBUTIONS.get(
        ".".join((wheel or "").split(".")[:2]), "unknown distribution"
    )
    where = f"wheel {wheel}" if wheel else "system installation"
    tested = distribution in _TESTED
    yield Check(
        "rclpy",
        "ok" if tested else "warn",
        f"{distribution}, {where}, {found['rmw']}",
        "" if tested else f"tested are {' and '.join(_TESTED)}; others may work",
    )
    if wheel and environment.get("AMENT_PREFIX_PATH"):
        yield Check(
            "one ROS",
            "warn",
            "a ROS installation is sourced, and its wheels are installed here too",
            "use one: a shell without the setup file, or an environment without ros-rclpy",
        )
    absent = found["missing"]
    yield Check(
        "messages",
        "fail" if absent else "ok",
        f"missing: {', '.join(absent)}" if absent else f"all {len(_MESSAGES)} packages",
        f"`apt install ros-{distribution}-common-interfaces`, or for wheels "
        "`pip install ros-common-interfaces`"
        if absent
        else "",
    )
    yield from _check_rmw(found["rmw"])


def _check_rmw(rmw: str) -> Iterator[Check]:
    if rmw != "rmw_fastrtps_cpp":
        yield Check(
            "middleware",
            "info",
            f"{rmw}; the shipped settings for large images are for Fast DDS",
            "raise its buffers for 6 MB images yourself, or "
            "`export RMW_IMPLEMENTATION=rmw_fastrtps_cpp`",
        )


def check_dds(environment: Mapping[str, str] = os.environ) -> Iterator[Check]:
    """What decides whether large images arrive."""
    from semalign_ros.nodes.environment import profile_variables, settings

    absent = settings(environment)
    if absent:
        lines = " ".join(f"{name}={value}" for name, value in absent.items())
        yield Check(
            "DDS settings",
            "info",
            "not set in this shell; `semalign` and the launch files set them for their processes",
            f"before `ros2 run` and for your camera driver: `export {lines}`",
        )
    else:
        yield Check("DDS settings", "ok", "profile and allocator variables are set")
    for name in profile_variables(environment.get("ROS_DISTRO")):
        profile = environment.get(name)
        if profile:
            yield _check_profile(name, Path(profile))
    shm = Path("/dev/shm")
    if shm.is_dir():
        free = shutil.disk_usage(shm).free / 1e6
        enough = free >= _MIN_SHM_MB
        yield Check(
            "shared memory",
            "ok" if enough else "warn",
            f"{free:.0f} MB free in /dev/shm, each process takes 64 MB",
            "" if enough else "start the container with --shm-size=1g, or with --ipc=host",
        )


def _check_profile(name: str, path: Path) -> Check:
    """Whether a Fast DDS profile gives large images the room that they need."""
    import xml.etree.ElementTree as ElementTree

    try:
        if not path.is_file():
            return Check(name, "warn", f"{path}: no such file", "correct or unset it")
        # Names of elements come with their namespace, which not every profile states.
        sizes = [
            int(element.text or "")
            for element in ElementTree.parse(path).iter()
            if element.tag.rpartition("}")[2] == "segment_size"
        ]
    except (OSError, ElementTree.ParseError, ValueError, LookupError) as error:
        return Check(name, "warn", f"{path}: not readable ({error})", "correct or unset it")
    largest = max(sizes, default=0)
    if largest >= _MIN_SEGMENT:
        return Check(name, "ok", f"{path}, shared-memory segment of {largest / 1e6:.0f} MB")
    return Check(
        name,
        "warn",
        f"{path}: "
        + (f"a segment of {largest / 1e6:.1f} MB" if sizes else "no segment_size")
        + "; most images of 6 MB are lost with it",
        f"give its SHM transport a segment_size of {_SEGMENT}, as config/fastdds/profile.xml has",
    )


def check_options() -> Iterator[Check]:
    """What only some commands need; looked for, not imported."""
    training = [name for name in ("torch", "transformers", "onnxscript") if not _installed(name)]
    yield Check(
        "export, train",
        "info" if training else "ok",
        f"not installed: {', '.join(training)}" if training else f"torch {_version('torch')}",
        "`pip install 'torch==2.13.0' '.[train]'` where semalign_ros was cloned, only to export or "
        "train models"
        if training
        else "",
    )
    if not _installed("cv_bridge"):
        yield Check(
            "cv_bridge", "info", "not installed; rgb8, bgr8, rgba8, bgra8, mono8 go without"
        )


def _absent_packages() -> list[str]:
    """What pip must install: packages that are not there, or older than what we use."""
    absent = []
    for module, pip in _PACKAGES.items():
        oldest = _OLDEST.get(module)
        if not _installed(module):
            absent.append(pip)
        elif oldest is not None and _release(pip) < oldest:
            absent.append(f"'{pip}>={'.'.join(map(str, oldest))}'")
    return absent


@functools.cache
def _broken_packages() -> dict[str, str]:
    """Packages that are there and do not import, with the reason."""
    found, said = _probe(_PACKAGE_PROBE, [name for name in _PACKAGES if _installed(name)])
    return {"python": said} if found is None else found


def _release(package: str) -> tuple[int, ...]:
    try:
        found = importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return (sys.maxsize,)  # installed in a way that tells no version
    return tuple(int(part) for part in re.findall("[0-9]+", found)[:2])


def _installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):
        return False


def _version(distribution: str) -> str | None:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


GROUPS: tuple[Callable[[], Iterator[Check]], ...] = (
    check_python,
    check_inference,
    check_models,
    check_ros,
    check_dds,
    check_machine,
    check_gpus,
    check_options,
)
