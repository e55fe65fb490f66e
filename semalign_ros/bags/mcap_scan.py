"""Reads an MCAP file from front to back, without its index.

A recorder that was killed leaves a file without index and footer, and the usual reader
refuses it as a whole. All messages up to the break are still there; this module finds
them. Source of the record layout: the MCAP format specification (mcap.dev/spec).
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, NamedTuple

from lz4.frame import decompress as lz4_decompress  # type: ignore[import-untyped]

from semalign_ros.errors import BagError

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_MAGIC = b"\x89MCAP0\r\n"
_SCHEMA, _CHANNEL, _MESSAGE, _CHUNK, _DATA_END = 3, 4, 5, 6, 15
_RECORD_HEADER = struct.Struct("<BQ")
_MESSAGE_HEADER = struct.Struct("<HIQQ")
_CHUNK_HEADER = struct.Struct("<QQQI")


class ScannedMessage(NamedTuple):
    """One message as it lies in the file; `qos` is the channel's YAML, perhaps empty."""

    topic: str
    msgtype: str
    qos: str
    log_time_ns: int
    data: bytes


class McapScanner:
    """Iterates over the messages of one MCAP file in the order of writing.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._schemas: dict[int, str] = {}
        self._channels: dict[int, tuple[str, str, str]] = {}

    def __iter__(self) -> Iterator[ScannedMessage]:
        """Yield all messages that are whole, with one chunk in memory at a time.

        Raises:
            BagError: The file is not MCAP, ends too early, or is damaged; every message
                before that place has been yielded.
        """
        with self.path.open("rb") as stream:
            if stream.read(len(_MAGIC)) != _MAGIC:
                raise BagError(f"{self.path}: is no MCAP file, its first bytes are different")
            size = self.path.stat().st_size
            count = 0
            try:
                for message in self._records(stream, size):
                    count += 1
                    yield message
            except (_BrokenError, struct.error, ValueError, KeyError, RuntimeError) as error:
                reason = str(error) if isinstance(error, _BrokenError) else "damaged record"
                raise BagError(
                    f"{self.path}: {reason} after {count} messages, near byte {stream.tell()} of "
                    f"{size}; the messages before it were read; `mcap recover` writes them to a "
                    "new file, and for the rest the bag must be recorded again"
                ) from error
            except zstd.ZstdError as error:
                raise BagError(
                    f"{self.path}: a compressed chunk is damaged after {count} messages "
                    f"({error}); `mcap recover` writes the others to a new file"
                ) from error

    def _records(self, stream: BinaryIO, size: int) -> Iterator[ScannedMessage]:
        while True:
            header = stream.read(_RECORD_HEADER.size)
            if len(header) < _RECORD_HEADER.size:
                raise _BrokenError("the file is truncated")
            opcode, length = _RECORD_HEADER.unpack(header)
            # Checked before reading: a damaged length must not ask for terabytes.
            if length > size - stream.tell():
                raise _BrokenError("the file is truncated")
            if opcode == _DATA_END:
                return
            if opcode not in (_SCHEMA, _CHANNEL, _MESSAGE, _CHUNK):
                stream.seek(length, 1)
                continue
            body = stream.read(length)
            if opcode == _CHUNK:
                yield from self._chunk(body)
            elif opcode == _MESSAGE:
                yield self._message(memoryview(body))
            else:
                self._define(opcode, body)

    def _chunk(self, body: bytes) -> Iterator[ScannedMessage]:
        _, _, raw_size, _ = _CHUNK_HEADER.unpack_from(body)
        rest = BytesIO(body)
        rest.seek(_CHUNK_HEADER.size)
        compression = _string(rest)
        rest.seek(8, 1)  # length of the records, which reach to the end
        packed = rest.read()
        if compression == "":
            records = packed
        elif compression == "zstd":
            records = zstd.decompress(packed)
        elif compression == "lz4":
            records = lz4_decompress(packed)
        else:
            raise _BrokenError(f"unknown chunk compression {compression!r}")
        if len(records) != raw_size:
            raise _BrokenError("a chunk has not the size it claims")
        view, position = memoryview(records), 0
        while position < len(view):
            opcode, length = _RECORD_HEADER.unpack_from(view, position)
            position += _RECORD_HEADER.size
            body_view = view[position : position + length]
            position += length
            if opcode == _MESSAGE:
                yield self._message(body_view)
            elif opcode in (_SCHEMA, _CHANNEL):
                self._define(opcode, bytes(body_view))

    def _message(self, body: memoryview) -> ScannedMessage:
        channel, _, log_time, _ = _MESSAGE_HEADER.unpack_from(body)
        return ScannedMessage(
            *self._channels[channel], log_time, bytes(body[_MESSAGE_HEADER.size :])
        )

    def _define(self, opcode: int, body: bytes) -> None:
        record = BytesIO(body)
        (number,) = struct.unpack("<H", record.read(2))
        if opcode == _SCHEMA:
            self._schemas[number] = _string(record)
            return
        (schema,) = struct.unpack("<H", record.read(2))
        topic, _ = _string(record), _string(record)
        metadata, (length,) = {}, struct.unpack("<I", record.read(4))
        end = record.tell() + length
        while record.tell() < end:
            key, value = _string(record), _string(record)
            metadata[key] = value
        self._channels[number] = (
            topic,
            self._schemas[schema],
            metadata.get("offered_qos_profiles", ""),
        )


class _BrokenError(Exception):
    """The file does not go on as it should."""


def _string(stream: BinaryIO) -> str:
    (length,) = struct.unpack("<I", stream.read(4))
    data = stream.read(length)
    if len(data) != length:
        raise _BrokenError("a record is cut short")
    return data.decode()
