"""Pictures of the frames that went most wrong, drawn again from the bag."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from semalign_ros.bags import BagTopics, bag_digest, read_frames
from semalign_ros.corruption import CLEAN, parse_profile, recalls_of
from semalign_ros.drawing import draw_overlay
from semalign_ros.errors import BagError, BundleError, ConfigError
from semalign_ros.evaluation.store import read_settings, read_table
from semalign_ros.evaluation.tables import Row
from semalign_ros.image_codec import JPEG, encode_file
from semalign_ros.inference import GpuOptions, open_segmenter, open_vlm
from semalign_ros.language import PromptSet
from semalign_ros.monitor import Monitor
from semalign_ros.resources import find_resource
from semalign_ros.scene.reference import ReferenceRule
from semalign_ros.scene.vocabulary import Vocabulary


@dataclass(frozen=True, slots=True)
class Picture:
    """One judged frame.

    Args:
        title: Model, condition and frame.
        jpeg: The overlay, encoded.
    """

    title: str
    jpeg: bytes


def worst_rows(rows: list[Row], count: int) -> list[Row]:
    """The most dangerous rows first, of each frame one, of models and conditions equally many.

    An unsafe scene called safe comes first, then what is made up or left out in plain sight, then
    other wrong judgments. Rows that are as bad on the clean frame say nothing of the corruption, so
    the errors gained count.
    """
    clean = {(r["vlm"], r["index"]): r for r in rows if r["condition"] == CLEAN.name}

    def gained(row: Row) -> tuple[float, ...]:
        before = clean.get((row["vlm"], row["index"]))
        old = (0.0,) * 3 if before is None else _errors(before)
        return tuple(now - then for now, then in zip(_errors(row), old, strict=True))

    changed = [r for r in rows if r["condition"] != CLEAN.name]
    tie = "index", "vlm", "condition", "severity"
    changed.sort(key=lambda r: ([-e for e in gained(r)], *(r[k] for k in tie)))
    most = {"index": 1} | {
        kind: -(-count // max(1, len({r[kind] for r in changed}))) for kind in ("vlm", "condition")
    }
    chosen: list[Row] = []
    for row in changed:
        alike = {kind: sum(r[kind] == row[kind] for r in chosen) for kind in most}
        if all(alike[k] < most[k] for k in most) and gained(row) > (0, 0, 0):
            chosen.append(row)
        if len(chosen) == count:
            break
    return chosen


def _errors(row: Row) -> tuple[float, float, float]:
    """An unsafe scene called safe, the shares of things wrong in plain sight, a wrong judgment."""
    # Behind an occluder nobody sees anything: what is hidden there is no fault to show.
    omitted = len(row["omitted_visible"]) / max(1, len(row["visible_critical"]))
    return (
        float((row["reference"], row["judgment"]) == ("unsafe", "safe")),
        row["hallucination"] + omitted,
        row["misinterpretation"],
    )


def worst_pictures(
    folder: Path | str, count: int = 6, progress: Callable[[int], object] = lambda _: None
) -> list[Picture]:
    """Judge the worst frames again and draw them.

    Args:
        folder: Result folder; its bag and models must still be where they were.
        count: How many.
        progress: Told 1 after each.

    Raises:
        SemalignError: The bag or a model is gone.
    """
    settings = read_settings(folder)
    rows = worst_rows(read_table(folder, "verdicts").to_pylist(), count)
    if not rows:
        return []
    prompts = PromptSet.load(settings.get("prompts_file", settings["prompts"]["name"]))
    if prompts.sha256 != settings["prompts"]["sha256"]:
        raise ConfigError(
            f"the prompt set {prompts.name} has changed since {folder} was judged with it; "
            "evaluate again, or report with --pictures 0"
        )
    if settings.get("bag_digest") not in (None, bag_digest(settings["bag"])):
        raise BagError(
            f"{settings['bag']}: has changed since {folder} was judged on it; evaluate again, or "
            "report with --pictures 0"
        )
    conditions = {(c.name, c.severity): c for c in parse_profile(settings["profile"]).conditions}
    # As they were judged, so that the pictures show what the tables count.
    where: dict[str, Any] = {"device": settings["device"]}
    if settings.get("fp16"):
        where["gpu"] = GpuOptions(fp16=True)
    segmenter = None
    if settings["segmenters"]:
        segmenter = open_segmenter(find_resource(settings["segmenters"][0], "models", ""), **where)
    asked: dict[str, Any] = {name: settings.get(name) for name in ("protocol", "top_k")}
    opened = [
        open_vlm(find_resource(name, "models", ""), prompts=prompts, **asked, **where)
        for name in settings["vlms"]
    ]
    vlms = {vlm.bundle_id: vlm for vlm in opened}
    changed = sorted({row["vlm"] for row in rows} - set(vlms))
    if changed:
        raise BundleError(
            f"{folder}: was judged by {', '.join(changed)}, which has changed since; evaluate "
            "again, or report with --pictures 0"
        )
    told = settings.get("vocabulary")
    rule = ReferenceRule() if told is None else ReferenceRule(vocabulary=Vocabulary.of(told))
    wanted: dict[int, list[Row]] = defaultdict(list)
    for row in rows:
        wanted[row["index"]].append(row)
    pictures: dict[int, Picture] = {}
    for frame in read_frames(
        settings["bag"],
        BagTopics(**settings["topics"]),
        limit=max(wanted) + 1,
        recalls=recalls_of(conditions.values()),
    ):
        for row in wanted.get(frame.index, ()):
            monitor = Monitor(
                vlms[row["vlm"]], segmenter, settings["vlm_input"], rule, settings["seed"]
            )
            judged = monitor.judge(frame, conditions[row["condition"], row["severity"]])
            name = row["vlm"].split("@", 1)[0]
            title = f"{name}, {row['condition']} {row['severity']:g}, frame {frame.index}"
            picture = draw_overlay(judged, rule=monitor.rule, title=name, max_width=1200)
            pictures[rows.index(row)] = Picture(title, encode_file(picture, JPEG, 82))
            progress(1)
    return [pictures[i] for i in sorted(pictures)]
