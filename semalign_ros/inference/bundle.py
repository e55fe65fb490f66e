"""Model bundles on disk: a folder with ``bundle.yaml`` and the files that it lists.

Loading trusts nothing: every file must be listed, lie inside the folder and have
the listed hash, and all problems are reported at once.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import yaml
from pydantic import ValidationError

from semalign_ros.errors import BundleError
from semalign_ros.inference.graph import GraphInfo, read_graph
from semalign_ros.inference.manifest import (
    MANIFEST,
    ContrastiveManifest,
    FileEntry,
    GenerativeManifest,
    GraphSpec,
    Manifest,
    SegmenterManifest,
)
from semalign_ros.output import atomic_path
from semalign_ros.resources import UniqueKeys, parse_yaml
from semalign_ros.validation import problems

MANIFEST_NAME = "bundle.yaml"
_MAX_MANIFEST_BYTES = 4 << 20
# Files for people, and what file managers leave behind, need no hash: nothing loads them.
_FREE_NAMES = ("README", "LICENSE", "LICENCE", "NOTICE", ".")


@dataclass(frozen=True, slots=True)
class Bundle:
    """A verified bundle.

    Args:
        folder: Where its files really lie.
        manifest: What it says of itself.
        digest: SHA-256 of ``bundle.yaml``, which holds the hashes of all other files.
    """

    folder: Path
    manifest: Manifest
    digest: str

    @property
    def bundle_id(self) -> str:
        """Name and short digest, as written into results: ``name@0123456789ab``."""
        return f"{self.manifest.name}@{self.digest[:12]}"

    def path(self, name: str) -> Path:
        """Path of a listed file."""
        return self.folder / name

    def require_unaltered(self) -> None:
        """Look at size and hash of every listed file again.

        Raises:
            BundleError: With each that is no longer what was loaded.
        """
        found = [_file_problem(self.folder, n, e) for n, e in self.manifest.files.items()]
        if any(found):
            raise BundleError(
                _listing(f"{self.folder}: changed since it was loaded", [p for p in found if p])
            )


def graph_specs(manifest: Manifest) -> dict[str, GraphSpec]:
    """Graphs of a manifest by role, such as ``vision``."""
    graphs = manifest.graphs
    return {role: getattr(graphs, role) for role in type(graphs).model_fields}


def load_bundle(folder: Path | str) -> Bundle:
    """Read and verify a bundle.

    Raises:
        BundleError: With every problem found: a missing or malformed manifest, missing,
            unlisted or altered files, a path that leaves the folder (of an external
            weight file too), a corrupt graph, inputs or outputs that differ.
    """
    folder = Path(folder)
    listed = folder / MANIFEST_NAME
    if not listed.is_file():
        raise BundleError(
            f"{folder}: no model bundle, {MANIFEST_NAME} was not found in it; "
            "`semalign export` and `semalign models add` write bundles"
        )
    # colcon --symlink-install links every file of a shipped bundle to the source tree:
    # the folder that counts is the one where the manifest really lies.
    root = listed.resolve().parent
    text = _read_manifest(listed)
    manifest = parse_manifest(_parse_yaml(text, listed), str(listed))
    problems = list(_check(root, manifest))
    if problems:
        raise BundleError(_listing(str(folder), problems))
    return Bundle(root, manifest, hashlib.sha256(text).hexdigest())


def parse_manifest(fields: object, what: str = MANIFEST_NAME) -> Manifest:
    """Validate the fields of a manifest.

    Args:
        fields: Mapping as read from YAML.
        what: Name of the source for the message.

    Raises:
        BundleError: With every field that is wrong.
    """
    if not isinstance(fields, dict):
        raise BundleError(f"{what}: expected a mapping of fields, found {type(fields).__name__}")
    version = fields.get("schema_version", 1)
    if isinstance(version, int) and version > 1:
        raise BundleError(
            f"{what}: schema_version is {version}, this version of semalign reads 1; "
            "update semalign_ros"
        )
    try:
        return MANIFEST.validate_python(fields)
    except ValidationError as error:
        raise BundleError(_listing(what, problems(error, MANIFEST))) from error


def read_fields(path: Path) -> dict[str, object]:
    """Read a YAML mapping with the care due to a file from elsewhere.

    Raises:
        BundleError: Unreadable, too long, no YAML, or no mapping.
    """
    fields = _parse_yaml(_read_manifest(path), path)
    if not isinstance(fields, dict):
        raise BundleError(f"{path}: expected a mapping of fields, found {type(fields).__name__}")
    return fields


def write_bundle(
    folder: Path | str,
    manifest: Manifest,
    files: Mapping[str, Path | bytes],
    *,
    overwrite: bool = False,
) -> Bundle:
    """Write a bundle: copy the files, fill in hashes and graph inputs/outputs, verify it.

    Args:
        folder: The bundle to make; it appears whole or not at all.
        manifest: Its ``files``, and the inputs and outputs of its graphs, are replaced
            by what is found.
        files: Content by path inside the bundle: a file to copy, or bytes.
        overwrite: Replace what stands at `folder`.

    Returns:
        The bundle as :func:`load_bundle` reads it.

    Raises:
        OutputError: `folder` exists, or cannot be written.
        BundleError: The files and the manifest do not make a valid bundle.
    """
    unsafe = [p for name in files if (p := _unsafe_name(name))]
    if unsafe:
        raise BundleError(_listing(str(folder), unsafe))
    with atomic_path(folder, overwrite=overwrite, marker=MANIFEST_NAME) as partial:
        partial.mkdir()
        entries = {}
        for name, content in files.items():
            target = partial / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, bytes):
                target.write_bytes(content)
            else:
                _copy(content, target)
            entries[name] = FileEntry(sha256=hash_file(target), size=target.stat().st_size)
        complete = _describe_graphs(manifest, partial).model_copy(update={"files": entries})
        (partial / MANIFEST_NAME).write_text(dump_manifest(complete), encoding="utf-8")
        try:
            load_bundle(partial)
        except BundleError as error:
            raise BundleError(str(error).replace(str(partial), str(folder))) from error
    return load_bundle(folder)


def dump_manifest(manifest: Manifest) -> str:
    """Manifest as YAML, the kind first, without fields that are None."""
    fields = manifest.model_dump(mode="json", exclude_none=True)
    ordered = {"schema_version": fields.pop("schema_version"), "kind": fields.pop("kind")}
    return yaml.dump(
        {**ordered, **fields},
        Dumper=_Dumper,
        sort_keys=False,
        allow_unicode=True,
        width=100,
        default_flow_style=None,
    )


def hash_file(path: Path) -> str:
    """SHA-256 of a file, hexadecimal, read in pieces."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 - the base class's signature
        return True


