"""Where the files that ship with the package lie: config, models, launch files, the sample bag.

In a checkout they are top-level folders; an installed wheel and a colcon install
space have them under ``share/semalign_ros``.
"""

from __future__ import annotations

import difflib
import functools
import sys
from pathlib import Path
from typing import Any

import yaml

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
    try:
        return _find_resource(name_or_path, folder, suffix)
    except (OSError, RuntimeError) as error:  # no permission; no such user
        raise ConfigError(f"{name_or_path}: cannot be read ({error})") from error


def _find_resource(name_or_path: str, folder: str, suffix: str) -> Path:
    path = Path(name_or_path).expanduser()
    shipped = resource(*folder.split("/"))
    wanted = (name_or_path, name_or_path + suffix) if len(path.parts) == 1 else ()
    found = next((shipped / name for name in wanted if (shipped / name).exists()), None)
    # A folder that only bears the name of a shipped file is not meant: results are often so named.
    if path.exists() and not (found and suffix and path.is_dir()):
        return path
    if found:
        return found
    names = sorted(p.name for p in shipped.glob(f"*{suffix}"))
    near = difflib.get_close_matches(name_or_path + suffix, names, n=1)
    hint = f" did you mean {near[0].removesuffix(suffix)!r}?" if near else ""
    raise ConfigError(
        f"{name_or_path}: no such file, and none of that name in {folder};{hint} "
        f"shipped: {', '.join(names) or 'none'}"
    )


class UniqueKeys(yaml.SafeLoader):
    """Refuses a mapping with one key twice, of which YAML would keep the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Build a mapping after a look at its keys."""
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for place, key in enumerate(keys):
            if key != "<<" and key in keys[:place]:
                raise yaml.constructor.ConstructorError(
                    None, None, f"key {key!r} is there twice", node.value[place][0].start_mark
                )
        return super().construct_mapping(node, deep)


def parse_yaml(text: str | bytes, loader: type[yaml.SafeLoader] = UniqueKeys) -> object:
    """Parse YAML that anybody may have written.

    Raises:
        yaml.YAMLError: It is none, whatever PyYAML raises.
    """
    try:
        return yaml.load(text, loader)
    except yaml.YAMLError:
        raise
    except Exception as error:  # a value such as `!!int ""` or a 13th month; nesting; bad bytes
        raise yaml.YAMLError(f"{type(error).__name__}: {error}") from error


def read_yaml(path: Path) -> object:
    """Read a YAML file.

    Raises:
        ConfigError: It cannot be read, is no YAML, or is empty; a syntax error has its place.
    """
    try:
        content = parse_yaml(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        what = getattr(error, "problem", None) or str(error)
        raise ConfigError(f"{path}: no YAML{where}: {what}") from error
    if content is None:
        raise ConfigError(f"{path}: is empty")
    return content
