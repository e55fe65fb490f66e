"""Outputs that appear whole or not at all."""

from __future__ import annotations

import contextlib
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

from semalign_ros.errors import OutputError


def check_free(path: Path, *, overwrite: bool) -> None:
    """Refuse a path that is taken, before the work that would be lost on it.

    Raises:
        OutputError: `path` exists and `overwrite` is false.
    """
    if (path.exists() or path.is_symlink()) and not overwrite:
        raise OutputError(f"{path}: exists already; choose another name or give --overwrite")


def make_folder(path: Path) -> None:
    """Create a folder for what is going to be written, unless it is there.

    Raises:
        OutputError: It cannot be, or something else stands in its place.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        file = next(p for p in (path, *path.parents) if p.exists() and not p.is_dir())
        raise OutputError(f"{path}: cannot be written ({file} is no folder)") from error
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror})") from error


@contextlib.contextmanager
def atomic_path(path: Path | str, *, overwrite: bool = False) -> Iterator[Path]:
    """Yield a temporary sibling of `path` that gets the final name on success.

    The caller creates the file or folder at the yielded path. On any error it is
    removed, and what stood at `path` before is untouched.

    Raises:
        OutputError: `path` exists and `overwrite` is false, or cannot be written.
    """
    path = Path(path)
    check_free(path, overwrite=overwrite)
    # The suffix stays last: writers choose the format by it.
    partial = path.with_name(f".{path.stem}.{uuid.uuid4().hex[:8]}.partial{path.suffix}")
    make_folder(path.parent)
    try:
        yield partial
        _replace(partial, path)
    except OSError as error:
        if error.filename is None or not str(error.filename).startswith(str(path.parent)):
            raise
        raise OutputError(f"{path}: cannot be written ({error.strerror})") from error
    finally:
        _remove(partial)


def _replace(partial: Path, path: Path) -> None:
    """Move `partial` over `path`; a folder there is kept until the move has worked."""
    if path.is_dir() and not path.is_symlink():
        old = partial.with_name(partial.name + ".old")
        path.rename(old)
        try:
            partial.rename(path)
        except OSError:
            old.rename(path)
            raise
        _remove(old)
    else:
        partial.replace(path)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
