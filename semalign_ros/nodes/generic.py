"""Message classes by name, as bags and the graph name them."""

from __future__ import annotations

import importlib


def message_class(name: str) -> type | None:
    """Class of ``sensor_msgs/msg/Image``; None where its package is not installed."""
    package, _, kind = name.partition("/msg/")
    try:
        found = getattr(importlib.import_module(f"{package}.msg"), kind, None)
    except ImportError:
        return None
    return found if isinstance(found, type) else None


def type_name(kind: type) -> str:
    """``sensor_msgs/msg/Image`` of the class."""
    package, section = kind.__module__.split(".")[:2]
    return f"{package}/{section}/{kind.__name__}"
