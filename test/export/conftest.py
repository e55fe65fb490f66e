"""Checkpoints of public families, built small with random weights: no hub is within reach."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from semalign_ros.scene.taxonomy import CLASSES
from semalign_ros.types import Image


def enliven(model: Any, only: str = "", seed: int = 0) -> Any:
    """Draw weights that let the input through: those of new models all but ignore it.

    Args:
        model: A new model.
        only: Part of the names of the layers whose weights are drawn.
        seed: Of the draws.
    """
    import torch
    from torch import nn

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


def class_names() -> dict[str, dict[Any, Any]]:
    """Keywords of a config whose channels are the Cityscapes classes and one more."""
    names = [*(c.title() for c in CLASSES), "dog"]
    return {
        "id2label": dict(enumerate(names)),
        "label2id": {name: i for i, name in enumerate(names)},
    }


def segformer() -> tuple[Any, Any]:
    from transformers import (
        SegformerConfig,
        SegformerForSemanticSegmentation,
        SegformerImageProcessorPil,
    )

    config = SegformerConfig(
        depths=[1, 1, 1, 1],
        hidden_sizes=[8, 8, 16, 16],
        num_attention_heads=[1, 1, 2, 2],
        decoder_hidden_size=16,
        **class_names(),
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

    config = MobileNetV2Config(depth_multiplier=0.35, output_stride=16, **class_names())
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
        **class_names(),
    )
    processor = Mask2FormerImageProcessorPil(size={"height": 64, "width": 128})
    return enliven(Mask2FormerForUniversalSegmentation(config), "decoder"), processor


def tokenizer(template: str, **special: str) -> Any:
    """A tokenizer that knows the words of the prompts.

    Args:
        template: Where the special tokens go, ``<s> $A </s>``.
        **special: Keywords of a tokenizer, such as ``eos_token``.
    """
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    from semalign_ros.export.contrastive import prompt_texts
    from semalign_ros.language import PromptSet

    words = pre_tokenizers.Whitespace()
    said = [*prompt_texts(), *(q.text for q in PromptSet.load().questions()), "yes no user:"]
    known = sorted({word for text in said for word, _ in words.pre_tokenize_str(text.lower())})
    # The end has the highest id, as in CLIP: it looks for the highest one.
    names = [*dict.fromkeys(["<pad>", "<unk>", *special.values()])]
    vocabulary = [*sorted(names, key="</s>".__eq__)[:-1], *known, "</s>"]
    ids = {word: i for i, word in enumerate(vocabulary)}
    made = Tokenizer(models.WordLevel(ids, unk_token="<unk>"))
    made.normalizer, made.pre_tokenizer = normalizers.Lowercase(), words
    made.add_special_tokens(names)
    ids = [(name, made.token_to_id(name)) for name in names]
    made.post_processor = processors.TemplateProcessing(single=template, special_tokens=ids)
    return PreTrainedTokenizerFast(
        tokenizer_object=made, unk_token="<unk>", pad_token="<pad>", **special
    )


def clip() -> tuple[Any, ...]:
    from transformers import CLIPConfig, CLIPImageProcessorPil, CLIPModel

    words = tokenizer("<s> $A </s>", bos_token="<s>", eos_token="</s>")
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
    from transformers import SiglipConfig, SiglipImageProcessorPil, SiglipModel

    words = tokenizer("$A </s>", eos_token="</s>")
    tower = {"hidden_size": 32, "intermediate_size": 64, "num_attention_heads": 2}
    tower |= {"num_hidden_layers": 2}
    config = SiglipConfig(
        text_config={
            **tower,
            "vocab_size": len(words),
            "max_position_embeddings": 40,
            "projection_size": 32,
            "eos_token_id": words.eos_token_id,
            "bos_token_id": words.eos_token_id,
            "pad_token_id": words.pad_token_id,
        },
        vision_config={**tower, "image_size": 64, "patch_size": 16},
    )
    processor = SiglipImageProcessorPil(size={"height": 64, "width": 64})
    return enliven(SiglipModel(config)), processor, words


def llava() -> tuple[Any, ...]:
    from transformers import (
        CLIPImageProcessorPil,
        CLIPVisionConfig,
        LlamaConfig,
        LlavaConfig,
        LlavaForConditionalGeneration,
        LlavaProcessor,
    )

    words = tokenizer("<s> $A", bos_token="<s>", eos_token="</s>")
    words.add_special_tokens({"additional_special_tokens": ["<image>"]})
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
        CLIPImageProcessorPil(size={"shortest_edge": 64}, crop_size={"height": 64, "width": 64}),
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
    return silenced(model, [config.image_token_index, words.eos_token_id]), processor


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

    words = tokenizer("$A", eos_token="<|im_end|>")
    marks = [
        f"<|{m}|>" for m in ("im_start", "vision_start", "vision_end", "image_pad", "video_pad")
    ]
    words.add_special_tokens({"additional_special_tokens": marks})
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

    words = tokenizer("$A", eos_token="<|im_end|>")
    places = [f"<row_{r}_col_{c}>" for r in range(1, 4) for c in range(1, 5)]
    marks = ["<|im_start|>", "<image>", "<fake_token_around_image>", "<global-img>", *places]
    words.add_special_tokens({"additional_special_tokens": marks})
    image = words.convert_tokens_to_ids("<image>")
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2}
    config = SmolVLMConfig(
        vision_config={**sizes, "num_attention_heads": 2, "image_size": 64, "patch_size": 16},
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
        size={"longest_edge": 192}, max_image_size={"longest_edge": 64}
    )
    model = enliven(SmolVLMForConditionalGeneration(config))
    return silenced(model, [image, words.eos_token_id]), images, words


def onevision() -> tuple[Any, ...]:
    from transformers import (
        LlavaOnevisionConfig,
        LlavaOnevisionForConditionalGeneration,
        LlavaOnevisionImageProcessorPil,
    )

    words = tokenizer("$A", eos_token="<|im_end|>")
    words.add_special_tokens({"additional_special_tokens": ["<|im_start|>", "<image>", "<video>"]})
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
    "llava": llava,
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
