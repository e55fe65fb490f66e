"""What every VLM backend is, and how answers to single questions become one answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Protocol

from semalign_ros.errors import ConfigError, unknown_name
from semalign_ros.inference.query import VlmQuery
from semalign_ros.inference.runtime import OnnxSession
from semalign_ros.language import Answer, PromptSet, claims_from_answers, judgments_from_answers
from semalign_ros.scene.taxonomy import CLASSES
from semalign_ros.types import Judgment, SceneClaims, VlmAnswer

PROTOCOLS: dict[str, tuple[str, ...]] = {
    "contrastive": ("questions", "top_k"),
    "generative": ("questions", "description"),
    "recorded": ("questions", "description"),
}
"""How a kind of model may be asked, the default first.

``questions``: yes or no to each question, for contrastive models by text pairs.
``top_k``: the K classes that fit the image best are present, as in the paper.
``description``: presence from a free description; safety still by questions.
"""


class Vlm(Protocol):
    """A model that answers about images; one instance serves any number of threads.

    Attributes:
        bundle_id: Which model.
        device: What it runs on, ``recorded`` for stored answers.
        fallback: Why ``auto`` did not get a GPU, or None.
        sessions: Its graphs by role, such as ``vision``; none for stored answers.
        net_size: Height and width at which the network sees an image, pixels; None for
            stored answers.
        prompts: What it is asked.
        accepts_text: Whether it reads a sentence beside the image (``scene_text``).
        claim_limit: Most classes that one answer can claim, or None; see
            :func:`semalign_ros.alignment.metrics.top_k_omission_floor`.
    """

    bundle_id: str
    device: str
    fallback: str | None
    sessions: Mapping[str, OnnxSession]
    net_size: tuple[int, int] | None
    prompts: PromptSet
    accepts_text: bool
    claim_limit: int | None

    def answer(self, query: VlmQuery) -> VlmAnswer:
        """Answer all questions about one image.

        Raises:
            ConfigError: The query has a text and the model reads none.
            InferenceError: The model failed on this image.
        """
        ...


def check_protocol(kind: str, protocol: str | None) -> str:
    """Return the protocol to use for a kind of model.

    Raises:
        ConfigError: The kind knows no such protocol.
    """
    valid = PROTOCOLS.get(kind, ("questions",))
    if protocol is None:
        return valid[0]
    if protocol not in valid:
        raise ConfigError(unknown_name(f"protocol of a {kind} model", protocol, valid))
    return protocol


def make_answer(
    prompts: PromptSet,
    answers: Mapping[str, Answer],
    *,
    scores: Mapping[str, float] | None = None,
    description: SceneClaims | None = None,
    raw_text: str = "",
    latency_s: float = 0.0,
    bundle_id: str = "",
) -> VlmAnswer:
    """Join the answers to single questions; the one place for all backends.

    Args:
        prompts: The set that was asked.
        answers: By question id; None where an answer could not be parsed.
        scores: Score by question id.
        description: Claims of a free description. They take the place of the presence
            answers, and of the judgment where no safety question was asked.
        raw_text: The model's words; None or empty for a summary of the answers.
        latency_s: Wall time, seconds.
        bundle_id: Which model.
    """
    claims = claims_from_answers(prompts, answers)
    judgments = judgments_from_answers(prompts, answers)
    if description is not None:
        # The description weighs as one more answer, parsed to the share that it was.
        parsed = claims.coverage * len(answers) + description.coverage
        claims = replace(
            description,
            judgment=claims.judgment if judgments else description.judgment,
            coverage=parsed / (len(answers) + 1),
        )
    return VlmAnswer(
        claims=claims,
        scores=dict(scores or {}),
        judgments=judgments,
        raw_text=raw_text or summarise(claims, judgments),
        latency_s=latency_s,
        bundle_id=bundle_id,
    )


def summarise(claims: SceneClaims, judgments: Mapping[str, Judgment | None]) -> str:
    """Answers in one line, for people to read."""
    present = ", ".join(name for name in CLASSES if name in claims.present) or "nothing"
    said = [f"{name} {j.value if j else 'unparsed'}" for name, j in judgments.items()]
    return "; ".join([f"yes to {present}", *said])
