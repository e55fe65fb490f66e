from __future__ import annotations

import json
import re
import shutil

import cv2
import numpy as np
import pytest

pytestmark = pytest.mark.torch
torch = pytest.importorskip("torch")

from semalign_ros.cli import main  # noqa: E402
from semalign_ros.errors import BundleError  # noqa: E402
from semalign_ros.export.generative import (  # noqa: E402
    Original,
    answer_tokens,
    full_attention,
    load_chat_tokenizer,
    read_chat,
)
from semalign_ros.export.image_side import ImageSide, nearest_size  # noqa: E402
from semalign_ros.export.language import kv_heads  # noqa: E402
from semalign_ros.inference.bundle import load_bundle  # noqa: E402
from semalign_ros.inference.factory import open_vlm  # noqa: E402
from semalign_ros.inference.query import VlmQuery  # noqa: E402
from semalign_ros.language import PromptSet  # noqa: E402

PROMPTS = PromptSet.load()


# Number of image tokens of a frame of SIZE, by the families' papers.
IMAGE_TOKENS = {
    "llava": 4 * 4,  # 64 px squares of 16 px patches
    "llava_vicuna": 4 * 4,
    "qwen2_vl": 3 * 7,  # of 28 px, as many as 100 * 200 px hold
    "qwen2_5_vl": 3 * 7,
    "smolvlm": (2 * 3 + 1) * 3 * 3,  # six tiles and the whole, four patches joined
    "llava_onevision": 4 * 4 + 5 * (11 + 1),  # the whole, then 5 rows with a mark at their ends
}
SIZE = 200, 390


def asked(family, folder, model, image, question):
    """What the model's documentation says to do, its parts put together by hand."""
    from transformers import AutoImageProcessor, AutoTokenizer
    from transformers.models.smolvlm.processing_smolvlm import get_image_prompt_string

    images = AutoImageProcessor.from_pretrained(folder, backend="pil")
    words = AutoTokenizer.from_pretrained(folder)
    count = IMAGE_TOKENS[family]
    if family in ("llava", "llava_vicuna"):
        said = f"USER: {'<image>' * count}\n{question} ASSISTANT:"
    else:
        if family == "smolvlm":
            marks = "<fake_token_around_image>", "<image>", "<global-img>"
            shown = get_image_prompt_string(2, 3, 3 * 3, *marks)
        elif family == "llava_onevision":
            shown = "<image>" * count + "\n"
        else:
            shown = f"<|vision_start|>{'<|image_pad|>' * count}<|vision_end|>"
        said = f"<|im_start|>user: {shown}{question}<|im_end|>\n<|im_start|>assistant: "
    given = words(said, return_tensors="pt", return_token_type_ids=False)
    if family.startswith("qwen"):
        given["mm_token_type_ids"] = (given["input_ids"] == model.config.image_token_id).int()
    return {**given, **images(images=[image], return_tensors="pt")}


@pytest.mark.parametrize("family", IMAGE_TOKENS)
def test_scores_and_words_are_those_of_the_checkpoint(family, checkpoints, frame, tmp_path):
    from transformers import AutoModelForImageTextToText, AutoTokenizer, GenerationConfig

    folder, out = checkpoints(family), tmp_path / family
    frame = np.ascontiguousarray(frame[: SIZE[0], : SIZE[1]])
    cv2.imwrite(str(tmp_path / "frame.png"), frame)
    arguments = [str(folder), str(out), "--licence", "none", "--frames", str(tmp_path)]
    assert main(["export", *arguments]) == 0
    manifest = load_bundle(out).manifest
    parity = manifest.metrics["parity"]
    assert parity.pop("pixels") < 1e-3
    assert max(parity.values()) < 1e-3
    assert manifest.prompt.image_tokens == IMAGE_TOKENS[family]
    # A sentence about the scene comes after the image, not inside of what marks it.
    assert "vision" not in manifest.prompt.question_template
    said = manifest.prompt.scene_text_template + manifest.prompt.question_template
    assert re.search(r"\{text\}\s+.*\{question\}", said, re.DOTALL)
    model = AutoModelForImageTextToText.from_pretrained(folder).eval()
    words = AutoTokenizer.from_pretrained(folder)
    vlm = open_vlm(out, "cpu", prompts=PROMPTS)
    answer = vlm.answer(VlmQuery(frame))
    yes, no = manifest.prompt.yes_token_ids, manifest.prompt.no_token_ids
    with torch.no_grad():
        for question in PROMPTS.questions():
            logits = model(**asked(family, folder, model, frame, question.text)).logits[0, -1]
            odds = logits[list(yes)].logsumexp(0) - logits[list(no)].logsumexp(0)
            assert answer.scores[question.id] == pytest.approx(odds.item(), abs=1e-3), question.id
        inputs = asked(family, folder, model, frame, PROMPTS.description)
        # Greedy, whatever else a checkpoint's generation_config.json says.
        model.generation_config = GenerationConfig(pad_token_id=0)
        tokens = model.generate(**inputs, max_new_tokens=32, do_sample=False)
    said = tokens[0, inputs["input_ids"].shape[1] :]
    assert len(said) == 32
    text = words.decode(said, skip_special_tokens=True)
    assert len(set(answer.scores.values())) > 10, "a model that says one thing shows nothing"
    assert vlm.describe(frame)[: len(text)] == text.strip()


