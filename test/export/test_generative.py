from __future__ import annotations

import numpy as np
import pytest

pytestmark = pytest.mark.torch
torch = pytest.importorskip("torch")

from semalign_ros.cli import main  # noqa: E402
from semalign_ros.errors import BundleError  # noqa: E402
from semalign_ros.export.generative import answer_tokens, read_chat  # noqa: E402
from semalign_ros.inference.bundle import load_bundle  # noqa: E402
from semalign_ros.inference.factory import open_vlm  # noqa: E402
from semalign_ros.inference.query import VlmQuery  # noqa: E402
from semalign_ros.language import PromptSet  # noqa: E402

PROMPTS = PromptSet.load()


@pytest.fixture(scope="module")
def bundle(checkpoints, tmp_path_factory):
    out = tmp_path_factory.mktemp("out") / "llava"
    arguments = [str(checkpoints("llava")), str(out), "--licence", "none"]
    assert main(["export", *arguments]) == 0
    return out


def asked(processor, image, question):
    """What the model's documentation says to do."""
    said = f"USER: <image>\n{question} ASSISTANT:"
    return processor(images=image, text=said, return_tensors="pt")


def test_scores_and_words_are_those_of_the_processor_and_the_model(bundle, checkpoints, frame):
    from transformers import AutoProcessor, LlavaForConditionalGeneration

    folder = checkpoints("llava")
    manifest = load_bundle(bundle).manifest
    parity = manifest.metrics["parity"]
    assert parity.pop("pixels") < 0.05
    assert max(parity.values()) < 1e-3
    assert manifest.prompt.image_tokens == 16
    processor = AutoProcessor.from_pretrained(folder)
    model = LlavaForConditionalGeneration.from_pretrained(folder).eval()
    frame = np.ascontiguousarray(frame[:64, :100])  # cut, not resized: equal to the last digits
    vlm = open_vlm(bundle, "cpu", prompts=PROMPTS)
    answer = vlm.answer(VlmQuery(frame))
    yes, no = manifest.prompt.yes_token_ids, manifest.prompt.no_token_ids
    with torch.no_grad():
        for question in PROMPTS.questions():
            logits = model(**asked(processor, frame, question.text)).logits[0, -1]
            odds = logits[list(yes)].logsumexp(0) - logits[list(no)].logsumexp(0)
            assert answer.scores[question.id] == pytest.approx(odds.item(), abs=1e-3), question.id
        inputs = asked(processor, frame, PROMPTS.description)
        tokens = model.generate(**inputs, max_new_tokens=32, do_sample=False)
    said = tokens[0, inputs["input_ids"].shape[1] :]
    assert len(said) == 32
    words = processor.tokenizer.decode(said, skip_special_tokens=True)
    assert len(set(answer.scores.values())) > 10, "a model that says one thing shows nothing"
    assert vlm.describe(frame)[: len(words)] == words.strip()


def test_a_template_that_the_bundle_cannot_follow(checkpoints, frame):
    from transformers import AutoProcessor

    processor = AutoProcessor.from_pretrained(checkpoints("llava"))
    processor.chat_template = "{{ messages[0].content[1].text }} <image>"
    with pytest.raises(BundleError, match="expected the image '<image>' before the question"):
        read_chat(processor, frame)
    processor.chat_template = None
    with pytest.raises(BundleError, match="chat template cannot be used"):
        read_chat(processor, frame)


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
