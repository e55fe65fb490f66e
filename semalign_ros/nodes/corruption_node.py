"""Degrades a camera image, and tells the other nodes what it did."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence

from diagnostic_msgs.msg import DiagnosticArray

from semalign_ros.nodes.camera import TwistInput, image_stream
from semalign_ros.nodes.conditions import Treatment, choose, encode_treatment
from semalign_ros.nodes.config import CorruptionNodeConfig
from semalign_ros.nodes.frames import read_frame
from semalign_ros.nodes.history import FrameHistory
from semalign_ros.nodes.inputs import Input
from semalign_ros.nodes.messages import diagnostic_array, diagnostic_status
from semalign_ros.nodes.outputs import ImageOutput, Output
from semalign_ros.nodes.runner import run
from semalign_ros.nodes.stage import Job, StageNode, Stream
from semalign_ros.types import Frame


class CorruptionNode(StageNode[CorruptionNodeConfig]):
    """First stage of the graph of single nodes."""

    def __init__(self) -> None:
        self._twist = TwistInput()
        self._history = FrameHistory(self._read)
        super().__init__("corruption_node", CorruptionNodeConfig)

    def apply(self, config: CorruptionNodeConfig) -> None:
        """Take the conditions."""
        self._choice = choose(config.corruption)

    def open(self) -> None:
        """Announce the outputs."""
        self._corrupted = ImageOutput(self, "~/output/corrupted/image")
        self._condition = Output(self, DiagnosticArray, "~/output/condition")

    def close(self) -> None:
        """Take the outputs back."""
        for name in ("_corrupted", "_condition"):
            output = self.__dict__.pop(name, None)
            if output is not None:
                output.close()

    def streams(self) -> Sequence[Stream]:
        """The image, and the depth if asked for."""
        streams = [image_stream("image", "~/input/image", self.config.input.transport)]
        if self.config.input.depth:
            streams.append(image_stream("depth", "~/input/depth"))
        return streams

    def recalls(self) -> frozenset[int]:
        """What the conditions look back at."""
        return self._choice.recalls()

    def extra_inputs(self) -> Iterable[Input]:
        """The twist, if asked for."""
        if self.config.input.twist:
            yield self._twist.subscribe(self)

    def forget(self) -> None:
        """Forget how the vehicle moved."""
        self._twist.forget()
        self._history.forget()

    def process(self, job: Job) -> None:
        """Degrade one frame."""
        choice = self._choice
        frame = self._history.frame(job)
        condition = choice.at(job.index)
        shown = condition.degrade_image(frame, choice.seed)
        treatment = Treatment(
            job.index, choice.seed, condition, frame.speed, frame.yaw_rate, frame.elapsed_s
        )
        self._condition.publish(
            lambda: diagnostic_array(
                job.header,
                diagnostic_status(
                    f"semalign_{self.config.camera}: condition",
                    encode_treatment(treatment, frame),
                    message=f"{condition.name} {condition.severity:g}",
                ),
            )
        )
        self._corrupted.send(job.header, lambda: shown.image)

    def _read(self, job: Job) -> Frame:
        return read_frame(
            job.messages["image"],
            job.index,
            depth=job.messages.get("depth"),
            motion=self._twist.at(job.stamp_ns),
            elapsed_s=job.elapsed_s,
        )


def main() -> int:
    """Run the node."""
    return run(CorruptionNode)


if __name__ == "__main__":
    sys.exit(main())