@pytest.mark.parametrize(
    ("frame", "size"),
    [
        ((200, 390), (84, 196)),  # too many pixels: made smaller
        ((20, 30), (56, 84)),  # too few: made larger
        ((100, 150), (112, 140)),  # rounded
    ],
)
def test_the_nearest_size(frame, size):
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import smart_resize

    assert nearest_size(frame, 28, 56 * 56, 100 * 200) == size
    assert smart_resize(*frame, 28, 56 * 56, 100 * 200) == size


def original(checkpoints):
    from transformers import AutoConfig, AutoTokenizer

    class Model:
        config = AutoConfig.from_pretrained(checkpoints("llava"))

    words = AutoTokenizer.from_pretrained(checkpoints("llava"))
    return Original(Model, None, words, ImageSide(torch.nn.Identity(), torch.nn.Identity()), 16)


def test_a_template_that_the_bundle_cannot_follow(checkpoints):
    asking = original(checkpoints)
    asking.tokenizer.chat_template = "{{ messages[0].content[1].text }} <image>"
    with pytest.raises(BundleError, match="expected the image '<image>' before the question"):
        read_chat(asking)
    asking.tokenizer.chat_template = None
    with pytest.raises(BundleError, match="chat template cannot be used"):
        read_chat(asking)


def test_a_template_that_writes_the_beginning_itself(checkpoints):
    asking = original(checkpoints)
    plain = asking.tokens("Is there a car?")
    asking.tokenizer.chat_template = "{{ bos_token }}" + asking.tokenizer.chat_template
    begun = asking.tokens("Is there a car?")
    assert begun.tolist() == plain.tolist()
    assert begun[0].tolist().count(asking.tokenizer.bos_token_id) == 1


def test_the_template_of_an_older_checkpoint(checkpoints, tmp_path):
    for path in checkpoints("smolvlm").iterdir():
        if path.name != "chat_template.jinja":
            (tmp_path / path.name).symlink_to(path)
    assert load_chat_tokenizer(tmp_path).chat_template is None
    path = tmp_path / "chat_template.json"
    path.write_text('{"chat_template": "{{ messages }}"}')
    assert load_chat_tokenizer(tmp_path).chat_template == "{{ messages }}"
    (tmp_path / "chat_template.jinja").write_text("{{ newer }}")
    assert load_chat_tokenizer(tmp_path).chat_template == "{{ newer }}"
    (tmp_path / "chat_template.jinja").unlink()
    path.write_text("[]")
    with pytest.raises(BundleError, match=r"chat_template\.json: no chat_template in it"):
        load_chat_tokenizer(tmp_path)


def test_a_tokenizer_without_yes_and_no(checkpoints):
    from transformers import AutoTokenizer

    words = AutoTokenizer.from_pretrained(checkpoints("llava"))
    found = answer_tokens(words)
    assert not set(found["yes_token_ids"]) & set(found["no_token_ids"])

    class Mute:
        unk_token_id = 0

        def encode(self, text, **_):
            return [0] if text else []

    with pytest.raises(BundleError, match="tells a yes from a no"):
        answer_tokens(Mute())


def test_an_image_that_a_decoder_cannot_look_back_at(checkpoints, tmp_path, capsys):
    folder = shutil.copytree(checkpoints("llava"), tmp_path / "short")
    config = json.loads((folder / "config.json").read_text())
    config["text_config"]["max_position_embeddings"] = 30
    (folder / "config.json").write_text(json.dumps(config))
    arguments = [str(folder), str(tmp_path / "out"), "--licence", "none"]
    assert main(["export", *arguments]) == 1
    said = capsys.readouterr().err
    assert re.search(r"longest question are \d+ tokens, and this decoder looks at 30", said)
    assert "converting" not in said


def test_a_sliding_window_ends_what_a_decoder_may_read():
    from transformers.models.llama import LlamaConfig
    from transformers.models.mistral import MistralConfig
    from transformers.models.qwen2 import Qwen2Config

    some = {"max_position_embeddings": 512, "sliding_window": 150}
    assert full_attention(MistralConfig(**some)) == 150
    assert full_attention(MistralConfig(**some | {"sliding_window": None})) == 512
    assert full_attention(LlamaConfig(max_position_embeddings=512)) == 512
    assert full_attention(Qwen2Config(**some)) == 512, "it says so, but its layers do not slide"
    slides = Qwen2Config(**some, use_sliding_window=True, max_window_layers=1)
    assert full_attention(slides) == 150


def test_heads_of_a_decoder_that_does_not_count_those_of_the_keys():
    from transformers import GPTNeoXConfig, LlamaConfig

    assert kv_heads(GPTNeoXConfig(num_attention_heads=8)) == 8
    assert kv_heads(LlamaConfig(num_attention_heads=8, num_key_value_heads=2)) == 2
