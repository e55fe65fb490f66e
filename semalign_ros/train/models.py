"""The two language models: a dual encoder and a generative one on one frozen vision tower.

Both see an image as tokens: a grid of cells, one summary of the whole image, and one
token a class that holds what the segmenter trained before finds of that class. The language
model of the generative one reads the summary and the classes, after they have seen the cells.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from transformers import (
    CLIPTextConfig,
    CLIPTextModelWithProjection,
    LlamaConfig,
    LlamaForCausalLM,
    UperNetForSemanticSegmentation,
)
from transformers.models.llama.modeling_llama import LlamaAttention

from semalign_ros.scene.taxonomy import NUM_CLASSES
from semalign_ros.train.settings import ContrastiveSettings, GenerativeSettings

GRID = 8
"""Cells along each side of the image."""
TOWER_TOKENS = GRID * GRID + 1 + NUM_CLASSES
"""Tokens of an image: the cells, the summary, the classes."""
IMAGE_TOKENS = 1 + NUM_CLASSES
"""Those that the language model of the generative one reads: the summary and the classes."""
_WHOLE = GRID * GRID  # position of the summary
_EVIDENCE = 6
_SUB = 2  # class shares inside a cell are kept for SUB x SUB parts


class Tower(nn.Module):
    """The segmenter's network up to image tokens.

    f32[N, 3, S, S] -> f32[N, 84, F]: the cells row by row, the whole image, the classes.
    Class tokens use channels of their own, so that one linear layer serves both sorts.

    Args:
        segmenter: Trained; becomes part of this module.
    """

    def __init__(self, segmenter: UperNetForSemanticSegmentation) -> None:
        super().__init__()
        self.backbone = segmenter.backbone
        self.decode_head = segmenter.decode_head
        self.classifier = segmenter.decode_head.classifier
        self.decode_head.classifier = nn.Identity()
        channels = self.decode_head.channels
        self._place_width = 2 * channels + (_SUB * _SUB + 2) * NUM_CLASSES
        self.width = self._place_width + channels + 3

    def forward(self, pixel_values: Tensor) -> Tensor:
        """Return the image tokens."""
        maps = self.backbone.forward_with_filtered_kwargs(pixel_values).feature_maps
        features = self.decode_head(maps)
        shares = self.classifier(features).softmax(dim=1)
        cell = features.shape[2] // GRID
        cells = self._pool(features, shares, cell)
        whole = self._pool(features, shares, features.shape[2] // _SUB, whole=True)
        places = torch.cat([cells.flatten(2), whole.flatten(2)], dim=2).transpose(1, 2)
        classes = self._by_class(features.flatten(2), shares.flatten(2))
        pad = nn.functional.pad
        return torch.cat(
            [
                pad(places, (0, self.width - self._place_width)),
                pad(classes, (self._place_width, 0)),
            ],
            dim=1,
        )

    @staticmethod
    def _by_class(features: Tensor, shares: Tensor) -> Tensor:
        """Mean feature where a class is, and how much of it there is, f32[N, 19, C + 3]."""
        mass = shares.sum(dim=2, keepdim=True)
        mean = shares @ features.transpose(1, 2) / (mass + 1e-3)
        won = (shares == shares.amax(dim=1, keepdim=True)).to(shares.dtype)
        amounts = [_spread(shares.mean(2)), _spread(won.mean(2)), shares.amax(2)]
        return torch.cat([mean, torch.stack(amounts, dim=2)], dim=2)

    @staticmethod
    def _pool(features: Tensor, shares: Tensor, cell: int, *, whole: bool = False) -> Tensor:
        part = cell if whole else cell // _SUB
        cell = cell * _SUB if whole else cell
        fine = nn.functional.avg_pool2d(shares, part)
        mean = nn.functional.avg_pool2d(fine, _SUB)
        return torch.cat(
            [
                nn.functional.avg_pool2d(features, cell),
                nn.functional.max_pool2d(features, cell),
                nn.functional.pixel_unshuffle(fine, _SUB),
                _spread(mean),
                nn.functional.max_pool2d(shares, cell),
            ],
            dim=1,
        )


def _spread(share: Tensor) -> Tensor:
    """Spread area shares: presence is a matter of shares from 0.0005 on."""
    return (share + 1e-4).log() / 4 + 1


class ImageEncoder(nn.Module):
    """Image tokens to one embedding by learnt attention pooling.

    f32[N, 84, F] -> f32[N, D], of length 1.
    """

    def __init__(self, width: int, settings: ContrastiveSettings) -> None:
        super().__init__()
        d = settings.hidden
        self.norm = nn.BatchNorm1d(width)
        self.project = nn.Linear(width, d)
        self.position = nn.Parameter(torch.randn(TOWER_TOKENS, d) * 0.02)
        self.mix = nn.Sequential(
            nn.LayerNorm(d), nn.Linear(d, 2 * d), nn.GELU(), nn.Linear(2 * d, d)
        )
        self.queries = nn.Parameter(torch.randn(settings.queries, d) * 0.02)
        self.attention = nn.MultiheadAttention(d, settings.heads, batch_first=True)
        self.drop = nn.Dropout(settings.dropout)
        # Pooling mixes the class tokens; a few numbers of each go on unmixed.
        self.evidence = nn.Linear(d, _EVIDENCE)
        joined = (settings.queries + 1) * d + NUM_CLASSES * _EVIDENCE
        self.out = nn.Sequential(
            nn.LayerNorm(joined),
            nn.Linear(joined, 2 * d),
            nn.GELU(),
            nn.Linear(2 * d, settings.embedding),
        )

    def forward(self, tokens: Tensor) -> Tensor:
        """Return the embedding."""
        x = self.norm(tokens.transpose(1, 2)).transpose(1, 2)
        x = self.drop(self.project(x)) + self.position
        x = x + self.mix(x)
        queries = self.queries.expand(x.shape[0], -1, -1)
        pooled = self.attention(queries, x, x, need_weights=False)[0]
        evidence = self.evidence(x[:, _WHOLE + 1 :]).flatten(1)
        joined = torch.cat([pooled.flatten(1), x[:, _WHOLE], evidence], dim=1)
        return nn.functional.normalize(self.out(self.drop(joined)), dim=1)


class Contrastive(nn.Module):
    """A CLIP-style model on image tokens: image encoder, CLIP text tower, learnt scale."""

    def __init__(self, width: int, settings: ContrastiveSettings, vocab: int, eos: int) -> None:
        super().__init__()
        self.image = ImageEncoder(width, settings)
        self.text = CLIPTextModelWithProjection(
            CLIPTextConfig(
                vocab_size=vocab,
                hidden_size=settings.hidden,
                intermediate_size=2 * settings.hidden,
                projection_dim=settings.embedding,
                num_hidden_layers=settings.text_layers,
                num_attention_heads=settings.heads,
                max_position_embeddings=settings.context_length,
                eos_token_id=eos,
                bos_token_id=eos,
                pad_token_id=0,
                attn_implementation="eager",
            )
        )
        self.scale = nn.Parameter(torch.tensor(2.5))
        # One direction a class, and one for "safe": both towers are drawn to them in training.
        self.anchors = nn.Parameter(torch.randn(NUM_CLASSES + 1, settings.embedding))

    def embed_texts(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Embed texts: i64[K, L] twice -> f32[K, D], of length 1."""
        out = self.text(input_ids=input_ids, attention_mask=attention_mask)
        return nn.functional.normalize(out.text_embeds, dim=1)

    def score(self, image_embeds: Tensor, text_embeds: Tensor) -> Tensor:
        """Logits of every image with every text, f32[N, K]."""
        return self.scale.exp() * image_embeds @ text_embeds.T


