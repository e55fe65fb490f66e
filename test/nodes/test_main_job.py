"""The main job: nodes as processes, a bag through DDS, verdicts and diagnostics out."""

from __future__ import annotations

import re
import time
from dataclasses import replace

import pytest
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from ros_kit import IMAGE, SAFE, SEGMENTATION, UNSAFE, stamp_of, values_of
from sensor_msgs.msg import Image

from semalign_ros.alignment.verdict import frame_metrics
from semalign_ros.bags import read_frames
from semalign_ros.bags.labels import LabelMap
from semalign_ros.bags.storage import read_raw
from semalign_ros.corruption import load_profile, recalls_of
from semalign_ros.inference import open_segmenter, open_vlm
from semalign_ros.monitor import Monitor
from semalign_ros.nodes.reports import judgment_values
from semalign_ros.scene import ReferenceRule
from semalign_ros.scene.vocabulary import CITYSCAPES

pytestmark = pytest.mark.dds

JUDGMENT = "/monitor/output/judgment"
PHASE = 25
RIGHT = ("car", "bicycle", "road", "sky")
# What the model says wrong in each phase, and what that must raise.
PHASES = {
    "aligned": ((RIGHT, SAFE), set()),
    "hallucination": (((*RIGHT, "bus"), SAFE), {("hallucination", "HALLUCINATION")}),
    "aligned again": ((RIGHT, SAFE), set()),
    "omission": ((("car", "road", "sky"), SAFE), {("critical omission", "CRITICAL_OMISSION")}),
    "aligned once more": ((RIGHT, SAFE), set()),
    # To turn away from a right judgment is also to misjudge.
    "flip": (
        (RIGHT, UNSAFE),
        {
            ("judgment consistency", "JUDGMENT_FLIP"),
            ("safety misinterpretation", "SAFETY_MISINTERPRETATION"),
        },
    ),
}


