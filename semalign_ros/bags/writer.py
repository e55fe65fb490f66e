"""Writes rosbag2 bags that appear whole or not at all."""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Literal, TypeAlias

from rosbags.interfaces import (
    Connection,
    QosDurability,
    QosHistory,
    QosLiveliness,
    QosReliability,
    QosTime,
)
from rosbags.interfaces import Qos as BagQos
from rosbags.rosbag2 import (
    CompressionFormat,
    CompressionMode,
    StoragePlugin,
    Writer,
)

from semalign_ros.bags.messages import serialize, typestore
from semalign_ros.bags.topics import Qos, TopicInfo
from semalign_ros.errors import BagError, ConfigError, OutputError
from semalign_ros.output import atomic_path

Storage: TypeAlias = Literal["mcap", "sqlite3"]
Compression: TypeAlias = Literal["none", "zstd", "zstd-chunk"]

STORAGES: tuple[Storage, ...] = ("mcap", "sqlite3")
COMPRESSIONS: tuple[Compression, ...] = ("none", "zstd", "zstd-chunk")

_METADATA_VERSION: Literal[9] = 9  # what Jazzy writes
_MODES = {
    "none": CompressionMode.NONE,
    "zstd": CompressionMode.MESSAGE,
    "zstd-chunk": CompressionMode.STORAGE,
}
# "Infinite", as rosbag2 writes it for a duration that was not set.
_UNLIMITED = QosTime(9223372036, 854775807)


