"""What `semalign doctor` finds of the hardware: cores, memory, GPUs and their driver."""

from __future__ import annotations

import os
import re
import resource
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

_MIN_FREE_MB = 2000
_MIN_GPU_FREE_MB = 2000
_QUERY = "name,driver_version,memory.total,memory.free"
_MB = 1024 * 1024 / 1e6


@dataclass(frozen=True, slots=True)
class Check:
    """One finding.

    Args:
        name: What was looked at.
        level: ``fail``: the main job cannot run; ``warn``: something will not work well;
            ``info``: an option that is not there.
        found: What was found.
        advice: What to do, empty where all is well.
    """

    name: str
    level: Literal["ok", "info", "warn", "fail"]
    found: str
    advice: str = ""


@dataclass(frozen=True, slots=True)
class Gpu:
    """A GPU as its driver describes it.

    Args:
        name: Product.
        driver: Version of the driver.
        total_mb: Memory, MB; None where it is not told.
        free_mb: Of it free, MB.
    """

    name: str
    driver: str
    total_mb: float | None
    free_mb: float | None


def check_machine() -> Iterator[Check]:
    """Cores and memory."""
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity else os.cpu_count()
    yield Check("cores", "ok", f"{cores} usable")
    meminfo = Path("/proc/meminfo")
    free, total = (memory_mb(meminfo, key) for key in ("MemAvailable", "MemTotal"))
    if free is not None:
        limit, whose = memory_limit_mb()
        words = f"{free:.0f} MB available" + (f" of {total:.0f}" if total else "")
        if limit < free:
            words += f", of which {whose} allows {limit:.0f}"
        enough = min(free, limit) >= _MIN_FREE_MB
        yield Check(
            "memory",
            "ok" if enough else "warn",
            words,
            "" if enough else f"{_MIN_FREE_MB} MB are needed for segmenter and VLM together",
        )


def memory_limit_mb(cgroup: Path = Path("/sys/fs/cgroup")) -> tuple[float, str]:
    """Most memory that a process may take, MB, and who says so; infinite where nobody does.

    Args:
        cgroup: Where the control group of the container is mounted, of version 2 or 1.
    """
    limits = {"no limit": float("inf")}
    space = resource.getrlimit(resource.RLIMIT_AS)[0]
    if space != resource.RLIM_INFINITY:
        limits["`ulimit -v`"] = space / 1e6
    for name in ("memory.max", "memory/memory.limit_in_bytes"):
        file = cgroup / name
        text = file.read_text().strip() if file.is_file() else ""
        if text.isdigit():  # else it says "max"
            limits["the control group"] = int(text) / 1e6
    whose = min(limits, key=lambda name: limits[name])
    return limits[whose], whose


def memory_mb(meminfo: Path, key: str = "MemAvailable") -> float | None:
    """Memory that new processes can have, or another line, MB; None where it is not told."""
    if not meminfo.is_file():
        return None
    for line in meminfo.read_text().splitlines():
        if line.startswith(f"{key}:"):
            return int(line.split()[1]) * 1024 / 1e6
    return None


def check_gpus() -> Iterator[Check]:
    """GPUs, their driver and their memory."""
    gpus, problem = find_gpus()
    if problem:
        yield Check(
            "GPU driver",
            "warn",
            problem,
            "load the driver that fits the kernel (`sudo modprobe nvidia`, or reboot after an "
            "update); in a container start it with `--gpus all`",
        )
    elif not gpus:
        yield Check("GPU", "info", "no NVIDIA GPU found; the models run on the CPU")
    for gpu in gpus:
        enough = gpu.free_mb is None or gpu.free_mb >= _MIN_GPU_FREE_MB
        memory = "" if gpu.free_mb is None else f", {gpu.free_mb:.0f} of {gpu.total_mb:.0f} MB free"
        yield Check(
            "GPU",
            "ok" if enough else "warn",
            f"{gpu.name}, driver {gpu.driver}{memory}",
            ""
            if enough
            else "end what else uses it (`nvidia-smi` lists it), or bound the models with "
            "gpu.memory_mb",
        )


def find_gpus(proc: Path = Path("/proc/driver/nvidia")) -> tuple[list[Gpu], str]:
    """NVIDIA GPUs of this machine, and what is wrong with their driver, or nothing.

    Args:
        proc: Where the kernel's driver tells of itself; asked where there is no nvidia-smi.
    """
    try:
        done = subprocess.run(
            ["nvidia-smi", f"--query-gpu={_QUERY}", "--format=csv,noheader,nounits"],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        if isinstance(error, subprocess.TimeoutExpired):
            return [], "nvidia-smi gave no answer within 30 s"
        return _gpus_of_kernel(proc), ""
    if done.returncode:
        said = (done.stdout + done.stderr).strip().splitlines() or ["no reason given"]
        return [], f"nvidia-smi failed: {said[0]}"
    return read_gpus(done.stdout), ""


def read_gpus(table: str) -> list[Gpu]:
    """Read what nvidia-smi prints as CSV; memory is ``[N/A]`` where it is shared with the CPU."""
    gpus = []
    for line in table.splitlines():
        cells = [cell.strip() for cell in line.split(",")]
        if len(cells) == len(_QUERY.split(",")):
            total, free = (_mebibytes(cell) for cell in cells[2:])
            gpus.append(Gpu(cells[0], cells[1], total, free))
    return gpus


def _mebibytes(cell: str) -> float | None:
    return float(cell) * _MB if cell.isdigit() else None


def _gpus_of_kernel(proc: Path) -> list[Gpu]:
    """GPUs that the kernel's driver knows; it does not tell their memory."""
    version = proc / "version"
    if not version.is_file():
        return []
    found = re.search(r"Kernel Module\s+(?:for \S+\s+)?([\d.]+)", version.read_text())
    driver = found[1] if found else "unknown"
    names = [
        match[1].strip()
        for file in sorted(proc.glob("gpus/*/information"))
        if (match := re.search(r"Model:\s*(.+)", file.read_text()))
    ]
    return [Gpu(name, driver, None, None) for name in names or ["NVIDIA GPU"]]
