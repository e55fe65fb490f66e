"""Second stage: a CLIP-style model, trained on text pairs and sentences from labels."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

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
from semalign_ros.train.models import Contrastive
from semalign_ros.train.questions import (
    EOS,
    PAD,
    caption,
    contrast_pairs,
    language_scores,
    logit_shift,
)
from semalign_ros.train.settings import ContrastiveSettings
from semalign_ros.train.views import Views
from semalign_ros.types import Judgment


@dataclass(frozen=True, slots=True)
class _Batch:
    tokens: Tensor  # f32[B, T, F]
    texts: tuple[Tensor, Tensor]  # i64[2 Q + B, L] twice: positives, negatives, captions
    yes: Tensor  # f32[B, Q]


def train_contrastive(
    views: Views,
    held_out: Mapping[str, Views],
    prompts: PromptSet,
    tokenizer: Tokenizer,
    settings: ContrastiveSettings,
    seed: int,
    checkpoint: Path,
    report: Report,
    device: torch.device = CPU,
) -> Contrastive:
    """Train the dual encoder; see :func:`semalign_ros.train.loop.fit`.

    Args:
        views: Training views.
        held_out: Views that are only evaluated, by name.
        prompts: Gives the questions and text pairs.
        tokenizer: Of the text tower.
        settings: Model and schedule.
        seed: Keys weights and order.
        checkpoint: State file, resumed where it exists.
        report: Called after every step.
        device: Where to train.
    """
    torch.manual_seed(seed + 1)
    model = Contrastive(views.tokens.shape[2], settings, tokenizer.get_vocab_size(), EOS)
    questions, bank = _bank(prompts, tokenizer)
    answers = question_answers(questions, views, prompts)
    share = np.average(answers, axis=0, weights=views.weight)
    shift = torch.tensor(_shifts(questions, share, settings.presence_shift))

    constants = shift, *anchors_of(questions, prompts)

    def loss(net: nn.Module, batch: _Batch) -> Tensor:
        assert isinstance(net, Contrastive)
        shift, anchor, sign = moved(constants, batch.tokens.device)
        with arithmetic(settings.stage.precision, batch.tokens.device):
            images, texts = net.image(batch.tokens), net.embed_texts(*batch.texts)
        images, texts = images.float(), texts.float()
        logits = net.score(images, texts)
        Q = len(questions)
        directions = nn.functional.normalize(net.anchors, dim=1)[anchor] * sign[:, None]
        by_pair = logits[:, :Q] - logits[:, Q : 2 * Q] + shift
        by_anchor = 2 * net.score(images, directions) + shift
        # The texts of a class differ from those of another and from their own negation by
        # one word each; learnt through the images alone, that takes ten times as long.
        apart = 1 - (texts[: 2 * Q] * torch.cat([directions, -directions])).sum(1)
        return (
            pair_loss(by_pair, batch.yes, questions)
            + pair_loss(by_anchor, batch.yes, questions)
            + settings.anchor_weight * apart.mean()
            + settings.caption_weight * caption_loss(logits[: settings.captions, 2 * Q :])
        )

    def evaluate(net: nn.Module) -> dict[str, float]:
        assert isinstance(net, Contrastive)
        return {
            f"{name}/{key}": value
            for name, part in held_out.items()
            for key, value in _scores(net, part, prompts, tokenizer).items()
        }

    def open_stream(start: int, stop: int) -> Iterable[_Batch]:

        def make(item: tuple[int, NDArray[np.int64]]) -> _Batch:
            step, index = item
            rng = generator(seed, 20, step)
            pairs = [bank[q][int(rng.integers(len(bank[q])))] for q in questions]
            sentences = [
                tokenizer.encode(caption(views.presence[i], bool(views.unsafe[i]), rng)).ids
                for i in index[: settings.captions]
            ]
            texts = [p[0] for p in pairs] + [p[1] for p in pairs] + sentences
            return _Batch(
                views.tokens[torch.from_numpy(index)].float(),
                pad_right([t[: settings.context_length] for t in texts]),
                torch.from_numpy(answers[index].astype(np.float32)),
            )

        order = index_batches(views.weight, settings.stage.batch, seed + 1, start)
        return prefetched(make, zip(range(start, stop), order, strict=False))

    task = Task("contrastive", model, loss, open_stream, evaluate)
    trained = fit(task, settings.stage, checkpoint, report, device)
    assert isinstance(trained, Contrastive)
    return trained


def question_answers(
    questions: Sequence[str], views: Views, prompts: PromptSet
) -> NDArray[np.bool_]:
    """Right answer of every view to every question, bool[M, Q]."""
    columns = []
    for question in questions:
        kind, _, subject = question.partition("/")
        if kind == "presence":
            columns.append(views.presence[:, CLASSES.index(subject)])
        else:
            columns.append(views.unsafe ^ prompts.safety_prompt(subject).safe_when_yes)
    return np.stack(columns, axis=1)


def anchors_of(questions: Sequence[str], prompts: PromptSet) -> tuple[Tensor, Tensor]:
    """Anchor of each question, i64[Q], and whether yes lies along (+1) or against it, f32[Q]."""
    index, sign = [], []
    for question in questions:
        kind, _, subject = question.partition("/")
        presence = kind == "presence"
        index.append(CLASSES.index(subject) if presence else len(CLASSES))
        along = presence or prompts.safety_prompt(subject).safe_when_yes
        sign.append(1.0 if along else -1.0)
    return torch.tensor(index), torch.tensor(sign)


def pair_loss(margins: Tensor, yes: Tensor, questions: Sequence[str]) -> Tensor:
    """Binary cross entropy, presence and safety weighing the same.

    Args:
        margins: f32[B, Q], logit of the positive minus that of the negative text.
        yes: f32[B, Q], 0 or 1.
        questions: Their ids.
    """
    each = nn.functional.binary_cross_entropy_with_logits(margins, yes, reduction="none").mean(0)
    presence = torch.tensor([q.startswith("presence/") for q in questions], device=each.device)
    return each[presence].mean() + each[~presence].mean()


def caption_loss(logits: Tensor) -> Tensor:
    """Symmetric contrastive loss of Radford et al. (2021), logits f32[B, B]."""
    target = torch.arange(len(logits), device=logits.device)
    return (
        nn.functional.cross_entropy(logits, target) + nn.functional.cross_entropy(logits.T, target)
    ) / 2


def pad_right(rows: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    """Pad token rows: input_ids and attention_mask, i64[K, L] each."""
    ids = torch.full((len(rows), max(map(len, rows))), PAD)
    mask = torch.zeros_like(ids)
    for i, row in enumerate(rows):
        ids[i, : len(row)] = torch.tensor(row)
        mask[i, : len(row)] = 1
    return ids, mask


_Bank = Mapping[str, Sequence[tuple[list[int], list[int]]]]


def _bank(prompts: PromptSet, tokenizer: Tokenizer) -> tuple[list[str], _Bank]:
    """Tokenized text pairs by question."""
    bank: dict[str, list[tuple[list[int], list[int]]]] = {}
    for pair in contrast_pairs(prompts):
        ids = tokenizer.encode(pair.positive).ids, tokenizer.encode(pair.negative).ids
        bank.setdefault(pair.question, []).append(ids)
    return list(bank), bank


def _shifts(
    questions: Sequence[str], share: NDArray[np.float64], presence_shift: float
) -> NDArray[np.float32]:
    strength = np.array([presence_shift if q.startswith("presence/") else 1.0 for q in questions])
    return np.asarray(
        [float(logit_shift(np.array(s), k)) for s, k in zip(share, strength, strict=True)],
        np.float32,
    )


def score_views(
    embed: Callable[[Tensor, Tensor], Tensor],
    score: Callable[[Tensor], Tensor],
    prompts: PromptSet,
    tokenizer: Tokenizer,
) -> dict[str, NDArray[np.float64]]:
    """Mean margin of each question's pairs, f64[M] by question id, as the runtime scores."""
    out: dict[str, list[NDArray[np.float64]]] = {}
    pairs = prompts.pairs()
    texts = [p.positive for p in pairs] + [p.negative for p in pairs]
    ids, mask = pad_right([tokenizer.encode(t).ids for t in texts])
    logits = score(embed(ids, mask)).double().cpu().numpy()
    for k, pair in enumerate(pairs):
        out.setdefault(pair.question, []).append(logits[:, k] - logits[:, len(pairs) + k])
    return {q: np.mean(m, axis=0) for q, m in out.items()}


def _scores(
    model: Contrastive, views: Views, prompts: PromptSet, tokenizer: Tokenizer
) -> dict[str, float]:
    device = device_of(model)
    with torch.inference_mode():
        parts = torch.split(views.tokens, 64)
        images = torch.cat([model.image(part.to(device).float()) for part in parts])
        margins = score_views(
            lambda ids, mask: model.embed_texts(ids.to(device), mask.to(device)),
            lambda texts: model.score(images, texts),
            prompts,
            tokenizer,
        )
    said = np.stack([margins[f"presence/{name}"] > 0 for name in CLASSES], axis=1)
    primary = prompts.primary
    yes = margins[f"safety/{primary.id}"] > 0
    judged = [Judgment.SAFE if bool(y) == primary.safe_when_yes else Judgment.UNSAFE for y in yes]
    return language_scores(said, views.presence, judged, views.unsafe)
