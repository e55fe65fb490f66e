"""What `semalign demo` reads back from the bag that it recorded."""

from __future__ import annotations

import pytest

from semalign_ros.bags.messages import typestore
from semalign_ros.bags.topics import Qos
from semalign_ros.bags.writer import BagWriter
from semalign_ros.demo import summarize_live

NS = 10**9


def status(name, level=0, **values):
    types = typestore().types
    pairs = [types["diagnostic_msgs/msg/KeyValue"](key=k, value=str(v)) for k, v in values.items()]
    return types["diagnostic_msgs/msg/DiagnosticStatus"](
        level=level, name=name, message="", hardware_id="", values=pairs
    )


def diagnostics(stamp, *statuses):
    types = typestore().types
    time = types["builtin_interfaces/msg/Time"](sec=stamp // NS, nanosec=0)
    header = types["std_msgs/msg/Header"](stamp=time, frame_id="")
    return types["diagnostic_msgs/msg/DiagnosticArray"](header=header, status=list(statuses))


@pytest.fixture
def recorded(tmp_path):
    """Two frames of one monitor, beside the diagnostics of other people's nodes."""
    path = tmp_path / "live"
    published = [
        ("/monitor_a/metrics", status("semalign_a: metrics", hallucination_rate=0.5,
                                      omitted=2, processing_time_ms=100, mean_iou="nan")),
        ("/monitor_a/metrics", status("semalign_a: metrics", hallucination_rate=0.0,
                                      omitted=0, processing_time_ms=300, mean_iou=0.25)),
        ("/diagnostics", status("semalign_a: pipeline", received=5, dropped_stale=0)),
        ("/diagnostics", status("semalign_a: pipeline", 2, fault_code="BUILDING")),
        ("/diagnostics", status("semalign_a: critical omission", 1, fault_code="X")),
        ("/diagnostics", status("semalign_a: hallucination", 3)),  # stale
        ("/diagnostics", status("semalign_b: hallucination", 2)),
        ("/diagnostics", status("a: motor too hot", 2)),
        ("/diagnostics", status("a: pipeline", dropped_busy=7)),
        ("/diagnostics", status("semalign_a: pipeline", received=5, dropped_stale=3)),
    ]  # fmt: skip
    with BagWriter(path) as writer:
        for i, (topic, said) in enumerate(published, 1):
            writer.write(topic, diagnostics(i * NS, said), i * NS, Qos())
    return path


def test_what_a_monitor_published_is_told_without_what_others_did(recorded):
    (live,) = summarize_live(recorded)
    assert (live.monitor, live.judged, live.dropped) == ("monitor_a", 2, {"stale": 3})
    assert live.alarms == ("critical omission",)
    assert live.means["HR"] == 0.25
    assert live.means["COR"] == 0.5
    assert live.means["mIoU"] == 0.25
    assert (live.latency_p50_s, live.latency_p99_s) == pytest.approx((0.2, 0.298))
