"""Base of the nodes that judge: verdicts out, health, pictures, snapshots."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TypeVar

from diagnostic_msgs.msg import DiagnosticArray
from std_msgs.msg import String
from std_srvs.srv import Trigger
from visualization_msgs.msg import MarkerArray

from semalign_ros.alignment.health import HealthTracker, Status
from semalign_ros.drawing import draw_overlay
from semalign_ros.errors import ConfigError, SemalignError
from semalign_ros.language import PromptSet
from semalign_ros.monitor import Judged
from semalign_ros.nodes.config import JudgingConfig
from semalign_ros.nodes.inputs import Input, MessageInfo, Source
from semalign_ros.nodes.markers import verdict_markers
from semalign_ros.nodes.messages import diagnostic_array, diagnostic_status
from semalign_ros.nodes.outputs import ImageOutput, Output
from semalign_ros.nodes.reports import judgment_values, judgment_words, metric_values
from semalign_ros.nodes.snapshot import write_snapshot
from semalign_ros.nodes.stage import Job, StageNode
from semalign_ros.scene.reference import ReferenceRule
from semalign_ros.types import Judgment

ConfigT = TypeVar("ConfigT", bound=JudgingConfig)


class JudgingNode(StageNode[ConfigT]):
    """A stage whose frames end in a verdict.

    Args:
        name: Default name of the node.
        config: Its parameter table.
    """

    def __init__(self, name: str, config: type[ConfigT]) -> None:
        self._health_lock = threading.Lock()
        self._health: HealthTracker | None = None
        self.rule = ReferenceRule()
        self._safety: Judgment | None = None
        self._last: Judged | None = None
        super().__init__(name, config)
        self.create_service(Trigger, "~/snapshot", self._on_snapshot)

    def apply(self, config: ConfigT) -> None:
        """Take rule and thresholds."""
        rule = config.rule.rule()
        if config.rule.label_map and config.reference != "topic":
            raise ConfigError(
                f"rule.label_map: found {config.rule.label_map}, but the reference comes from our "
                "segmenter, which tells all classes; set reference to topic"
            )
        if self._health is not None and config.thresholds != self.config.thresholds:
            with self._health_lock:
                self._health.set_thresholds(config.thresholds)
        self.rule = rule

    def start_health(self, prompts: PromptSet) -> None:
        """Begin to track health; `prompts` tells paraphrases from reversed questions."""
        self._health = HealthTracker(
            self.config.camera,
            self.config.thresholds,
            polarities={prompt.id: prompt.safe_when_yes for prompt in prompts.safety},
        )
        self._health.set_enabled(self.enabled)

    def open(self) -> None:
        """Announce the outputs."""
        self._judgment = Output(self, DiagnosticArray, "~/output/judgment")
        self._metrics = Output(self, DiagnosticArray, "~/metrics")
        self._overlay = ImageOutput(self, "~/debug/overlay")
        self._markers = Output(self, MarkerArray, "~/debug/markers")

    def close(self) -> None:
        """Take the outputs back."""
        for name in ("_judgment", "_metrics", "_overlay", "_markers"):
            output = self.__dict__.pop(name, None)
            if output is not None:
                output.close()
        self._health = None
        self._last = None

    def extra_inputs(self) -> Iterable[Input]:
        """The external safety label, if asked for."""
        if self.config.safety_label:
            source = Source("~/input/safety_label", (String,))
            yield Input(self, [source], self._on_safety)

    @property
    def safety(self) -> Judgment | None:
        """External safety label in force, or None."""
        return self._safety

    def deliver(self, job: Job, judged: Judged) -> None:
        """Publish a verdict, and take it into the health unless time has jumped since."""
        verdict = judged.verdict
        age = self.age_s(verdict.stamp_ns)
        camera = self.config.camera
        self._last = judged
        self._judgment.publish(
            lambda: diagnostic_array(
                job.header,
                diagnostic_status(
                    f"semalign_{camera}: judgment",
                    judgment_values(verdict),
                    message=judgment_words(verdict),
                    hardware_id=verdict.degraded.bundle_id,
                ),
            )
        )
        self._metrics.publish(
            lambda: diagnostic_array(
                job.header,
                diagnostic_status(
                    f"semalign_{camera}: metrics",
                    metric_values(verdict, self.counters.snapshot(), age),
                    hardware_id=verdict.degraded.bundle_id,
                ),
            )
        )
        self._overlay.send(
            job.header,
            lambda: draw_overlay(
                judged, rule=self.rule, title=camera, max_width=self.config.overlay.max_width
            ),
        )
        self._markers.publish(lambda: verdict_markers(job.header, verdict))
        if self._health is not None and self.current(job):
            with self._health_lock:
                self._health.update(verdict, age)

    def statuses(self) -> Sequence[Status]:
        """Health of the language, and of the pipeline with the counters."""
        health = self._health
        if health is None or not self.active:
            return super().statuses()
        with self._health_lock:
            *language, pipeline = health.statuses()
        values = {**pipeline.values, **self.counters.snapshot()}
        failure = self.failure(pipeline.name, values) if self.enabled else None
        message, missing = pipeline.message, self.unpublished()
        if missing and self.enabled:
            message += f"; nobody publishes {', '.join(missing)}"
        return [
            *language,
            failure or Status(pipeline.name, pipeline.level, message, pipeline.fault_code, values),
        ]

    @property
    def status_name(self) -> str:
        """Of the one status that there is before the health is tracked."""
        return "pipeline"

    def forget(self) -> None:
        """Empty the windows; a safety label holds until the next one."""
        if self._health is not None:
            with self._health_lock:
                self._health.reset()

    def on_drop(self, reason: str, count: int) -> None:
        """Take a drop into the health."""
        if self._health is not None:
            with self._health_lock:
                self._health.count_drop(reason, count)

    def on_enabled(self, enabled: bool) -> None:
        """Pause or resume the health."""
        if self._health is not None:
            with self._health_lock:
                self._health.set_enabled(enabled)

    def _on_safety(self, message: String, _: MessageInfo) -> None:
        try:
            self._safety = Judgment(message.data.strip().lower())
        except ValueError:
            self._safety = None
            self.get_logger().warning(
                f"safety_label: found {message.data!r}, expected safe or unsafe; the rule judges",
                throttle_duration_sec=5.0,
            )

    def _on_snapshot(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        judged = self._last
        response.success = False
        if judged is None:
            response.message = "no frame was judged yet"
            return response
        try:
            folder = write_snapshot(
                Path(self.config.snapshot_folder).expanduser(),
                judged,
                self.parameters.values(),
                rule=self.rule,
                title=self.config.camera,
            )
        except (SemalignError, OSError, RuntimeError) as error:  # RuntimeError: "~nobody"
            response.message = str(error)
            return response
        response.success, response.message = True, str(folder)
        return response
