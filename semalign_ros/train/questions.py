"""Questions, answers, sentences and text pairs, made from what a label map says."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

from semalign_ros.alignment.baselines import best_constant_claims
from semalign_ros.alignment.judgments import safety_balanced_accuracy
from semalign_ros.alignment.presence import presence_balanced_accuracy, presence_scores
from semalign_ros.errors import ConfigError
from semalign_ros.language import PromptPair, PromptSet, describe_scene, list_classes
from semalign_ros.language.grammar import fill
from semalign_ros.scene.taxonomy import CLASSES, CRITICAL
from semalign_ros.train.batches import generator
from semalign_ros.types import Judgment

PAD, EOS, IMAGE = 0, 1, 2
_EXPECTED_F1 = 0.8
_SPECIAL = ["<pad>", "<eos>", "<image>"]
QUESTION_TEMPLATE = "\nUser: {question}\nAssistant:"
SCENE_TEXT_TEMPLATE = "\n{text}"
YES, NO = " Yes", " No"

# Wordings besides the prompt set's, so that the models do not hang on one string.
_PRESENCE = (
    "Is there a {class} in the picture?",
    "Can you see a {class}?",
    "Does the image show a {class}? Answer yes or no.",
    "Are any {classes} visible?",
)
_SAFETY = (
    ("Is it safe to drive on?", True),
    ("May the vehicle proceed?", True),
    ("Is the road ahead clear?", True),
    ("Must the car brake now?", False),
    ("Is something blocking the way?", False),
)
_CONTRAST = (
    ("a street scene with a {class}", "a street scene with no {class}"),
    ("there is a {class} in the image", "there is no {class} in the image"),
)
_SAFETY_CONTRAST = (
    ("it is safe to proceed", "it is not safe to proceed"),
    ("a clear way ahead", "a blocked way ahead"),
)


@dataclass(frozen=True, slots=True)
class AskedSafety:
    """A safety question and what "yes" to it means."""

    text: str
    safe_when_yes: bool


def presence_questions(prompts: PromptSet, class_name: str) -> tuple[str, ...]:
    """All wordings of the question for a class, the prompt set's first."""
    return (prompts.presence(class_name), *(fill(t, class_name) for t in _PRESENCE))


def safety_questions(prompts: PromptSet) -> tuple[AskedSafety, ...]:
    """All safety questions, the prompt set's first."""
    own = [AskedSafety(p.text, p.safe_when_yes) for p in prompts.safety]
    return (*own, *(AskedSafety(text, yes) for text, yes in _SAFETY))


def contrast_pairs(prompts: PromptSet) -> tuple[PromptPair, ...]:
    """All text pairs, the prompt set's first; safety questions keep their polarity."""
    extra = [
        PromptPair(f"presence/{name}", fill(with_it, name), fill(without, name))
        for name in CLASSES
        for with_it, without in _CONTRAST
    ]
    for prompt in prompts.safety:
        for safe, unsafe in _SAFETY_CONTRAST:
            texts = (safe, unsafe) if prompt.safe_when_yes else (unsafe, safe)
            extra.append(PromptPair(f"safety/{prompt.id}", *texts))
    return (*prompts.pairs(), *extra)


def describe(presence: NDArray[np.bool_], unsafe: bool) -> str:
    """Describe a view in the fixed wording that the generative model learns."""
    return describe_scene(_names(presence), _judgment(unsafe), variant=0)


def caption(presence: NDArray[np.bool_], unsafe: bool, rng: np.random.Generator) -> str:
    """Describe a view in a drawn wording, of up to eight of its classes."""
    names = _names(presence)
    keep = rng.permutation(len(names))[: int(rng.integers(3, 9))]
    judgment = _judgment(unsafe) if rng.random() < 0.5 else None
    return describe_scene([names[i] for i in keep], judgment, rng=rng)


def perceived(presence: NDArray[np.bool_], rng: np.random.Generator) -> str:
    """Sentence of a perception system that errs: it omits 15 % and adds 4 % of the classes."""
    draw = rng.random(len(presence))
    seen = np.where(presence, draw >= 0.15, draw < 0.04)
    return list_classes(_names(seen))


def logit_shift(share: NDArray[np.float64], shift: float) -> NDArray[np.float64]:
    """What is added to the logit of "yes" while training.

    A classifier trained with `shift` = 1 times the prior's log-odds decides at zero as
    if yes and no were equally frequent (Menon et al., "Long-tail learning via logit
    adjustment", ICLR 2021); with 0 it gives the likeliest answer.

    Args:
        share: Share of the views where the answer is yes, 0..1.
        shift: 0..1.
    """
    p = np.clip(share, 0.002, 0.998)
    return np.asarray(shift * np.log(p / (1 - p)))


