"""Compares the answers of vlm_node with the reference, and judges."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from diagnostic_msgs.msg import DiagnosticArray

from semalign_ros.errors import ConfigError
from semalign_ros.image_codec import decode_image
from semalign_ros.language import PromptSet
from semalign_ros.monitor import Observation, Perception, compare
from semalign_ros.nodes.answers import decode_answer
from semalign_ros.nodes.camera import image_stream
from semalign_ros.nodes.config import AlignmentNodeConfig
from semalign_ros.nodes.frames import blank_image, read_labels
from semalign_ros.nodes.inputs import Source
from semalign_ros.nodes.judging import JudgingNode
from semalign_ros.nodes.messages import read_values, single_status
from semalign_ros.nodes.runner import run
from semalign_ros.nodes.stage import Job, Stream
from semalign_ros.nodes.treatments import condition_stream, treatment_of
from semalign_ros.nodes.vlm_node import ANSWER_CLEAN, ANSWER_DEGRADED
from semalign_ros.types import Frame, Labels, Segmentation, VlmAnswer

_MAPS = {"clean": "~/input/segmentation/clean", "degraded": "~/input/segmentation/degraded"}
_TRUTH = "~/input/segmentation"


class AlignmentNode(JudgingNode[AlignmentNodeConfig]):
    """Last stage of the graph of single nodes."""

    def __init__(self) -> None:
        super().__init__("alignment_node", AlignmentNodeConfig)

    def open(self) -> None:
        """Announce the outputs."""
        super().open()
        if self.config.reference == "segmenter" and not self.config.segmentation:
            raise ConfigError(
                "reference segmenter needs the label maps that segmentation false leaves out; set "
                "segmentation, or reference to topic"
            )
        self.start_health(PromptSet.load(self.config.prompts))

    def streams(self) -> Sequence[Stream]:
        """The answers, which come last, are the frame."""
        config = self.config
        streams = [
            Stream("answers", (Source("~/input/answers", (DiagnosticArray,)),)),
            condition_stream(),
        ]
        if config.segmentation:
            streams += [image_stream(name, topic) for name, topic in _MAPS.items()]
        if config.reference == "topic":
            streams.append(image_stream("truth", _TRUTH, "auto"))
        if config.images:
            streams += [
                image_stream("image", "~/input/image", "auto"),
                image_stream("degraded_image", "~/input/degraded/image"),
            ]
        return streams

    def process(self, job: Job) -> None:
        """Judge one frame."""
        treatment = treatment_of(job)
        truth = _labels(job, "truth")
        clean_map, degraded_map = _labels(job, "clean"), _labels(job, "degraded")
        size = next(m for m in (truth, clean_map) if m is not None)
        pictures = [
            decode_image(job.messages[name]) if name in job.messages else blank_image(size)
            for name in ("image", "degraded_image")
        ]
        frame, shown = (
            Frame(
                stamp_ns=job.stamp_ns,
                frame_id=job.header.frame_id,
                index=treatment.index,
                image=picture,
                labels=truth,
                speed=treatment.speed,
                yaw_rate=treatment.yaw_rate,
                elapsed_s=treatment.elapsed_s,
            )
            for picture in pictures
        )
        clean = _observe(frame, clean_map, _answer(job, ANSWER_CLEAN))
        degraded = clean
        if not treatment.condition.is_clean:
            degraded = _observe(shown, degraded_map, _answer(job, ANSWER_DEGRADED))
        judged = compare(
            frame,
            treatment.condition,
            clean,
            degraded,
            rule=self.rule,
            seed=treatment.seed,
            safety=self.safety,
        )
        self.deliver(job, judged)


def _labels(job: Job, name: str) -> Labels | None:
    return read_labels(job.messages[name]) if name in job.messages else None


def _answer(job: Job, name: str) -> VlmAnswer:
    return decode_answer(read_values(single_status(job.messages["answers"], name)))


def _observe(frame: Frame, segmented: Labels | None, answer: VlmAnswer) -> Observation:
    segmentation = None if segmented is None else Segmentation(segmented)
    labels = frame.labels if segmented is None else segmented
    return Observation(
        Perception(frame, segmentation, labels, {}), answer, {"vlm": answer.latency_s}
    )


def main() -> int:
    """Run the node."""
    return run(AlignmentNode)


if __name__ == "__main__":
    sys.exit(main())
