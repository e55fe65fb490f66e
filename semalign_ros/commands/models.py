"""`semalign models`: look at, check and add model bundles."""

from __future__ import annotations

import argparse
import functools
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from semalign_ros.commands._device import add_device_arguments, gpu_options
from semalign_ros.commands._numbers import positive_int
from semalign_ros.errors import BundleError, SemalignError
from semalign_ros.resources import find_resource, resource

if TYPE_CHECKING:
    from semalign_ros.inference import Bundle, GpuOptions, Segmenter, Vlm

HELP = "list, verify, describe and score model bundles, or make one of a foreign ONNX segmenter"
EXAMPLE = "semalign models list"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare one sub-command an action."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    listing = _action(actions, "list", "bundles in a folder", "semalign models list")
    listing.add_argument(
        "folder", type=Path, nargs="?", metavar="FOLDER", help="default: the shipped models"
    )
    verify = _action(
        actions,
        "verify",
        "check hashes, paths and graphs, and run each model once",
        "semalign models verify my_model --device cuda",
    )
    verify.add_argument(
        "folders", type=Path, nargs="*", metavar="BUNDLE", help="default: the shipped models"
    )
    add_device_arguments(verify, "cpu")
    describe = _action(
        actions,
        "describe",
        "what a bundle says of itself, or which node of it runs where",
        "semalign models describe my_model --placement --device cuda",
    )
    describe.add_argument("folder", type=Path, metavar="BUNDLE")
    describe.add_argument(
        "--placement",
        action="store_true",
        help="run it once, and show its nodes by graph, provider and operator in place of the "
        "manifest",
    )
    add_device_arguments(describe, "cpu")
    score = _action(
        actions,
        "score",
        "measure models on labelled frames: mIoU, or presence and safety",
        "semalign models score street_generative --data cityscapes_256",
    )
    score.add_argument("folders", type=Path, nargs="+", metavar="BUNDLE")
    score.add_argument(
        "--data", type=Path, required=True, metavar="DIR", help="data set in the Cityscapes layout"
    )
    score.add_argument("--split", default="val")
    score.add_argument(
        "--limit", type=positive_int, metavar="N", help="frames at most, evenly spread"
    )
    score.add_argument("--classes", action="store_true", help="the IoU of each class too")
    add_device_arguments(score, "cpu")
    add = _action(
        actions,
        "add",
        "make a bundle of an ONNX segmenter and a manifest (docs/bundles.md)",
        "semalign models add model.onnx my_model --manifest fields.yaml",
    )
    add.add_argument("model", type=Path, metavar="MODEL.onnx")
    add.add_argument("out", type=Path, metavar="OUT", help="folder to make")
    add.add_argument(
        "--manifest",
        type=Path,
        required=True,
        metavar="YAML",
        help="what the graph cannot tell, as docs/bundles.md describes it",
    )
    add.add_argument("--overwrite", action="store_true", help="replace OUT")


def run(args: argparse.Namespace) -> int:
    """Do what was asked; status 1 where a bundle is bad."""
    if args.action == "list":
        named = args.folder is not None
        return _list(find_resource(str(args.folder), "models", "") if named else resource("models"))
    if args.action == "verify":
        folders = args.folders or bundle_folders(resource("models"))
        return _verify(folders, args.device, gpu_options(args))
    if args.action == "describe":
        folder = find_resource(str(args.folder), "models", "")
        if args.placement:
            return _show_placement(folder, args.device, gpu_options(args))
        return _describe(folder)
    if args.action == "score":
        return _score(args)
    return _add(args)


def bundle_folders(folder: Path) -> list[Path]:
    """Bundles in a folder, or the folder itself if it is one, by name.

    Raises:
        BundleError: There is none.
    """
    if (folder / "bundle.yaml").is_file():
        return [folder]
    if not folder.is_dir():
        raise BundleError(f"{folder}: no folder; expected a bundle, or one with bundles in it")
    # A name that begins with a dot is of a bundle that was never written to its end.
    found = sorted(p.parent for p in folder.glob("[!.]*/bundle.yaml"))
    if not found:
        raise BundleError(
            f"{folder}: no model bundle in it (a folder with bundle.yaml); `semalign export`, "
            "`semalign train` and `semalign models add` make some"
        )
    return found


