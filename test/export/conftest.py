"""Checkpoints of public families, built small with random weights: no hub is within reach."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from semalign_ros.types import Image


def segformer() -> tuple[Any, Any]:
    from transformers import (
        SegformerConfig,
        SegformerForSemanticSegmentation,
        SegformerImageProcessorPil,
    )

    from semalign_ros.export.random_weights import class_names, enliven

    config = SegformerConfig(
        depths=[1, 1, 1, 1],
        hidden_sizes=[8, 8, 16, 16],
        num_attention_heads=[1, 1, 2, 2],
        decoder_hidden_size=16,
        **class_names("dog"),
    )
    processor = SegformerImageProcessorPil(
        size={"height": 96, "width": 160},
        image_mean=[0.4, 0.5, 0.6],
        image_std=[0.2, 0.25, 0.3],
    )
    return enliven(SegformerForSemanticSegmentation(config)), processor


def deeplab() -> tuple[Any, Any]:
    from transformers import (
        MobileNetV2Config,
        MobileNetV2ForSemanticSegmentation,
        MobileNetV2ImageProcessorPil,
    )

    from semalign_ros.export.random_weights import class_names, enliven

    config = MobileNetV2Config(depth_multiplier=0.35, output_stride=16, **class_names("dog"))
    processor = MobileNetV2ImageProcessorPil(
        size={"shortest_edge": 129}, crop_size={"height": 129, "width": 129}
    )
    return enliven(MobileNetV2ForSemanticSegmentation(config)), processor


def mask2former() -> tuple[Any, Any]:
    from transformers import (
        Mask2FormerConfig,
        Mask2FormerForUniversalSegmentation,
        Mask2FormerImageProcessorPil,
        SwinConfig,
    )

    from semalign_ros.export.random_weights import class_names, enliven

    backbone = SwinConfig(
        image_size=64,
        embed_dim=16,
        depths=[1, 1, 1, 1],
        num_heads=[1, 1, 2, 2],
        window_size=4,
        out_features=["stage1", "stage2", "stage3", "stage4"],
    )
    config = Mask2FormerConfig(
        backbone_config=backbone,
        num_queries=10,
        hidden_dim=32,
        feature_size=32,
        mask_feature_size=32,
        dim_feedforward=32,
        encoder_feedforward_dim=32,
        encoder_layers=1,
        decoder_layers=2,
        num_attention_heads=2,
        **class_names("dog"),
    )
    processor = Mask2FormerImageProcessorPil(size={"height": 64, "width": 128})
    return enliven(Mask2FormerForUniversalSegmentation(config), "decoder"), processor


def clip() -> tuple[Any, ...]:
    from transformers import CLIPConfig, CLIPImageProcessorPil, CLIPModel

    from semalign_ros.export.random_weights import enliven, word_tokenizer

    words = word_tokenizer("<s> $A </s>", bos_token="<s>", eos_token="</s>")
    tower = {"hidden_size": 32, "intermediate_size": 64, "num_attention_heads": 2}
    tower |= {"num_hidden_layers": 2}
    config = CLIPConfig(
        text_config={
            **tower,
            "vocab_size": len(words),
            "max_position_embeddings": 40,
            "eos_token_id": words.eos_token_id,
            "bos_token_id": words.bos_token_id,
            "pad_token_id": words.pad_token_id,
        },
        vision_config={**tower, "image_size": 64, "patch_size": 16},
        projection_dim=24,
    )
    processor = CLIPImageProcessorPil(
        size={"shortest_edge": 64}, crop_size={"height": 64, "width": 64}
    )
    return enliven(CLIPModel(config)), processor, words


def siglip() -> tuple[Any, ...]:
    import sentencepiece
    from transformers import SiglipConfig, SiglipImageProcessorPil, SiglipModel, SiglipTokenizer

    from semalign_ros.export.contrastive import prompt_texts
    from semalign_ros.export.random_weights import enliven

    # As the public checkpoints hold their words: a model of SentencePiece and no tokenizer.json.
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / "spiece.model"
        with file.open("wb") as out:
            sentencepiece.SentencePieceTrainer.train(
                sentence_iterator=(text.lower() for text in prompt_texts()),
                model_writer=out,
                vocab_size=300,
                hard_vocab_limit=False,
                **{"pad_id": 0, "eos_id": 1, "unk_id": 2, "bos_id": -1, "minloglevel": 2},
            )
        words = SiglipTokenizer(str(file))
    tower = {"hidden_size": 32, "intermediate_size": 64, "num_attention_heads": 2}
    tower |= {"num_hidden_layers": 2}
    config = SiglipConfig(
        text_config={
            **tower,
            "vocab_size": len(words),
            "max_position_embeddings": 64,
            "projection_size": 32,
            "eos_token_id": words.eos_token_id,
            "bos_token_id": words.eos_token_id,
            "pad_token_id": words.pad_token_id,
        },
        vision_config={**tower, "image_size": 64, "patch_size": 16},
    )
    processor = SiglipImageProcessorPil(size={"height": 64, "width": 64})
    return enliven(SiglipModel(config)), processor, words


def siglip2() -> tuple[Any, ...]:
    from tokenizers import Tokenizer, models, normalizers, trainers
    from transformers import Siglip2Config, Siglip2ImageProcessorPil, Siglip2Model, Siglip2Tokenizer

    from semalign_ros.export.contrastive import prompt_texts
    from semalign_ros.export.random_weights import enliven

    # Its class makes another tokenizer of any but its own kind, and pads on the left.
    pairs = Tokenizer(models.BPE(unk_token="<unk>"))
    pairs.normalizer = normalizers.Sequence(
        [normalizers.Lowercase(), normalizers.Replace(" ", "\N{LOWER ONE EIGHTH BLOCK}")]
    )
    special = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>"]
    trainer = trainers.BpeTrainer(vocab_size=300, special_tokens=special, show_progress=False)
    pairs.train_from_iterator(prompt_texts(), trainer)
    known = json.loads(pairs.to_str())["model"]
    words = Siglip2Tokenizer(known["vocab"], [tuple(pair) for pair in known["merges"]])
    tower = {"hidden_size": 32, "intermediate_size": 64, "num_attention_heads": 2}
    tower |= {"num_hidden_layers": 2}
    config = Siglip2Config(
        text_config={
            **tower,
            "vocab_size": len(words),
            "max_position_embeddings": 40,
            "projection_size": 32,
            "eos_token_id": words.eos_token_id,
            "bos_token_id": words.bos_token_id,
            "pad_token_id": words.pad_token_id,
        },
        vision_config={**tower, "num_patches": 16, "patch_size": 16},
    )
    return enliven(Siglip2Model(config)), Siglip2ImageProcessorPil(max_num_patches=30), words


def llava(words: Any = None, images: Any = None, **asks: Any) -> tuple[Any, ...]:
    from transformers import (
        CLIPImageProcessorPil,
        CLIPVisionConfig,
        LlamaConfig,
        LlavaConfig,
        LlavaForConditionalGeneration,
        LlavaProcessor,
    )

    from semalign_ros.export.random_weights import enliven, word_tokenizer

    words = words or word_tokenizer("<s> $A", bos_token="<s>", eos_token="</s>")
    words.add_special_tokens({"additional_special_tokens": ["<image>"]})
    cut = {"size": {"shortest_edge": 64}, "crop_size": {"height": 64, "width": 64}}
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2}
    config = LlavaConfig(
        vision_config=CLIPVisionConfig(
            **sizes, num_attention_heads=2, image_size=64, patch_size=16
        ),
        text_config=LlamaConfig(
            **sizes,
            num_attention_heads=4,
            num_key_value_heads=2,
            vocab_size=len(words),
            max_position_embeddings=256,
            bos_token_id=words.bos_token_id,
            eos_token_id=words.eos_token_id,
        ),
        image_token_index=words.convert_tokens_to_ids("<image>"),
    )
    processor = LlavaProcessor(
        (images or CLIPImageProcessorPil)(**cut),
        words,
        patch_size=16,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=(
            "{% for message in messages %}USER: {% for part in message.content %}"
            "{% if part.type == 'image' %}<image>\n{% else %}{{ part.text }}{% endif %}"
            "{% endfor %}{% endfor %}{% if add_generation_prompt %} ASSISTANT:{% endif %}"
        ),
    )
    model = enliven(LlavaForConditionalGeneration(config))
    model.generation_config.update(**(asks or {"repetition_penalty": 3.0}))
    return silenced(model, [config.image_token_index, words.eos_token_id]), processor


def llava_vicuna() -> tuple[Any, ...]:
    """As newer checkpoints: a space before the first word only, frames framed to a square."""
    from functools import partial

    from tokenizers import Tokenizer, models, normalizers, trainers
    from transformers import LlamaTokenizer, LlavaImageProcessorPil

    from semalign_ros.export.contrastive import prompt_texts

    pairs = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True))
    pairs.normalizer = normalizers.Replace(" ", "\N{LOWER ONE EIGHTH BLOCK}")
    special = ["<unk>", "<s>", "</s>", *(f"<0x{i:02X}>" for i in range(256))]
    trainer = trainers.BpeTrainer(vocab_size=600, special_tokens=special, show_progress=False)
    pairs.train_from_iterator([*prompt_texts(), *[" Yes yes", " No no"] * 99], trainer)
    known = json.loads(pairs.to_str())["model"]
    words = LlamaTokenizer(known["vocab"], [tuple(p) for p in known["merges"]], legacy=False)
    images = partial(LlavaImageProcessorPil, do_pad=True)
    return llava(words, images, num_beams=2, suppress_tokens=[30, 40], min_length=90)


CHAT = (
    "{% for message in messages %}<|im_start|>{{ message.role }}: {% for part in message.content %}"
    "{% if part.type == 'image' %}IMAGE{% else %}{{ part.text }}{% endif %}{% endfor %}"
    "<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant: {% endif %}"
)


def silenced(model: Any, ids: list[int]) -> Any:
    """No model says its own placeholders; and these never end."""
    import torch

    with torch.no_grad():
        model.lm_head.weight[ids] = 0
    return model


def qwen(version: str) -> tuple[Any, ...]:
    import transformers
    from transformers import Qwen2VLImageProcessorPil

    from semalign_ros.export.random_weights import enliven, word_tokenizer

    names = "im_start", "vision_start", "vision_end", "image_pad", "video_pad"
    marks = [f"<|{name}|>" for name in names]
    words = word_tokenizer("$A", *marks, eos_token="<|im_end|>")
    ids = dict(zip(marks, words.convert_tokens_to_ids(marks), strict=True))
    vision = {"depth": 2, "in_channels": 3, "num_heads": 2, "patch_size": 14}
    if version == "2":
        vision |= {"embed_dim": 32, "hidden_size": 32, "mlp_ratio": 2}
    else:
        vision |= {"hidden_size": 32, "out_hidden_size": 32, "intermediate_size": 64}
        # Windows of 2 x 2 tokens, so that a frame has several, some of them cut off.
        vision |= {"window_size": 56, "fullatt_block_indexes": [1]}
    name = "Qwen2VL" if version == "2" else "Qwen2_5_VL"
    words.chat_template = CHAT.replace("IMAGE", "<|vision_start|><|image_pad|><|vision_end|>")
    config = getattr(transformers, f"{name}Config")(
        vision_config=vision,
        text_config={
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "vocab_size": len(words),
            "max_position_embeddings": 512,
            "rope_parameters": {
                "rope_type": "default",
                "rope_theta": 10000.0,
                "mrope_section": [1, 1, 2],
            },
            "bos_token_id": None,
            "eos_token_id": words.eos_token_id,
        },
        vision_start_token_id=ids["<|vision_start|>"],
        vision_end_token_id=ids["<|vision_end|>"],
        image_token_id=ids["<|image_pad|>"],
        video_token_id=ids["<|video_pad|>"],
    )
    # Not the whole processor: with its videos it needs torchvision.
    images = Qwen2VLImageProcessorPil(size={"shortest_edge": 56 * 56, "longest_edge": 100 * 200})
    model = enliven(getattr(transformers, f"{name}ForConditionalGeneration")(config))
    return silenced(model, [*ids.values(), words.eos_token_id]), images, words


def smolvlm() -> tuple[Any, ...]:
    from transformers import (
        SmolVLMConfig,
        SmolVLMForConditionalGeneration,
        SmolVLMImageProcessorPil,
    )

    from semalign_ros.export.random_weights import enliven, word_tokenizer

    places = [f"<row_{r}_col_{c}>" for r in range(1, 4) for c in range(1, 5)]
    marks = ["<|im_start|>", "<image>", "<fake_token_around_image>", "<global-img>", *places]
    words = word_tokenizer("$A", *marks, eos_token="<|im_end|>")
    image = words.convert_tokens_to_ids("<image>")
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2}
    config = SmolVLMConfig(
        # Six patches a side: transformers' range of sixths has another length in ONNX.
        vision_config={**sizes, "num_attention_heads": 2, "image_size": 96, "patch_size": 16},
        text_config={
            "model_type": "llama",
            **sizes,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "vocab_size": len(words),
            "max_position_embeddings": 512,
            "bos_token_id": None,
            "eos_token_id": words.eos_token_id,
            "pad_token_id": words.pad_token_id,
        },
        scale_factor=2,
        image_token_id=image,
        pad_token_id=words.pad_token_id,
    )
    words.chat_template = CHAT.replace("IMAGE", "<image>")
    images = SmolVLMImageProcessorPil(
        size={"longest_edge": 288}, max_image_size={"longest_edge": 96}
    )
    model = enliven(SmolVLMForConditionalGeneration(config))
    return silenced(model, [image, words.eos_token_id]), images, words


def onevision() -> tuple[Any, ...]:
    from transformers import (
        LlavaOnevisionConfig,
        LlavaOnevisionForConditionalGeneration,
        LlavaOnevisionImageProcessorPil,
    )

    from semalign_ros.export.random_weights import enliven, word_tokenizer

    words = word_tokenizer("$A", "<|im_start|>", "<image>", "<video>", eos_token="<|im_end|>")
    image = words.convert_tokens_to_ids("<image>")
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2}
    shapes = [[64 * rows, 64 * columns] for rows in range(1, 4) for columns in range(1, 5)]
    config = LlavaOnevisionConfig(
        vision_config={
            "model_type": "siglip_vision_model",
            **sizes,
            "num_attention_heads": 2,
            "image_size": 64,
            "patch_size": 16,
            "vision_use_head": False,
        },
        text_config={
            "model_type": "qwen2",
            **sizes,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "vocab_size": len(words),
            "max_position_embeddings": 512,
            "bos_token_id": None,
            "eos_token_id": words.eos_token_id,
        },
        image_grid_pinpoints=shapes,
        image_token_id=image,
        video_token_id=words.convert_tokens_to_ids("<video>"),
        vision_aspect_ratio="anyres_max_4",  # so that the features are made fewer
    )
    words.chat_template = CHAT.replace("IMAGE", "<image>\n")
    images = LlavaOnevisionImageProcessorPil(
        size={"height": 64, "width": 64}, image_grid_pinpoints=shapes
    )
    model = enliven(LlavaOnevisionForConditionalGeneration(config))
    return silenced(model, [image, words.eos_token_id]), images, words


FAMILIES: dict[str, Callable[[], tuple[Any, ...]]] = {
    "segformer": segformer,
    "deeplab": deeplab,
    "mask2former": mask2former,
    "clip": clip,
    "siglip": siglip,
    "siglip2": siglip2,
    "llava": llava,
    "llava_vicuna": llava_vicuna,
    "qwen2_vl": lambda: qwen("2"),
    "qwen2_5_vl": lambda: qwen("2.5"),
    "smolvlm": smolvlm,
    "llava_onevision": onevision,
}


@pytest.fixture(scope="session")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Folder of a checkpoint by the name of its family."""
    made: dict[str, Path] = {}

    def checkpoint(family: str) -> Path:
        if family not in made:
            import torch

            torch.manual_seed(0)
            folder = tmp_path_factory.mktemp(family)
            for part in FAMILIES[family]():
                part.save_pretrained(folder)
            made[family] = folder
        return made[family]

    return checkpoint


@pytest.fixture(scope="session")
def frame() -> Image:
    """A frame of a common camera with edges and gradients, u8[360, 640, 3]."""
    from semalign_ros.export.parity import sample_frames

    image = np.asarray(sample_frames(seed=3)[2])
    return np.ascontiguousarray(image[:360, :640])
