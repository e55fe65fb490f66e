"""Answers of a VLM as key-value pairs of a diagnostic message, and exactly back.

All values are text, so floats are written by their shortest exact form and everything
with structure as JSON.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping

from semalign_ros.errors import ConfigError
from semalign_ros.types import Judgment, SceneClaims, VlmAnswer


def encode_answer(answer: VlmAnswer) -> dict[str, str]:
    """Key-value pairs of an answer."""
    claims = answer.claims
    return {
        "present": _names(claims.present),
        "denied": _names(claims.denied),
        "hypothetical": _names(claims.hypothetical),
        "judgment": _word(claims.judgment),
        "coverage": repr(float(claims.coverage)),
        "raw_text": answer.raw_text,
        "latency_s": repr(float(answer.latency_s)),
        "bundle_id": answer.bundle_id,
        **{f"score/{key}": repr(float(value)) for key, value in answer.scores.items()},
        **{f"judgment/{key}": _word(value) for key, value in answer.judgments.items()},
    }


def decode_answer(values: Mapping[str, str]) -> VlmAnswer:
    """Inverse of :func:`encode_answer`.

    Raises:
        ConfigError: The pairs are not of that function.
    """
    try:
        claims = SceneClaims(
            present=frozenset(json.loads(values["present"])),
            denied=frozenset(json.loads(values["denied"])),
            hypothetical=frozenset(json.loads(values["hypothetical"])),
            judgment=_judgment(values["judgment"]),
            coverage=float(values["coverage"]),
        )
        return VlmAnswer(
            claims=claims,
            scores={key: float(value) for key, value in _below(values, "score/")},
            judgments={key: _judgment(value) for key, value in _below(values, "judgment/")},
            raw_text=values["raw_text"],
            latency_s=float(values["latency_s"]),
            bundle_id=values["bundle_id"],
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigError(
            f"answer message: {type(error).__name__}: {error}; expected one of vlm_node of this "
            "version"
        ) from error


def _names(names: Collection[str]) -> str:
    return json.dumps(sorted(names))


def _word(judgment: Judgment | None) -> str:
    return "unparsed" if judgment is None else judgment.value


def _judgment(word: str) -> Judgment | None:
    return None if word == "unparsed" else Judgment(word)


def _below(values: Mapping[str, str], prefix: str) -> list[tuple[str, str]]:
    return [(k.removeprefix(prefix), v) for k, v in values.items() if k.startswith(prefix)]
