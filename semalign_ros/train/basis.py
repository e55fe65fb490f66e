"""What a checkpoint depends on, and that nothing else goes on from it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semalign_ros.errors import ConfigError
from semalign_ros.train.models import Tower
from semalign_ros.train.plan import Plan

_DIGESTS = ("frames", "network")


def require_same(checkpoint: Path, basis: Mapping[str, object]) -> None:
    """Refuse a checkpoint of other frames or settings; see :func:`basis_of`.

    Raises:
        ConfigError: It is one; names what differs.
    """
    note = checkpoint.with_suffix(".basis")
    if checkpoint.exists() and note.exists():
        try:
            before = _flat(json.loads(note.read_text("utf-8")))
        except (ValueError, AttributeError):
            before = {}  # of an earlier version
        now = _flat(basis)
        changed = [k for k in {**before, **now} if before.get(k) != now.get(k)]
        if changed:
            told = [
                k if k.startswith(_DIGESTS) else f"{k} ({before.get(k)} then, {now.get(k)} now)"
                for k in changed
            ]
            raise ConfigError(
                f"checkpoint {checkpoint} was trained on something else: {', '.join(told)}; train "
                "into another --work folder, or remove it"
            )
    note.parent.mkdir(parents=True, exist_ok=True)
    note.write_text(json.dumps(basis, indent=1), "utf-8")


def _flat(fields: Mapping[str, object], prefix: str = "") -> dict[str, object]:
    """Nested fields by their dotted names."""
    found: dict[str, object] = {}
    for name, value in fields.items():
        deeper = _flat(value, f"{prefix}{name}.") if isinstance(value, dict) else None
        found |= {prefix + name: value} if deeper is None else deeper
    return found


def basis_of(
    plan: Plan, frames: str, tower: Tower | None = None, stage: str | None = None
) -> dict[str, object]:
    """What a checkpoint depends on, or, without a stage, cached views.

    How long a run is, how often it is evaluated and in which precision it computes may change.

    Args:
        plan: The run.
        frames: Digest of pixels and labels, see :func:`digest_of`.
        tower: What the language models see through; None for a segmenter.
        stage: Whose checkpoint.
    """
    settings = plan.settings.model_dump(mode="json")
    weights = {s.name: [s.weight] for s in plan.sources}
    basis: dict[str, object] = {"seed": settings["seed"], "frames": frames}
    if tower is not None:
        weights = {s.name: [s.weight, s.language_weight] for s in plan.sources}
        basis["network"] = digest_of(t.cpu().numpy() for t in tower.state_dict().values())
        basis["views"] = settings["views"]
        basis["augment"] = settings["segmenter"]["augment"]
    if stage is not None:
        own = settings[stage]
        own["stage"] = {
            name: value
            for name, value in own["stage"].items()
            if name not in ("steps", "evaluate_every", "precision")
        }
        own.pop("decision_balance", None)  # thresholds are computed when all is trained
        if tower is not None:
            basis["vocabulary"] = settings["vocabulary"]
        if stage == "segmenter":
            own["networks"] = own["networks"][own["family"]]
        basis[stage] = own
    return basis | {"weights": weights}


def digest_of(arrays: Iterable[NDArray[Any]]) -> str:
    """Tell arrays from others by their shapes and contents."""
    digest = hashlib.blake2b(digest_size=8)
    for array in arrays:
        digest.update(str(array.shape).encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