class BagWriter:
    """Writes messages as they come; memory does not grow with the bag.

    Use it as a context manager: the bag gets its name when the block ends without an
    error, and nothing is left if it does not.

    Args:
        path: Folder of the bag.
        storage: ``mcap`` or ``sqlite3``.
        compression: ``none``; ``zstd`` per message, as `ros2 bag record
            --compression-mode message`; ``zstd-chunk`` inside the MCAP file, which every
            MCAP tool reads.
        overwrite: Replace what is at `path`.
        custom_data: For the field of that name in metadata.yaml.

    Raises:
        OutputError: `path` exists or cannot be written.
        ConfigError: Storage or compression is unknown, or they do not go together.
    """

    def __init__(
        self,
        path: Path | str,
        *,
        storage: Storage = "mcap",
        compression: Compression = "none",
        overwrite: bool = False,
        custom_data: Mapping[str, str] | None = None,
    ) -> None:
        self.path = Path(path)
        if storage not in STORAGES:
            raise ConfigError(f"storage {storage!r}: expected one of {', '.join(STORAGES)}")
        if compression not in COMPRESSIONS:
            raise ConfigError(
                f"compression {compression!r}: expected one of {', '.join(COMPRESSIONS)}"
            )
        if compression == "zstd-chunk" and storage != "mcap":
            raise ConfigError("compression zstd-chunk needs storage mcap; sqlite3 can do zstd")
        self._storage = storage
        self._compression = compression
        self._overwrite = overwrite
        self._custom_data = dict(custom_data or {})
        self._stack = ExitStack()
        self._writer: Writer | None = None
        self._connections: dict[str, Connection] = {}
        self._qos: dict[str, Qos] = {}

    def __enter__(self) -> BagWriter:
        """Create the bag under a temporary name."""
        try:
            folder = self._stack.enter_context(
                atomic_path(self.path, overwrite=self._overwrite, marker="metadata.yaml")
            )
            # The storage file is named after its folder, so that folder must have the final
            # name already; it becomes the parent's content at the end.
            inner = folder / self.path.resolve().name
            writer = Writer(
                inner,
                version=_METADATA_VERSION,
                storage_plugin=StoragePlugin[self._storage.upper()],
            )
            writer.set_compression(_MODES[self._compression], CompressionFormat.ZSTD)
            for key, value in self._custom_data.items():
                writer.set_custom_data(key, value)
            self._stack.callback(self._abort)
            writer.open()
            self._writer = writer
        except BaseException as error:
            self._stack.__exit__(type(error), error, error.__traceback__)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Give the bag its name, or remove it after an error."""
        try:
            if error is None:
                self._finish()
        except BaseException as failure:
            self._stack.__exit__(type(failure), failure, failure.__traceback__)
            raise
        self._stack.__exit__(kind, error, traceback)

    def _finish(self) -> None:
        writer = self._open_writer()
        with self._writing():
            writer.close()
            self._writer = None
            for item in list(writer.path.iterdir()):
                item.rename(writer.path.parent / item.name)
            writer.path.rmdir()

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Say of a full disk which bag it hit."""
        try:
            yield
        except (OSError, sqlite3.Error) as error:
            raise OutputError(f"{self.path}: cannot be written ({error})") from error

    def rescue(self) -> Path:
        """Keep what has been written, after a failure, under a name that tells it.

        Returns:
            Folder with the storage file, which can be read up to the break.
        """
        writer = self._open_writer()
        self._writer = None
        writer.abort()  # closes it as it is
        kept = self.path.with_name(f"{self.path.name}.{uuid.uuid4().hex[:4]}.partial")
        writer.path.rename(kept)
        return kept

    def _abort(self) -> None:
        if self._writer is not None:
            self._writer.abort()
            self._writer = None

    @property
    def topics(self) -> dict[str, TopicInfo]:
        """What has been written so far, by topic name."""
        counts = self._writer.counts if self._writer is not None else {}
        return {
            name: TopicInfo(name, c.msgtype, counts.get(c.id, 0), self._qos[name])
            for name, c in self._connections.items()
        }

    def add_topic(self, name: str, msgtype: str, qos: Qos | None = None) -> None:
        """Announce a topic; a second time is without effect.

        Raises:
            BagError: The type is not one of the standard messages, or the topic has
                another type already.
        """
        known = self._connections.get(name)
        if known is not None:
            if known.msgtype != msgtype:
                raise BagError(
                    f"{self.path}: topic {name} has type {known.msgtype} already, found {msgtype}"
                )
            return
        if msgtype not in typestore().fielddefs:
            raise BagError(
                f"{self.path}: topic {name}: no definition of {msgtype} is known here; record "
                "it with `ros2 bag record` in a workspace that has its package"
            )
        qos = qos or Qos()
        self._connections[name] = self._open_writer().add_connection(
            name, msgtype, typestore=typestore(), offered_qos_profiles=[_bag_qos(qos)]
        )
        self._qos[name] = qos

    def write(self, topic: str, message: object, stamp_ns: int, qos: Qos | None = None) -> None:
        """Write a message built by :mod:`semalign_ros.bags.messages`.

        Args:
            topic: Announced on first use, with `qos`.
            message: The message.
            stamp_ns: Log time, nanoseconds.
            qos: What the publisher offers.
        """
        self.add_topic(topic, message.__msgtype__, qos)  # type: ignore[attr-defined]
        self.write_raw(topic, serialize(message), stamp_ns)

    def write_raw(self, topic: str, data: bytes | memoryview, stamp_ns: int) -> None:
        """Write CDR bytes as they are, on a topic that was announced.

        Raises:
            BagError: The topic was not announced.
        """
        connection = self._connections.get(topic)
        if connection is None:
            raise BagError(f"{self.path}: topic {topic} was written before it was announced")
        with self._writing():
            self._open_writer().write(connection, stamp_ns, data)

    def _open_writer(self) -> Writer:
        if self._writer is None:
            raise BagError(f"{self.path}: the bag is not open for writing")
        return self._writer


def _bag_qos(qos: Qos) -> BagQos:
    return BagQos(
        QosHistory[qos.history.upper()],
        qos.depth,
        QosReliability[qos.reliability.upper()],
        QosDurability[qos.durability.upper()],
        _UNLIMITED,
        _UNLIMITED,
        QosLiveliness.AUTOMATIC,
        _UNLIMITED,
        False,  # avoid_ros_namespace_conventions
    )
