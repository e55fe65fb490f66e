"""What is lost between the sensor and whoever reads the picture."""

from __future__ import annotations

from fractions import Fraction

import av
import cv2
import numpy as np

from semalign_ros.corruption.parameters import Number
from semalign_ros.corruption.registry import corruption
from semalign_ros.corruption.rng import Draws
from semalign_ros.corruption.tones import LEVELS
from semalign_ros.types import Frame, Image


@corruption(
    "image",
    Number(
        "quality",
        "",
        1,
        100,
        "Quality factor of the encoder.",
        neutral=100,
        ladder=(30, 20, 14, 10, 7),
    ),
)
def jpeg(frame: Frame, draws: Draws, *, quality: float) -> Image:  # noqa: ARG001
    """JPEG compression: blocks, ringing, lost colour resolution (4:2:0).

    Quality is a whole number to the encoder and is rounded. Blocks are 8 px at any resolution.

    Source: ITU-T T.81, as encoded by the JPEG library of OpenCV; bytes differ between
    versions of that library.
    """
    options = [cv2.IMWRITE_JPEG_QUALITY, round(quality)]
    _, stream = cv2.imencode(".jpg", cv2.cvtColor(frame.image, cv2.COLOR_RGB2BGR), options)
    decoded = cv2.imdecode(stream, cv2.IMREAD_COLOR)
    assert decoded is not None, "OpenCV wrote it"
    return np.asarray(cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB), np.uint8)


@corruption(
    "image",
    Number(
        "bits",
        "bit",
        1,
        8,
        "Resolution per channel; 2^bits levels, rounded.",
        neutral=8,
        ladder=(5, 4, 3.5, 3, 2.5),
    ),
)
def color_quantization(frame: Frame, draws: Draws, *, bits: float) -> Image:  # noqa: ARG001
    """Too few levels per channel: banding.

    Source: uniform quantisation to 2^bits levels that include black and white.
    """
    steps = round(2**bits) - 1
    curve = np.rint(np.rint(LEVELS / 255 * steps) / steps * 255).astype(np.uint8)
    return np.asarray(cv2.LUT(frame.image, curve), np.uint8)


def _group(*, crf: float, group_frames: float) -> range:
    return range(1, round(group_frames)) if crf else range(0)


@corruption(
    "image",
    Number(
        "crf",
        "",
        0,
        51,
        "Constant rate factor of the encoder, 51 is the coarsest; rounded.",
        neutral=0,
        ladder=(30, 35, 39, 43, 48),
    ),
    Number(
        "group_frames",
        "frames",
        1,
        60,
        "From one key frame to the next; key frames lie at multiples of it.",
        default=12,
    ),
    recalls=_group,
)
def h264(frame: Frame, draws: Draws, *, crf: float, group_frames: float) -> Image:  # noqa: ARG001
    """H.264 video compression: blocks that are carried along, smeared detail, lost colour.

    The frames from the last key frame on are encoded one after the other, without B frames
    and on one thread, and the last one is decoded. Where some are missing, the
    encoding begins after the gap.

    Source: ITU-T H.264, as encoded by x264 (preset veryfast) through PyAV; bytes differ
    between versions of it.
    """
    group = [frame]
    while frame.index - len(group) + 1 > frame.index // round(group_frames) * round(group_frames):
        before = frame.earlier.get(len(group))
        if before is None or before.image.shape != frame.image.shape:
            break
        group.append(before)
    return _transcode([f.image for f in reversed(group)], round(crf))


def _transcode(images: list[Image], crf: int) -> Image:
    """Encode images as one group and return the last one as decoded."""
    height, width = images[0].shape[:2]
    # 4:2:0 halves both sides, so odd ones are filled up.
    size = width + width % 2, height + height % 2
    encoder = av.CodecContext.create("libx264", "w")
    assert isinstance(encoder, av.VideoCodecContext)
    encoder.width, encoder.height = size
    encoder.pix_fmt = "yuv420p"
    encoder.time_base = Fraction(1, 25)
    encoder.thread_count = 1
    encoder.gop_size = len(images)
    encoder.options = {
        "crf": str(crf),
        "preset": "veryfast",
        "tune": "zerolatency",
        "x264-params": "scenecut=0:bframes=0",
    }
    decoder = av.CodecContext.create("h264", "r")
    assert isinstance(decoder, av.VideoCodecContext)
    decoder.thread_count = 1
    shown: list[av.VideoFrame] = []
    for number, image in enumerate(images):
        filled = image
        if size != (width, height):
            edges = 0, size[1] - height, 0, size[0] - width
            filled = np.asarray(cv2.copyMakeBorder(image, *edges, cv2.BORDER_REPLICATE), np.uint8)
        picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(filled), format="rgb24")
        picture.pts = number
        for packet in encoder.encode(picture):
            shown += decoder.decode(packet)
    for packet in encoder.encode(None):
        shown += decoder.decode(packet)
    shown += decoder.decode(None)
    assert len(shown) == len(images), "x264 gives back what it gets"
    return np.ascontiguousarray(shown[-1].to_ndarray(format="rgb24")[:height, :width])
