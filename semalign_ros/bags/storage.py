"""Opens bags for reading: whole ones by their index, broken ones as far as they go."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from rosbags.interfaces import Connection, ConnectionExtRosbag2
from rosbags.interfaces import Qos as BagQos
from rosbags.rosbag2 import Reader
from rosbags.rosbag2.metadata import parse_qos

from semalign_ros.bags.mcap_scan import McapScanner
from semalign_ros.bags.natural import natural_key
from semalign_ros.bags.topics import Qos, TopicInfo
from semalign_ros.errors import BagError

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"


class RawMessage(NamedTuple):
    """One message as it was recorded.

    Args:
        topic: Its topic.
        msgtype: Such as ``sensor_msgs/msg/Image``.
        log_time_ns: When it was recorded, nanoseconds.
        data: CDR bytes.
    """

    topic: str
    msgtype: str
    log_time_ns: int
    data: bytes


@dataclass(frozen=True, slots=True)
class BagInfo:
    """What a bag holds.

    Args:
        path: Folder or file.
        topics: By name.
        start_ns: Log time of the first message, nanoseconds; 0 for an empty bag.
        duration_ns: From the first to the last message, nanoseconds.
        message_count: Over all topics.
        damage: What is wrong with it, or None; the counts are of what can be read.
    """

    path: Path
    topics: dict[str, TopicInfo]
    start_ns: int
    duration_ns: int
    message_count: int
    damage: str | None = None


class OpenBag(Protocol):
    """A bag that is open for reading."""

    info: BagInfo

    def messages(self, topics: Collection[str] | None = None) -> Iterator[RawMessage]:
        """Stream the messages in the order of log time.

        Args:
            topics: Names of the topics to read, or None for all.

        Raises:
            BagError: The bag is damaged; every message before that place was yielded.
        """
        ...


@contextmanager
def open_bag(path: Path | str) -> Iterator[OpenBag]:
    """Open a rosbag2 folder, or a single ``.mcap`` or ``.db3`` file.

    An MCAP bag without index, as a killed recorder leaves it, is read up to the break.

    Raises:
        BagError: There is no bag, or nothing of it can be read.
    """
    path = Path(path).expanduser()
    if not path.exists():
        raise BagError(f"{path}: there is no such bag")
    reader: Reader | None = None
    bag: OpenBag
    try:
        reader = Reader(path)
        reader.open()
        bag = _IndexedBag(path, reader)
    except Exception as error:  # a damaged field surfaces as any kind of error in the library
        reader = None
        salvaged = _salvage(path, error)
        if salvaged is None:
            raise BagError(f"{path}: {_unreadable(path, error)}") from error
        bag = salvaged
    try:
        yield bag
    finally:
        if reader is not None:
            reader.close()


def bag_info(path: Path | str) -> BagInfo:
    """Read topics, counts and times of a bag.

    Raises:
        BagError: There is no bag, or nothing of it can be read.
    """
    with open_bag(path) as bag:
        return bag.info


def read_raw(path: Path | str, topics: Collection[str] | None = None) -> Iterator[RawMessage]:
    """Stream the messages of a bag as they are, in the order of log time.

    Args:
        path: Folder or file of the bag.
        topics: Names of the topics to read, or None for all.

    Raises:
        BagError: The bag is missing or damaged; what came before was yielded.
    """
    with open_bag(path) as bag:
        yield from bag.messages(topics)


class _IndexedBag:
    """A bag whose index is whole."""

    def __init__(self, path: Path, reader: Reader) -> None:
        self._reader = reader
        topics: dict[str, TopicInfo] = {}
        for c in reader.connections:
            known = topics.get(c.topic)
            # Several publishers of one topic are several connections.
            count = c.msgcount + (known.count if known else 0)
            topics[c.topic] = TopicInfo(c.topic, c.msgtype, count, _offered(c))
        count = reader.message_count
        self.info = BagInfo(
            path,
            topics,
            reader.start_time if count else 0,
            max(reader.duration - 1, 0),  # rosbags counts up to one after the last
            count,
        )

    def messages(self, topics: Collection[str] | None = None) -> Iterator[RawMessage]:
        chosen = [c for c in self._reader.connections if topics is None or c.topic in topics]
        announced = sum(c.msgcount for c in chosen)
        count = 0
        # An empty choice would mean all to the library.
        stream = self._reader.messages(chosen) if chosen else iter(())
        try:
            for connection, log_time, data in stream:
                count += 1
                yield RawMessage(connection.topic, connection.msgtype, log_time, _unpack(data))
        except Exception as error:  # see open_bag
            raise BagError(
                f"{self.info.path}: is damaged after {count} messages ({_first_line(error)}); "
                f"{_way_out(self.info.path)}"
            ) from error
        if count < announced:
            # Overwritten bytes inside a chunk without checksum are skipped silently.
            raise BagError(
                f"{self.info.path}: is damaged: found {count} messages, its index announces "
                f"{announced}; {_way_out(self.info.path)}"
            )


class _ScannedBag:
    """A bag read without index."""

    def __init__(self, path: Path, files: list[Path], damage: str) -> None:
        self._files = files
        counts: Counter[str] = Counter()
        channels: dict[str, tuple[str, str]] = {}
        first, last = None, 0
        try:
            for message in self._scan():
                counts[message.topic] += 1
                channels[message.topic] = (message.msgtype, message.qos)
                first = message.log_time_ns if first is None else min(first, message.log_time_ns)
                last = max(last, message.log_time_ns)
        except BagError as error:
            damage = str(error)
        topics = {
            name: TopicInfo(name, msgtype, counts[name], _first_qos(_parsed(qos)))
            for name, (msgtype, qos) in channels.items()
        }
        start = first or 0
        self.info = BagInfo(path, topics, start, max(last - start, 0), counts.total(), damage)

    def _scan(self) -> Iterator[Any]:
        for file in self._files:
            yield from McapScanner(file)

    def messages(self, topics: Collection[str] | None = None) -> Iterator[RawMessage]:
        for message in self._scan():
            if topics is None or message.topic in topics:
                yield RawMessage(
                    message.topic, message.msgtype, message.log_time_ns, _unpack(message.data)
                )


def _salvage(path: Path, error: Exception) -> _ScannedBag | None:
    """Scan the MCAP files of a bag that cannot be opened; None if that yields nothing."""
    files = sorted(path.glob("*.mcap"), key=natural_key) if path.is_dir() else [path]
    if not files or any(f.suffix != ".mcap" for f in files):
        return None
    bag = _ScannedBag(path, files, f"{path}: {_unreadable(path, error)}")
    return bag if bag.info.message_count else None


def _unreadable(path: Path, error: Exception) -> str:
    if path.is_dir() and not any(path.glob("*.mcap")) and not any(path.glob("*.db3*")):
        return (
            "is no bag: found neither metadata.yaml nor .mcap or .db3 files; "
            "`semalign convert` makes a bag from a data set"
        )
    if path.suffix == ".bag":
        return "is a ROS 1 bag; convert it with `rosbags-convert --src FILE --dst FOLDER`"
    return f"cannot be read as a bag ({_first_line(error)}); {_way_out(path)}"


def _way_out(path: Path) -> str:
    if any(path.glob("*.db3*")) or path.suffix == ".db3":
        return (
            "the database is truncated or damaged: copy the bag again, or save what is left "
            "with `sqlite3 FILE .recover` and `ros2 bag reindex`"
        )
    return (
        "the bag is truncated or damaged: copy it again, or save what is left with "
        "`mcap recover` and `ros2 bag reindex`"
    )


def _first_line(error: Exception) -> str:
    lines = str(error).splitlines()
    return lines[0] if lines else type(error).__name__


def _unpack(data: bytes) -> bytes:
    # CDR starts with 00 00 or 00 01, so message compression shows by itself; a single file
    # out of a compressed bag has no metadata that would tell.
    return zstd.decompress(data) if data[:4] == _ZSTD_MAGIC else data


def _offered(connection: Connection) -> Qos:
    extension = connection.ext
    assert isinstance(extension, ConnectionExtRosbag2)  # rosbag2 has no other
    return _first_qos(extension.offered_qos_profiles)


def _parsed(profiles: str) -> list[BagQos]:
    try:
        return parse_qos(profiles)
    except Exception:
        # Quality of service is a hint for replay; a broken one must not cost the messages.
        return []


def _first_qos(profiles: Collection[BagQos]) -> Qos:
    """The first profile; what is unknown or left to the system becomes the default."""
    for profile in profiles:
        return Qos(
            "best_effort" if profile.reliability.name == "BEST_EFFORT" else "reliable",
            "transient_local" if profile.durability.name == "TRANSIENT_LOCAL" else "volatile",
            "keep_all" if profile.history.name == "KEEP_ALL" else "keep_last",
            max(profile.depth, 1),
        )
    return Qos()
