"""Where the files that ship with the package lie: config, models, launch files, the sample bag.

In a checkout they are top-level folders; an installed wheel and a colcon install
space have them under ``share/semalign_ros``.
"""

from __future__ import annotations

import functools
import sys
from pathlib import Path

from semalign_ros.errors import ConfigError

_PACKAGE = Path(__file__).resolve().parent


@functools.cache
def share_folder() -> Path:
    """Folder that holds ``config/``.

    Raises:
        ConfigError: The installation has lost it.
    """
    candidates = [
        _PACKAGE.parent,  # checkout, also through colcon's --symlink-install
        Path(sys.prefix) / "share" / "semalign_ros",  # wheel in a virtual environment
        # colcon: <prefix>/lib/python3.x/site-packages/semalign_ros
        *(parent / "share" / "semalign_ros" for parent in _PACKAGE.parents),
    ]
    for folder in candidates:
        if (folder / "config").is_dir() and (folder / "package.xml").is_file():
            return folder
    raise ConfigError(
        f"the files of semalign_ros were not found; looked in {', '.join(map(str, candidates))}; "
        "reinstall the package"
    )


def resource(*parts: str) -> Path:
    """Path of a shipped file or folder, which need not exist."""
    return share_folder().joinpath(*parts)


def find_resource(name_or_path: str, folder: str, suffix: str = ".yaml") -> Path:
    """Resolve what a user typed: a path, or the name of a shipped file.

    Args:
        name_or_path: ``my/profile.yaml``, ``paper.yaml`` or ``paper``.
        folder: Folder below the share folder, such as ``config/corruptions``.
        suffix: Added to a bare name; empty for folders such as model bundles.

    Raises:
        ConfigError: Neither exists; the message lists the shipped names.
    """
    path = Path(name_or_path).expanduser()
    if path.exists():
        return path
    shipped = resource(*folder.split("/"))
    if len(path.parts) == 1:
        for name in (name_or_path, name_or_path + suffix):
            if (shipped / name).exists():
                return shipped / name
    names = sorted(p.name for p in shipped.glob(f"*{suffix}"))
    raise ConfigError(
        f"{name_or_path}: no such file, and {folder} ships no such name; "
        f"shipped: {', '.join(names) or 'none'}"
    )
