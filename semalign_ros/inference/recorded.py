"""Stored answers as a VLM: any model's words, also a hosted one's, judged like the others'.

One JSON object a line; docs/bundles.md has the format.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TypeAlias

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from semalign_ros.errors import BundleError, InferenceError, unknown_name
from semalign_ros.inference.bundle import hash_file
from semalign_ros.inference.query import VlmQuery
from semalign_ros.inference.runtime import OnnxSession
from semalign_ros.inference.vlm import make_answer
from semalign_ros.language import Answer, PromptSet, Question, parse_answer, parse_scene_text
from semalign_ros.output import atomic_path
from semalign_ros.scene.taxonomy import CLASSES
from semalign_ros.types import Judgment, VlmAnswer
from semalign_ros.validation import problems

_Key: TypeAlias = tuple[str, int, str, float]
_JUDGMENTS = {judgment.value: judgment for judgment in Judgment}


class Record(BaseModel):
    """What a model said of one frame under one condition.

    Args:
        stamp_ns: Stamp of the frame; wins over `index` where both are given.
        index: Position of the frame in its stream.
        condition: Corruption profile step.
        severity: 0 for clean.
        answers: By question id the model's words, or yes/no as true/false, or null
            where it said nothing that could be parsed.
        description: Free description of the scene.
        scores: By question id, if the model gives any.
        latency_s: What the query took, seconds.
        model: Name of the model.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    stamp_ns: int | None = None
    index: int | None = Field(default=None, ge=0)
    condition: str = "clean"
    severity: float = 0.0
    answers: dict[str, str | bool | None] = Field(default_factory=dict)
    description: str | None = None
    scores: dict[str, float] = Field(default_factory=dict)
    latency_s: float = Field(default=0.0, ge=0)
    model: str | None = None

    @model_validator(mode="after")
    def _complete(self) -> Record:
        if self.stamp_ns is None and self.index is None:
            raise ValueError("expected stamp_ns or index, found neither")
        if not self.answers and self.description is None:
            raise ValueError("expected answers or description, found neither")
        return self

    def frame_keys(self) -> list[_Key]:
        """Under what the record is found."""
        frame = [("stamp_ns", self.stamp_ns), ("index", self.index)]
        return [_key(kind, n, self.condition, self.severity) for kind, n in frame if n is not None]


class RecordedVlm:
    """Answers from a file.

    Args:
        path: JSON lines.
        prompts: The set whose questions the answers belong to.
        classes: Classes whose presence is asked for; answers on others are left out.
        protocol: ``questions``, or ``description`` to take presence from the description.
            With ``questions`` a record without presence answers is judged by its
            description.

    Raises:
        BundleError: No such file, or a line that is no record, with its number; two
            records for one frame; a question that `prompts` does not have.
    """

    accepts_text = True
    claim_limit: int | None = None
    device = "recorded"
    fallback: str | None = None
    sessions: Mapping[str, OnnxSession] = MappingProxyType({})
    net_size: tuple[int, int] | None = None

    def __init__(
        self,
        path: Path | str,
        prompts: PromptSet,
        classes: Iterable[str] = CLASSES,
        *,
        protocol: str = "questions",
    ) -> None:
        self.path = Path(path)
        self.prompts = prompts
        self._from_description = protocol == "description"
        self._asked = {q.id: q for q in prompts.questions(classes)}
        self._records = _index(self.path, prompts)
        models = sorted({r.model for r in self._records.values() if r.model})
        self.bundle_id = f"{'+'.join(models) or self.path.stem}@{hash_file(self.path)[:12]}"

    def answer(self, query: VlmQuery) -> VlmAnswer:
        """Give the stored answer for a frame.

        Raises:
            InferenceError: There is none for its stamp or index, condition and severity.
        """
        record = None
        for kind, number in (("stamp_ns", query.stamp_ns), ("index", query.index)):
            key = _key(kind, number, query.condition, query.severity)
            found = self._records.get(key)
            # Whose stamp is another frame's is no answer, at the same place of another stream.
            if found and found.stamp_ns in (None, query.stamp_ns):
                record = record or found
        where = (
            f"stamp_ns {query.stamp_ns} or index {query.index}, condition {query.condition!r}, "
            f"severity {query.severity:g}"
        )
        if record is None:
            raise InferenceError(f"{self.path}: no answer for {where}")
        answers = {
            name: read_answer(self._asked[name], said, self.prompts)
            for name, said in record.answers.items()
            if name in self._asked
        }
        presence = [q for q in answers if q.startswith("presence/")]
        description = None
        if self._from_description or not presence:
            if record.description is None and self._from_description:
                raise InferenceError(f"{self.path}: no description for {where}")
            if record.description is not None:
                description = parse_scene_text(record.description)
                answers = {q: a for q, a in answers.items() if q not in presence}
        words = [f"{q}: {said}" for q, said in record.answers.items() if isinstance(said, str)]
        return make_answer(
            self.prompts,
            answers,
            scores=record.scores,
            description=description,
            raw_text="\n".join([*words, record.description or ""]).strip(),
            latency_s=record.latency_s,
            bundle_id=self.bundle_id,
        )


