"""The main job on one bag: live over DDS, then offline; the pieces that `semalign demo` joins."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from semalign_ros.bags import bag_info, read_raw
from semalign_ros.bags.messages import deserialize
from semalign_ros.nodes.processes import NodeProcess, node_command

_ALARMS = (1, 2)  # WARN and ERROR, not STALE
_JUDGMENT, _METRICS, _DIAGNOSTICS = "/output/judgment", "/metrics", "/diagnostics"
_OURS = "semalign_"
_SETTLE_S = 20.0
"""Longest wait for the last frames in work after the bag has ended."""


@dataclass(frozen=True, slots=True)
class LiveSummary:
    """What one monitor node published, read back from the recorded bag.

    Args:
        monitor: Name of the node.
        judged: Frames with a verdict.
        dropped: Other frames by reason.
        means: Mean of each metric over the judged frames, NaN ones left out.
        latency_p50_s: Work on one frame, all stages.
        latency_p99_s: The same, 99th percentile.
        alarms: Names of the diagnostics that left OK.
    """

    monitor: str
    judged: int
    dropped: Mapping[str, int]
    means: Mapping[str, float]
    latency_p50_s: float
    latency_p99_s: float
    alarms: tuple[str, ...]


def run_live(
    bag: Path,
    vlms: Mapping[str, str],
    out: Path,
    *,
    segmenter: str,
    profile: str,
    rate: float,
    progress: Callable[[str], None],
) -> Path:
    """Play a bag to one monitor node for each VLM and record what they publish.

    Args:
        bag: The bag to play.
        vlms: Bundle by the name of the monitor.
        out: Folder for the recorded bag and the nodes' logs; exists.
        segmenter: Bundle.
        profile: Corruption profile; its conditions take turns, one a frame.
        rate: Bag seconds per second.
        progress: Told what happens.

    Returns:
        The recorded bag.

    Raises:
        SemalignError: A node failed; the message has the end of its log.
    """
    topics = bag_info(bag).topics
    camera = next(t for t in topics if t.startswith("/camera/") and "image" in t)
    recorded = out / "live"
    names = [f"monitor_{name}" for name in vlms]
    with ExitStack() as stack:

        def start(log: str, command: Sequence[str]) -> NodeProcess:
            path = out / "logs" / f"{log}.log"
            path.parent.mkdir(exist_ok=True)
            return stack.enter_context(NodeProcess(command, path))

        recorder = start(
            "recorder",
            node_command(
                "recorder_node",
                {
                    "output": str(recorded),
                    "topics": [
                        *(f"/{node}{topic}" for node in names for topic in (_JUDGMENT, _METRICS)),
                        _DIAGNOSTICS,
                    ],
                },
            ),
        )
        monitors = [
            start(
                node,
                node_command(
                    "monitor_node",
                    {
                        "camera": name,
                        "reference": "topic",
                        "rule.label_map": str(bag),
                        "segmenter.bundle": segmenter,
                        "segmenter.threads": 1,
                        "vlm.bundle": bundle,
                        "vlm.threads": 1,
                        "corruption.profile": profile,
                        "corruption.condition": "cycle",
                    },
                    remappings={
                        "~/input/image": camera.removesuffix("/compressed"),
                        "~/input/segmentation": "/ground_truth/segmentation",
                    },
                    name=node,
                ),
            )
            for node, (name, bundle) in zip(names, vlms.items(), strict=True)
        ]
        # A monitor is ready when the recorder hears it.
        player = start(
            "player",
            node_command(
                "player_node",
                {
                    "bag": str(bag),
                    "rate": rate,
                    "wait_for": [camera] * len(names) + [f"/{node}{_JUDGMENT}" for node in names],
                },
            ),
        )
        progress(f"playing {topics[camera].count} frames to {', '.join(names)}")
        while player.poll() is None:
            for process in (recorder, *monitors):
                process.check_alive()
            time.sleep(0.2)
        if player.wait():
            player.check_alive()
        time.sleep(_drain_s(monitors))
        for process in (*monitors, recorder):
            process.stop()
    return recorded


def _drain_s(monitors: Sequence[NodeProcess]) -> float:
    """Time for the frame in work and for one more report of the diagnostics."""
    return min(_SETTLE_S, 2.5 * len(monitors))


def summarize_live(recorded: Path) -> list[LiveSummary]:
    """Read a recorded bag back.

    Raises:
        BagError: It cannot be read.
    """
    metrics: dict[str, list[dict[str, float]]] = defaultdict(list)
    pipeline: dict[str, dict[str, float]] = {}
    alarms: dict[str, dict[str, None]] = defaultdict(dict)
    for topic, name, level, code, values in _statuses(recorded):
        if topic.endswith(_METRICS):
            metrics[topic.removesuffix(_METRICS).strip("/")].append(values)
        elif topic == _DIAGNOSTICS and name.startswith(_OURS):  # others speak there too
            camera, _, what = name.removeprefix(_OURS).partition(": ")
            if what == "pipeline":
                pipeline[camera] = values
            if level in _ALARMS and code != "BUILDING":
                alarms[camera][what] = None
    return [
        _live_summary(node, rows, pipeline.get(camera, {}), tuple(alarms[camera]))
        for node, rows in sorted(metrics.items())
        for camera in [node.removeprefix("monitor_")]
    ]


def _live_summary(
    node: str,
    rows: Sequence[Mapping[str, float]],
    pipeline: Mapping[str, float],
    alarms: tuple[str, ...],
) -> LiveSummary:
    def mean(name: str, share: bool = False) -> float:
        values = np.array([row.get(name, np.nan) for row in rows])
        values = values[np.isfinite(values)]
        return float(np.mean(values > 0 if share else values)) if values.size else float("nan")

    times = [row["processing_time_ms"] / 1e3 for row in rows]
    dropped = Counter(
        {
            key.removeprefix("dropped_"): int(value)
            for key, value in pipeline.items()
            if key.startswith("dropped_") and value
        }
    )
    return LiveSummary(
        monitor=node,
        judged=len(rows),
        dropped=dropped,
        means={
            "HR": mean("hallucination_rate"),
            "COR": mean("omitted", share=True),
            "SMR": mean("misinterpreted"),
            "coverage": mean("coverage"),
            "flips": mean("judgment_flipped"),
            "mIoU": mean("mean_iou"),
        },
        latency_p50_s=float(np.percentile(times, 50)),
        latency_p99_s=float(np.percentile(times, 99)),
        alarms=alarms,
    )


def _statuses(bag: Path) -> Iterator[tuple[str, str, int, str, dict[str, float]]]:
    """Topic, status name, level, fault code and numbers of every status in a bag."""
    for raw in read_raw(bag):
        for status in deserialize(raw.data, raw.msgtype).status:
            numbers, code = {}, ""
            for item in status.values:
                if item.key == "fault_code":
                    code = item.value
                try:
                    numbers[item.key] = float(item.value)
                except ValueError:
                    continue  # the condition's name
            level = status.level if isinstance(status.level, int) else int(status.level[0])
            yield raw.topic, status.name, level, code, numbers
