"""Asks the VLM about the clean and the degraded image of each frame."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from diagnostic_msgs.msg import DiagnosticArray

from semalign_ros.corruption import CLEAN, Condition
from semalign_ros.inference import Vlm
from semalign_ros.monitor import Observation, Perception, ask
from semalign_ros.nodes.answers import encode_answer
from semalign_ros.nodes.camera import image_stream
from semalign_ros.nodes.config import VlmNodeConfig
from semalign_ros.nodes.frames import read_frame
from semalign_ros.nodes.messages import diagnostic_array, diagnostic_status
from semalign_ros.nodes.models import frame_size, load_vlm, prove
from semalign_ros.nodes.outputs import Output
from semalign_ros.nodes.runner import run
from semalign_ros.nodes.stage import Job, StageNode, Stream
from semalign_ros.nodes.treatments import condition_stream, treatment_of

ANSWER_CLEAN, ANSWER_DEGRADED = "answer clean", "answer degraded"
"""Ends of the names of the two statuses in an answer message."""


class VlmNode(StageNode[VlmNodeConfig]):
    """Third stage of the graph of single nodes; one model serves both branches."""

    def __init__(self) -> None:
        self._vlm: Vlm | None = None
        super().__init__("vlm_node", VlmNodeConfig)

    def open(self) -> None:
        """Load the model."""
        size = frame_size(self.config.warm_up, self.config.vlm.gpu)
        self.tell_step("loading the VLM")
        self._vlm = load_vlm(self.config.vlm, self.config.vlm_input)
        self.facts = prove("vlm", self._vlm, size, self.get_logger().warning)
        self.tell_facts()
        self._answers = Output(self, DiagnosticArray, "~/output/answers")

    def close(self) -> None:
        """Let the model go."""
        output = self.__dict__.pop("_answers", None)
        if output is not None:
            output.close()
        self._vlm = None

    def streams(self) -> Sequence[Stream]:
        """Images, and label maps where the VLM is shown them; the last to come first."""
        shows_labels = self.config.vlm_input != "image"
        clean = [image_stream("image", "~/input/image", "auto")]
        if shows_labels:
            clean.insert(0, image_stream("labels", "~/input/segmentation/clean"))
        if not self.config.degraded:
            return clean
        degraded = [image_stream("degraded", "~/input/degraded/image")]
        if shows_labels:
            degraded.insert(0, image_stream("degraded_labels", "~/input/segmentation/degraded"))
        return [*degraded, *clean, condition_stream()]

    def process(self, job: Job) -> None:
        """Ask about one frame."""
        treatment = treatment_of(job)
        asked = {ANSWER_CLEAN: self._ask(job, treatment.index, "image", "labels", CLEAN)}
        if self.config.degraded and not treatment.condition.is_clean:
            asked[ANSWER_DEGRADED] = self._ask(
                job, treatment.index, "degraded", "degraded_labels", treatment.condition
            )
        self.times.add(*(observation.stage_s for observation in asked.values()))
        answers = {name: observation.answer for name, observation in asked.items()}
        camera = self.config.camera
        self._answers.publish(
            lambda: diagnostic_array(
                job.header,
                *(
                    diagnostic_status(
                        f"semalign_{camera}: {name}",
                        encode_answer(answer),
                        message=answer.raw_text,
                        hardware_id=answer.bundle_id,
                    )
                    for name, answer in answers.items()
                ),
            )
        )

    def _ask(
        self, job: Job, index: int, image: str, labels: str, condition: Condition
    ) -> Observation:
        assert self._vlm is not None
        frame = read_frame(job.messages[image], index, labels=job.messages.get(labels))
        perception = Perception(frame, None, frame.labels, {})
        return ask(perception, self._vlm, self.config.vlm_input, condition)


def main() -> int:
    """Run the node."""
    return run(VlmNode)


if __name__ == "__main__":
    sys.exit(main())
