"""Writes a recording as a bag with the topics of a camera vehicle."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from semalign_ros.bags.camera import BASE_FRAME, OPTICAL_FRAME, Transform, mounting
from semalign_ros.bags.messages import (
    camera_info_message,
    compressed_message,
    image_message,
    tf_message,
    twist_message,
)
from semalign_ros.bags.recording import Record
from semalign_ros.bags.topics import (
    CAMERA_INFO_TOPIC,
    COMPRESSED_SUFFIX,
    DEPTH_TOPIC,
    IMAGE_TOPIC,
    INSTANCES_TOPIC,
    LATCHED,
    SEGMENTATION_TOPIC,
    TF_STATIC_TOPIC,
    TWIST_TOPIC,
    TopicInfo,
)
from semalign_ros.bags.vocabulary import vocabulary_data
from semalign_ros.bags.writer import BagWriter, Compression, Storage
from semalign_ros.image_codec import JPEG, PNG, encode_file
from semalign_ros.scene.vocabulary import CITYSCAPES, Vocabulary


@dataclass(frozen=True, slots=True)
class BagOptions:
    """How a bag is written.

    Args:
        image_format: ``raw``, or ``png`` or ``jpg`` on the ``/compressed`` topic; image
            files of that format are passed on byte by byte.
        storage: ``mcap`` or ``sqlite3``.
        compression: ``none``, ``zstd`` or ``zstd-chunk``.
        overwrite: Replace an existing bag.
    """

    image_format: Literal["raw", "png", "jpg"] = "raw"
    storage: Storage = "mcap"
    compression: Compression = "none"
    overwrite: bool = False


def write_bag(
    records: Iterable[Record],
    path: Path | str,
    options: BagOptions | None = None,
    on_frame: Callable[[], None] = lambda: None,
    vocabulary: Vocabulary = CITYSCAPES,
) -> dict[str, TopicInfo]:
    """Write all records of a recording.

    Args:
        records: Frames with rising stamps.
        path: Folder of the bag; it appears when everything is written.
        options: How.
        on_frame: Called after each frame.
        vocabulary: Classes that the label maps tell apart; :func:`read_vocabulary` finds it.

    Returns:
        The topics with their counts.

    Raises:
        OutputError: `path` exists or cannot be written.
        DatasetError: From the records.
    """
    options = options or BagOptions()
    with BagWriter(
        path,
        storage=options.storage,
        compression=options.compression,
        overwrite=options.overwrite,
        custom_data=vocabulary_data(vocabulary),
    ) as bag:
        mounted: tuple[Transform, ...] = ()
        for record in records:
            if record.camera is not None and mounting(record.camera) != mounted:
                mounted = mounting(record.camera)
                message = tf_message(record.stamp_ns, mounted)
                bag.write(TF_STATIC_TOPIC, message, record.stamp_ns, LATCHED)
            _write_record(bag, record, options.image_format)
            on_frame()
        return bag.topics


def _write_record(bag: BagWriter, record: Record, image_format: str) -> None:
    """Write one frame, the image last: who pairs by stamp then has all when it comes."""
    stamp = record.stamp_ns
    if record.motion is not None:
        bag.write(TWIST_TOPIC, twist_message(stamp, BASE_FRAME, *record.motion), stamp)
    if record.camera is not None:
        message = camera_info_message(stamp, OPTICAL_FRAME, record.camera)
        bag.write(CAMERA_INFO_TOPIC, message, stamp)
    for topic, array, encoding in (
        (SEGMENTATION_TOPIC, record.labels, "mono8"),
        (INSTANCES_TOPIC, record.instances, "16UC1"),
        (DEPTH_TOPIC, record.depth, "32FC1"),
    ):
        if array is not None:
            bag.write(topic, image_message(stamp, OPTICAL_FRAME, array, encoding), stamp)
    if image_format == "raw":
        bag.write(IMAGE_TOPIC, image_message(stamp, OPTICAL_FRAME, record.image), stamp)
        return
    file_format = JPEG if image_format == "jpg" else PNG
    if record.encoded is not None and record.encoded[1] == file_format:
        data = record.encoded[0]
    else:
        data = encode_file(record.image, file_format)
    message = compressed_message(stamp, OPTICAL_FRAME, data, file_format)
    bag.write(IMAGE_TOPIC + COMPRESSED_SUFFIX, message, stamp)