def read_answer(question: Question, said: str | bool | None, prompts: PromptSet) -> Answer:
    """Read one recorded answer: words by the parser's rules, the rest as it stands."""
    if said is None or isinstance(said, bool):
        return said
    if question.kind == "safety" and said in _JUDGMENTS:
        return _JUDGMENTS[said]
    return parse_answer(question, said, prompts)


def make_record(query: VlmQuery, answer: VlmAnswer, model: str | None = None) -> Record:
    """Turn an answer into a record that gives the same claims and judgments again.

    Classes that were asked for (those with a score) and not parsed become null.
    """
    presence: dict[str, bool | None] = {q: None for q in answer.scores if q.startswith("presence/")}
    presence.update({f"presence/{name}": True for name in sorted(answer.claims.present)})
    presence.update({f"presence/{name}": False for name in sorted(answer.claims.denied)})
    described = "vehicle" in answer.claims.present | answer.claims.denied
    if described:  # no prompt asks for "vehicle": only the words give it again
        presence = {}
    safety = {f"safety/{n}": j.value if j else None for n, j in answer.judgments.items()}
    return Record(
        stamp_ns=query.stamp_ns,
        index=query.index,
        condition=query.condition,
        severity=float(query.severity),
        answers={**presence, **safety},
        description=answer.raw_text if described else None,
        scores=dict(answer.scores),
        latency_s=answer.latency_s,
        model=model or answer.bundle_id or None,
    )


def write_records(path: Path | str, records: Iterable[Record], *, overwrite: bool = False) -> None:
    """Write records, one a line.

    Raises:
        OutputError: `path` exists, or cannot be written.
    """
    with atomic_path(path, overwrite=overwrite) as partial, partial.open("w") as stream:
        stream.writelines(r.model_dump_json(exclude_defaults=True) + "\n" for r in records)


def _key(kind: str, number: int, condition: str, severity: float) -> _Key:
    return kind, number, condition, round(severity, 6)


def _index(path: Path, prompts: PromptSet) -> dict[_Key, Record]:
    """Read and check all records."""
    known = [q.id for q in prompts.questions()]
    found: dict[_Key, Record] = {}
    lines: dict[_Key, int] = {}
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BundleError(f"{path}: cannot be read as UTF-8 text: {error}") from error
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        record = _parse_line(line, f"{path}:{number}")
        for question in record.answers:
            if question not in known:
                raise BundleError(f"{path}:{number}: {unknown_name('question', question, known)}")
        for key in record.frame_keys():
            if key in found:
                raise BundleError(
                    f"{path}:{number}: {key[0]} {key[1]}, condition {key[2]!r}, severity "
                    f"{key[3]:g} was recorded before, in line {lines[key]}; keep one of them"
                )
            found[key], lines[key] = record, number
    if not found:
        raise BundleError(f"{path}: no record in it; docs/bundles.md shows the format")
    return found


def _parse_line(line: str, where: str) -> Record:
    try:
        record = Record.model_validate_json(line)
    except ValidationError as error:
        raise BundleError(f"{where}: {'; '.join(problems(error, Record))}") from error

    def unique(pairs: list[tuple[str, object]]) -> None:
        names = [name for name, _ in pairs]
        for name in names:
            if names.count(name) > 1:
                raise BundleError(f"{where}: {name!r} is there twice; keep one of them")

    json.loads(line, object_pairs_hook=unique)
    return record
