"""Segments the clean and the degraded image of each frame."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace

from semalign_ros.errors import ConfigError
from semalign_ros.inference import Segmenter
from semalign_ros.monitor import perceive
from semalign_ros.nodes.camera import image_stream
from semalign_ros.nodes.config import SegmenterNodeConfig
from semalign_ros.nodes.frames import read_frame
from semalign_ros.nodes.models import facts_of, load_segmenter
from semalign_ros.nodes.outputs import LabelOutput
from semalign_ros.nodes.runner import run
from semalign_ros.nodes.stage import Job, StageNode, Stream
from semalign_ros.nodes.treatments import condition_stream, treatment_of


class SegmenterNode(StageNode[SegmenterNodeConfig]):
    """Second stage of the graph of single nodes; one model serves both branches."""

    def __init__(self) -> None:
        self._segmenter: Segmenter | None = None
        super().__init__("segmenter_node", SegmenterNodeConfig)

    def open(self) -> None:
        """Load the model."""
        segmenter = load_segmenter(self.config.segmenter)
        if segmenter is None:
            raise ConfigError("segmenter.bundle is empty: name a bundle")
        self._segmenter = segmenter
        self.facts = facts_of("segmenter", segmenter)
        self.tell_facts()
        self._clean = LabelOutput(self, "~/output/segmentation/clean")
        self._degraded = LabelOutput(self, "~/output/segmentation/degraded")

    def close(self) -> None:
        """Let the model go."""
        for name in ("_clean", "_degraded"):
            output = self.__dict__.pop(name, None)
            if output is not None:
                output.close()
        self._segmenter = None

    def streams(self) -> Sequence[Stream]:
        """The degraded image, which comes last, is the frame; else the clean one."""
        clean = image_stream("image", "~/input/image", "auto")
        if not self.config.degraded:
            return [clean]
        streams = [image_stream("degraded", "~/input/degraded/image"), clean, condition_stream()]
        if self.config.depth:
            streams.append(image_stream("depth", "~/input/depth"))
        return streams

    def process(self, job: Job) -> None:
        """Segment one frame."""
        segmenter, treatment = self._segmenter, treatment_of(job)
        assert segmenter is not None
        motion = (treatment.speed, treatment.yaw_rate)
        depth = job.messages.get("depth")
        frame = read_frame(job.messages["image"], treatment.index, depth=depth, motion=motion)
        clean = perceive(frame, segmenter)
        self._clean.send(job.header, clean.labels)
        if not self.config.degraded:
            return
        labels, condition = clean.labels, treatment.condition
        if not condition.is_clean:
            shown = read_frame(
                job.messages["degraded"], treatment.index, depth=depth, motion=motion
            )
            labels = perceive(shown, segmenter).labels
            if condition.changes_labels:
                # The other half of what corruption_node began.
                perceived = replace(shown, labels=labels)
                labels = condition.degrade_labels(perceived, treatment.seed).labels
        self._degraded.send(job.header, labels)


def main() -> int:
    """Run the node."""
    return run(SegmenterNode)


if __name__ == "__main__":
    sys.exit(main())