def test_a_planted_misalignment_raises_the_right_diagnostics_and_no_others(
    tmp_path, make_drive, start, probe
):
    names = list(PHASES)

    def said(index, condition):
        return (RIGHT, SAFE) if condition == "clean" else PHASES[names[index // PHASE]][0]

    scenes = [("car", "bicycle")] * (PHASE * len(PHASES))
    drive = make_drive(tmp_path, scenes, said)
    verdicts = probe.listen(DiagnosticArray, JUDGMENT)
    diagnostics = probe.listen(DiagnosticArray, "/diagnostics")
    limits = {
        "thresholds.window_frames": 10,
        "thresholds.min_samples": 8,
        # A busy machine that starts the player late or loses frames is not what is tested.
        **{f"thresholds.{name}": 60.0 for name in ("stale_warn_s", "stale_error_s")},
        **{f"thresholds.{name}": 1.0 for name in ("drop_warn", "drop_error")},
    }
    monitor = start(
        "monitor_node", drive.parameters(**limits), {"~/input/image": IMAGE}, name="monitor"
    )
    probe.wait(
        lambda: probe.counters() and probe.node.count_publishers(JUDGMENT),
        "the monitor to be heard",
    )
    diagnostics.clear()  # of the time before, when it was loading
    player = start("player_node", {"bag": str(drive.bag), "rate": 2.0, "wait_for": [IMAGE]})
    assert player.wait(120) == 0

    # Every frame that was played is judged or counted.
    def settled():
        counters = probe.counters()
        dropped = sum(v for k, v in counters.items() if k.startswith("dropped_"))
        done = counters.get("done", 0) + dropped
        return counters if done == len(scenes) else None

    counters = probe.wait(settled, lambda: f"all counted: {probe.counters()}")
    assert counters["received"] == len(scenes)
    assert len(verdicts) == counters["done"] >= 0.5 * len(scenes)

    # Verdicts carry the stamps, frame and order of their sources.
    stamps = [stamp_of(m) for m in verdicts]
    assert stamps == sorted(set(stamps))
    assert set(stamps) <= set(drive.stamps)
    assert {m.header.frame_id for m in verdicts} == {"front_optical"}
    for message in verdicts:
        index = int(values_of(message, "judgment")["index"])
        assert stamp_of(message) == drive.stamps[index]

    # Level by level: what was raised, in which phase it began, and that nothing else was.
    raised, current = [], set()
    for message in diagnostics:
        now = {
            (
                status.name.split(": ")[1],
                values_of(message, status.name.split(": ")[1])["fault_code"],
            )
            for status in message.status
            if status.level != DiagnosticStatus.OK
        }
        if now != current:
            raised += [now] if now - current else []
            current = now
    expected = [faults for _, faults in PHASES.values() if faults]
    union = [f for faults in raised for f in faults]
    assert set(union) == set().union(*expected)
    firsts = [min(i for i, faults in enumerate(raised) if f in faults) for f in [
        ("hallucination", "HALLUCINATION"),
        ("critical omission", "CRITICAL_OMISSION"),
        ("judgment consistency", "JUDGMENT_FLIP"),
    ]]  # fmt: skip
    assert firsts == sorted(firsts)
    for faults in raised:  # one misalignment at a time
        assert any(faults <= allowed for allowed in expected), faults
    # Who only sees the terminal is told of each alarm, and of its end.
    log = monitor.log.read_text()
    for name in ("hallucination", "critical omission"):
        alarm, end = (re.search(f": {name}: {level}, ", log) for level in ("(WARN|ERROR)", "OK"))
        assert alarm, log
        assert end, log
        assert alarm.start() < end.start()


PROFILE = """
schema_version: 1
name: four
conditions:
  - {name: motion_blur, severity: 2, steps: [{corruption: motion_blur}]}
  - {name: occlusion, severity: 3, steps: [{corruption: occlusion}]}
  - {name: boundary_jitter, severity: 4, steps: [{corruption: boundary_jitter}]}
  - name: both
    severity: 3
    steps: [{corruption: low_light_gamma}, {corruption: instance_dropout}]
  - name: earlier
    severity: 4
    steps: [{corruption: fog, from_s: 0.1, ramp_s: 0.5}, {corruption: frame_freeze}]
"""
CONDITIONS = [
    ("motion_blur", 2.0),
    ("occlusion", 3.0),
    ("boundary_jitter", 4.0),
    ("both", 3.0),
    ("earlier", 4.0),
]
LATE = """
schema_version: 1
name: late
conditions:
  - name: late
    severity: 3
    steps: [{corruption: temporal_lag, params: {lag_frames: 2}}, {corruption: erode}]
"""


@pytest.fixture(scope="module")
def mixed(tmp_path_factory, make_drive):
    """A drive that is wrong in every way, under a profile of unlike conditions in turn."""
    return make_mixed(tmp_path_factory.mktemp("mixed"), make_drive, PROFILE, CONDITIONS)


@pytest.fixture(scope="module")
def late(tmp_path_factory, make_drive):
    """The same drive with label maps that come late."""
    return make_mixed(tmp_path_factory.mktemp("late"), make_drive, LATE, [("late", 3.0)])


def make_mixed(folder, make_drive, profile, conditions):
    (folder / "profile.yaml").write_text(profile)
    scenes = [("car", "person"), ("bicycle",), ("traffic light", "rider"), ("bus",)] * 3

    def said(index, condition):
        claims = [("car", "road"), ("bicycle", "bus", "sky"), (), ("person", "car")][
            (index + len(condition)) % 4
        ]
        return claims, SAFE if (index * len(condition)) % 3 else UNSAFE

    drive = make_drive(folder, scenes, said, conditions, truth=True)
    parameters = drive.parameters(**{
        "corruption.profile": str(folder / "profile.yaml"),
        "corruption.condition": "cycle",
        "corruption.seed": 5,
        "vlm_input": "overlay",
    })  # fmt: skip
    return drive, parameters


def offline(mixed, labels, vocabulary=CITYSCAPES):
    """Verdicts of the offline path, by index."""
    drive, parameters = mixed
    rule = ReferenceRule(vocabulary=vocabulary)
    conditions = load_profile(parameters["corruption.profile"]).conditions
    monitor = Monitor(
        open_vlm(drive.answers), open_segmenter(drive.segmenter, "cpu"), "overlay", rule, 5
    )
    for frame in read_frames(drive.bag, recalls=recalls_of(conditions)):
        source = frame if labels else without_labels(frame)
        yield monitor.judge(source, conditions[frame.index % len(conditions)]).verdict


def without_labels(frame):
    earlier = {n: replace(then, labels=None) for n, then in frame.earlier.items()}
    return replace(frame, labels=None, earlier=earlier)


def send_in_step(probe, bag, readers, received):
    """Publish a bag's bytes, each frame when the one before has its verdict.

    `readers` says by topic how many must be there: a frame that one of them misses never
    gets its verdict.
    """
    topics = list(readers)
    publishers = {topic: probe.publisher(Image, topic) for topic in topics}
    for topic, count in readers.items():
        matched = publishers[topic].get_subscription_count
        probe.wait(lambda m=matched, n=count: m() >= n, f"{count} readers of {topic}")
    groups: dict[int, list] = {}
    for raw in read_raw(bag, topics):
        groups.setdefault(raw.log_time_ns, []).append(raw)
    for count, group in enumerate(groups.values(), 1):
        for raw in group:
            publishers[raw.topic].publish(bytes(raw.data))
        probe.wait(lambda count=count: len(received) >= count, f"verdict {count}")


def assert_same(live, metrics, expected):
    for message, numbers, verdict in zip(live, metrics, expected, strict=True):
        assert stamp_of(message) == stamp_of(numbers) == verdict.stamp_ns
        published = values_of(message, "judgment")
        for name, value in judgment_values(verdict).items():
            told = published[name]
            assert told == value or float(told) == pytest.approx(value, nan_ok=True), (
                name,
                verdict.index,
            )
        published = values_of(numbers, "metrics")
        for name, value in frame_metrics(verdict).items():
            if not name.endswith("_ms"):
                assert float(published[name]) == pytest.approx(value, nan_ok=True), (
                    name,
                    verdict.index,
                )


@pytest.mark.parametrize("reference", ["topic", "segmenter"])
def test_live_and_offline_give_the_same_verdicts(mixed, start, probe, reference):
    drive, parameters = mixed
    expected = list(offline(mixed, labels=reference == "topic"))
    assert len({v.condition for v in expected}) == 5
    assert any(v.hallucinated for v in expected)
    assert any(v.omitted for v in expected)
    judgments = probe.listen(DiagnosticArray, JUDGMENT)
    metrics = probe.listen(DiagnosticArray, "/monitor/metrics")
    remap = {"~/input/image": IMAGE, "~/input/segmentation": SEGMENTATION}
    start("monitor_node", {**parameters, "reference": reference}, remap, name="monitor")
    readers = {IMAGE: 1, SEGMENTATION: 1} if reference == "topic" else {IMAGE: 1}
    send_in_step(probe, drive.bag, readers, metrics)
    assert_same(judgments, metrics, expected)


def test_what_the_labels_do_not_tell_is_no_mistake_live_either(mixed, start, probe, tmp_path):
    drive, parameters = mixed
    few = tmp_path / "few.yaml"
    few.write_text("classes: {0: road, 13: car, 11: person}\nholds: {car: [bus]}")
    expected = list(offline(mixed, True, LabelMap.load(str(few)).vocabulary))
    plain = list(offline(mixed, True))
    assert any(a.hallucinated != b.hallucinated for a, b in zip(expected, plain, strict=True))
    judgments = probe.listen(DiagnosticArray, JUDGMENT)
    metrics = probe.listen(DiagnosticArray, "/monitor/metrics")
    remap = {"~/input/image": IMAGE, "~/input/segmentation": SEGMENTATION}
    told = {"reference": "topic", "rule.label_map": str(few)}
    start("monitor_node", {**parameters, **told}, remap, name="monitor")
    send_in_step(probe, drive.bag, {IMAGE: 1, SEGMENTATION: 1}, metrics)
    assert_same(judgments, metrics, expected)


@pytest.mark.parametrize("reference", ["topic", "segmenter"])
def test_late_label_maps_are_the_same_live_and_offline(late, start, probe, reference):
    drive, parameters = late
    expected = list(offline(late, labels=reference == "topic"))
    qualities = [v.quality_degraded.mean_iou for v in expected]
    assert min(qualities[2:]) < 0.9 < max(qualities[:2]) + 0.2
    metrics = probe.listen(DiagnosticArray, "/monitor/metrics")
    judgments = probe.listen(DiagnosticArray, JUDGMENT)
    remap = {"~/input/image": IMAGE, "~/input/segmentation": SEGMENTATION}
    start("monitor_node", {**parameters, "reference": reference}, remap, name="monitor")
    readers = {IMAGE: 1, SEGMENTATION: 1} if reference == "topic" else {IMAGE: 1}
    send_in_step(probe, drive.bag, readers, metrics)
    assert_same(judgments, metrics, expected)


def test_a_graph_of_single_nodes_gives_the_verdicts_of_the_monitor(mixed, start, probe):
    drive, parameters = mixed
    judgments = probe.listen(DiagnosticArray, "/alignment_node/output/judgment")
    metrics = probe.listen(DiagnosticArray, "/alignment_node/metrics")
    overlays = probe.listen(Image, "/alignment_node/debug/overlay")
    remap = {
        "~/input/image": IMAGE,
        "~/input/degraded/image": "/corruption_node/output/corrupted/image",
        "~/input/condition": "/corruption_node/output/condition",
        "~/input/segmentation": SEGMENTATION,
        "~/input/segmentation/clean": "/segmenter_node/output/segmentation/clean",
        "~/input/segmentation/degraded": "/segmenter_node/output/segmentation/degraded",
        "~/input/answers": "/vlm_node/output/answers",
    }
    own = {
        "corruption_node": ("corruption.",),
        "segmenter_node": ("segmenter.",),
        "vlm_node": ("vlm.", "vlm_input"),
        "alignment_node": (),
    }
    for node, prefixes in own.items():
        chosen = {k: v for k, v in parameters.items() if k.startswith(prefixes) and prefixes}
        if node == "alignment_node":
            chosen = {"reference": "topic", "images": True}
        start(node, chosen, remap)
    # All links must stand before the first frame: three nodes take a degraded image with its
    # condition, two take the label maps.
    links = {"degraded/image": 3, "condition": 3, "segmentation/clean": 2, "answers": 1}
    for name, count in {**links, "segmentation/degraded": 2}.items():
        topic = remap[f"~/input/{name}"]
        probe.wait(
            lambda t=topic, n=count: probe.node.count_subscribers(t) >= n, f"readers of {topic}"
        )
    time.sleep(1.0)  # the publishers hear of their readers a little later than we do
    send_in_step(probe, drive.bag, {IMAGE: 4, SEGMENTATION: 1}, metrics)
    assert_same(judgments, metrics, offline(mixed, labels=True))
    # Topics keep no order among each other: the last picture may come after the last numbers.
    probe.wait(lambda: len(overlays) == len(metrics), "an overlay of every frame")
