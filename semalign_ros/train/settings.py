"""What a training run is made of, read from ``config/train/SIZE.yaml``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, TypeAlias

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from semalign_ros.errors import ConfigError
from semalign_ros.resources import read_yaml
from semalign_ros.validation import problems

Family: TypeAlias = Literal["upernet", "segformer", "deeplab"]
Precision: TypeAlias = Literal["float32", "bfloat16"]


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class StageSettings(_Settings):
    """One stage of training.

    The learning rate warms up, stays, and falls to zero over the last part of the
    run: until then a run may be made longer without having been different.

    Args:
        steps: Optimiser steps in all.
        batch: Samples a step.
        learning_rate: Peak rate of AdamW.
        weight_decay: Decoupled decay of matrices and kernels (not of biases and norms).
        warmup: Steps of linear warm-up.
        decay_share: Share of the steps over which the rate falls to zero, 0..1.
        ema: Decay of the averaged weights that are shipped.
        clip: Largest gradient norm.
        evaluate_every: Steps between two evaluations and checkpoints.
        precision: In which layers compute while training; ``bfloat16`` is faster on a GPU, and
            on a CPU that has it (lscpu: avx512_bf16). Weights, losses and figures are float32.
    """

    steps: int = Field(ge=1)
    batch: int = Field(ge=2)
    learning_rate: float = Field(gt=0, le=1)
    weight_decay: float = Field(default=0.01, ge=0, le=1)
    warmup: int = Field(default=200, ge=0)
    decay_share: float = Field(default=0.35, ge=0, le=1)
    ema: float = Field(default=0.999, ge=0, lt=1)
    clip: float = Field(default=5.0, gt=0)
    evaluate_every: int = Field(default=500, ge=1)
    precision: Precision = "float32"


class AugmentSettings(_Settings):
    """Ranges of the random changes to a training frame; 0 switches one off.

    Args:
        flip: Probability of mirroring.
        zoom: Largest factor of zooming in; the smallest is `1 / zoom_out`.
        zoom_out: Largest factor of zooming out.
        whole: Probability of leaving the geometry as the camera saw it.
        light: Largest change of brightness and contrast, and of log gamma.
        color: Largest change of saturation, and of the colour channels' gains over 4.
        degrade: Probability of each of: strong darkening, blur, noise.
        paste: Probability of pasting the rare things of another frame.
    """

    flip: float = Field(default=0.5, ge=0, le=1)
    zoom: float = Field(default=1.6, ge=1, le=4)
    zoom_out: float = Field(default=1.25, ge=1, le=4)
    whole: float = Field(default=0.25, ge=0, le=1)
    light: float = Field(default=0.35, ge=0, lt=1)
    color: float = Field(default=0.4, ge=0, lt=1)
    degrade: float = Field(default=0.08, ge=0, le=1)
    paste: float = Field(default=0.0, ge=0, le=1)


Width = Annotated[int, Field(ge=1)]
Widths = tuple[Width, Width, Width, Width]


class UperNetNetwork(_Settings):
    """A UperNet with a residual backbone; the one that language models can see through.

    Args:
        embedding: Channels of the stem.
        hidden: Channels of the four residual stages.
        depths: Blocks of the four stages.
        decoder: Channels of the UperNet decoder, also the width of its features.
        learning_rate: Peak rate, where another than the stage's suits the family.
    """

    embedding: int = Field(ge=8)
    hidden: Widths
    depths: Widths
    decoder: int = Field(ge=8)
    learning_rate: float | None = Field(default=None, gt=0, le=1)


class SegformerNetwork(_Settings):
    """A SegFormer.

    Args:
        hidden: Channels of the four stages.
        depths: Layers of the four stages.
        heads: Attention heads of the four stages.
        decoder: Channels of the decoder.
        learning_rate: Peak rate, where another than the stage's suits the family.
    """

    hidden: Widths
    depths: Widths
    heads: Widths
    decoder: int = Field(ge=8)
    learning_rate: float | None = Field(default=None, gt=0, le=1)

    @model_validator(mode="after")
    def _heads_share_the_channels(self) -> SegformerNetwork:
        for hidden, heads in zip(self.hidden, self.heads, strict=True):
            if hidden % heads:
                raise ValueError(f"{hidden} channels are no multiple of {heads} heads")
        return self


class DeepLabNetwork(_Settings):
    """A DeepLab head on MobileNetV2.

    Args:
        width: Factor of all channels.
        output_stride: Pixels of the frame to one of the logits.
        learning_rate: Peak rate, where another than the stage's suits the family.
    """

    width: float = Field(gt=0, le=4)
    output_stride: Literal[8, 16, 32]
    learning_rate: float | None = Field(default=None, gt=0, le=1)


class Networks(_Settings):
    """One network a family, of comparable size."""

    upernet: UperNetNetwork
    segformer: SegformerNetwork | None = None
    deeplab: DeepLabNetwork | None = None


class SegmenterSettings(_Settings):
    """A segmentation network and how it is trained.

    Args:
        family: Which of the networks.
        networks: What each family is built of.
        net_size: Height and width that every frame is resized to.
        crop: Height and width of the windows that the first steps see, which makes
            them cheaper; None for whole frames throughout.
        crop_share: Share of the steps that see windows, 0..1.
        rare_class_target: Frames showing a class rarer than this share are repeated.
        jaccard_weight: Weight of the soft Jaccard loss next to the cross entropy.
        min_label_support: Pixels whose label fewer than this many of their 3x3
            neighbourhood share (themselves included) are ignored where labels come
            without instance ids: recovered ones have specks and blended edges.
        balance_frames: Training frames of each data set that the class offsets are fitted
            on in the end; 0 for no offsets.
        stage: The schedule.
        augment: The random changes.
    """

    family: Family = "upernet"
    networks: Networks
    net_size: int = Field(ge=64, le=2048, multiple_of=32)
    crop: int | None = Field(default=None, ge=64, multiple_of=32)
    crop_share: float = Field(default=0.5, ge=0, le=1)
    rare_class_target: float = Field(default=0.4, gt=0, le=1)
    jaccard_weight: float = Field(default=0.5, ge=0)
    min_label_support: int = Field(default=4, ge=1, le=9)
    balance_frames: int = Field(default=400, ge=0)
    stage: StageSettings
    augment: AugmentSettings = AugmentSettings()

    @field_validator("crop")
    @classmethod
    def _inside_the_frame(cls, crop: int | None, info: ValidationInfo) -> int | None:
        net_size = info.data.get("net_size")
        if crop is not None and net_size is not None and crop > net_size:
            raise ValueError(f"found {crop}, expected at most net_size, {net_size}")
        return crop

    @model_validator(mode="after")
    def _has_its_network(self) -> SegmenterSettings:
        if getattr(self.networks, self.family) is None:
            found = ", ".join(sorted(self.networks.model_dump(exclude_none=True)))
            raise ValueError(f"no network of family {self.family}, found {found}")
        return self

    @property
    def network(self) -> UperNetNetwork | SegformerNetwork | DeepLabNetwork:
        """The chosen network."""
        chosen: UperNetNetwork | SegformerNetwork | DeepLabNetwork
        chosen = getattr(self.networks, self.family)
        return chosen

    @property
    def schedule(self) -> StageSettings:
        """The stage, with the learning rate of the family."""
        rate = self.network.learning_rate
        return self.stage if rate is None else self.stage.model_copy(update={"learning_rate": rate})


class ContrastiveSettings(_Settings):
    """A CLIP-style dual encoder on the frozen tower.

    Args:
        hidden: Width of the text tower and of the image encoder.
        heads: Attention heads.
        text_layers: Layers of the text tower.
        queries: Learnt queries of the attention pooling.
        embedding: Width of the joint space.
        context_length: Most tokens of a text.
        dropout: Of the image encoder.
        captions: Images of a batch that come with a sentence.
        caption_weight: Weight of the contrastive loss on whole sentences.
        anchor_weight: Weight of drawing texts to the direction of what they say.
        presence_shift: How far the decision moves from the likeliest answer (0) to the
            one that treats present and absent alike (1); see `logit_shift`. In training.
        decision_balance: How much the thresholds of the shipped model look at balanced
            accuracy beside pooled F1, see `decision_logit`; None for no thresholds.
        stage: The schedule.
    """

    hidden: int = Field(ge=16)
    heads: int = Field(ge=1)
    text_layers: int = Field(ge=1)
    queries: int = Field(ge=1)
    embedding: int = Field(ge=8)
    context_length: int = Field(default=96, ge=16)
    dropout: float = Field(default=0.1, ge=0, lt=1)
    captions: int = Field(default=32, ge=2)
    caption_weight: float = Field(default=0.1, ge=0)
    anchor_weight: float = Field(default=2.0, ge=0)
    presence_shift: float = Field(default=0.5, ge=0, le=1)
    decision_balance: float | None = Field(default=None, ge=0)
    stage: StageSettings


class GenerativeSettings(_Settings):
    """A LLaVA-style model on the frozen tower.

    Args:
        hidden: Width of the language model.
        intermediate: Width of its feed-forward layers.
        layers: Their number.
        heads: Attention heads, of the projector too.
        kv_heads: Key and value heads.
        dropout: Of the projector.
        questions: Presence questions an image and step.
        description_weight: Weight of the loss on descriptions.
        reader_weight: Weight of reading presence and safety off the projected tokens.
        scene_text: Share of the samples that carry a sentence of the perception system.
        presence_shift: See :class:`ContrastiveSettings`.
        decision_balance: The same.
        stage: The schedule.
    """

    hidden: int = Field(ge=16)
    intermediate: int = Field(ge=16)
    layers: int = Field(ge=1)
    heads: int = Field(ge=1)
    kv_heads: int = Field(ge=1)
    dropout: float = Field(default=0.1, ge=0, lt=1)
    questions: int = Field(default=6, ge=1, le=19)
    description_weight: float = Field(default=0.3, ge=0)
    reader_weight: float = Field(default=1.0, ge=0)
    scene_text: float = Field(default=0.25, ge=0, le=1)
    presence_shift: float = Field(default=0.5, ge=0, le=1)
    decision_balance: float | None = Field(default=None, ge=0)
    stage: StageSettings


class TrainSettings(_Settings):
    """The settings of all stages.

    Args:
        suffix: Of the bundles' names, such as ``_base``.
        seed: Keys the weights and every random draw.
        threads: Threads of torch.
        segmenter: First stage.
        views: Changed copies of each frame whose image tokens the language models see,
            besides the frame itself and its overlay or mask.
        vocabulary: Tokens of the language models at most.
        contrastive: Second stage.
        generative: Third stage.
    """

    suffix: str = Field(default="", pattern=r"^(_[a-z0-9]+)?$")
    seed: int = Field(default=0, ge=0, lt=2**63)
    threads: int = Field(default=2, ge=1)
    segmenter: SegmenterSettings
    views: int = Field(default=3, ge=0)
    vocabulary: int = Field(default=768, ge=512)
    contrastive: ContrastiveSettings
    generative: GenerativeSettings


def family_name(family: Family) -> str:
    """Name the segmenter of a family; the one that language models see through is the segmenter."""
    return "segmenter" if family == "upernet" else family


def load_settings(path: Path) -> TrainSettings:
    """Read and check a settings file.

    Raises:
        ConfigError: It is missing, is no YAML, or has unknown or bad values.
    """
    return check_settings(read_yaml(path), str(path))


def check_settings(fields: object, what: str) -> TrainSettings:
    """Check settings.

    Args:
        fields: As YAML gives them.
        what: Where they come from.

    Raises:
        ConfigError: There are unknown or bad values.
    """
    try:
        return TrainSettings.model_validate(fields)
    except ValidationError as error:
        listed = "; ".join(problems(error, TrainSettings))
        raise ConfigError(f"training settings: {what}: {listed}") from error