def add_segmenter(model: Path, out: Path, fields_file: Path, *, overwrite: bool = False) -> Bundle:
    """Make a bundle of a foreign segmenter, after it has run once on a grey image.

    Args:
        model: The graph; its external weight files, if any, are taken along.
        out: Bundle to make.
        fields_file: YAML with the manifest's fields, without files and graphs.
        overwrite: Replace what stands at `out`.

    Raises:
        BundleError: The manifest is malformed or does not fit the graph.
        InferenceError: The graph ran and gave something else than the manifest says.
        OutputError: `out` exists, or cannot be written.
    """
    import numpy as np

    from semalign_ros.inference import write_bundle
    from semalign_ros.inference.bundle import parse_manifest, read_fields
    from semalign_ros.inference.graph import read_graph
    from semalign_ros.inference.manifest import SegmenterManifest
    from semalign_ros.inference.segmenter import Segmenter

    fields = {"kind": "segmenter", **read_fields(fields_file)}
    manifest = parse_manifest(fields, str(fields_file))
    if not isinstance(manifest, SegmenterManifest):
        raise BundleError(
            f"{fields_file}: kind {manifest.kind}; only foreign segmenters run from a manifest "
            "alone, `semalign export` makes bundles of vision-language models"
        )
    name = manifest.graphs.segmenter.file
    files = {name: model}
    for location in read_graph(model).external_files:
        files[(Path(name).parent / location).as_posix()] = model.parent / location
    # A manifest that does not fit shows when the model runs; only then OUT appears.
    image = np.full((*manifest.net_size, 3), 128, np.uint8)
    with tempfile.TemporaryDirectory() as folder:
        trial = Path(folder) / "trial"
        try:
            segmenter = Segmenter(write_bundle(trial, manifest, files), "cpu")
            segmenter.segment(image)
            unknown = segmenter.unknown_channels(image)
        except SemalignError as error:
            raise type(error)(str(error).replace(str(trial), str(out))) from error
    if unknown:
        raise BundleError(
            f"{fields_file}: the graph gives the class numbers {unknown[:8]}, class_map knows 0 to "
            f"{len(manifest.class_map) - 1}; tell their classes, or `ignore` for none"
        )
    return write_bundle(out, manifest, files, overwrite=overwrite)


