"""Checkpoints of public families with random weights: no hub is within reach of tests and CI.

Times do not depend on what the weights are, and neither does the check that a graph equals its
checkpoint, as long as the input makes a difference: :func:`enliven` sees to that.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from semalign_ros.export.contrastive import prompt_texts
from semalign_ros.language import PromptSet
from semalign_ros.scene.taxonomy import CLASSES


def enliven(model: Any, only: str = "", seed: int = 0) -> Any:
    """Draw weights that let the input through: those of new models all but ignore it.

    Args:
        model: A new model.
        only: Part of the names of the layers whose weights are drawn.
        seed: Of the draws.
    """
    torch.manual_seed(seed)
    with torch.no_grad():
        for name, module in model.named_modules():
            if only not in name:
                continue
            if isinstance(module, nn.Linear | nn.Conv2d):
                nn.init.kaiming_normal_(module.weight)
            elif isinstance(module, nn.Embedding):
                nn.init.normal_(module.weight)
        for tensor in (*model.parameters(), *model.buffers()):
            if tensor.is_floating_point() and tensor.ndim == 1:
                tensor.add_(torch.rand_like(tensor) * 0.5)
    return model.eval()


def make_answering(model: Any, yes: int, no: int, end: int) -> Any:
    """Let a generative model answer yes or no and end there, as trained ones do.

    A random one says anything and never ends, and then neither answers nor times say much.

    Args:
        model: With ``lm_head`` and a table of embeddings of its own.
        yes: Token.
        no: Token.
        end: Token that ends an answer.
    """
    head, table = model.lm_head.weight, model.get_input_embeddings().weight
    half = table.shape[1] // 2
    with torch.no_grad():
        # Whatever the last state is, one of two opposite rows gives it the largest logit.
        head[yes, :half] = 0
        head[yes] *= 1e4 / head[yes].norm()
        head[no] = -head[yes]
        # An embedding this large outweighs what the layers add: after an answer the state lies
        # in the half that those two rows do not look at, and the end's row does.
        head[end] = 0
        head[end, :half] = 1
        table[yes, half:] = 0
        table[yes, :half] = 1e7
        table[no] = table[yes]
    return model


def class_names(*more: str) -> dict[str, dict[Any, Any]]:
    """Keywords of a config whose channels are the Cityscapes classes and some more."""
    names = [*(c.title() for c in CLASSES), *more]
    return {
        "id2label": dict(enumerate(names)),
        "label2id": {name: i for i, name in enumerate(names)},
    }


def word_tokenizer(template: str, *more: str, size: int = 0, **special: str) -> Any:
    """Make a tokenizer that knows the words of the prompts, a token each.

    Args:
        template: Where the special tokens go, ``<s> $A </s>``.
        *more: Special tokens without a role.
        size: Least number of tokens; the rest stands for nothing.
        **special: Keywords of a tokenizer; ``eos_token`` must be among them.
    """
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    words = pre_tokenizers.Whitespace()
    said = [*prompt_texts(), *(q.text for q in PromptSet.load().questions()), "yes no user:"]
    said.append(PromptSet.load().description)
    known = sorted({word for text in said for word, _ in words.pre_tokenize_str(text.lower())})
    names = [*dict.fromkeys(["<pad>", "<unk>", *more, *special.values()])]
    # The end has the highest id, as in CLIP: it looks for the highest one.
    end = special["eos_token"]
    vocabulary = [*(name for name in names if name != end), *known]
    vocabulary += [f"unused{i}" for i in range(size - len(vocabulary) - 1)]
    ids = {word: i for i, word in enumerate([*vocabulary, end])}
    made = Tokenizer(models.WordLevel(ids, unk_token="<unk>"))
    made.normalizer, made.pre_tokenizer = normalizers.Lowercase(), words
    made.add_special_tokens(names)
    numbered = [(name, made.token_to_id(name)) for name in names]
    made.post_processor = processors.TemplateProcessing(single=template, special_tokens=numbered)
    return PreTrainedTokenizerFast(
        tokenizer_object=made, unk_token="<unk>", pad_token="<pad>", **special
    )
