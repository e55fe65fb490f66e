"""The values that flow through the package: numpy arrays in frozen dataclasses.

Nothing here knows ROS, ONNX or files. Class names are Cityscapes names
(:mod:`semalign_ros.scene.taxonomy`); label maps hold train ids 0..18 and 255
for ignored pixels.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
"""u8[H, W, 3], RGB, 0..255."""
Labels = NDArray[np.uint8]
"""u8[H, W], train ids 0..18, 255 ignored."""


class Judgment(enum.Enum):
    """Whether the vehicle may proceed. An answer that says neither is ``None``."""

    SAFE = "safe"
    UNSAFE = "unsafe"

    def opposite(self) -> Judgment:
        """Return the other judgment."""
        return Judgment.UNSAFE if self is Judgment.SAFE else Judgment.SAFE


@dataclass(frozen=True, slots=True)
class Frame:
    """One camera frame with what is known about it.

    Args:
        stamp_ns: Capture time of the source message, nanoseconds.
        frame_id: Coordinate frame of the camera, copied from the source header.
        index: Position in the stream from 0; keys every random draw.
        image: u8[H, W, 3], RGB.
        labels: u8[H, W] train ids, 255 ignored, or None.
        depth: f32[H, W], metres along the optical axis, NaN where unknown, or None.
        speed: Forward speed of the vehicle, m/s, or None.
        yaw_rate: Positive to the left, rad/s, or None.
        elapsed_s: Time since the first frame of the stream, seconds.
        earlier: Frames before this one by how many positions they lie back, as far as they
            are known and what is done to this one looks at them; themselves without any.
    """

    stamp_ns: int
    frame_id: str
    index: int
    image: Image
    labels: Labels | None = None
    depth: NDArray[np.float32] | None = None
    speed: float | None = None
    yaw_rate: float | None = None
    elapsed_s: float = 0.0
    earlier: Mapping[int, Frame] = field(default_factory=dict, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class SceneReference:
    """What a label map says of the scene.

    Args:
        entities: Classes present.
        critical: The present ones that the vehicle must not overlook.
        judgment: Safety of proceeding, by `rule`.
        rule: Name and parameters of the rule, as written into every result.
    """

    entities: frozenset[str]
    critical: frozenset[str]
    judgment: Judgment
    rule: str


@dataclass(frozen=True, slots=True)
class SceneClaims:
    """What a text says of the scene.

    Args:
        present: Classes asserted to be there.
        denied: Classes explicitly said to be absent.
        hypothetical: Classes only supposed, cautioned against or conditional.
        judgment: Safety judgment expressed, None if there is none.
        coverage: Share of the questions (or sentences) that could be parsed, 0..1.
    """

    present: frozenset[str] = frozenset()
    denied: frozenset[str] = frozenset()
    hypothetical: frozenset[str] = frozenset()
    judgment: Judgment | None = None
    coverage: float = 0.0


@dataclass(frozen=True, slots=True)
class VlmAnswer:
    """All that one model said of one image.

    Args:
        claims: Presence claims and the judgment on the primary safety prompt.
        scores: Score per question id, higher is more likely yes; the unit is the
            model's own (log-odds of yes against no, or similarity difference).
        judgments: Judgment per safety prompt id with the polarity already
            resolved: "yes" to "should the vehicle stop?" is UNSAFE here.
        raw_text: The model's words, for people to read.
        latency_s: Wall time of the query, seconds.
        bundle_id: Which model answered.
    """

    claims: SceneClaims
    scores: Mapping[str, float] = field(default_factory=dict)
    judgments: Mapping[str, Judgment | None] = field(default_factory=dict)
    raw_text: str = ""
    latency_s: float = 0.0
    bundle_id: str = ""


@dataclass(frozen=True, slots=True)
class Segmentation:
    """Output of a segmenter.

    Args:
        labels: u8[H, W] train ids at the image's size.
        confidence: f32[H, W] in 0..1, or None where the graph gives none.
    """

    labels: Labels
    confidence: NDArray[np.float32] | None = None


@dataclass(frozen=True, slots=True)
class SegmentationQuality:
    """Agreement of a label map with the reference, each 0..1, NaN where undefined."""

    mean_iou: float
    pixel_accuracy: float
    critical_recall: float


@dataclass(frozen=True, slots=True)
class FrameVerdict:
    """The judgment on one frame under one condition.

    Args:
        stamp_ns: Stamp of the source frame.
        frame_id: Its coordinate frame.
        index: Its position in the stream.
        condition: Corruption profile step, ``clean`` for none.
        severity: 0 for clean, else 1..5 (continuous after calibration).
        reference: From the label map of the clean frame.
        visible: The same without what the corruption itself hides.
        clean: The model's answer on the clean image.
        degraded: Its answer on the degraded image (the same object for ``clean``).
        hallucinated: Classes claimed on the degraded image and not present.
        omitted: Critical classes present and not claimed on the degraded image.
        omitted_visible: The same against `visible`.
        quality_clean: Segmenter on the clean image against the reference, if run.
        quality_degraded: The same on the degraded image.
        stage_s: Seconds per stage.
        notes: What the reader must know, such as an assumed depth.
    """

    stamp_ns: int
    frame_id: str
    index: int
    condition: str
    severity: float
    reference: SceneReference
    visible: SceneReference
    clean: VlmAnswer
    degraded: VlmAnswer
    hallucinated: frozenset[str]
    omitted: frozenset[str]
    omitted_visible: frozenset[str]
    quality_clean: SegmentationQuality | None
    quality_degraded: SegmentationQuality | None
    stage_s: Mapping[str, float]
    notes: tuple[str, ...] = ()
