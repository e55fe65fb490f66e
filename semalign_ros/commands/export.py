"""`semalign export`: a Hugging Face checkpoint becomes a bundle."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from semalign_ros.types import Image

HELP = "export a checkpoint folder to an ONNX bundle whose outputs equal the original's"
EXAMPLE = (
    "semalign export checkpoints/segformer-b0 out/segformer-b0 --licence Apache-2.0 \\\n"
    "      --frames my_pictures"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "folder", type=Path, help="config.json, weights, preprocessor_config.json or tokenizer.json"
    )
    parser.add_argument("out", type=Path, help="bundle to write")
    parser.add_argument(
        "--kind",
        choices=("segmenter", "contrastive", "generative"),
        help="of model (default: what the family in config.json is)",
    )
    parser.add_argument("--name", help="of the bundle (default: the folder's)")
    parser.add_argument("--licence", required=True, help="licence of the weights, SPDX or words")
    parser.add_argument("--licence-note", help="what users must know beside it")
    parser.add_argument("--checkpoint", help="hub name or URL (default: the folder's name)")
    parser.add_argument("--revision", help="commit or version of the checkpoint")
    parser.add_argument(
        "--size",
        nargs=2,
        type=int,
        metavar=("HEIGHT", "WIDTH"),
        help="net size of a segmenter, instead of the checkpoint's",
    )
    parser.add_argument(
        "--half-weights",
        action="store_true",
        help="store weights as float16: half the file, the same arithmetic",
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
        default=2e-3,
        help="largest relative difference of an output (default %(default)s)",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace the bundle if it exists")


def run(args: argparse.Namespace) -> None:
    """Export, compare, write."""
    require_torch()
    from semalign_ros.errors import ConfigError
    from semalign_ros.export.checkpoint import model_type
    from semalign_ros.export.families import export_checkpoint, kind_of
    from semalign_ros.export.options import ExportOptions
    from semalign_ros.export.parity import Tolerance
    from semalign_ros.inference.manifest import Source

    if not args.folder.is_dir():
        raise ConfigError(f"{args.folder}: no such folder; expected a checkpoint on disk")
    kind = args.kind or kind_of(model_type(args.folder))
    if args.size is not None and (kind != "segmenter" or min(args.size) < 32):
        raise ConfigError("--size: for segmenters only, two numbers of at least 32")
    name = args.name or args.folder.resolve().name
    options = ExportOptions(
        name=name,
        source=Source(
            checkpoint=args.checkpoint or name,
            licence=args.licence,
            revision=args.revision,
            licence_note=args.licence_note,
        ),
        half_weights=args.half_weights,
        tolerance=Tolerance(value=args.tolerance),
        frames=_pictures(args.frames) if args.frames else (),
        overwrite=args.overwrite,
    )
    size = tuple(args.size) if args.size else None
    bundle = export_checkpoint(args.folder, args.out, options, kind=kind, size=size)
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
            "install with `pip install 'semalign_ros[train]'`"
        )


def _pictures(folder: Path) -> list[Image]:
    from semalign_ros.errors import ConfigError
    from semalign_ros.train.datasets import read_image

    found = sorted(p for p in folder.glob("*") if p.suffix.lower() in {".png", ".jpg", ".jpeg"})
    if not found:
        raise ConfigError(f"{folder}: no .png or .jpg in it")
    return [read_image(path) for path in found[:16]]
