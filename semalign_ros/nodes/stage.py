"""Base of the nodes that work on frames: inputs, pairing, one worker, counted drops."""

from __future__ import annotations

import threading
import time
import traceback
from collections import deque
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.clock import JumpThreshold
from rclpy.duration import Duration
from rclpy.lifecycle import LifecycleState, TransitionCallbackReturn
from std_msgs.msg import Header
from std_srvs.srv import SetBool, Trigger

from semalign_ros.alignment.health import Level, Status
from semalign_ros.errors import ImageError, SemalignError
from semalign_ros.nodes.building import Building
from semalign_ros.nodes.config import StageConfig
from semalign_ros.nodes.counters import FAILURES_IN_A_ROW, FrameCounters
from semalign_ros.nodes.inputs import Input, MessageInfo, Source
from semalign_ros.nodes.lifecycle import ManagedNode
from semalign_ros.nodes.mailbox import Worker
from semalign_ros.nodes.messages import diagnostic_array, stamp_ns, status_message
from semalign_ros.nodes.pairing import ExactPairer
from semalign_ros.nodes.qos import VALUES_OUT
from semalign_ros.nodes.sequence import StreamSequence
from semalign_ros.nodes.timing import StageTimes

ConfigT = TypeVar("ConfigT", bound=StageConfig)

_GRAPH_POLL_S = 0.2
_FEWEST_FRAMES = 20  # before a share of faults says anything
_DIAGNOSTICS_S = 1.0
_LOG_EVERY_S = 5.0
_REASON_LENGTH = 400
_NS = 1_000_000_000

_PLAUSIBLE_AGE_S = (-1.0, 3600.0)
# A stamp outside is of another clock (a bag played without /clock). A little ahead is normal:
# a simulated clock moves in steps.


@dataclass(frozen=True, slots=True)
class Stream:
    """One input of which every frame needs a message.

    Args:
        name: Key of its messages.
        sources: Where it may come from.
    """

    name: str
    sources: tuple[Source, ...]


@dataclass(frozen=True, slots=True)
class Job:
    """All messages of one frame.

    Args:
        header: Of the frame, goes unchanged onto every output.
        index: Position in the stream of frames.
        messages: By stream name.
        epoch: Counts the jumps of time before it.
        elapsed_s: Seconds since the first frame that arrived after the last jump.
        earlier: Jobs before it by how many positions they lie back, as far as they arrived
            and :meth:`StageNode.recalls` asks for them; themselves without any.
    """

    header: Header
    index: int
    messages: Mapping[str, Any]
    epoch: int
    elapsed_s: float = 0.0
    earlier: Mapping[int, Job] = field(default_factory=dict)

    @property
    def stamp_ns(self) -> int:
        """Stamp of the frame, nanoseconds."""
        return stamp_ns(self.header.stamp)


