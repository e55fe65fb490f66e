"""The overlay picture: clean beside degraded, with what was claimed and judged drawn in.

Colours mean the same everywhere: green is right, red is made up (hallucinated, or a wrong
judgment), orange is a critical class left out, grey is a class that need not be named.
"""

from __future__ import annotations

from collections.abc import Iterable

import cv2
import numpy as np

from semalign_ros.alignment.verdict import resolve_generic
from semalign_ros.drawing.lettering import BACKGROUND, WHITE, Chip, Colour, Lettering, resize
from semalign_ros.inference.query import overlay
from semalign_ros.monitor import Judged, Observation
from semalign_ros.scene.reference import ReferenceRule, corridor_polygon
from semalign_ros.scene.taxonomy import CLASSES, TRAIN_ID
from semalign_ros.types import Image, Judgment, Labels, SceneReference

GREEN: Colour = (38, 166, 65)
RED: Colour = (220, 38, 38)
ORANGE: Colour = (245, 140, 20)
GREY: Colour = (96, 102, 112)
_BAR: Colour = (40, 44, 53)


def claim_chips(
    observation: Observation, reference: SceneReference, visible: SceneReference
) -> tuple[Chip, ...]:
    """What one answer claimed and left out, the worst first.

    Args:
        observation: Its answer is drawn.
        reference: What is there.
        visible: The same without what the corruption itself hides.
    """
    omitted = omitted_classes(observation, reference)
    claims = resolve_generic(observation.answer.claims.present, reference.entities)
    return (
        *(Chip(f"{name}?", RED) for name in _ordered(claims - reference.entities)),
        *(Chip(f"no {name}", ORANGE) for name in omitted if name in visible.critical),
        *(Chip(name, GREEN) for name in _ordered(claims & reference.entities)),
        *(Chip(f"{name}, hidden", GREY) for name in omitted if name not in visible.critical),
        *(Chip(name, GREY) for name in _ordered(reference.entities - reference.critical - claims)),
    )


def omitted_classes(observation: Observation, reference: SceneReference) -> list[str]:
    """Critical classes that one answer left out, in the order of the train ids."""
    claims = resolve_generic(observation.answer.claims.present, reference.entities)
    return _ordered(reference.critical - claims)


def judgment_chip(judgment: Judgment | None, reference: Judgment) -> Chip:
    """A judgment, green where it is the reference's."""
    text = "UNPARSED" if judgment is None else judgment.value.upper()
    # Said in words too: not all see red from green, and a green UNSAFE would puzzle.
    if judgment is reference:
        return Chip(f"{text} - right", GREEN)
    return Chip(f"{text} - {'over-cautious' if judgment is Judgment.UNSAFE else 'wrong'}", RED)


