"""Everything in one process: no image crosses DDS between the stages."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence

from semalign_ros.errors import ConfigError
from semalign_ros.language import PromptSet
from semalign_ros.monitor import Judged, Monitor
from semalign_ros.nodes.camera import TwistInput, image_stream
from semalign_ros.nodes.conditions import choose
from semalign_ros.nodes.config import MonitorConfig
from semalign_ros.nodes.frames import read_frame
from semalign_ros.nodes.history import FrameHistory
from semalign_ros.nodes.inputs import Input
from semalign_ros.nodes.judging import JudgingNode
from semalign_ros.nodes.models import frame_size, load_segmenter, load_vlm, prove
from semalign_ros.nodes.outputs import ImageOutput, LabelOutput
from semalign_ros.nodes.runner import run
from semalign_ros.nodes.stage import Job, Stream
from semalign_ros.types import Frame


class MonitorNode(JudgingNode[MonitorConfig]):
    """Judges every frame that it has time for."""

    def __init__(self) -> None:
        self._monitor: Monitor | None = None
        self._twist = TwistInput()
        self._history = FrameHistory(self._read)
        super().__init__("monitor_node", MonitorConfig)

    def apply(self, config: MonitorConfig) -> None:
        """Take conditions, rule and thresholds."""
        choice = choose(config.corruption)
        super().apply(config)
        self._choice = choice

    def open(self) -> None:
        """Load the models."""
        config = self.config
        if config.reference == "segmenter" and not config.segmenter.bundle:
            raise ConfigError(
                "segmenter.bundle is empty, and the reference shall come from the segmenter: name "
                "a bundle, or set reference to topic"
            )
        size = frame_size(config.warm_up, config.segmenter.gpu, config.vlm.gpu)
        warn = self.get_logger().warning
        self.tell_step("loading the segmenter")
        segmenter = load_segmenter(config.segmenter)
        facts = prove("segmenter", segmenter, size, warn) if segmenter else {}
        self.tell_step("loading the VLM")
        vlm = load_vlm(config.vlm, config.vlm_input)
        self.facts = {**prove("vlm", vlm, size, warn), **facts}
        self.tell_facts()
        self._monitor = Monitor(vlm, segmenter, config.vlm_input)
        super().open()
        self._corrupted = ImageOutput(self, "~/output/corrupted/image")
        self._clean_labels = LabelOutput(self, "~/output/segmentation/clean")
        self._degraded_labels = LabelOutput(self, "~/output/segmentation/degraded")
        self.start_health(PromptSet.load(config.vlm.prompts))

    def close(self) -> None:
        """Let the models go."""
        for name in ("_corrupted", "_clean_labels", "_degraded_labels"):
            output = self.__dict__.pop(name, None)
            if output is not None:
                output.close()
        self._monitor = None
        super().close()

    def streams(self) -> Sequence[Stream]:
        """The image, and what must come with it."""
        config = self.config
        streams = [image_stream("image", "~/input/image", config.input.transport)]
        if config.reference == "topic":
            streams.append(image_stream("segmentation", "~/input/segmentation", "auto"))
        if config.input.depth:
            streams.append(image_stream("depth", "~/input/depth"))
        return streams

    def recalls(self) -> frozenset[int]:
        """What the conditions look back at."""
        return self._choice.recalls()

    def extra_inputs(self) -> Iterable[Input]:
        """The twist and the safety label, if asked for."""
        yield from super().extra_inputs()
        if self.config.input.twist:
            yield self._twist.subscribe(self)

    def forget(self) -> None:
        """Empty the windows, and forget how the vehicle moved."""
        self._twist.forget()
        self._history.forget()
        super().forget()

    def process(self, job: Job) -> None:
        """Judge one frame."""
        monitor, choice, rule = self._monitor, self._choice, self.rule
        assert monitor is not None
        frame = self._history.frame(job)
        monitor = Monitor(monitor.vlm, monitor.segmenter, monitor.vlm_input, rule, choice.seed)
        judged = monitor.judge(frame, choice.at(job.index), safety=self.safety)
        self.times.add(judged.verdict.stage_s)
        self._publish(job, judged)

    def _publish(self, job: Job, judged: Judged) -> None:
        clean, degraded = judged.clean.perception, judged.degraded.perception
        self._corrupted.send(job.header, lambda: degraded.frame.image)
        self._clean_labels.send(job.header, clean.labels)
        self._degraded_labels.send(job.header, degraded.labels)
        self.deliver(job, judged)

    def _read(self, job: Job) -> Frame:
        return read_frame(
            job.messages["image"],
            job.index,
            labels=job.messages.get("segmentation"),
            depth=job.messages.get("depth"),
            motion=self._twist.at(job.stamp_ns),
            elapsed_s=job.elapsed_s,
        )


def main() -> int:
    """Run the node."""
    return run(MonitorNode)


if __name__ == "__main__":
    sys.exit(main())