def _action(
    actions: argparse._SubParsersAction[argparse.ArgumentParser], name: str, text: str, example: str
) -> argparse.ArgumentParser:
    return actions.add_parser(
        name,
        help=text,
        description=text,
        epilog=f"example:\n  {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def _list(folder: Path) -> int:
    from rich.console import Console
    from rich.table import Column, Table
    from rich.text import Text

    from semalign_ros.inference import load_bundle

    table = Table(
        Column("folder", overflow="fold"), "kind", "net size", "MB", "licence", title=str(folder)
    )
    bad = []
    for path in bundle_folders(folder):
        try:
            manifest = load_bundle(path).manifest
        except (BundleError, OSError) as error:
            bad.append(error)
            table.add_row(path.name, Text("bad, see below", style="red"))
            continue
        size = sum(f.size for f in manifest.files.values()) / 1e6
        height, width = manifest.net_size
        table.add_row(
            path.name, manifest.kind, f"{width}x{height}", f"{size:.1f}", manifest.source.licence
        )
    console = Console(markup=False)
    console.print(table)
    for problem in bad:
        console.print(str(problem), style="red", markup=False, soft_wrap=True)
    return 1 if bad else 0


def _verify(folders: list[Path], device: str, gpu: GpuOptions) -> int:
    from rich.console import Console

    console = Console()
    failed = 0
    for path in folders:
        try:
            said = _try_out(find_resource(str(path), "models", ""), device, gpu)
        except (SemalignError, OSError, MemoryError) as error:
            failed += 1
            console.print(f"{path}: FAILED\n  {error}", markup=False, style="red", soft_wrap=True)
        else:
            console.print(f"{path}: {said}", markup=False, soft_wrap=True)
    return 1 if failed else 0


def _open(path: Path, device: str, gpu: GpuOptions) -> Segmenter | Vlm:
    from semalign_ros.inference import load_bundle, open_segmenter, open_vlm

    if load_bundle(path).manifest.kind == "segmenter":
        return open_segmenter(path, device, gpu=gpu)
    return open_vlm(path, device, gpu=gpu)


def _try_out(path: Path, device: str, gpu: GpuOptions) -> str:
    """Load a bundle and run it on a grey image."""
    from semalign_ros.inference import load_bundle, placements, warm_up

    manifest = load_bundle(path).manifest
    start = time.perf_counter()
    model = _open(path, device, gpu)
    loaded = time.perf_counter() - start
    first = warm_up(model)
    lines = [
        f"ok, {manifest.kind} {manifest.name}, files as listed ({len(manifest.files)}); on "
        f"{model.device} loaded in {loaded:.1f} s, first run {first * 1e3:.0f} ms"
    ]
    if model.fallback:
        lines.append(f"no GPU: {model.fallback}")
    for role, placement in placements(model).items():
        lines.append(f"{role}: nodes on {placement.summary()}")
        if placement.fallback:
            lines.append(f"{role}: not on {model.device}: {placement.fallback_summary()}")
    return "\n  ".join(lines)


def _score(args: argparse.Namespace) -> int:
    from rich.console import Console

    from semalign_ros.inference import Segmenter
    from semalign_ros.progress import frames_bar
    from semalign_ros.train.datasets import evenly, find_samples
    from semalign_ros.train.measure import measure_segmenter, measure_vlm

    samples = evenly(find_samples(args.data, args.split), args.limit)
    console = Console(markup=False)
    for path in [find_resource(str(folder), "models", "") for folder in args.folders]:
        model = _open(path, args.device, gpu_options(args))
        with frames_bar(model.bundle_id, len(samples)) as advance:
            done = functools.partial(advance, 1)
            if isinstance(model, Segmenter):
                scores = measure_segmenter(model, samples, done)
            else:
                scores = measure_vlm(model, samples, done)
        said = f"{model.bundle_id}: {len(samples)} frames of {args.data}, {args.split}"
        console.print(said, highlight=False, soft_wrap=True)
        for name, value in scores.items():
            if args.classes or not name.startswith("iou/"):
                console.print(f"  {name:26} {value:.3f}", highlight=False)
    return 0


def _show_placement(path: Path, device: str, gpu: GpuOptions) -> int:
    """Print which operators of each graph run on which provider."""
    from rich.console import Console
    from rich.table import Column, Table

    from semalign_ros.inference import placements, warm_up
    from semalign_ros.inference.placement import name_operators

    model = _open(path, device, gpu)
    warm_up(model)
    table = Table(
        "graph", "runs on", Column("nodes", justify="right"), Column("operators", overflow="fold")
    )
    for role, placement in placements(model).items():
        for provider, operators in placement.nodes.items():
            table.add_row(role, provider, str(sum(operators.values())), name_operators(operators))
        if placement.fallback:
            count = str(sum(placement.fallback.values()))
            table.add_row(role, f"not {model.device}", count, placement.fallback_summary())
    console = Console()
    console.print(f"{model.bundle_id} on {model.device}, one run", markup=False, highlight=False)
    if model.fallback:
        console.print(f"no GPU: {model.fallback}", markup=False, soft_wrap=True)
    console.print(table)
    return 0


def _describe(folder: Path) -> int:
    from rich.console import Console
    from rich.syntax import Syntax

    from semalign_ros.inference import load_bundle
    from semalign_ros.inference.bundle import dump_manifest

    bundle = load_bundle(folder)
    console = Console()
    console.print(
        f"{bundle.bundle_id} in {bundle.folder}", markup=False, highlight=False, soft_wrap=True
    )
    # Syntax pads lines to the console's width, which is noise in a file or a pipe.
    text = dump_manifest(bundle.manifest)
    console.print(
        Syntax(text, "yaml") if console.is_terminal else text, markup=False, soft_wrap=True
    )
    return 0


def _add(args: argparse.Namespace) -> int:
    from rich.console import Console

    bundle = add_segmenter(args.model, args.out, args.manifest, overwrite=args.overwrite)
    Console().print(f"{args.out}: made, {bundle.bundle_id}, ran once", markup=False, soft_wrap=True)
    return 0