class _Loader(UniqueKeys):
    """Refuses aliases too, which let a short file expand to gigabytes."""

    def compose_node(self, parent: yaml.Node | None, index: object) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("aliases are not accepted; write the value out")
        return super().compose_node(parent, index)  # type: ignore[arg-type]


def _read_manifest(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            text = stream.read(_MAX_MANIFEST_BYTES + 1)
    except OSError as error:
        raise BundleError(f"{path}: cannot be read ({error.strerror})") from error
    if len(text) > _MAX_MANIFEST_BYTES:
        raise BundleError(f"{path}: longer than {_MAX_MANIFEST_BYTES} bytes, no manifest")
    return text


def _parse_yaml(text: bytes, path: Path) -> object:
    try:
        return parse_yaml(text, _Loader)
    except yaml.YAMLError as error:
        raise BundleError(f"{path}: not valid YAML: {error}") from error


def _copy(source: Path, target: Path) -> None:
    try:
        shutil.copyfile(source, target)
    except OSError as error:
        if error.filename == str(target):
            raise
        raise BundleError(f"{source}: cannot be read ({error.strerror})") from error


def _listing(what: str, problems: list[str]) -> str:
    if len(problems) == 1:
        return f"{what}: {problems[0]}"
    return f"{what}: {len(problems)} problems\n" + "\n".join(f"  - {p}" for p in problems)


def _unsafe_name(name: str) -> str | None:
    """Say why a path of the manifest is refused, or None."""
    path = PurePosixPath(name)
    if (
        not path.parts
        or path.is_absolute()
        or ".." in path.parts
        or any(c in name for c in "\\:\0")
        or str(path) != name
    ):
        return f"path {name!r} is refused: expected a plain path inside the bundle"
    if name == MANIFEST_NAME:
        return f"path {name!r} is refused: the manifest cannot list itself"
    return None


def _check(root: Path, manifest: Manifest) -> Iterator[str]:
    sound = set()
    for name, entry in manifest.files.items():
        problem = _unsafe_name(name) or _file_problem(root, name, entry)
        if problem:
            yield problem
        else:
            sound.add(name)
    yield from _unlisted(root, manifest)
    for role, spec in graph_specs(manifest).items():
        if spec.file not in manifest.files:
            yield f"graphs.{role}: {spec.file!r} is not listed in files"
        elif spec.file in sound:
            yield from _graph_problems(root, role, spec, manifest)
    if not isinstance(manifest, SegmenterManifest) and manifest.tokenizer not in manifest.files:
        yield f"tokenizer: {manifest.tokenizer!r} is not listed in files"


def _file_problem(root: Path, name: str, entry: FileEntry) -> str | None:
    path = root / name
    try:
        if not path.resolve().is_relative_to(root):
            return f"{name}: leads out of the bundle, to {path.resolve()}"
        if not path.is_file():
            return f"{name}: listed and missing"
        size = path.stat().st_size
        if size != entry.size:
            return (
                f"{name}: has {size} bytes, the manifest says {entry.size}; fetch the bundle again"
            )
        found = hash_file(path)
    except (OSError, RuntimeError, ValueError) as error:
        # No permission; links in a circle, as Python tells until 3.12; a name that is none here.
        return f"{name!r}: cannot be read ({getattr(error, 'strerror', None) or error})"
    if found != entry.sha256:
        return (
            f"{name}: altered, its SHA-256 is {found[:12]}..., the manifest says "
            f"{entry.sha256[:12]}...; fetch the bundle again"
        )
    return None


def _unlisted(root: Path, manifest: Manifest) -> Iterator[str]:
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        if (
            path.is_dir()
            or name in manifest.files
            or name == MANIFEST_NAME
            or path.name.startswith(_FREE_NAMES)
        ):
            continue
        yield f"{name}: not listed in files; remove it or list it"


def _graph_problems(root: Path, role: str, spec: GraphSpec, manifest: Manifest) -> Iterator[str]:
    try:
        info = read_graph(root / spec.file)
    except BundleError as error:
        yield f"graphs.{role}: {error}"
        return
    for location in info.external_files:
        relative = (PurePosixPath(spec.file).parent / location).as_posix()
        problem = _unsafe_name(location)
        if problem:
            yield f"graphs.{role}: external data: {problem}"
        elif relative not in manifest.files:
            yield f"graphs.{role}: external data {relative!r} is not listed in files"
    for side in ("inputs", "outputs"):
        stated, found = getattr(spec, side), getattr(info, side)
        if stated and stated != found:
            yield f"graphs.{role}.{side}: the file has {_tensors(found)}, stated {_tensors(stated)}"
    if manifest.opset is not None and info.opset != manifest.opset:
        yield f"graphs.{role}: opset {info.opset}, the manifest says {manifest.opset}"


def _tensors(specs: tuple[object, ...]) -> str:
    names = [f"{s.name} {s.dtype}{list(s.shape)}" for s in specs]  # type: ignore[attr-defined]
    return ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")


def _describe_graphs(manifest: Manifest, folder: Path) -> Manifest:
    """State inputs, outputs and opset of the graph files that can be read."""
    described, opsets = {}, set()
    for role, spec in graph_specs(manifest).items():
        try:
            info: GraphInfo = read_graph(folder / spec.file)
        except BundleError:
            continue  # load_bundle reports it together with all other problems
        described[role] = spec.model_copy(update={"inputs": info.inputs, "outputs": info.outputs})
        opsets.add(info.opset)
    update: dict[str, object] = {"graphs": manifest.graphs.model_copy(update=described)}
    if manifest.opset is None and len(opsets) == 1:
        update["opset"] = opsets.pop()
    return manifest.model_copy(update=update)


__all__ = [
    "MANIFEST_NAME",
    "Bundle",
    "ContrastiveManifest",
    "GenerativeManifest",
    "Manifest",
    "SegmenterManifest",
    "dump_manifest",
    "graph_specs",
    "hash_file",
    "load_bundle",
    "parse_manifest",
    "read_fields",
    "write_bundle",
]
