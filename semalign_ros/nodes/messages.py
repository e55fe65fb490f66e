"""Small conversions between ROS messages and plain values."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from std_msgs.msg import Header

from semalign_ros.alignment.health import Status
from semalign_ros.errors import ConfigError

_NS = 1_000_000_000


def stamp_ns(stamp: Any) -> int:
    """Nanoseconds of a `builtin_interfaces/Time`."""
    return int(stamp.sec) * _NS + int(stamp.nanosec)


def time_message(nanoseconds: int) -> Time:
    """`builtin_interfaces/Time` of nanoseconds."""
    return Time(sec=nanoseconds // _NS, nanosec=nanoseconds % _NS)


def diagnostic_array(header: Header, *statuses: DiagnosticStatus) -> DiagnosticArray:
    """Statuses under a header, which is taken unchanged."""
    return DiagnosticArray(header=header, status=list(statuses))


def diagnostic_status(
    name: str,
    values: Mapping[str, float | str],
    *,
    message: str = "",
    level: int = 0,
    hardware_id: str = "",
) -> DiagnosticStatus:
    """One status; numbers are written bare, as plotting tools read them."""
    return DiagnosticStatus(
        # The field is a byte, which rclpy takes as bytes of length one.
        level=bytes([level]),
        name=name,
        message=message,
        hardware_id=hardware_id,
        values=[KeyValue(key=key, value=write_value(value)) for key, value in values.items()],
    )


def status_message(
    status: Status, facts: Mapping[str, str | float] | None = None
) -> DiagnosticStatus:
    """`diagnostic_msgs/DiagnosticStatus` of a status, fault code and facts among the values."""
    return diagnostic_status(
        status.name,
        {"fault_code": status.fault_code, **(facts or {}), **status.values},
        message=status.message,
        level=int(status.level),
    )


def write_value(value: float | str) -> str:
    """Text of a value: whole numbers without a point, others so that they read back exactly."""
    if isinstance(value, str):
        return value
    if isinstance(value, float) and math.isfinite(value) and not value.is_integer():
        return repr(value)
    return f"{value:.0f}" if math.isfinite(value) else str(value)


def read_values(status: DiagnosticStatus) -> dict[str, str]:
    """Key-value pairs of a status."""
    return {pair.key: pair.value for pair in status.values}


def single_status(message: DiagnosticArray, suffix: str) -> DiagnosticStatus:
    """Status of an array whose name ends in ``: <suffix>``.

    Raises:
        ConfigError: There is none.
    """
    for status in message.status:
        if status.name.endswith(f": {suffix}"):
            return status
    found = ", ".join(status.name for status in message.status) or "nothing"
    raise ConfigError(f"message without a status {suffix!r}, found {found}")
