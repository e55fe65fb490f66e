"""What the launch files share. Needs neither launch nor rclpy."""

from __future__ import annotations


def is_true(text: str) -> bool:
    """Whether a launch argument says yes, as people write it."""
    return text.strip().lower() in ("true", "1", "yes", "on")


def node_path(namespace: str, name: str) -> str:
    """Where a node's own topics begin: ``/front/monitor``.

    Args:
        namespace: With or without slashes around it; may be empty.
        name: Of the node.
    """
    return "/" + "/".join(part for part in (*namespace.split("/"), name) if part)


def logger_name(namespace: str, name: str) -> str:
    """The logger that ``--log-level`` means: ``front.monitor``."""
    return node_path(namespace, name)[1:].replace("/", ".")
