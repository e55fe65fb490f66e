"""Outputs that appear whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

from semalign_ros.errors import OutputError

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


def check_free(path: Path, *, overwrite: bool, marker: str = "") -> None:
    """Refuse a path that is taken, before the work that would be lost on it.

    Args:
        path: Where the output is to appear.
        overwrite: Whether an earlier output may be replaced. Nothing else ever is.
        marker: File or folder by which a folder is known as an earlier output; empty where
            a file is to be written.

    Raises:
        OutputError: `path` exists and may not be replaced.
    """
    with _told(path):
        if not (path.exists() or path.is_symlink()):
            return
        if not overwrite:
            raise OutputError(f"{path}: exists already; choose another name or give --overwrite")
        if not path.is_dir():
            if marker and path.exists():
                raise OutputError(f"{path}: is a file, expected a folder; choose another name")
        elif not marker:
            raise OutputError(f"{path}: is a folder, expected a file; choose another name")
        elif any(path.iterdir()) and not (path / marker).exists():
            raise OutputError(
                f"{path}: has no {marker}, so it is no earlier output and is not replaced; "
                "choose another name"
            )


def make_folder(path: Path) -> None:
    """Create a folder for what is going to be written, unless it is there.

    Raises:
        OutputError: It cannot be, or something else stands in its place.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        present = (p for p in (path, *path.parents) if p.exists() or p.is_symlink())
        file = next((p for p in present if not p.is_dir()), path)
        raise OutputError(f"{path}: cannot be written ({file} is no folder)") from error
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror})") from error


@contextlib.contextmanager
def atomic_path(path: Path | str, *, overwrite: bool = False, marker: str = "") -> Iterator[Path]:
    """Yield a temporary sibling of `path` that gets the final name on success.

    The caller creates the file or folder at the yielded path. On any error it is
    removed, and what stood at `path` before is untouched. A link is followed.

    Args:
        path: Where the output is to appear.
        overwrite: Whether an earlier output may be replaced.
        marker: As :func:`check_free` takes it.

    Raises:
        OutputError: `path` exists and may not be replaced, or cannot be written.
    """
    path = Path(path)
    check_free(path, overwrite=overwrite, marker=marker)
    final = path.resolve()
    # The suffix stays last: writers choose the format by it.
    partial = final.with_name(f".{final.stem}.{uuid.uuid4().hex[:8]}.partial{final.suffix}")
    make_folder(final.parent)
    try:
        with _told(path, within=final.parent):
            yield partial
            # Somebody else may have been faster.
            check_free(path, overwrite=overwrite, marker=marker)
            _replace(partial, final)
    finally:
        _remove(partial)


@contextlib.contextmanager
def _told(path: Path, within: Path | None = None) -> Iterator[None]:
    """Make an error of the file system one about `path`, if it is about files `within`."""
    try:
        yield
    except OSError as error:
        ours = within is None or str(error.filename or "").startswith(str(within))
        if not ours and error.errno not in _FULL:
            raise
        raise OutputError(f"{path}: cannot be written ({error.strerror or error})") from error


def _replace(partial: Path, path: Path) -> None:
    """Move `partial` over `path`; a folder there is kept until the move has worked."""
    if path.is_dir():
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
