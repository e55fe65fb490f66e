"""Videos, written by PyAV and read back."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
import pytest

from semalign_ros.bags.reader import read_frames
from semalign_ros.bags.video import VideoRecording
from semalign_ros.cli import main
from semalign_ros.errors import DatasetError


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    """20 frames at 10 Hz whose brightness is their number times 10; a gap after frame 9."""
    path = tmp_path_factory.mktemp("video") / "drive.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 10)
        for i in range(20):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 10 * i, np.uint8), "rgb24")
            frame.pts, frame.time_base = i + (10 if i >= 10 else 0), Fraction(1, 10)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def test_frames_and_their_own_times(video):
    recording = VideoRecording(video)
    assert len(recording) == 20
    records = list(recording)
    times = [(r.stamp_ns - records[0].stamp_ns) / 1e9 for r in records]
    expected = [(i + (10 if i >= 10 else 0)) / 10 for i in range(20)]
    np.testing.assert_allclose(times, expected, atol=1e-3)
    brightness = [float(r.image.mean()) for r in records]
    np.testing.assert_allclose(brightness, np.arange(20) * 10, atol=4)


def test_every_third_and_a_limit(video):
    recording = VideoRecording(video, every=3, limit=4, size=(32, 24))
    records = list(recording)
    assert len(recording) == len(records) == 4
    np.testing.assert_allclose([r.image.mean() for r in records], [0, 30, 60, 90], atol=4)
    assert records[0].image.shape == (24, 32, 3)
    assert len(VideoRecording(video, every=3)) == len(list(VideoRecording(video, every=3))) == 7


def test_what_is_no_video(video, tmp_path):
    with pytest.raises(DatasetError, match="cannot be read as a video"):
        VideoRecording(tmp_path / "none.mp4")
    (tmp_path / "text.mp4").write_text("not a video")
    with pytest.raises(DatasetError, match="cannot be read as a video"):
        VideoRecording(tmp_path / "text.mp4")
    (tmp_path / "cut.mp4").write_bytes(video.read_bytes()[:1000])
    with pytest.raises(DatasetError, match="cannot be read as a video"):
        VideoRecording(tmp_path / "cut.mp4")


@pytest.mark.real
def test_real_motorway(real_video, tmp_path):
    bag = tmp_path / "bag"
    arguments = ["convert", "video", str(real_video), str(bag), "--limit", "5", "--every", "5"]
    assert main(arguments) == 0
    frames = list(read_frames(bag))
    assert [f.image.shape for f in frames] == [(540, 960, 3)] * 5
    steps = np.diff([f.stamp_ns for f in frames])
    np.testing.assert_allclose(steps, 0.2e9, rtol=1e-3)
