"""What holds for every corruption, those to come included."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from semalign_ros.corruption import Corruption, get_corruption, list_corruptions
from semalign_ros.types import Frame

from .conftest import drive, street

ALL = pytest.mark.parametrize("name", list_corruptions())


def output(op: Corruption, frame: Frame) -> np.ndarray:
    array = frame.image if op.family == "image" else frame.labels
    assert array is not None
    return array


@st.composite
def frames(draw: st.DrawFn) -> Frame:
    """Read-only frames of any size and content."""
    height, width = draw(st.integers(1, 70)), draw(st.integers(1, 90))
    random = np.random.default_rng(draw(st.integers(0, 10**6)))
    image = random.integers(0, 256, (height, width, 3), np.uint8)
    if draw(st.booleans()):  # a view that is not contiguous, as a cropped message is
        image = random.integers(0, 256, (height, width * 2, 4), np.uint8)[:, ::2, :3]
    labels = random.integers(0, 19, (height, width), np.uint8)
    labels[random.random((height, width)) < 0.1] = 255
    depth = random.uniform(1, 300, (height, width)).astype(np.float32)
    for array in (image, labels, depth):
        array.setflags(write=False)
    known = draw(st.booleans())
    frame = Frame(
        stamp_ns=123,
        frame_id="camera",
        index=draw(st.integers(0, 10**6)),
        image=image,
        labels=labels,
        depth=depth if known else None,
        speed=draw(st.floats(0, 50)) if known else None,
        yaw_rate=draw(st.floats(-1, 1)) if known else None,
    )
    # As far as the stream goes back: not always far enough.
    return replace(frame, earlier=dict.fromkeys(range(1, draw(st.integers(1, 30))), frame))


@ALL
@given(frame=frames())
@settings(deadline=None, max_examples=5)
def test_severity_zero_is_the_frame_itself(name: str, frame: Frame) -> None:
    op = get_corruption(name)
    assert op.apply(frame, 0) is frame
    assert op.hidden(frame, 0) is None
    assert op.notes(frame, 0) == ()


@ALL
@given(frame=frames(), severity=st.floats(0.01, 5), seed=st.integers(0, 10))
@settings(max_examples=12, deadline=None)
def test_input_stays_and_output_is_like_it(
    name: str, frame: Frame, severity: float, seed: int
) -> None:
    op = get_corruption(name)
    before = frame.image.tobytes(), frame.labels.tobytes()
    result = op.apply(frame, severity, seed)
    assert (frame.image.tobytes(), frame.labels.tobytes()) == before
    array = output(op, result)
    assert array.dtype == np.uint8
    assert array.shape == output(op, frame).shape
    changed = "image" if op.family == "image" else "labels"
    for field in fields(Frame):
        if field.name != changed:
            assert getattr(result, field.name) is getattr(frame, field.name)
    if op.family == "labels":
        assert set(np.unique(array)) <= {*range(19), 255}
    mask = op.hidden(frame, severity, seed)
    assert (mask is not None) == op.hides_content
    if mask is not None:
        assert mask.dtype == np.bool_
        assert mask.shape == frame.image.shape[:2]


@ALL
def test_same_bytes_in_any_order(name: str) -> None:
    op = get_corruption(name)
    stream = [drive(i, 48, 96) for i in range(30, 34)]
    forward = [output(op, op.apply(f, 3.3, 5)).tobytes() for f in stream]
    backward = [output(op, op.apply(f, 3.3, 5)).tobytes() for f in reversed(stream)]
    assert forward == backward[::-1]


@ALL
def test_image_layout_does_not_matter(name: str) -> None:
    # A message decoder may hand over views; the same pixels must give the same bytes.
    op, frame = get_corruption(name), street(48, 96)
    padded = np.zeros((48, 96, 4), np.uint8)
    padded[..., :3] = frame.image
    planes = np.ascontiguousarray(frame.image.transpose(2, 0, 1)).transpose(1, 2, 0)
    for image in (padded[..., :3], planes):
        view = replace(frame, image=image, labels=np.asfortranarray(frame.labels))
        assert np.array_equal(output(op, op.apply(frame)), output(op, op.apply(view)))


DIGESTS = """
import hashlib, json, sys
sys.path.insert(0, sys.argv[1])
from conftest import drive
from semalign_ros.corruption import get_corruption, list_corruptions
digests = {}
for name in reversed(list_corruptions()):
    op = get_corruption(name)
    frame = op.apply(drive(7, 48, 96), 3.3, 5)
    array = frame.image if op.family == "image" else frame.labels
    digests[name] = hashlib.sha256(array.tobytes()).hexdigest()
