"""What must stand in the environment before a node starts.

Large images arrive only with a bigger shared-memory segment, and cheaply only when
the allocator keeps big blocks; both are read once, when the process starts. Nothing
here imports rclpy: the command line and launch files use it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from semalign_ros.resources import resource

_PROFILE_VARIABLES = (
    "FASTRTPS_DEFAULT_PROFILES_FILE",  # Fast DDS 2: Humble, Jazzy
    "FASTDDS_DEFAULT_PROFILES_FILE",  # Fast DDS 3: Kilted and later
)
_MALLOC = {
    # Blocks up to 32 MB from the heap, and 512 MB of it kept: a 6 MB image is otherwise
    # mapped and unmapped for every message, a page fault for each 4 kB.
    "MALLOC_MMAP_THRESHOLD_": str(32 << 20),
    "MALLOC_TRIM_THRESHOLD_": str(512 << 20),
}


def settings(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Variables that are still to be set; what the user has set himself stays.

    Args:
        environment: The present ones.
    """
    wanted = dict(_MALLOC)
    if not any(name in environment for name in _PROFILE_VARIABLES):
        profile = str(resource("config", "fastdds", "profile.xml"))
        wanted |= dict.fromkeys(_PROFILE_VARIABLES, profile)
    return {name: value for name, value in wanted.items() if name not in environment}


def complete(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The environment for a process that runs a node."""
    return {**environment, **settings(environment)}
