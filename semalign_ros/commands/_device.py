"""The options that say where a command runs its models."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from semalign_ros.inference import GpuOptions


def add_device_arguments(parser: argparse.ArgumentParser, default: str = "auto") -> None:
    """Declare ``--device`` and ``--gpu``."""
    parser.add_argument(
        "--device",
        default=default,
        metavar="DEVICE",
        help="auto, cpu, cuda or tensorrt; default: %(default)s",
    )
    parser.add_argument(
        "--gpu",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="option of the GPU, may be given again: fp16=true, cuda_graph=true, memory_mb=2000, "
        "engine_cache=FOLDER (docs/bundles.md)",
    )


def gpu_options(args: argparse.Namespace) -> GpuOptions:
    """Read ``--gpu``.

    Raises:
        ConfigError: An option is unknown, has a bad value, or the device would not heed it.
    """
    import yaml

    from semalign_ros.errors import ConfigError, unknown_name
    from semalign_ros.inference.providers import check_device
    from semalign_ros.nodes.config import GpuConfig
    from semalign_ros.nodes.schema import build, rows
    from semalign_ros.resources import parse_yaml

    known = [row.name.removeprefix("gpu.") for row in rows(GpuConfig)]
    values: dict[str, object] = {}
    for text in args.gpu:
        name, mark, value = text.partition("=")
        if not mark:
            raise ConfigError(f"--gpu: found {text!r}, expected NAME=VALUE")
        if name not in known:
            raise ConfigError(f"--gpu: {unknown_name('option', name, known)}")
        try:
            values[f"gpu.{name}"] = parse_yaml(value) if value else ""
        except yaml.YAMLError as error:
            raise ConfigError(f"--gpu {text}: no YAML value ({error})") from error
    gpu = build(GpuConfig, values).gpu
    check_device(args.device, gpu)
    return gpu
