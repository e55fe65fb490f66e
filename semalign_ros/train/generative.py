"""Third stage: a LLaVA-style model, trained on questions and answers made from labels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch import Tensor, nn

from semalign_ros.language import PromptSet
from semalign_ros.scene.taxonomy import CLASSES
from semalign_ros.train.batches import generator, index_batches, prefetched
from semalign_ros.train.device import CPU, arithmetic, device_of, moved
from semalign_ros.train.loop import Report, Task, fit
from semalign_ros.train.models import IMAGE_TOKENS, Generative
from semalign_ros.train.packing import NOTHING, Exchange, Packed, pack
from semalign_ros.train.questions import (
    EOS,
    NO,
    QUESTION_TEMPLATE,
    SCENE_TEXT_TEMPLATE,
    YES,
    describe,
    encode,
    language_scores,
    logit_shift,
    perceived,
    presence_questions,
    safety_questions,
)
from semalign_ros.train.settings import GenerativeSettings
from semalign_ros.train.views import Views
from semalign_ros.types import Judgment

_T = TypeVar("_T")
_DESCRIBED = 0.25  # share of the steps with a description
_OWN_WORDING = 0.6  # share of the questions in the prompt set's own words


@dataclass(frozen=True, slots=True)
class _Vocabulary:
    """Everything that is asked and answered, tokenized once."""

    tokenizer: Tokenizer
    presence: Sequence[Sequence[list[int]]]  # by class, by wording
    safety: Sequence[tuple[list[int], bool]]
    own_safety: int
    description: list[int]
    yes: int
    no: int


@dataclass(frozen=True, slots=True)
class _Batch:
    tokens: Tensor  # f32[B, T, F]
    packed: Packed
    facts: Tensor  # f32[B, 20], presence and unsafe


def train_generative(
    views: Views,
    held_out: Mapping[str, Views],
    prompts: PromptSet,
    tokenizer: Tokenizer,
    settings: GenerativeSettings,
    seed: int,
    checkpoint: Path,
    report: Report,
    device: torch.device = CPU,
) -> Generative:
    """Train projector and language model; see :func:`semalign_ros.train.loop.fit`.

    Args:
        views: Training views.
        held_out: Views that are only evaluated, by name.
        prompts: Gives the questions.
        tokenizer: Of the language model.
        settings: Model and schedule.
        seed: Keys weights and order.
        checkpoint: State file, resumed where it exists.
        report: Called after every step.
        device: Where to train.
    """
    torch.manual_seed(seed + 2)
    model = Generative(views.tokens.shape[2], settings, tokenizer.get_vocab_size(), EOS)
    model.name_classes([encode(tokenizer, f" {name}") for name in CLASSES])
    words = _vocabulary(prompts, tokenizer)
    presence_shift = logit_shift(views.share, settings.presence_shift)
    safe = 1 - np.average(views.unsafe, weights=views.weight)
    safe_shift = float(logit_shift(np.array(safe), 1.0))

    facts = np.concatenate([views.presence, views.unsafe[:, None]], axis=1).astype(np.float32)

    def loss(net: nn.Module, batch: _Batch) -> Tensor:
        assert isinstance(net, Generative)
        packed = batch.packed
        trained = packed.target != NOTHING
        embeds = net.projector(batch.tokens)
        with arithmetic(settings.stage.precision, embeds.device):
            logits = next_logits(net, embeds, packed, trained)
        logits = logits.float()
        logits[:, words.yes] += packed.shift[trained]
        read = nn.functional.binary_cross_entropy_with_logits(net.read(embeds), batch.facts)
        each = nn.functional.cross_entropy(logits, packed.target[trained], reduction="none")
        choice = packed.choice[trained]
        return (
            each[choice].mean()
            + settings.description_weight * each[~choice].mean()
            + settings.reader_weight * read
        )

    def evaluate(net: nn.Module) -> dict[str, float]:
        assert isinstance(net, Generative)
        return {
            f"{name}/{key}": value
            for name, part in held_out.items()
            for key, value in _scores(net, part, prompts, words).items()
        }

    def open_stream(start: int, stop: int) -> Iterable[_Batch]:

        def make(item: tuple[int, NDArray[np.int64]]) -> _Batch:
            step, index = item
            rng = generator(seed, 21, step)
            describes = bool(rng.random() < _DESCRIBED)
            rows, sentences = [], []
            for i in index:
                presence, unsafe = views.presence[i], bool(views.unsafe[i])
                rows.append(
                    [
                        *_ask_presence(presence, words, presence_shift, settings.questions, rng),
                        *_ask_safety(unsafe, words, safe_shift, rng),
                        *([_ask_description(presence, unsafe, words)] if describes else []),
                    ]
                )
                told = rng.random() < settings.scene_text
                said = SCENE_TEXT_TEMPLATE.replace("{text}", perceived(presence, rng))
                sentences.append(encode(tokenizer, said) if told else [])
            return _Batch(
                views.tokens[torch.from_numpy(index)].float(),
                pack(rows, sentences, IMAGE_TOKENS),
                torch.from_numpy(facts[index]),
            )

        order = index_batches(views.weight, settings.stage.batch, seed + 2, start)
        return prefetched(make, zip(range(start, stop), order, strict=False))

    task = Task("generative", model, loss, open_stream, evaluate)
    trained = fit(task, settings.stage, checkpoint, report, device)
    assert isinstance(trained, Generative)
    return trained


def next_logits(model: Generative, embeds: Tensor, packed: Packed, where: Tensor) -> Tensor:
    """Logits of the next token at the chosen positions, f32[M, V].

    Args:
        model: The model.
        embeds: f32[B, T, D], projected image tokens.
        packed: The rows.
        where: bool[B, L], positions.
    """
    language = model.language
    text = language.get_input_embeddings()(packed.ids)
    embeds = torch.cat([embeds, text], dim=1)
    hidden = language.model(
        inputs_embeds=embeds,
        attention_mask=packed.mask,
        position_ids=packed.positions,
        use_cache=False,
    ).last_hidden_state
    logits: Tensor = language.lm_head(hidden[:, IMAGE_TOKENS:][where])
    return logits


def _ask_presence(
    presence: NDArray[np.bool_],
    words: _Vocabulary,
    shift: NDArray[np.float64],
    count: int,
    rng: np.random.Generator,
) -> list[Exchange]:
    asked = rng.permutation(len(CLASSES))[:count]
    return [
        Exchange(
            _wording(words.presence[c], 1, rng),
            [words.yes if presence[c] else words.no, EOS],
            float(shift[c]),
        )
        for c in asked
    ]


def _ask_safety(
    unsafe: bool, words: _Vocabulary, safe_shift: float, rng: np.random.Generator
) -> list[Exchange]:
    exchanges = []
    for _ in range(2):
        question, safe_when_yes = _wording(words.safety, words.own_safety, rng)
        yes = unsafe != safe_when_yes
        exchanges.append(
            Exchange(
                question,
                [words.yes if yes else words.no, EOS],
                safe_shift if safe_when_yes else -safe_shift,
            )
        )
    return exchanges


def _ask_description(presence: NDArray[np.bool_], unsafe: bool, words: _Vocabulary) -> Exchange:
    answer = encode(words.tokenizer, " " + describe(presence, unsafe))
    return Exchange(words.description, [*answer, EOS], is_choice=False)


def _wording(choices: Sequence[_T], own: int, rng: np.random.Generator) -> _T:
    limit = own if rng.random() < _OWN_WORDING else len(choices)
    return choices[int(rng.integers(limit))]


def _vocabulary(prompts: PromptSet, tokenizer: Tokenizer) -> _Vocabulary:
    def ask(text: str) -> list[int]:
        return encode(tokenizer, QUESTION_TEMPLATE.replace("{question}", text))

    return _Vocabulary(
        tokenizer,
        [[ask(text) for text in presence_questions(prompts, name)] for name in CLASSES],
        [(ask(q.text), q.safe_when_yes) for q in safety_questions(prompts)],
        len(prompts.safety),
        ask(prompts.description),
        encode(tokenizer, YES)[0],
        encode(tokenizer, NO)[0],
    )


def _scores(
    model: Generative, views: Views, prompts: PromptSet, words: _Vocabulary
) -> dict[str, float]:
    row = [Exchange(wordings[0]) for wordings in words.presence]
    row.append(Exchange(words.safety[0][0]))
    odds = []
    device = device_of(model)
    with torch.inference_mode():
        for part in torch.split(views.tokens, 16):
            tokens = part.to(device)
            packed = moved(pack([row] * len(part), [[]] * len(part), IMAGE_TOKENS), device)
            where = torch.zeros_like(packed.ids, dtype=torch.bool).scatter_(1, packed.last, True)
            logits = next_logits(model, model.projector(tokens.float()), packed, where)
            odds.append((logits[:, words.yes] - logits[:, words.no]).view(len(tokens), -1))
    yes = (torch.cat(odds) > 0).cpu().numpy()
    safe_when_yes = prompts.primary.safe_when_yes
    judged = [
        Judgment.SAFE if bool(y) == safe_when_yes else Judgment.UNSAFE for y in yes[:, len(CLASSES)]
    ]
    return language_scores(yes[:, : len(CLASSES)], views.presence, judged, views.unsafe)