class StageNode(ManagedNode[ConfigT]):
    """A managed node that turns frames into outputs, the newest one first.

    The executor's thread only receives and pairs; :meth:`process` runs in one worker. The
    first of :meth:`streams` is the frame; what happens to it is counted.

    Args:
        name: Default name of the node.
        config: Its parameter table.

    Attributes:
        counters: What became of the frames.
        times: How long their stages took.
        facts: Shown in the diagnostics, such as the device of a model.
    """

    def __init__(self, name: str, config: type[ConfigT]) -> None:
        super().__init__(name, config)
        self.counters = FrameCounters()
        self.times = StageTimes()
        self._building: Building | None = None
        self._last_failure = ""
        self._lock = threading.Lock()
        self._enabled = True
        self._epoch = 0
        self._newest_ns: int | None = None
        self._first_ns: int | None = None
        self._recent: deque[Job] = deque()
        self._sequence = StreamSequence()
        self._inputs: list[Input] = []
        self._pairer: ExactPairer[tuple[Any, int]] = ExactPairer(())
        self._worker: Worker[Job] | None = None
        self._levels: dict[str, Level] = {}
        self.facts: dict[str, str] = {}
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", VALUES_OUT)
        self.create_service(SetBool, "~/set_enabled", self._on_set_enabled)
        self.create_service(Trigger, "~/reset", self._on_reset)
        self.every(_DIAGNOSTICS_S, self._publish_diagnostics)
        self.every(_GRAPH_POLL_S, self._poll_inputs)
        # Kept: it unregisters when it is collected.
        self._jump = self.get_clock().create_jump_callback(
            JumpThreshold(
                min_forward=None, min_backward=Duration(nanoseconds=-1), on_clock_change=True
            ),
            post_callback=lambda _: self.restart("time jumped"),
        )

    # --- what a subclass says -------------------------------------------------------------

    def streams(self) -> Sequence[Stream]:
        """Inputs that are paired by stamp; the first one is the frame."""
        raise NotImplementedError

    def process(self, job: Job) -> None:
        """Work on one frame, in the worker's thread.

        Raises:
            ImageError: The frame is counted under the error's reason.
            SemalignError: The frame is counted as an inference error.
        """
        raise NotImplementedError

    def recalls(self) -> Collection[int]:
        """How many positions back the jobs lie that :meth:`process` looks at."""
        return ()

    def extra_inputs(self) -> Iterable[Input]:
        """Inputs that are not paired."""
        return ()

    def forget(self) -> None:
        """Drop what is known of earlier frames; the worker may run meanwhile."""

    def on_drop(self, reason: str, count: int) -> None:
        """Learn of dropped frames; called from any thread."""

    def on_enabled(self, enabled: bool) -> None:
        """Learn of ``~/set_enabled``."""

    def statuses(self) -> Sequence[Status]:
        """State of the node; by default whether its frames get through."""
        values = self.counters.snapshot()
        name = f"semalign_{self.config.camera}: {self.status_name}"
        if self._building is not None:
            # A warning, as nothing is watched yet.
            return [Status(name, Level.WARN, self._building.words, "BUILDING", values)]
        if not self._enabled:
            return [Status(name, Level.STALE, "disabled", "DISABLED", values)]
        if not self.active:
            return [Status(name, Level.OK, "not active", "INACTIVE", values)]
        failure = self.failure(name, values)
        if failure is not None:
            return [failure]
        missing = self.unpublished()
        if missing:
            words = f"waiting for a publisher on {', '.join(missing)}"
            return [Status(name, Level.WARN, words, "NO_INPUT", values)]
        words = f"{values['done']:.0f} of {values['received']:.0f} frames done"
        faults, frames = self.counters.recent_faults()
        if frames >= _FEWEST_FRAMES and faults > frames / 2:
            words = f"{faults} of the last {frames} frames lost to a fault, {words}"
            return [Status(name, Level.ERROR, words, "FRAMES_LOST", values)]
        return [Status(name, Level.OK, words, "OK", values)]

    @property
    def status_name(self) -> str:
        """End of the name of that status."""
        return str(self.get_name())

    # --- what a subclass uses ---------------------------------------------------------------

    @property
    def enabled(self) -> bool:
        """What ``~/set_enabled`` said last."""
        return self._enabled

    @property
    def active(self) -> bool:
        """Whether frames are taken."""
        return self._worker is not None

    def unpublished(self) -> list[str]:
        """Topics of the inputs that nobody publishes."""
        return [t for i in self._inputs if not i.connected for t in i.topics[:1]]

    def failure(self, name: str, values: Mapping[str, float]) -> Status | None:
        """Status for models that keep failing, or None."""
        if not self.counters.failing:
            return None
        message = f"inference failed on the last {FAILURES_IN_A_ROW} frames or more"
        message += f": {self._last_failure}"
        return Status(name, Level.ERROR, message, "INFERENCE_FAILED", values)

    def tell_step(self, step: str) -> None:
        """Say in the diagnostics what :meth:`open` is doing: ``loading the segmenter``."""
        if self._building is not None:
            self._building.step = step

    def tell_facts(self) -> None:
        """Log the facts."""
        for key, value in self.facts.items():
            self.get_logger().info(f"{key}: {value}")

    def drop(self, reason: str, count: int = 1) -> None:
        """Count frames that are not worked on to the end."""
        if count:
            self.counters.drop(reason, count)
            self.on_drop(reason, count)

    def age_s(self, stamp: int) -> float | None:
        """Age of a frame by the node's clock, seconds; None where the clocks are not one."""
        age = (self.get_clock().now().nanoseconds - stamp) / _NS
        low, high = _PLAUSIBLE_AGE_S
        return max(age, 0.0) if low <= age <= high else None

    def current(self, job: Job) -> bool:
        """Whether no jump of time came since the frame arrived."""
        return job.epoch == self._epoch

    def restart(self, why: str) -> None:
        """Forget all earlier frames: time has begun anew."""
        self.get_logger().info(f"{why}: starting anew")
        with self._lock:
            self._epoch += 1
            self._newest_ns = self._first_ns = None
            self._recent.clear()
            self._sequence.restart()
            unmatched = self._pairer.clear()
        self.drop("unmatched", unmatched)
        if self._worker is not None and self._worker.mailbox.clear() is not None:
            self.drop("superseded")
        self.forget()

    def report_changes(self) -> None:
        """Publish the diagnostics now if a level has changed."""
        statuses = self.statuses()
        if _levels(statuses) != self._levels:
            self._send(statuses)

    # --- lifecycle --------------------------------------------------------------------------

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Run :meth:`open`, and publish diagnostics all the while."""
        self._building = Building(self._publish_diagnostics, _DIAGNOSTICS_S)
        try:
            with self._building:
                return super().on_configure(state)
        finally:
            self._building = None

    def begin(self) -> None:
        """Start the worker and look for publishers."""
        self.counters.begin()
        self.forget()
        streams = self.streams()
        self._pairer = ExactPairer([s.name for s in streams], self.config.pair_capacity)
        self._worker = Worker(self._work, f"{self.get_name()}_worker")
        self._worker.start()
        self._inputs = [
            Input(self, s.sources, self._receiver(s.name), self.config.qos_reliability)
            for s in streams
        ]
        self._inputs += self.extra_inputs()
        self._poll_inputs()

    def end(self) -> None:
        """Unsubscribe, and let the frame in work be finished."""
        for item in self._inputs:
            item.close()
        self._inputs = []
        worker, self._worker = self._worker, None
        if worker is not None and worker.stop() is not None:
            self.drop("superseded")
        self.drop("unmatched", self._pairer.clear())
        self._newest_ns = self._first_ns = None
        self._recent.clear()
        self._sequence = StreamSequence()
        self.forget()

    # --- receiving --------------------------------------------------------------------------

    def _receiver(self, stream: str) -> Any:
        is_frame = stream == self.streams()[0].name
        return lambda message, info: self._receive(stream, is_frame, message, info)

    def _receive(self, stream: str, is_frame: bool, message: Any, info: MessageInfo) -> None:
        worker = self._worker
        if worker is None or not self._enabled:
            return
        stamp = stamp_ns(message.header.stamp)
        if is_frame and self._newest_ns is not None and stamp < self._newest_ns:
            self.restart("stamps jumped back")
        with self._lock:
            index = 0
            if is_frame:
                self._newest_ns = stamp
                self._first_ns = stamp if self._first_ns is None else self._first_ns
                arrival = self._sequence.arrive(info.number, info.sole_publisher)
                index = arrival.index
                self.counters.receive(1 + arrival.lost)
                self.drop("lost", arrival.lost)
            pairing = self._pairer.add(stream, stamp, (message, index))
            job = self._job(pairing.complete) if pairing.complete is not None else None
        self.drop("unmatched", pairing.unmatched)
        if job is not None and worker.mailbox.put(job) is not None:
            self.drop("superseded")

    def _job(self, paired: Mapping[str, tuple[Any, int]]) -> Job:
        """Make the job of a frame and remember it as long as later ones look back at it."""
        first, index = paired[self.streams()[0].name]
        elapsed = 0.0
        if self._first_ns is not None:
            elapsed = (stamp_ns(first.header.stamp) - self._first_ns) / _NS
        messages = {name: item[0] for name, item in paired.items()}
        job = Job(first.header, index, messages, self._epoch, max(elapsed, 0.0))
        recalls = self.recalls()
        if not recalls:
            self._recent.clear()
            return job
        known = {then.index: then for then in self._recent}
        earlier = {n: known[index - n] for n in sorted(recalls) if index - n in known}
        self._recent.append(job)
        while len(self._recent) > max(recalls):
            self._recent.popleft()
        return replace(job, earlier=earlier)

    # --- working ----------------------------------------------------------------------------

    def _work(self, job: Job) -> None:
        age = self.age_s(job.stamp_ns)
        limit = self.config.max_age
        if not self.current(job):
            self.drop("superseded")
        elif limit and age is None:
            self.drop("stale")
            self._say(
                "dropped as stale: the stamps are not of the node's clock; play with a clock and "
                "set use_sim_time, or set max_age to 0"
            )
        elif limit and age is not None and age > limit:
            self.drop("stale")
            self._say(f"dropped as stale: {age:.2f} s old, max_age is {limit:g} s")
        else:
            self._try(job)
        self.report_changes()

    def _try(self, job: Job) -> None:
        where = f"frame {job.index} at {job.stamp_ns / _NS:.6f} s"
        start = time.perf_counter()
        try:
            self.process(job)
        except ImageError as error:
            self.drop(error.reason)
            self._say(f"{where}: {error}")
        except SemalignError as error:
            self._fail(f"{where}: {error}")
        except Exception as error:
            self._fail(f"{where}: {type(error).__name__}: {error}", traceback.format_exc())
        else:
            self.times.add({"frame": time.perf_counter() - start})
            self.counters.finish()

    def _fail(self, why: str, trace: str = "") -> None:
        """Count a frame that a model failed on."""
        self._last_failure = why.splitlines()[0][:_REASON_LENGTH]
        self.drop("inference_error")
        self._say(f"{why}\n{trace}" if trace else why)

    def _say(self, text: str) -> None:
        self.get_logger().warning(text, throttle_duration_sec=_LOG_EVERY_S)

    # --- services, timers -------------------------------------------------------------------

    def _on_set_enabled(
        self, request: SetBool.Request, response: SetBool.Response
    ) -> SetBool.Response:
        self._enabled = bool(request.data)
        if not self._enabled:
            self.restart("disabled")
            with self._lock:
                # What is published until it is enabled is not lost.
                self._sequence.pause()
        self.on_enabled(self._enabled)
        response.success = True
        response.message = "enabled" if self._enabled else "disabled"
        self._publish_diagnostics()
        return response

    def _on_reset(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        self.restart("reset")
        response.success = True
        response.message = "windows and waiting frames cleared; counters are kept"
        return response

    def _poll_inputs(self) -> None:
        for item in self._inputs:
            item.poll()

    def _publish_diagnostics(self) -> None:
        self._send(self.statuses())

    def _send(self, statuses: Sequence[Status]) -> None:
        if self._building is None:  # what goes on then is told in words of its own
            self._log_changes(statuses)
            self._levels = _levels(statuses)
        header = Header(stamp=self.get_clock().now().to_msg())
        messages = [status_message(status) for status in statuses[:-1]]
        # What is of no single status, such as devices and times, stands with the last one.
        facts: dict[str, str | float] = {**self.facts, **self.times.snapshot()}
        if self._last_failure:
            facts["last_failure"] = self._last_failure
        messages += [status_message(status, facts) for status in statuses[-1:]]
        self._diagnostics.publish(diagnostic_array(header, *messages))

    def _log_changes(self, statuses: Sequence[Status]) -> None:
        """Tell who only sees the terminal what becomes an alarm, and what is well again."""
        for status in statuses:
            text = f"{status.name}: {status.level.name}, {status.message}"
            if status.level == self._levels.get(status.name, Level.OK):
                continue
            # Each severity from a line of its own, as rclpy asks.
            if status.level in (Level.WARN, Level.ERROR):
                self.get_logger().warning(text)
            else:
                self.get_logger().info(text)


def _levels(statuses: Sequence[Status]) -> dict[str, Level]:
    return {status.name: status.level for status in statuses}
