"""`semalign train`: the small segmenter and language models, from labelled frames."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from semalign_ros.commands._numbers import positive_float

if TYPE_CHECKING:
    from semalign_ros.train.settings import TrainSettings

HELP = "train a segmenter and two vision-language models on data in the Cityscapes layout"
EXAMPLE = (
    "semalign train --data /data/cityscapes --data out/scenes=0.5 --work out/train "
    "--out out/models --licence 'non-commercial use only (Cityscapes terms)'"
)
_FAMILIES = ("upernet", "segformer", "deeplab")
_STAGES = ("segmenter", "contrastive", "generative")


def _source(text: str) -> tuple[Path, float, float]:
    root, mark, weights = text.rpartition("=")
    if not mark:
        return Path(text), 1.0, 1.0
    weight, colon, language = weights.partition(":")
    return Path(root), positive_float(weight), positive_float(language if colon else weight)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "--data",
        action="append",
        required=True,
        type=_source,
        metavar="ROOT[=WEIGHT[:LANGUAGE]]",
        help="data set in the Cityscapes layout, and how often its frames are drawn relative to "
        "the others (default 1), by the segmenter and by the language models; may be repeated",
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="folder that gets the bundles"
    )
    parser.add_argument(
        "--work",
        type=Path,
        metavar="DIR",
        help="checkpoints; the same folder again goes on with an interrupted run "
        "(default: OUT/.train)",
    )
    parser.add_argument(
        "--size", default="small", help="settings in config/train, or a file (default small)"
    )
    parser.add_argument(
        "--family",
        choices=_FAMILIES,
        help="network of the segmenter (default: the settings', upernet, which the language models "
        "see through; the others take --stage segmenter)",
    )
    parser.add_argument("--seed", type=int, help="instead of the one in the settings")
    parser.add_argument(
        "--epochs",
        type=positive_float,
        help="passes of the segmenter over the frames; the other stages change alike",
    )
    begun = parser.add_mutually_exclusive_group()
    begun.add_argument(
        "--start",
        metavar="BUNDLE",
        help="upernet bundle of an earlier run of the same settings, folder or shipped name, whose "
        "weights the segmenter goes on from (default: random weights)",
    )
    begun.add_argument(
        "--behind",
        metavar="BUNDLE",
        help="upernet bundle, folder or shipped name, that the language models see through, with "
        "its network and net size in place of the settings'; no segmenter is trained",
    )
    parser.add_argument(
        "--learning-rate",
        type=positive_float,
        metavar="RATE",
        help="of the segmenter, instead of the one in the settings; when going on, about half",
    )
    parser.add_argument(
        "--stage",
        action="append",
        choices=_STAGES,
        help="only this stage; may be repeated (default: all, with --behind the language models). "
        "A language model without --behind wants a segmenter, which is trained before it",
    )
    parser.add_argument("--threads", type=int, help="threads of torch, instead of the settings'")
    parser.add_argument(
        "--precision",
        choices=("float32", "bfloat16"),
        help="in which layers compute, instead of the settings'; bfloat16 is faster on a GPU, and "
        "on a CPU that has it (lscpu: avx512_bf16)",
    )
    parser.add_argument(
        "--device",
        choices=("auto", "cpu", "cuda"),
        default="auto",
        help="where to train (default auto: the GPU where torch finds one)",
    )
    parser.add_argument("--limit", type=int, metavar="N", help="use N frames of each split at most")
    parser.add_argument(
        "--licence",
        default="unstated; the terms of the training data decide",
        help="licence of the models, written into the bundles",
    )
    parser.add_argument("--licence-note", help="what users must know beside it")
    parser.add_argument("--overwrite", action="store_true", help="replace bundles in OUT")


def chosen_settings(args: argparse.Namespace) -> TrainSettings:
    """Read the settings of the size, with what the command line says instead of them.

    Raises:
        ConfigError: There are none of this name, or they are out of range.
    """
    from semalign_ros.errors import ConfigError
    from semalign_ros.resources import find_resource
    from semalign_ros.train.settings import check_settings, load_settings

    settings = load_settings(find_resource(args.size, "config/train")).model_dump()
    for name, least in (("seed", 0), ("threads", 1)):
        value = getattr(args, name)
        if value is not None and value < least:
            raise ConfigError(f"--{name} {value}: too small")
        settings[name] = settings[name] if value is None else value
    if args.precision is not None:
        for name in _STAGES:
            settings[name]["stage"]["precision"] = args.precision
    segmenter = settings["segmenter"]
    segmenter["family"] = args.family or segmenter["family"]
    if args.behind is not None and args.learning_rate is not None:
        raise ConfigError("--learning-rate: is the segmenter's, and with --behind none is trained")
    network = segmenter["networks"][segmenter["family"]]
    if args.learning_rate is not None and network is not None:
        network["learning_rate"] = args.learning_rate
    return check_settings(settings, args.size)


def run(args: argparse.Namespace) -> None:
    """Train, export, measure and print the figures."""
    from semalign_ros.commands.export import require_torch

    require_torch()
    from semalign_ros.errors import ConfigError
    from semalign_ros.inference.bundle import MANIFEST_NAME
    from semalign_ros.output import check_free, make_folder
    from semalign_ros.progress import StageBars
    from semalign_ros.resources import find_resource
    from semalign_ros.train.datasets import find_samples
    from semalign_ros.train.device import choose_device, flushed_denormals
    from semalign_ros.train.loop import Progress as Step
    from semalign_ros.train.pipeline import run_plan
    from semalign_ros.train.plan import DataSource, Plan, bundle_name, check_stages, scaled

    settings = chosen_settings(args)
    if args.limit is not None and args.limit < 1:
        raise ConfigError(f"--limit {args.limit}: too small")
    default = _STAGES if args.behind is None else _STAGES[1:]
    stages = tuple(s for s in _STAGES if s in (args.stage or default))
    check_stages(settings, stages, args.behind is not None)
    start, behind = (
        None if name is None else find_resource(name, "models", "")
        for name in (args.start, args.behind)
    )
    device = choose_device(args.device)
    sources = [DataSource(_name(root), root, *weights) for root, *weights in args.data]
    if len({s.name for s in sources}) < len(sources):
        raise ConfigError(
            "--data: folders need different names, found "
            f"{', '.join(str(s.root) for s in sources)}; rename one of them"
        )
    counts = [len(find_samples(s.root, "train")) for s in sources]
    frames = sum(min(n, args.limit or n) for n in counts)
    if args.epochs is not None:
        stage = settings.segmenter.stage
        settings = scaled(settings, args.epochs * frames / (stage.batch * stage.steps))
    for name in stages:
        target = args.out / bundle_name(settings, name)
        check_free(target, overwrite=args.overwrite, marker=MANIFEST_NAME)
    work = args.work or args.out / ".train"
    for folder in (args.out, work):  # now, and not after hours of training
        make_folder(folder)
    plan = Plan(
        sources=sources,
        work=work,
        out=args.out,
        settings=settings,
        licence=args.licence,
        licence_note=args.licence_note,
        stages=stages,
        limit=args.limit,
        start=start,
        behind=behind,
        device=device,
        overwrite=args.overwrite,
    )
    print(f"training on {device}", file=sys.stderr, flush=True)
    with flushed_denormals(), StageBars() as bars:

        def report(step: Step) -> None:
            bars.show(step.stage, step.step, step.steps, _figures(step.loss, dict(step.scores)))

        bundles = run_plan(plan, report, bars.show)
    for name, bundle in bundles.items():
        print(f"{name}: {bundle.folder} ({bundle.bundle_id})")
        for part, scores in dict(bundle.manifest.metrics.get("held_out") or {}).items():  # type: ignore[arg-type]
            print(f"  {part}: {_figures(None, scores)}")  # type: ignore[arg-type]


def _name(root: Path) -> str:
    return root.resolve().name


def _figures(loss: float | None, scores: dict[str, float]) -> str:
    shown = [] if loss is None else [f"loss {loss:.3f}"]
    wanted = ("mean_iou", "presence_balanced_accuracy", "presence_f1", "safety_balanced_accuracy")
    shown += [f"{k} {v:.3f}" for k, v in scores.items() if k.rpartition("/")[2] in wanted]
    return "  ".join(shown)
