"""``semalign bench``: how long things take on this machine."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from semalign_ros.commands._device import add_device_arguments, gpu_options
from semalign_ros.commands._numbers import picture_size, positive_int

if TYPE_CHECKING:
    from collections.abc import Sequence

HELP = "measure how long things take on this machine"
EXAMPLE = "semalign bench corruption --peer"

SIZE = "2048x1024"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare one sub-command a benchmark."""
    kinds = parser.add_subparsers(dest="what", required=True, metavar="WHAT")
    corruption = _kind(kinds, "corruption", "what the corruptions cost", EXAMPLE)
    corruption.add_argument(
        "--corruption",
        action="append",
        default=[],
        metavar="NAME",
        help="only this one; may be given again, wildcards are allowed (default: all)",
    )
    _add_common(corruption)
    corruption.add_argument(
        "--peer", action="store_true", help="time the package imagecorruptions beside them"
    )
    inference = _kind(
        kinds,
        "inference",
        "what the models cost, stage by stage, and the joined monitor",
        "semalign bench inference --models out/bench/models --peer \\\n"
        "      --checkpoints out/bench/checkpoints",
    )
    inference.add_argument(
        "--models",
        nargs="+",
        type=Path,
        default=[],
        metavar="DIR",
        help="bundles, or folders of them (default: the shipped ones)",
    )
    add_device_arguments(inference)
    _add_common(inference)
    inference.add_argument(
        "--peer", action="store_true", help="time the checkpoints in PyTorch beside them"
    )
    inference.add_argument(
        "--checkpoints",
        type=Path,
        metavar="DIR",
        help="what the bundles were made of, by the names of their folders",
    )
    models = _kind(
        kinds,
        "models",
        "export public models at full size, with random weights",
        "semalign bench models --out out/bench",
    )
    models.add_argument(
        "--out",
        type=Path,
        default=Path("out/bench"),
        metavar="DIR",
        help="gets checkpoints/ and models/ (default: %(default)s)",
    )
    models.add_argument(
        "--only", action="append", default=[], metavar="NAME", help="this one; may be given again"
    )
    models.add_argument(
        "--precision",
        choices=("float32", "float16", "float16-weights"),
        default="float32",
        help="of weights and arithmetic; float16 is for GPUs (default: %(default)s)",
    )
    models.add_argument("--overwrite", action="store_true", help="replace models that are there")


def _kind(
    kinds: argparse._SubParsersAction[argparse.ArgumentParser], name: str, says: str, example: str
) -> argparse.ArgumentParser:
    return kinds.add_parser(
        name,
        help=says,
        description=says,
        epilog=f"example:\n  {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def _add_common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--size",
        type=picture_size(16, 8192),
        default=SIZE,
        metavar="WxH",
        help="of the picture (default: %(default)s)",
    )
    parser.add_argument(
        "--repetitions",
        type=positive_int,
        default=9,
        metavar="N",
        help="the median of N (default: 9)",
    )


def run(args: argparse.Namespace) -> int:
    """Measure, print tables in Markdown."""
    if args.what == "corruption":
        return _corruption(args)
    if args.what == "models":
        return _models(args)
    return _inference(args)


def _corruption(args: argparse.Namespace) -> int:
    import cv2
    import numpy as np

    from semalign_ros.benchmarks.corruption import milliseconds, one_thread, scene, table
    from semalign_ros.benchmarks.corruption import run as time_corruptions
    from semalign_ros.benchmarks.timing import processor
    from semalign_ros.corruption import choose_corruptions
    from semalign_ros.progress import frames_bar

    width, height = args.size
    names = choose_corruptions(args.corruption)
    frame = scene(height, width)
    timings = []
    with frames_bar("timing", len(names), "corruptions") as advance:
        for timing in time_corruptions(names, frame, args.repetitions, peer=args.peer):
            timings.append(timing)
            advance(1)
    with one_thread():
        copy = milliseconds(frame.image.copy, 5 * args.repetitions)
    print(
        f"{processor()}, one core; NumPy {np.__version__}, OpenCV {cv2.__version__}; "
        f"{width}x{height} rgb8, CPU time in ms, median of {args.repetitions}\n"
    )
    print(table(timings, copy))
    return 0


