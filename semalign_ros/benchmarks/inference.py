"""Time of the models on one frame: their stages, ways to ask, and the joined monitor."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from semalign_ros.benchmarks.graphs import Holder, split, watch
from semalign_ros.benchmarks.timing import Times, interleave
from semalign_ros.benchmarks.ways import AskingVlm, Said
from semalign_ros.inference import (
    Bundle,
    GpuOptions,
    Segmenter,
    Vlm,
    VlmQuery,
    load_bundle,
    open_segmenter,
    open_vlm,
)
from semalign_ros.inference.manifest import GenerativeManifest, SegmenterManifest
from semalign_ros.language import PromptSet
from semalign_ros.monitor import Monitor
from semalign_ros.types import Frame, Image

HOST = "host"
"""How the stages outside of graphs begin."""


@dataclass(frozen=True, slots=True)
class Model:
    """A bundle, loaded.

    Args:
        name: Of its folder.
        bundle: On disk.
        model: What runs it.
    """

    name: str
    bundle: Bundle
    model: Segmenter | Vlm

    def call(self, image: Image) -> Callable[[], object]:
        """What a frame costs: labels for it, or answers to all questions."""
        model = self.model
        if isinstance(model, Segmenter):
            return lambda: model.segment(image)
        return lambda: model.answer(VlmQuery(image))


@dataclass(frozen=True, slots=True)
class Stages:
    """Times of one call.

    Args:
        name: Of the model, or of those that run together.
        whole: The call.
        parts: Its graphs and the code around them, in order.
        host: All of that code together.
        host_cpu: The same on a processor, without the turns of other work on the machine.
    """

    name: str
    whole: Times
    parts: Mapping[str, Times]
    host: Times
    host_cpu: Times


@dataclass(frozen=True, slots=True)
class Way:
    """Times of one way to have all questions answered.

    Args:
        name: Of the way.
        times: Without the image tower, which every way runs once.
        said: What came out.
    """

    name: str
    times: Times
    said: Said


def open_model(
    folder: Path, device: str, prompts: PromptSet, gpu: GpuOptions | None = None
) -> Model:
    """Load a bundle of any kind.

    Raises:
        BundleError: It is missing, altered, unsafe or does not fit.
        DeviceError: `device` was named and did not load.
    """
    bundle = load_bundle(folder)
    kind = bundle.manifest
    model: Segmenter | Vlm
    if isinstance(kind, SegmenterManifest):
        model = open_segmenter(folder, device, gpu=gpu)
    elif isinstance(kind, GenerativeManifest):
        model = AskingVlm(bundle, device, prompts=prompts, gpu=gpu)
    else:
        model = open_vlm(folder, device, prompts=prompts, gpu=gpu)
    return Model(folder.name, bundle, model)


def time_stages(
    name: str, call: Callable[[], object], models: Sequence[Holder], repetitions: int
) -> Stages:
    """Time a call and the graphs inside of it.

    Args:
        name: For the table.
        call: Runs graphs of all `models`.
        models: Whose graphs count as inference.
        repetitions: Of the call, after one to warm up.
    """
    found: list[dict[str, float]] = []
    whole: list[float] = []
    host_cpu: list[float] = []
    with watch(*models) as runs:
        call()
        for _ in range(repetitions):
            runs.clear()
            start, cpu = time.perf_counter(), time.thread_time()
            call()
            end, cpu = time.perf_counter(), time.thread_time() - cpu
            found.append(split(start, end, runs))
            whole.append(end - start)
            host_cpu.append(cpu - sum(run.cpu_s for run in runs))
    host = [sum(s for part, s in parts.items() if part.startswith(HOST)) for parts in found]
    return Stages(
        name,
        Times(tuple(whole)),
        {part: Times(tuple(parts[part] for parts in found)) for part in found[0]},
        Times(tuple(host)),
        Times(tuple(host_cpu)),
    )


def time_pipelines(models: Sequence[Model], frame: Frame, repetitions: int) -> Iterator[Stages]:
    """Time the joined monitor on a clean frame: the first segmenter with each VLM."""
    segmenters = [m for m in models if isinstance(m.model, Segmenter)]
    for vlm in models:
        if not segmenters or isinstance(vlm.model, Segmenter):
            continue
        segmenter = segmenters[0]
        assert isinstance(segmenter.model, Segmenter)
        monitor = Monitor(vlm.model, segmenter.model)
        yield time_stages(
            f"{segmenter.name} + {vlm.name}",
            lambda monitor=monitor: monitor.judge(frame),  # type: ignore[misc]
            [segmenter.model, vlm.model],
            repetitions,
        )


def time_ways(vlm: AskingVlm, image: Image, repetitions: int) -> list[Way]:
    """Time the ways to ask a generative model, in turn; ours is the first."""
    ways = vlm.ways(vlm.look(image))
    said = {name: ask() for name, ask in ways.items()}
    times = interleave(ways, repetitions)
    return [Way(name, times[name], said[name]) for name in ways]


def stage_table(measured: Sequence[Stages]) -> str:
    """Markdown table of stages, milliseconds."""
    lines = ["| model | stage | median ms | p90 ms | frames/s |", "|---|---|---|---|---|"]
    for stages in measured:
        for part, times in stages.parts.items():
            lines.append(f"| {stages.name} | {part} | {_ms(times)} | |")
        lines.append(
            f"| {stages.name} | **frame** | {_ms(stages.whole)} | {stages.whole.per_second:.1f} |"
        )
    return "\n".join(lines)


def pipeline_table(measured: Sequence[Stages]) -> str:
    """Markdown table of joined monitors, milliseconds."""
    lines = [
        "| monitor | frame, median ms | p90 ms | frames/s | host code, median ms | p90 ms | "
        "of it CPU, median ms | p90 ms |",
        "|---|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {s.name} | {_ms(s.whole)} | {s.whole.per_second:.1f} | {_ms(s.host)} | "
        f"{_ms(s.host_cpu)} |"
        for s in measured
    ]
    return "\n".join(lines)


def way_table(ways: Sequence[Way]) -> str:
    """Markdown table of ways to ask, the first one being ours."""
    ours = ways[0]
    lines = [
        f"| all {len(ours.said.answers)} questions | median ms | p90 ms | times as long | "
        "tokens/answer | yes or no | same answers |",
        "|---|---|---|---|---|---|---|",
    ]
    for way in ways:
        tokens = f"{way.said.tokens:.1f}" if way.said.tokens else ""
        clear = sum(answer is not None for answer in way.said.answers.values())
        lines.append(
            f"| {way.name} | {_ms(way.times)} | {way.times.over(ours.times):.1f} | {tokens} | "
            f"{clear} | {way.said.agreement(ours.said):.0%} |"
        )
    return "\n".join(lines)


def _ms(times: Times) -> str:
    return f"{times.median_ms:.{_digits(times)}f} | {times.p90_ms:.{_digits(times)}f}"


def _digits(times: Times) -> int:
    return 2 if times.median_ms < 10 else 1 if times.median_ms < 100 else 0


__all__ = [
    "Model",
    "Stages",
    "Way",
    "open_model",
    "pipeline_table",
    "stage_table",
    "time_pipelines",
    "time_stages",
    "time_ways",
    "way_table",
]
