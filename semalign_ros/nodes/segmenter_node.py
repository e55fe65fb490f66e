"""Segments the clean and the degraded image of each frame."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from semalign_ros.corruption import Condition
from semalign_ros.errors import ConfigError
from semalign_ros.inference import Segmenter
from semalign_ros.monitor import perceive
from semalign_ros.nodes.camera import image_stream
from semalign_ros.nodes.config import SegmenterNodeConfig
from semalign_ros.nodes.frames import read_frame
from semalign_ros.nodes.models import frame_size, load_segmenter, prove
from semalign_ros.nodes.outputs import LabelOutput
from semalign_ros.nodes.runner import run
from semalign_ros.nodes.stage import Job, StageNode, Stream
from semalign_ros.nodes.treatments import condition_stream, treatment_of
from semalign_ros.types import Frame


class SegmenterNode(StageNode[SegmenterNodeConfig]):
    """Second stage of the graph of single nodes; one model serves both branches."""

    def __init__(self) -> None:
        self._segmenter: Segmenter | None = None
        self._perceived: dict[int, tuple[Frame, dict[str, object]]] = {}
        super().__init__("segmenter_node", SegmenterNodeConfig)

    def open(self) -> None:
        """Load the model."""
        size = frame_size(self.config.warm_up, self.config.segmenter.gpu)
        self.tell_step("loading the segmenter")
        segmenter = load_segmenter(self.config.segmenter)
        if segmenter is None:
            raise ConfigError("segmenter.bundle is empty: name a bundle")
        self._segmenter = segmenter
        self.facts = prove("segmenter", segmenter, size, self.get_logger().warning)
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
        read = partial(
            read_frame,
            index=treatment.index,
            depth=job.messages.get("depth"),
            motion=(treatment.speed, treatment.yaw_rate),
            elapsed_s=treatment.elapsed_s,
        )
        frame = read(job.messages["image"])
        clean = perceive(frame, segmenter)
        self._clean.send(job.header, clean.labels)
        if not self.config.degraded:
            self.times.add(clean.stage_s)
            return
        seen, labels, condition = clean, clean.labels, treatment.condition
        if not condition.is_clean:
            shown = read(job.messages["degraded"])
            seen = perceive(shown, segmenter)
            labels = seen.labels
            if condition.changes_labels:
                # The other half of what corruption_node began.
                perceived = self._remember(replace(shown, labels=labels), condition)
                labels = condition.degrade_labels(perceived, treatment.seed).labels
        self._degraded.send(job.header, labels)
        self.times.add(*((clean.stage_s,) if seen is clean else (clean.stage_s, seen.stage_s)))

    def forget(self) -> None:
        """Let earlier label maps go."""
        self._perceived = {}

    def _remember(self, frame: Frame, condition: Condition) -> Frame:
        """Keep the label map for later frames, and give the frame those that it looks at."""
        recalls = condition.recalls_labels()
        if not recalls:
            return frame
        oldest = frame.index - max(recalls)
        done = condition.describe()
        # Another condition's label maps are of other pictures.
        known = {
            n: (then, by)
            for n, (then, by) in self._perceived.items()
            if oldest <= n < frame.index and by == done
        }
        earlier = {n: known[frame.index - n][0] for n in recalls if frame.index - n in known}
        self._perceived = {**known, frame.index: (frame, done)}
        return replace(frame, earlier=earlier)


def main() -> int:
    """Run the node."""
    return run(SegmenterNode)


if __name__ == "__main__":
    sys.exit(main())
