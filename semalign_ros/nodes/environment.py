"""What must stand in the environment before a node starts.

Large images arrive only with a bigger shared-memory segment, and cheaply only when
the allocator keeps big blocks; both are read once, when the process starts. Nothing
here imports rclpy: the command line and launch files use it.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from importlib import metadata

from semalign_ros.resources import resource

_FAST_DDS_2, _FAST_DDS_3 = "FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE"
_WITH_FAST_DDS_2 = ("humble", "iron", "jazzy")
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
    # A profile under the other version's name is the user's, too; an empty name is none.
    own = [environment[n] for n in (_FAST_DDS_2, _FAST_DDS_3) if environment.get(n)]
    profile = own[0] if own else str(resource("config", "fastdds", "profile.xml"))
    wanted |= dict.fromkeys(profile_variables(environment.get("ROS_DISTRO")), profile)
    return {name: value for name, value in wanted.items() if not environment.get(name)}


def profile_variables(distribution: str | None) -> tuple[str, ...]:
    """Names under which Fast DDS looks for its profile; version 3 complains about the old one."""
    if distribution is not None:
        return (_FAST_DDS_2,) if distribution in _WITH_FAST_DDS_2 else (_FAST_DDS_3,)
    for package, variable in (("ros-fastdds", _FAST_DDS_3), ("ros-fastrtps", _FAST_DDS_2)):
        with contextlib.suppress(metadata.PackageNotFoundError):
            metadata.version(package)
            return (variable,)
    return _FAST_DDS_2, _FAST_DDS_3


def complete(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The environment for a process that runs a node."""
    return {**environment, **settings(environment)}
