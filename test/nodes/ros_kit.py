"""What the tests of the nodes share: scenes, a probe, and how to read messages."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from semalign_ros.scene.taxonomy import TRAIN_ID

# ROS allows 0..101 everywhere; parallel runs of the tests should not meet.
DOMAIN = 1 + os.getpid() % 100
os.environ["ROS_DOMAIN_ID"] = str(DOMAIN)
os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"

IMAGE = "/camera/front/image_raw"
SEGMENTATION = "/ground_truth/segmentation"
HEIGHT, WIDTH = 48, 96
STEP_NS = 100_000_000
ORIGIN_NS = 1_000_000_000_000
SAFE, UNSAFE = "safe", "unsafe"


def scene(*classes: str) -> np.ndarray:
    """u8[H, W] label map: road below, sky above, and a block of each class beside the road."""
    labels = np.full((HEIGHT, WIDTH), TRAIN_ID["sky"], np.uint8)
    labels[HEIGHT // 2 :] = TRAIN_ID["road"]
    for position, name in enumerate(classes):
        labels[4:12, 4 + 12 * position : 12 + 12 * position] = TRAIN_ID[name]
    return labels


def paint(labels: np.ndarray, seed: int = 0) -> np.ndarray:
    """u8[H, W, 3] image of a scene: red holds the class, the rest is noise."""
    image = np.random.default_rng(seed).integers(0, 256, (*labels.shape, 3), np.uint8)
    image[..., 0] = labels
    return image


def record(index: int, present: Iterable[str], judgment: str, condition: str, severity: float):
    """One line of recorded answers, to every question of the primary kind."""
    asked = ("person", "rider", "car", "bus", "bicycle", "traffic light", "road", "sky")
    answers: dict[str, Any] = {f"presence/{name}": name in set(present) for name in asked}
    return {
        "index": index,
        "condition": condition,
        "severity": severity,
        "answers": {**answers, "safety/proceed": "yes" if judgment == SAFE else "no"},
        "scores": {"safety/proceed": 1 / 3 if judgment == SAFE else -1 / 3},
        "latency_s": 0.1,
        "model": "recorded-test",
    }


@dataclass(frozen=True)
class Drive:
    """A bag, and recorded answers that belong to it."""

    bag: Path
    answers: Path
    segmenter: Path
    stamps: list[int]

    def parameters(self, **more: Any) -> dict[str, Any]:
        """Parameters of monitor_node that judges it."""
        return {
            "vlm.bundle": str(self.answers),
            "segmenter.bundle": str(self.segmenter),
            "segmenter.device": "cpu",
            "segmenter.threads": 1,
            "corruption.condition": "motion_blur",
            "corruption.severity": 2.0,
            **more,
        }


class Probe:
    """A node of the test's own that collects messages and calls services."""

    def __init__(self, context: Any) -> None:
        import rclpy
        from rclpy.executors import SingleThreadedExecutor

        self.node = rclpy.create_node("probe", context=context)
        self.messages: dict[str, list[Any]] = {}
        self._executor = SingleThreadedExecutor(context=context)
        self._executor.add_node(self.node)
        self._clients: dict[str, Any] = {}
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._spin, daemon=True)
        self._thread.start()

    def _spin(self) -> None:
        # Not spin(): shutting the executor down under it is a race in rclpy.
        while not self._closing.is_set():
            self._executor.spin_once(timeout_sec=0.1)

    def listen(self, kind: type, topic: str, depth: int = 1000) -> list[Any]:
        """Collect all messages of a topic."""
        collected = self.messages.setdefault(topic, [])
        self.node.create_subscription(kind, topic, collected.append, depth)
        return collected

    def wait(
        self, condition: Callable[[], Any], what: str | Callable[[], object], timeout: float = 60.0
    ) -> Any:
        """Poll until `condition` holds, and return what it gave."""
        deadline = time.monotonic() + timeout
        while not (value := condition()):
            late = time.monotonic() > deadline
            assert not late, f"not within {timeout:g} s: {what() if callable(what) else what}"
            time.sleep(0.003)
        return value

    def status(self, name: str) -> Any:
        """Newest status of this name on /diagnostics, or None."""
        for message in reversed(self.messages["/diagnostics"]):
            for status in message.status:
                if status.name == name:
                    return status
        return None

    def counters(self, camera: str = "camera") -> dict[str, float]:
        """Frames received, done and dropped, from the newest diagnostics of the monitor."""
        status = self.status(f"semalign_{camera}: pipeline")
        pairs = {pair.key: pair.value for pair in status.values} if status else {}
        return {
            key: float(value)
            for key, value in pairs.items()
            if key in ("received", "done") or key.startswith("dropped_")
        }

    def refreshed(self, monitor: str = "/monitor") -> None:
        """Have the monitor publish its diagnostics now, not within the second."""
        from std_srvs.srv import SetBool

        messages = self.messages["/diagnostics"]
        count = len(messages)
        self.call(SetBool, f"{monitor}/set_enabled", SetBool.Request(data=True))
        self.wait(lambda: len(messages) > count, "the diagnostics")

    def call(self, kind: type, name: str, request: Any, timeout: float = 30.0) -> Any:
        """Call a service."""
        if name not in self._clients:
            self._clients[name] = self.node.create_client(kind, name)
        client = self._clients[name]
        self.wait(client.service_is_ready, f"service {name}", timeout)
        # A server that has not discovered this client yet drops its answer, as may
        # happen on a busy machine: then the question is put once more.
        asked = [client.call_async(request)]
        with contextlib.suppress(AssertionError):
            self.wait(asked[0].done, f"answer of {name}", timeout / 3)
        if not asked[0].done():
            asked.append(client.call_async(request))
        self.wait(lambda: any(f.done() for f in asked), f"answer of {name}", timeout)
        return next(f.result() for f in asked if f.done())

    def set_parameters(self, node: str, **values: Any) -> list[Any]:
        """Set parameters; dots in names are written as double underscores."""
        from rcl_interfaces.srv import SetParameters
        from rclpy.parameter import Parameter

        changes = [
            Parameter(name.replace("__", "."), value=value).to_parameter_msg()
            for name, value in values.items()
        ]
        request = SetParameters.Request(parameters=changes)
        return list(self.call(SetParameters, f"{node}/set_parameters", request).results)

    def publisher(self, kind: type, topic: str, reader: str | None = None, **qos: Any) -> Any:
        """Publisher that somebody is subscribed to."""
        from rclpy.qos import QoSProfile

        publisher = self.node.create_publisher(kind, topic, QoSProfile(**{"depth": 50, **qos}))
        self.wait(publisher.get_subscription_count, f"a subscriber of {topic} ({reader})")
        return publisher

    def close(self) -> None:
        self._closing.set()
        self._thread.join()
        self._executor.shutdown()
        self.node.destroy_node()


def values_of(message: Any, suffix: str) -> dict[str, str]:
    """Key-value pairs of the status whose name ends in `suffix`."""
    for status in message.status:
        if status.name.endswith(f": {suffix}"):
            return {pair.key: pair.value for pair in status.values}
    raise AssertionError(f"no status {suffix} in {[s.name for s in message.status]}")


def stamp_of(message: Any) -> int:
    return int(message.header.stamp.sec) * 10**9 + int(message.header.stamp.nanosec)