def _models(args: argparse.Namespace) -> int:
    from semalign_ros.commands.export import require_torch

    require_torch()
    from semalign_ros.benchmarks.timing import processor
    from semalign_ros.errors import ConfigError, unknown_name
    from semalign_ros.export.full_size import FULL_SIZE, export_full_size, export_table
    from semalign_ros.export.graph import tool_versions

    for name in args.only:
        if name not in FULL_SIZE:
            raise ConfigError(unknown_name("model", name, list(FULL_SIZE)))
    chosen = args.only or list(FULL_SIZE)
    folders = args.out / "checkpoints", args.out / "models"
    exported = [
        export_full_size(n, *folders, precision=args.precision, overwrite=args.overwrite)
        for n in chosen
    ]
    versions = ", ".join(f"{name} {version}" for name, version in tool_versions().items())
    print(f"{processor()}; {versions}; {args.precision}, random weights\n")
    print(export_table(exported))
    return 0


def _inference(args: argparse.Namespace) -> int:
    from semalign_ros.benchmarks import inference as bench
    from semalign_ros.benchmarks.corruption import scene
    from semalign_ros.benchmarks.peers import compare, peer_table
    from semalign_ros.benchmarks.ways import AskingVlm
    from semalign_ros.errors import BundleError
    from semalign_ros.language import PromptSet
    from semalign_ros.types import Frame

    width, height = args.size
    checkpoints = _checkpoints(args)
    prompts = PromptSet.load()
    frame = Frame(0, "camera", 0, scene(height, width).image)
    gpu = gpu_options(args)
    models = [bench.open_model(f, args.device, prompts, gpu) for f in _bundles(args.models)]
    _show(_conditions(args, sorted({m.model.device for m in models})) + "\n")
    stages = []
    for model in models:
        call = model.call(frame.image)
        stages.append(bench.time_stages(model.name, call, [model.model], args.repetitions))
    _show(bench.stage_table(stages))
    pipelines = list(bench.time_pipelines(models, frame, args.repetitions))
    if pipelines:
        _show(f"\n{bench.pipeline_table(pipelines)}")
    for model in models:
        if isinstance(model.model, AskingVlm):
            ways = bench.time_ways(model.model, frame.image, args.repetitions)
            _show(f"\n{model.name}, without the image tower:\n\n{bench.way_table(ways)}")
    compared = []
    for model in models:
        if checkpoints is None:
            break
        if (checkpoints / model.name / "config.json").is_file():
            folder = checkpoints / model.name
            try:
                compared += compare(model, folder, frame.image, prompts, args.repetitions)
            except BundleError as error:  # the others were worth the minutes
                _show(f"\n{model.name}: not run in PyTorch: {error}")
        else:
            _show(f"\n{model.name}: no checkpoint in {checkpoints}, so not run in PyTorch")
    if compared:
        _show(f"\n{peer_table(compared)}")
    return 0


def _show(text: str) -> None:
    print(text, flush=True)  # a table at a time: what comes next may take minutes


def _bundles(folders: Sequence[Path]) -> list[Path]:
    from semalign_ros.commands.models import bundle_folders
    from semalign_ros.resources import find_resource, resource

    if not folders:
        return bundle_folders(resource("models"))
    found = [find_resource(str(folder), "models", "") for folder in folders]
    return [bundle for folder in found for bundle in bundle_folders(folder)]


def _checkpoints(args: argparse.Namespace) -> Path | None:
    """Folder of checkpoints where PyTorch is to be timed, else None.

    Raises:
        ConfigError: Only one of both options is given, or there is no such folder.
        MissingDependencyError: PyTorch is absent.
    """
    from semalign_ros.commands.export import require_torch
    from semalign_ros.errors import ConfigError

    folder: Path | None = args.checkpoints
    if not args.peer and folder is None:
        return None
    if folder is None or not args.peer:
        raise ConfigError(
            "--peer and --checkpoints DIR go together: DIR has the checkpoint of each bundle by "
            "the name of its folder; `make bench-models` leaves both in out/bench"
        )
    if not folder.is_dir():
        raise ConfigError(
            f"--checkpoints {folder}: no such folder; `make bench-models` makes "
            "out/bench/checkpoints"
        )
    require_torch()
    return folder


def _conditions(args: argparse.Namespace, devices: Sequence[str]) -> str:
    """What the numbers depend on."""
    import os

    import cv2
    import numpy as np
    import onnxruntime

    from semalign_ros.benchmarks.timing import processor

    parts = [
        f"{processor()}, {os.cpu_count()} cores, device {', '.join(devices)}",
        f"ONNX Runtime {onnxruntime.__version__}, NumPy {np.__version__}, OpenCV {cv2.__version__}",
    ]
    if args.peer:
        from importlib.metadata import version

        parts[1] += f", torch {version('torch')}, transformers {version('transformers')}"
    parts += args.gpu
    parts.append(f"{args.size[0]}x{args.size[1]} rgb8, wall time, {args.repetitions} repetitions")
    if devices == ["cpu"]:
        parts.append("no GPU was used")
    return "; ".join(parts)
