"""Streams a bag as frames, one at a time: memory does not grow with the bag."""

from __future__ import annotations

import logging
import math
from collections import deque
from collections.abc import Collection, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from semalign_ros.bags.messages import deserialize, motion_of, stamp_ns
from semalign_ros.bags.motion import Motion
from semalign_ros.bags.pairing import Instant, Pairer
from semalign_ros.bags.storage import BagInfo, OpenBag, RawMessage, bag_info, open_bag, read_raw
from semalign_ros.bags.topics import BagTopics, TopicInfo, resolve_topics
from semalign_ros.errors import BagError, ConfigError, ImageError
from semalign_ros.image_codec import decode_depth, decode_image, decode_labels
from semalign_ros.scene.reference import check_labels
from semalign_ros.types import Frame

__all__ = ["BagInfo", "RawMessage", "bag_info", "count_frames", "read_frames", "read_raw"]

_LOG = logging.getLogger(__name__)


def read_frames(
    path: Path | str,
    topics: BagTopics | None = None,
    *,
    start: int = 0,
    limit: int | None = None,
    require: tuple[str, ...] = ("image",),
    recalls: Collection[int] = (),
) -> Iterator[Frame]:
    """Stream the frames of a bag in the order of its images.

    Label map and depth are those with exactly the image's stamp, None where there is
    none. Speed and yaw rate are those of the last twist recorded before the frame that is
    not later and not older than one second.

    Args:
        path: Folder of the bag, or a single ``.mcap`` or ``.db3`` file.
        topics: Names of the topics; raw or compressed images are told apart by type.
        start: Frames to skip; `Frame.index` counts from the bag's first frame, whatever
            is skipped.
        limit: At most so many frames, or None for all.
        require: Fields of `topics` that the bag must have, such as
            ``("image", "segmentation")``.
        recalls: How many positions back the frames lie that each one gets as
            `Frame.earlier`, before `start` as well; so many stay in memory.

    Yields:
        Frames whose arrays are read-only views of the messages where possible.

    Raises:
        BagError: The bag is missing or damaged, a topic is missing or has the wrong type,
            or a message is bad. All frames before that place have been yielded.
        ConfigError: `start` or `limit` is negative.

    Example:
        >>> [frame.index for frame in read_frames("rosbags/street_demo", limit=2)]
        [0, 1]
    """
    if start < 0 or (limit is not None and limit < 0):
        raise ConfigError(f"start {start} and limit {limit}: expected numbers from 0 on")
    back = max(recalls, default=0)
    frames = _frames(
        Path(path).expanduser(),
        topics or BagTopics(),
        max(start - back, 0),
        None if limit is None else limit + min(start, back),
        require,
    )
    return _with_earlier(frames, start, recalls) if recalls else frames


def _with_earlier(frames: Iterator[Frame], start: int, recalls: Collection[int]) -> Iterator[Frame]:
    last: deque[Frame] = deque(maxlen=max(recalls))  # newest first
    for frame in frames:
        if frame.index >= start:
            earlier = {n: last[n - 1] for n in sorted(recalls) if n <= len(last)}
            yield replace(frame, earlier=earlier)
        last.appendleft(frame)


def count_frames(
    path: Path | str, topics: BagTopics | None = None, *, require: tuple[str, ...] = ("image",)
) -> int:
    """Number of frames that :func:`read_frames` yields, from the bag's index.

    Args:
        path: The bag.
        topics: Where it has what.
        require: Fields of `topics` that must be there.

    Raises:
        BagError: As :func:`read_frames`.
    """
    info = bag_info(path)
    topics = topics or BagTopics()
    return resolve_topics(topics, info.topics, require=require, where=str(path))["image"].count


def has_labels(path: Path | str, topics: BagTopics | None = None) -> bool:
    """Whether the bag has label maps.

    Raises:
        BagError: As :func:`read_frames`.
    """
    return "segmentation" in resolve_topics(
        topics or BagTopics(), bag_info(path).topics, where=str(path)
    )


def _frames(
    path: Path, wanted: BagTopics, start: int, limit: int | None, require: tuple[str, ...]
) -> Iterator[Frame]:
    with open_bag(path) as bag:
        topics = resolve_topics(wanted, bag.info.topics, require=require, where=str(path))
        motion = Motion()
        unpaired = dict.fromkeys(("segmentation", "depth"), 0)
        begin: int | None = None
        end = math.inf if limit is None else start + limit
        for instant in _instants(bag, topics, motion) if start < end else ():
            begin = instant.stamp_ns if begin is None else begin
            if instant.index < start:
                continue
            for role in unpaired:
                unpaired[role] += role in topics and role not in instant.partners
            yield _frame(path, instant, topics, motion, begin)
            if instant.index + 1 >= end:
                break
        for role, count in unpaired.items():
            if count:
                _LOG.warning(
                    "%s: %d frames have no message of their stamp on %s",
                    path,
                    count,
                    topics[role].name,
                )


def _instants(bag: OpenBag, topics: dict[str, TopicInfo], motion: Motion) -> Iterator[Instant]:
    """Pair the messages of a bag; what came before a damage is released first."""
    partners = tuple(role for role in ("segmentation", "depth") if role in topics)
    roles = {topic.name: role for role, topic in topics.items()}
    pairer = Pairer(partners)
    damage = None
    messages = bag.messages(set(roles))
    while True:
        try:
            raw = next(messages, None)
            if raw is None:
                break
            message = deserialize(raw.data, raw.msgtype)
            stamp = stamp_ns(message)
        except BagError as error:
            damage = error
            break
        role = roles[raw.topic]
        if role == "image":
            yield from pairer.push_image(stamp, raw.log_time_ns, message)
        elif role == "twist":
            motion.add(stamp, *motion_of(message))
        else:
            yield from pairer.push_partner(role, stamp, raw.log_time_ns, message)
    yield from pairer.flush()
    if damage is not None:
        raise damage


def _frame(
    path: Path, instant: Instant, topics: dict[str, TopicInfo], motion: Motion, begin: int
) -> Frame:
    labels = depth = None
    role = "image"
    try:
        image = decode_image(instant.image)
        if "segmentation" in instant.partners:
            role = "segmentation"
            labels = decode_labels(instant.partners[role])
            check_labels(labels)
            _check_size(labels, image)
        if "depth" in instant.partners:
            role = "depth"
            depth = decode_depth(instant.partners[role])
            _check_size(depth, image)
    except (ImageError, ConfigError) as error:
        raise BagError(
            f"{path}: frame {instant.index} (stamp {instant.stamp_ns / 1e9:.6f} s), "
            f"topic {topics[role].name}: {error}"
        ) from error
    speed, yaw_rate = motion.at(instant.stamp_ns)
    return Frame(
        stamp_ns=instant.stamp_ns,
        frame_id=instant.image.header.frame_id,
        index=instant.index,
        image=image,
        labels=labels,
        depth=depth,
        speed=speed,
        yaw_rate=yaw_rate,
        elapsed_s=max(instant.stamp_ns - begin, 0) / 1e9,
    )


def _check_size(array: Any, image: Any) -> None:
    if array.shape != image.shape[:2]:
        found, expected = (f"{a.shape[1]}x{a.shape[0]}" for a in (array, image))
        raise ImageError("bad_size", f"found {found}, expected {expected}, the image's size")
