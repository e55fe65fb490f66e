"""`semalign export`: a Hugging Face checkpoint becomes a bundle."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from semalign_ros.bags.topics import IMAGE_TOPIC
from semalign_ros.commands._numbers import picture_size

if TYPE_CHECKING:
    from semalign_ros.types import Image

HELP = "export a checkpoint to an ONNX bundle whose outputs equal the original's"
EXAMPLE = (
    "semalign export checkpoints/segformer-b0 out/segformer-b0 --licence Apache-2.0 \\\n"
    "      --frames my_pictures"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "folder",
        metavar="checkpoint",
        help="folder with config.json, weights, preprocessor_config.json or tokenizer.json; or "
        "owner/name on the Hugging Face hub, which is downloaded into its cache",
    )
    parser.add_argument("out", type=Path, help="bundle to write")
    parser.add_argument(
        "--kind",
        choices=("segmenter", "contrastive", "generative"),
        help="of model (default: what the family in config.json is)",
    )
    parser.add_argument("--name", help="of the bundle (default: the checkpoint's)")
    parser.add_argument("--licence", required=True, help="licence of the weights, SPDX or words")
    parser.add_argument("--licence-note", help="what users must know beside it")
    parser.add_argument(
        "--source",
        metavar="NAME_OR_URL",
        help="where the checkpoint is from, to write down (default: its hub name or folder)",
    )
    parser.add_argument(
        "--revision", help="commit or version of the checkpoint; on the hub also a branch or tag"
    )
    parser.add_argument(
        "--size",
        type=picture_size(32, 8192),
        metavar="WxH",
        help="of a segmenter: its net size, instead of the checkpoint's; of a language model: the "
        "vehicle's frames, whose shape some keep (default: that of the first of --frames, or "
        "2048x1024)",
    )
    parser.add_argument(
        "--precision",
        choices=("float32", "float16", "float16-weights", "int8"),
        default="float32",
        help="float16 computes in float16, for GPUs; float16-weights halves the file and computes "
        "in float32; int8 is for segmenters with TensorRT (default %(default)s)",
    )
    parser.add_argument(
        "--calibration",
        type=Path,
        metavar="BAG",
        help="bag or folder with pictures of the camera, on which int8 is measured",
    )
    parser.add_argument(
        "--calibration-frames",
        type=int,
        default=64,
        metavar="N",
        help="evenly spread over BAG (default %(default)s)",
    )
    parser.add_argument(
        "--image",
        default=IMAGE_TOPIC,
        metavar="TOPIC",
        help="camera in BAG (default %(default)s)",
    )
    parser.add_argument(
        "--opset",
        type=int,
        default=20,
        metavar="N",
        help="ONNX operator set, 18 to 25; the vehicle's ONNX Runtime must know it "
        "(default %(default)s)",
    )
    parser.add_argument(
        "--fuse",
        action="store_true",
        help="write attention, norms and rotations as operators of ONNX Runtime's own, for CUDA "
        "and the CPU; TensorRT does not know them",
    )
    parser.add_argument(
        "--frames",
        type=Path,
        metavar="DIR",
        help="pictures on which graph and checkpoint are compared (default: made-up ones)",
    )
    parser.add_argument(
        "--tolerance",
        type=float,
        help="relative difference of an output, or share of labels, that is accepted (default: "
        "0.001 and 0.0001; 0.02 and 0.01 with float16, 0.05 with int8)",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace the bundle if it exists")


def run(args: argparse.Namespace) -> None:
    """Export, compare, write."""
    require_torch()  # it is only looked for
    from semalign_ros.errors import ConfigError
    from semalign_ros.export.checkpoint import model_type
    from semalign_ros.export.hub import download, is_hub_name
    from semalign_ros.inference.bundle import MANIFEST_NAME
    from semalign_ros.inference.manifest import Source
    from semalign_ros.output import check_free

    if args.tolerance is not None and not args.tolerance >= 0:
        raise ConfigError(f"--tolerance {args.tolerance}: expected a number of at least 0")
    check_free(args.out, overwrite=args.overwrite, marker=MANIFEST_NAME)
    folder, revision = Path(args.folder), args.revision
    hub = is_hub_name(args.folder)
    if hub:
        folder, revision = download(args.folder, args.revision)
    elif not folder.is_dir():
        raise ConfigError(
            f"{folder}: no such folder; expected a checkpoint on disk or owner/name on the hub"
        )
    family = model_type(folder)
    # What needs no torch, which takes seconds to load, was looked at before this.
    from semalign_ros.export.families import export_checkpoint, kind_of
    from semalign_ros.export.frames import Recording
    from semalign_ros.export.options import TOLERANCES, ExportOptions
    from semalign_ros.export.quantise import read_calibration

    kind = args.kind or kind_of(family)
    if args.size and kind != "segmenter" and family.startswith("semalign_"):
        raise ConfigError("--size: the language models of semalign train have sizes of their own")
    size = args.size[::-1] if args.size else None
    if args.calibration and (kind != "segmenter" or args.precision != "int8"):
        raise ConfigError(
            f"--calibration: only for a segmenter with --precision int8, found a {kind} model "
            f"with {args.precision}; leave it out"
        )
    name = args.name or Path(args.folder).resolve().name
    tolerance = TOLERANCES[args.precision]
    if args.tolerance is not None:
        tolerance = replace(tolerance, value=args.tolerance, labels=args.tolerance)
    options = ExportOptions(
        name=name,
        source=Source(
            checkpoint=args.source or (args.folder if hub else name),
            licence=args.licence,
            revision=revision,
            licence_note=args.licence_note,
        ),
        precision=args.precision,
        opset=args.opset,
        fuse=args.fuse,
        tolerance=tolerance,
        frames=_pictures(args.frames) if args.frames else (),
        overwrite=args.overwrite,
        say=lambda step: print(step, file=sys.stderr, flush=True),
    )
    calibration = None
    if args.calibration:
        recording = Recording(args.calibration, args.image)
        calibration = read_calibration(recording, args.calibration_frames)
    bundle = export_checkpoint(
        folder, args.out, options, kind=kind, size=size, calibration=calibration
    )
    print(f"{args.out} ({bundle.bundle_id})")
    for output, value in dict(bundle.manifest.metrics["parity"]).items():  # type: ignore[arg-type]
        print(f"  {output}: differs by {value:.2g}")


def require_torch() -> None:
    """Check that the optional packages are there.

    Raises:
        MissingDependencyError: With the line that installs them.
    """
    from importlib.util import find_spec

    from semalign_ros.errors import MissingDependencyError

    missing = [n for n in ("torch", "transformers", "onnxscript") if find_spec(n) is None]
    if missing:
        raise MissingDependencyError(
            f"training and export need {', '.join(missing)}; "
            "install with `pip install 'torch==2.13.0' '.[train]'` where semalign_ros was cloned"
        )


def _pictures(folder: Path) -> list[Image]:
    from semalign_ros.errors import ConfigError
    from semalign_ros.export.frames import find_pictures
    from semalign_ros.train.datasets import read_image

    if not folder.is_dir():
        raise ConfigError(f"{folder}: no such folder; expected one with pictures")
    found = find_pictures(folder)
    if not found:
        raise ConfigError(f"{folder}: no .png or .jpg in it")
    return [read_image(path) for path in found[:16]]
