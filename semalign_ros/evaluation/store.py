"""Where an evaluation keeps its results: blocks of frames, each written whole or not at all.

A result folder has ``run.yaml`` (every setting that decides the rows) and
``blocks/NNNNNN/{verdicts,segmentation,failures}.parquet``. An interrupted run goes on
with the blocks that are missing; other settings are refused.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from semalign_ros.errors import OutputError
from semalign_ros.evaluation.tables import TABLES, Row, to_table
from semalign_ros.output import atomic_path, make_folder

_SETTINGS = "run.yaml"
_DERIVED = ("tables.md", "language.csv", "segmentation.csv", "report.html")


@contextlib.contextmanager
def sole_writer(folder: Path | str) -> Iterator[None]:
    """Keep other processes from writing into a result folder; it is made if it is not there.

    Raises:
        OutputError: Another process is writing there, or the folder cannot be made.
    """
    make_folder(Path(folder))
    opened = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(opened)
        raise OutputError(
            f"{folder}: another evaluation is writing there; wait for it or choose another folder"
        ) from None
    except OSError:
        pass  # a file system without locks
    try:
        yield
    finally:
        os.close(opened)


class ResultStore:
    """A result folder, opened for one set of settings.

    Args:
        folder: The folder; made if it does not exist.
        settings: What decides the rows, YAML-serialisable.
        overwrite: Throw away results that stand there.

    Raises:
        OutputError: The folder holds results of other settings, holds something
            else, or cannot be written.
    """

    def __init__(
        self, folder: Path | str, settings: Mapping[str, Any], *, overwrite: bool = False
    ) -> None:
        self.folder = Path(folder)
        earlier = (self.folder / _SETTINGS).is_file()
        if earlier and overwrite:
            self._clear()
        elif earlier:
            found = read_settings(self.folder)
            if found != _plain(settings):
                raise OutputError(
                    f"{self.folder}: holds results of another run; "
                    f"{_differences(found, _plain(settings))}. "
                    "Choose another folder or give --overwrite"
                )
            return
        elif self.folder.is_dir() and any(self.folder.iterdir()):
            raise OutputError(
                f"{self.folder}: is not empty and holds no evaluation; choose another folder"
            )
        with atomic_path(self.folder / _SETTINGS, overwrite=overwrite) as partial:
            partial.write_text(yaml.safe_dump(_plain(settings), sort_keys=False), "utf-8")

    def _clear(self) -> None:
        """Remove what was made of the earlier run; its settings stay until the new ones stand."""
        shutil.rmtree(self.folder / "blocks", ignore_errors=True)
        for name in _DERIVED:
            (self.folder / name).unlink(missing_ok=True)

    def has(self, block: int) -> bool:
        """Whether a block is complete."""
        return all((self._block(block) / f"{name}.parquet").is_file() for name in TABLES)

    def write(self, block: int, tables: Mapping[str, Sequence[Row]]) -> None:
        """Write one block; all of its tables appear at once."""
        shutil.rmtree(self._block(block), ignore_errors=True)  # one that has lost a table
        with atomic_path(self._block(block)) as partial:
            partial.mkdir()
            for name in TABLES:
                # Given a relative path, Arrow would read "run:1" as an address.
                pq.write_table(
                    to_table(name, tables.get(name, ())),
                    partial.absolute() / f"{name}.parquet",
                    compression="zstd",
                )

    def _block(self, block: int) -> Path:
        return self.folder / "blocks" / f"{block:06d}"


def read_settings(folder: Path | str) -> dict[str, Any]:
    """Settings of a result folder.

    Raises:
        OutputError: It is no result folder.
    """
    path = Path(folder) / _SETTINGS
    try:
        settings = yaml.safe_load(path.read_text("utf-8"))
    except FileNotFoundError:
        raise OutputError(
            f"{folder}: no evaluation there (no {_SETTINGS}); "
            "give the folder that `semalign evaluate --out` wrote"
        ) from None
    except (OSError, yaml.YAMLError) as error:
        raise OutputError(f"{path}: cannot be read ({error})") from error
    if not isinstance(settings, dict):
        raise OutputError(
            f"{path}: expected a mapping of settings, found {type(settings).__name__}"
        )
    return settings


def read_table(folder: Path | str, name: str) -> pa.Table:
    """All rows of one table, ordered by frame, condition, severity and model.

    Args:
        folder: Result folder.
        name: ``verdicts``, ``segmentation`` or ``failures``.

    Raises:
        OutputError: A block cannot be read.
    """
    blocks = sorted((Path(folder).absolute() / "blocks").glob(f"[0-9]*/{name}.parquet"))
    try:
        parts = [pq.read_table(path, schema=TABLES[name]) for path in blocks]
    except (OSError, pa.ArrowInvalid) as error:
        raise OutputError(f"{folder}: a block cannot be read ({error})") from error
    if not parts:
        return TABLES[name].empty_table()
    model = {"verdicts": "vlm", "segmentation": "segmenter", "failures": "model"}[name]
    order = [(key, "ascending") for key in ("index", "condition", "severity", model)]
    return pa.concat_tables(parts).sort_by(order)


def _plain(settings: Mapping[str, Any]) -> dict[str, Any]:
    """As YAML gives it back, so that settings compare equal after a round trip."""
    plain = yaml.safe_load(yaml.safe_dump(dict(settings), sort_keys=False))
    assert isinstance(plain, dict)
    return plain


def _differences(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    names = [n for n in {**found, **wanted} if found.get(n) != wanted.get(n)]
    return "; ".join(f"{n}: {_change(found.get(n), wanted.get(n))}" for n in names)


def _change(found: Any, wanted: Any) -> str:
    """In names where there are some: a whole profile would fill the screen."""
    before, now = (v["name"] if isinstance(v, dict) and "name" in v else v for v in (found, wanted))
    return f"{now!r} has changed" if before == now else f"found {before!r}, now {now!r}"