def decision_logit(share: NDArray[np.float64], balance: float) -> NDArray[np.float64]:
    """Logit of "yes" from which to say yes, so that F1 and balanced accuracy are both good.

    F1 pooled over the classes is best with one cut for all, at the probability F/2
    (Lipton et al., "Optimal thresholding of classifiers to maximize F1 measure", 2014,
    theorem 1); balanced accuracy with one at the share of each class. A yes raises their
    weighted sum if `p (balance / share + 1 - F/2) > (1 - p) (balance / (1 - share) + F/2)`.

    Args:
        share: Share of the frames where the answer is yes, 0..1.
        balance: Weight of balanced accuracy against F1, from 0.
    """
    p, half = np.clip(share, 0.001, 0.999), _EXPECTED_F1 / 2
    return np.asarray(np.log((balance / (1 - p) + half) / (balance / p + 1 - half)))


def language_scores(
    said_yes: NDArray[np.bool_],
    presence: NDArray[np.bool_],
    said_unsafe: Sequence[Judgment | None],
    unsafe: NDArray[np.bool_],
    coverage: float = 1.0,
) -> dict[str, float]:
    """Figures of a language model over the critical classes.

    Args:
        said_yes: bool[N, 19], presence claims.
        presence: bool[N, 19], the reference.
        said_unsafe: Judgment on the primary prompt, one a frame.
        unsafe: bool[N], the reference.
        coverage: Share of the answers that could be parsed.
    """
    claims = [frozenset(_names(row)) for row in said_yes]
    present = [frozenset(_names(row)) for row in presence]
    constant = best_constant_claims(present, CRITICAL)
    reference = [_judgment(bool(u)) for u in unsafe]
    scores = presence_scores(claims, present, CRITICAL)
    return {
        "presence_balanced_accuracy": presence_balanced_accuracy(claims, present, CRITICAL, 10),
        "presence_f1": scores.f1,
        "presence_precision": scores.precision,
        "presence_recall": scores.recall,
        "constant_set_f1": presence_scores([constant] * len(present), present, CRITICAL).f1,
        "safety_balanced_accuracy": safety_balanced_accuracy(said_unsafe, reference),
        "parse_coverage": coverage,
    }


def build_tokenizer(prompts: PromptSet, vocab: int, seed: int) -> Tokenizer:
    """Train a byte-level BPE on everything that the models read and say.

    Args:
        prompts: The prompt set.
        vocab: Most tokens.
        seed: Keys the sentences.

    Raises:
        ConfigError: The vocabulary is too small to hold yes and no as one token each.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab,
        special_tokens=_SPECIAL,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_corpus(prompts, seed), trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A <eos>", special_tokens=[("<eos>", EOS)]
    )
    for text in (YES, NO):
        if len(tokenizer.encode(text, add_special_tokens=False).ids) != 1:
            raise ConfigError(f"tokenizer: {vocab} tokens do not hold {text!r} as one; raise vocab")
    return tokenizer


def encode(tokenizer: Tokenizer, text: str) -> list[int]:
    """Tokens of a text without special ones."""
    ids: list[int] = tokenizer.encode(text, add_special_tokens=False).ids
    return ids


def tokenizer_bytes(tokenizer: Tokenizer) -> bytes:
    """Content of ``tokenizer.json``."""
    buffer = io.StringIO(tokenizer.to_str(pretty=False))
    return buffer.getvalue().encode()


def _corpus(prompts: PromptSet, seed: int) -> Iterator[str]:
    for name in CLASSES:
        for text in presence_questions(prompts, name):
            yield from (QUESTION_TEMPLATE.replace("{question}", text) + a for a in (YES, NO))
    for asked in safety_questions(prompts):
        question = QUESTION_TEMPLATE.replace("{question}", asked.text)
        yield from (question + answer for answer in (YES, NO))
    for pair in contrast_pairs(prompts):
        yield from (pair.positive, pair.negative)
    yield QUESTION_TEMPLATE.replace("{question}", prompts.description)
    for i in range(600):
        rng = generator(seed, 9, i)
        presence = rng.random(len(CLASSES)) < 0.5
        yield " " + describe(presence, unsafe=bool(i % 2))
        yield caption(presence, bool(i % 2), rng)
        yield SCENE_TEXT_TEMPLATE.replace("{text}", perceived(presence, rng))


def _names(presence: NDArray[np.bool_]) -> list[str]:
    return [CLASSES[i] for i in np.flatnonzero(presence)]


def _judgment(unsafe: bool) -> Judgment:
    return Judgment.UNSAFE if unsafe else Judgment.SAFE