class Projector(nn.Module):
    """Image tokens to embeddings of the language model, f32[N, 84, F] -> f32[N, 20, D].

    Summary and classes look at all tokens here, and go on alone: a language model that reads
    all 84 takes much longer to find the one that a question is about, see docs/training.md.
    """

    def __init__(self, width: int, hidden: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(width)
        self.scale = nn.Parameter(torch.tensor(0.3))
        self.layers = nn.Sequential(
            nn.Linear(width, 2 * hidden),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(2 * hidden, hidden),
        )
        self.position = nn.Parameter(torch.randn(TOWER_TOKENS, hidden) * 0.02)
        self.name = nn.Parameter(torch.randn(IMAGE_TOKENS, hidden) * 0.02)
        self.mix = nn.TransformerEncoderLayer(
            hidden, heads, 2 * hidden, dropout, batch_first=True, norm_first=True
        )

    def forward(self, tokens: Tensor) -> Tensor:
        """Return the embeddings."""
        x = self.norm(tokens.transpose(1, 2)).transpose(1, 2)
        mixed: Tensor = self.mix(self.layers(x) + self.position)[:, _WHOLE:]
        return self.scale * nn.functional.layer_norm(mixed, mixed.shape[-1:]) + self.name


@torch.no_grad()
def _start_copying(attention: LlamaAttention) -> None:
    """Let a new attention look for what resembles the asking position, and copy that.

    Keys start equal to the queries, and the output undoes the values: products that resemble
    the identity, as in trained networks (Trockman and Kolter, "Mimetic Initialization of
    Self-Attention Layers", ICML 2023).
    """
    repeats = attention.num_key_value_groups
    by_head = attention.k_proj.weight.view(-1, 1, attention.head_dim, attention.q_proj.in_features)
    attention.q_proj.weight.copy_(by_head.expand(-1, repeats, -1, -1).flatten(0, 2))
    by_head = attention.v_proj.weight.view_as(by_head)
    attention.o_proj.weight.copy_(by_head.expand(-1, repeats, -1, -1).flatten(0, 2).T / repeats)


class Generative(nn.Module):
    """A LLaVA-style model on image tokens: projector and a small Llama."""

    def __init__(self, width: int, settings: GenerativeSettings, vocab: int, eos: int) -> None:
        super().__init__()
        self.projector = Projector(width, settings.hidden, settings.heads, settings.dropout)
        self.language = LlamaForCausalLM(
            LlamaConfig(
                vocab_size=vocab,
                hidden_size=settings.hidden,
                intermediate_size=settings.intermediate,
                num_hidden_layers=settings.layers,
                num_attention_heads=settings.heads,
                num_key_value_heads=settings.kv_heads,
                max_position_embeddings=1024,
                tie_word_embeddings=False,
                # The usual 0.02 is meant for wide models; here nothing would pass through.
                initializer_range=settings.hidden**-0.5,
                bos_token_id=eos,
                eos_token_id=eos,
                pad_token_id=0,
                attn_implementation="sdpa",
            )
        )
        for layer in self.language.model.layers:
            _start_copying(layer.self_attn)
        # Reads presence off the class tokens and "unsafe" off the summary; only in training.
        self.reader = nn.Linear(settings.hidden, 2)

    def name_classes(self, words: Sequence[Sequence[int]]) -> None:
        """Start with the class tokens named by the words that questions use for them.

        Finding the token that a question is about is then a matter of equal embeddings.

        Args:
            words: Token ids of each class's name.
        """
        with torch.no_grad():
            table = self.language.get_input_embeddings().weight
            table.normal_(0, 0.3)
            for c, ids in enumerate(words):
                self.projector.name[1 + c] = table[list(ids)].mean(0)

    def read(self, embeds: Tensor) -> Tensor:
        """Logits of presence by class, then of "unsafe": f32[N, 20, D] -> f32[N, 20]."""
        found = self.reader(embeds)
        return torch.cat([found[:, 1:, 0], found[:, :1, 1]], dim=1)