def draw_overlay(
    judged: Judged,
    *,
    rule: ReferenceRule | None = None,
    title: str = "",
    max_width: int = 1600,
) -> Image:
    """Draw a verdict for people.

    Left the frame as it came, right as the models saw it under the condition, each with
    the label map that belongs to it and the ego corridor; below what the VLM claimed and
    judged. Critical objects that it left out are outlined in orange, but for what the corruption
    hides.

    Args:
        judged: The verdict and what led to it.
        rule: The one that the reference was made with, for the corridor.
        title: Put before the frame's number, such as the camera's name.
        max_width: Width of the picture, pixels, at least 320.

    Returns:
        u8[H, W, 3], RGB; H follows from the frame's shape and the number of claims.
    """
    rule = rule or ReferenceRule()
    width = max(320, max_width)
    gap = max(4, width // 200)
    panel = (width - 3 * gap) // 2
    verdict = judged.verdict
    left = _scene(judged.clean, judged, rule, panel)
    right = (
        left if judged.degraded is judged.clean else _scene(judged.degraded, judged, rule, panel)
    )
    text = Lettering(width)
    condition = "clean" if verdict.severity == 0 else f"{verdict.condition} {verdict.severity:g}"
    columns = [
        _column(text, panel, left, "CLEAN", judged.clean, judged),
        _column(text, panel, right, f"DEGRADED: {condition}", judged.degraded, judged),
    ]
    height = max(column.shape[0] for column in columns)
    canvas = np.full((height, width, 3), BACKGROUND, np.uint8)
    for x, column in zip((gap, 2 * gap + panel), columns, strict=True):
        canvas[: column.shape[0], x : x + panel] = column
    return np.vstack([_header(text, width, gap, title, judged), canvas, _legend(text, width, gap)])


def _header(text: Lettering, width: int, gap: int, title: str, judged: Judged) -> Image:
    verdict = judged.verdict
    bar = np.full((text.line + 2 * gap, width, 3), _BAR, np.uint8)
    seconds = f"{verdict.stamp_ns // 10**9}.{verdict.stamp_ns % 10**9 // 10**6:03d}"
    reference = Chip(f"REFERENCE {verdict.reference.judgment.value.upper()}", GREY)
    chip_width = text.chip_width(reference)
    room = width - chip_width - 3 * gap
    words = "  ".join(p for p in (title, f"frame {verdict.index}", f"t {seconds} s") if p)
    quality = verdict.quality_degraded
    if quality is not None and np.isfinite(quality.mean_iou):
        words += f"  mIoU degraded {quality.mean_iou:.2f}"
    text.write(bar, text.shorten(words, room), gap, gap)
    text.chip(bar, reference, width - gap - chip_width, gap)
    return bar


def _legend(text: Lettering, width: int, gap: int) -> Image:
    chips = (
        Chip("claimed, right", GREEN),
        Chip("hallucinated? or misjudged", RED),
        Chip("no: critical omitted", ORANGE),
        Chip("not named", GREY),
    )
    return _chip_rows(text, chips, width, gap, _BAR)


def _column(
    text: Lettering,
    width: int,
    scene: Image,
    name: str,
    observation: Observation,
    judged: Judged,
) -> Image:
    reference = judged.verdict.reference
    gap = max(4, width // 100)
    bar = np.full((text.line + 2 * gap, width, 3), BACKGROUND, np.uint8)
    judgment = judgment_chip(observation.answer.claims.judgment, reference.judgment)
    chip_width = text.chip_width(judgment)
    text.write(bar, text.shorten(name, width - chip_width - gap), 0, gap)
    text.chip(bar, judgment, width - chip_width, gap)
    chips = claim_chips(observation, reference, _seen(observation, judged)[0])
    chips = chips or (Chip("claims nothing", GREY),)
    return np.vstack([bar, scene, _chip_rows(text, chips, width, gap, BACKGROUND)])


def _scene(
    observation: Observation,
    judged: Judged,
    rule: ReferenceRule,
    width: int,
) -> Image:
    """The image with its label map, scaled to the panel."""
    perception = observation.perception
    image, labels = perception.frame.image, perception.labels
    height = max(1, round(image.shape[0] * width / image.shape[1]))
    shown = resize(image, width, height, cv2.INTER_AREA)
    if labels is not None:
        mask = resize(labels, width, height, cv2.INTER_NEAREST)
        shown = np.asarray(cv2.addWeighted(shown, 0.5, overlay(shown, mask), 0.5, 0), np.uint8)
    thick = max(1, width // 400)
    cv2.polylines(shown, [corridor_polygon(rule, height, width)], True, WHITE, thick, cv2.LINE_AA)
    seen, labels_seen = _seen(observation, judged)
    objects = resize(labels_seen, width, height, cv2.INTER_NEAREST)
    for name in omitted_classes(observation, seen):
        region = np.asarray(objects == TRAIN_ID[name], np.uint8)
        contours, _ = cv2.findContours(region, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(shown, contours, -1, ORANGE, 2 * thick, cv2.LINE_AA)
    return np.asarray(shown, np.uint8)


def _seen(observation: Observation, judged: Judged) -> tuple[SceneReference, Labels]:
    """What is there for all to see, and its label map."""
    if observation is judged.clean:
        return judged.verdict.reference, judged.reference_labels
    return judged.verdict.visible, judged.visible_labels


def _chip_rows(
    text: Lettering, chips: Iterable[Chip], width: int, gap: int, background: Colour
) -> Image:
    rows: list[list[tuple[int, Chip]]] = [[]]
    x = gap
    for chip in chips:
        size = text.chip_width(chip)
        if rows[-1] and x + size > width - gap:
            rows.append([])
            x = gap
        rows[-1].append((x, chip))
        x += size + gap
    step = text.line + gap
    area = np.full((len(rows) * step + 2 * gap, width, 3), background, np.uint8)
    for number, row in enumerate(rows):
        for x, chip in row:
            text.chip(area, chip, x, gap + number * step)
    return area


def _ordered(names: Iterable[str]) -> list[str]:
    return sorted(names, key=lambda name: (TRAIN_ID.get(name, len(CLASSES)), name))