print(json.dumps(digests))
"""


def test_same_bytes_in_another_process() -> None:
    here = Path(__file__).parent
    done = subprocess.run(
        [sys.executable, "-c", DIGESTS, str(here)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONHASHSEED": "1"},
        cwd=here.parents[1],
    )
    theirs = json.loads(done.stdout)
    for name in list_corruptions():
        op = get_corruption(name)
        array = output(op, op.apply(drive(7, 48, 96), 3.3, 5))
        assert theirs[name] == hashlib.sha256(array.tobytes()).hexdigest(), name


# The cells of a coarser grid may by chance fit the objects better.
SLACK = {"downsample": 0.25}


@ALL
def test_damage_grows_with_severity(name: str) -> None:
    # Continuously: calibration bisects over severity.
    op = get_corruption(name)
    # Over several frames, of which some corruptions strike a share.
    by_chance = {"frame_freeze", "frame_drop", "led_flicker"}
    stream = [drive(index) for index in (range(30, 60) if name in by_chance else [30])]
    damages = []
    for severity in np.arange(0, 5.01, 0.5):
        errors = []
        for frame in stream:
            clean = output(op, frame).astype(int)
            result = output(op, op.apply(frame, float(severity), 2)).astype(int)
            errors.append(np.abs(result - clean) if op.family == "image" else result != clean)
        damages.append(float(np.mean(errors)))
    assert damages[0] == 0
    assert damages[-1] > 0.002
    slack = SLACK.get(name, 0.01) * damages[-1]
    assert all(a <= b + slack for a, b in itertools.pairwise(damages)), damages
    assert damages[4] < damages[-1]


# Coding blocks are 8 px at any resolution.
NOT_SCALED = {"jpeg", "h264"}


@pytest.mark.parametrize("name", [n for n in list_corruptions() if n not in NOT_SCALED])
def test_half_the_size_gets_half_the_effect(name: str) -> None:
    # Damage per pixel must not depend on the camera's resolution.
    op = get_corruption(name)
    damages = []
    for width in (512, 1024):
        frame = drive(33, width // 2, width)
        result = output(op, op.apply(frame, 4, 2)).astype(int)
        error = result - output(op, frame)
        damages.append(float(np.abs(error).mean() if op.family == "image" else (error != 0).mean()))
    assert damages[0] == pytest.approx(damages[1], rel=0.15)


@ALL
@pytest.mark.parametrize("size", [(1, 1), (9, 1), (3, 7), (40, 91)])
def test_the_ends_of_every_range_work_at_any_size(name: str, size: tuple[int, int]) -> None:
    op = get_corruption(name)
    random = np.random.default_rng(1)
    frame = Frame(
        1_700_000_000_123_456_789,
        "c",
        37,
        random.integers(0, 256, (*size, 3), np.uint8),
        random.integers(0, 19, size).astype(np.uint8),
        np.full(size, np.nan, np.float32),
        (-20.0, np.nan)[size[1] % 2],
        np.inf,
    )
    other = replace(frame, stamp_ns=frame.stamp_ns - 10**8, index=36)
    odd = Frame(0, "c", 35, np.zeros((size[0] + 1, size[1] + 2, 3), np.uint8))
    frame = replace(frame, earlier={n: (odd, other)[n % 2] for n in range(1, 61)})
    for parameter in op.parameters:
        for value in (getattr(parameter, "low", None), getattr(parameter, "high", None)):
            if value is not None:
                result = output(op, op.apply(frame, 5, **{parameter.name: value}))
                assert result.shape == output(op, frame).shape
                assert result.dtype == np.uint8
                op.hidden(frame, 5, **{parameter.name: value})
                op.notes(frame, 5, **{parameter.name: value})
