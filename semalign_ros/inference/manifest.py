"""Schema of ``bundle.yaml``: what a model bundle says of itself.

Three kinds share a base and differ in graphs and protocol. Defaults are those of
the graphs that ``semalign export`` writes; a foreign segmenter states what differs.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    TypeAdapter,
    field_validator,
    model_validator,
)

from semalign_ros.errors import unknown_name
from semalign_ros.scene.taxonomy import CLASSES

NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"
"""What a bundle may be called."""
IGNORED = "ignore"
"""Name in a class map of a channel that is no Cityscapes class."""

_Side: TypeAlias = Annotated[int, Field(ge=1, le=16384)]
_Token: TypeAlias = Annotated[int, Field(ge=0, lt=2**31)]
Size: TypeAlias = tuple[_Side, _Side]
"""Height and width, pixels."""

_Positive: TypeAlias = Annotated[float, Field(gt=0)]


class _Model(BaseModel):
    # A misspelt field must not be ignored, and two threads may share a manifest.
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Source(_Model):
    """Where the weights come from and under which terms they may be used.

    Args:
        checkpoint: Hub name, URL or path of the checkpoint.
        licence: SPDX identifier, or words.
        revision: Commit or version of the checkpoint.
        licence_note: What a user must know beside it.
    """

    checkpoint: str = Field(min_length=1)
    licence: str = Field(min_length=1)
    revision: str | None = None
    licence_note: str | None = None


class FileEntry(_Model):
    """Size in bytes and SHA-256 of one file of the bundle."""

    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    size: int = Field(ge=0)


class TensorSpec(_Model):
    """Name, ONNX Runtime element type (``uint8``, ``float``, ``int64``) and shape of a tensor.

    A fixed dimension is a number, a free one its name.
    """

    name: str
    dtype: str
    shape: tuple[int | str, ...]


class GraphSpec(_Model):
    """One ONNX file with its inputs and outputs.

    Args:
        file: Path inside the bundle, with forward slashes.
        inputs: Checked against the file; :func:`write_bundle` fills them in.
        outputs: The same.
    """

    file: str = Field(min_length=1)
    inputs: tuple[TensorSpec, ...] = ()
    outputs: tuple[TensorSpec, ...] = ()


class Normalisation(_Model):
    """``(image * scale - mean) / std`` on pixels 0..255, per channel in the graph's order.

    Args:
        scale: Factor on the pixel, 1/255 for networks that see 0..1.
        mean: Subtracted after scaling.
        std: Divisor.
        inside_graph: The graph does it; the values are for information.
    """

    scale: float = Field(default=1.0, gt=0)
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[_Positive, _Positive, _Positive] = (1.0, 1.0, 1.0)
    inside_graph: bool = True


class ManifestBase(_Model):
    """What every bundle states.

    Args:
        schema_version: Of this file format.
        name: Short name, shown in results.
        source: Origin and licence.
        tools: Versions of what made the graphs.
        opset: ONNX operator set; checked against the graphs.
        precision: Of the weights and the arithmetic.
        net_size: Height and width at which the network sees the image.
        normalisation: Of the image.
        files: Size and hash of every file; :func:`write_bundle` fills it in.
        metrics: Measured figures, free form.
        notes: What a user must know.
    """

    schema_version: Literal[1] = 1
    name: str = Field(pattern=NAME)
    source: Source
    tools: dict[str, str] = Field(default_factory=dict)
    opset: int | None = Field(default=None, ge=1)
    precision: Literal["float32", "float16", "float16-weights", "int8", "mixed"] = "float32"
    net_size: Size
    normalisation: Normalisation | None = None
    files: dict[str, FileEntry] = Field(default_factory=dict)
    metrics: dict[str, JsonValue] = Field(default_factory=dict)
    notes: tuple[str, ...] = ()


# --- segmenter ---------------------------------------------------------------------------


class SegmenterInput(_Model):
    """How the image enters a segmenter.

    Args:
        name: Input of the graph.
        layout: Order of the axes.
        dtype: Element type.
        channel_order: Order of the colour channels.
        resize: Filter that brings the image to ``net_size`` before the graph, or
            ``inside_graph`` where the graph takes any size.
    """

    name: str = "image"
    layout: Literal["NHWC", "NCHW"] = "NHWC"
    dtype: Literal["uint8", "float32", "float16"] = "uint8"
    channel_order: Literal["RGB", "BGR"] = "RGB"
    resize: Literal["inside_graph", "nearest", "bilinear", "bicubic", "area", "lanczos"] = (
        "inside_graph"
    )


class SegmenterOutput(_Model):
    """How the label map leaves a segmenter.

    Args:
        name: Output of the graph.
        content: Class numbers, or one score a class.
        layout: Order of the axes; labels may keep a class axis of length 1.
        confidence: Output f32[N, H, W] with the probability of the label, or
            ``softmax`` to compute it from logits, or None.
        upsample: Logits are brought to ``net_size`` by bilinear interpolation before
            the maximum is taken, for graphs that end at a lower resolution.
        argmax_over: ``mapped`` lets only channels compete that have a class;
            with ``all`` a pixel won by an ignored channel becomes 255.
    """

    name: str = "labels"
    content: Literal["labels", "logits"] = "labels"
    layout: Literal["NHW", "NHWC", "NCHW"] = "NHW"
    confidence: str | None = None
    upsample: bool = False
    argmax_over: Literal["all", "mapped"] = "all"

    @model_validator(mode="after")
    def _logits_have_a_class_axis(self) -> SegmenterOutput:
        if self.content == "logits" and self.layout == "NHW":
            raise ValueError("logits need the layout NHWC or NCHW, found NHW")
        if self.content == "labels" and (self.upsample or self.confidence == "softmax"):
            raise ValueError("upsample and confidence: softmax need content: logits")
        return self


class SegmenterGraphs(_Model):
    """Graphs of a segmenter."""

    segmenter: GraphSpec = GraphSpec(file="segmenter.onnx")


class SegmenterManifest(ManifestBase):
    """A semantic segmentation network.

    Args:
        class_map: Cityscapes class of each channel, ``ignore`` for none; also accepted
            as a mapping channel -> class. Several channels may share a class.
    """

    kind: Literal["segmenter"] = "segmenter"
    graphs: SegmenterGraphs = SegmenterGraphs()
    input: SegmenterInput = SegmenterInput()
    output: SegmenterOutput = SegmenterOutput()
    class_map: tuple[str, ...] = CLASSES

    @field_validator("class_map", mode="before")
    @classmethod
    def _fill_holes(cls, value: object) -> object:
        if not isinstance(value, dict):
            return value
        channels = list(value)
        if not channels or any(type(c) is not int or not 0 <= c <= 4095 for c in channels):
            raise ValueError(f"expected channel numbers 0..4095 as keys, found {channels[:8]}")
        return [value.get(c, IGNORED) for c in range(max(channels) + 1)]

    @field_validator("class_map")
    @classmethod
    def _known_classes(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for name in value:
            if name != IGNORED and name not in CLASSES:
                raise ValueError(unknown_name("class", name, (*CLASSES, IGNORED)))
        if all(name == IGNORED for name in value):
            raise ValueError("no channel has a class")
        return value


# --- vision-language models --------------------------------------------------------------


class TextPair(_Model):
    """Texts of an image for which the answer is yes, against those of a no.

    The texts of a side are averaged.
    """

    positive: tuple[str, ...] = Field(min_length=1)
    negative: tuple[str, ...] = Field(min_length=1)


class ContrastiveGraphs(_Model):
    """Graphs of a dual encoder: the text tower, and the image tower with the scoring."""

    vision: GraphSpec = GraphSpec(file="vision.onnx")
    text: GraphSpec = GraphSpec(file="text.onnx")


class _VlmManifest(ManifestBase):
    tokenizer: str = "tokenizer.json"
    # Scores must exceed this to count as yes; calibrated on training data.
    thresholds: dict[str, float] = Field(default_factory=dict)


class ContrastiveManifest(_VlmManifest):
    """A CLIP-style or SigLIP-style dual encoder.

    Args:
        tokenizer: Tokenizer file inside the bundle.
        thresholds: Score by question id above which the answer is yes; 0 where absent.
        context_length: Most tokens of a text, special tokens included.
        pad_to_context: Texts are padded to the full length (SigLIP), not to the longest.
        pad_token_id: Token that pads.
        padding_side: Where it goes.
        prompts: Text pair by question id (``presence/car``), in place of the prompt set's.
        top_k: Classes taken as present in the paper's Top-K mode.
    """

    kind: Literal["contrastive"] = "contrastive"
    graphs: ContrastiveGraphs = ContrastiveGraphs()
    context_length: int = Field(default=77, ge=2)
    pad_to_context: bool = False
    pad_token_id: _Token = 0
    padding_side: Literal["right", "left"] = "right"
    prompts: dict[str, TextPair] = Field(default_factory=dict)
    top_k: int = Field(default=5, ge=1)


class GenerativeGraphs(_Model):
    """Graphs of a generative VLM: image tower with projector, token table, decoder."""

    vision: GraphSpec = GraphSpec(file="vision.onnx")
    embed_tokens: GraphSpec = GraphSpec(file="embed_tokens.onnx")
    decoder: GraphSpec = GraphSpec(file="decoder.onnx")


class DecoderSpec(_Model):
    """Sizes of the decoder.

    Args:
        num_layers: Layers with a KV cache.
        num_kv_heads: Key and value heads of a layer.
        head_dim: Width of a head.
        hidden_size: Width of the embeddings.
        vocab_size: Width of the logits.
        position_ids: ``sequential`` i64[B, S]; ``mrope`` i64[3, B, S] (Qwen2-VL family:
            time, row, column), where the image counts by its patch grid.
        image_grid: Rows and columns of the image's tokens, for ``mrope``.
        max_positions: Longest sequence the decoder knows, or None.
    """

    num_layers: int = Field(ge=1)
    num_kv_heads: int = Field(ge=1)
    head_dim: int = Field(ge=1)
    hidden_size: int = Field(ge=1)
    vocab_size: int = Field(ge=2)
    position_ids: Literal["sequential", "mrope"] = "sequential"
    image_grid: Size | None = None
    max_positions: int | None = Field(default=None, ge=1)


class GenerativePrompt(_Model):
    """How image and question become one token sequence.

    The sequence is ``prefix_ids`` with the image's features in place of the image
    tokens, then the scene text if there is one, then the question.

    Args:
        prefix_ids: Tokens from the start to the question, the image's included.
        image_token_id: Placeholder; once in `prefix_ids` stands for the whole image,
            else it must be there `image_tokens` times.
        image_tokens: Number of image features.
        scene_text_template: Text with ``{text}`` that carries the segmenter's sentence.
        question_template: Text with ``{question}``, to the point where the answer starts.
        yes_token_ids: First tokens of an affirmative answer ("Yes", " yes", ...).
        no_token_ids: First tokens of a negative one.
        eos_token_ids: Tokens that end an answer.
    """

    prefix_ids: tuple[_Token, ...] = Field(min_length=1)
    image_token_id: _Token
    image_tokens: int = Field(ge=1)
    scene_text_template: str = "{text}\n"
    question_template: str
    yes_token_ids: tuple[_Token, ...] = Field(min_length=1)
    no_token_ids: tuple[_Token, ...] = Field(min_length=1)
    eos_token_ids: tuple[_Token, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _consistent(self) -> GenerativePrompt:
        count = self.prefix_ids.count(self.image_token_id)
        if count not in (1, self.image_tokens):
            raise ValueError(
                f"prefix_ids: expected the image token {self.image_token_id} once or "
                f"{self.image_tokens} times, found {count} times"
            )
        for name, text, mark in (
            ("scene_text_template", self.scene_text_template, "{text}"),
            ("question_template", self.question_template, "{question}"),
        ):
            if text.count(mark) != 1:
                raise ValueError(f"{name}: expected {mark} once, found {text!r}")
        both = set(self.yes_token_ids) & set(self.no_token_ids)
        if both:
            raise ValueError(f"tokens {sorted(both)} are both yes and no")
        return self


class GenerativeManifest(_VlmManifest):
    """A LLaVA-style or SmolVLM-style model.

    Args:
        tokenizer: Tokenizer file inside the bundle.
        thresholds: Log-odds by question id above which the answer is yes; 0 where absent.
        decoder: Sizes.
        prompt: Template and token ids.
        max_new_tokens: Longest description, tokens.
        min_answer_mass: A question counts as unparsed when yes and no together have
            less than this probability at the answer's first token.
    """

    kind: Literal["generative"] = "generative"
    graphs: GenerativeGraphs = GenerativeGraphs()
    decoder: DecoderSpec
    prompt: GenerativePrompt
    max_new_tokens: int = Field(default=96, ge=1)
    min_answer_mass: float = Field(default=0.1, ge=0, le=1)

    @model_validator(mode="after")
    def _consistent(self) -> GenerativeManifest:
        p = self.prompt
        ids = (*p.prefix_ids, *p.yes_token_ids, *p.no_token_ids, *p.eos_token_ids)
        outside = sorted({i for i in ids if i >= self.decoder.vocab_size and i != p.image_token_id})
        if outside:
            raise ValueError(
                f"token ids {outside[:8]} are not below vocab_size {self.decoder.vocab_size}"
            )
        grid = self.decoder.image_grid
        if self.decoder.position_ids == "mrope" and (
            grid is None or grid[0] * grid[1] != p.image_tokens
        ):
            raise ValueError(
                f"mrope needs decoder.image_grid with {p.image_tokens} cells, found {grid}"
            )
        return self


Manifest: TypeAlias = SegmenterManifest | ContrastiveManifest | GenerativeManifest

MANIFEST: TypeAdapter[Manifest] = TypeAdapter(Annotated[Manifest, Field(discriminator="kind")])
"""Validates any kind; ``MANIFEST.validate_python(mapping)``."""
