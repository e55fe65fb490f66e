from __future__ import annotations

import numpy as np
import pytest

pytestmark = pytest.mark.torch
torch = pytest.importorskip("torch")

from semalign_ros.cli import main  # noqa: E402
from semalign_ros.errors import BundleError  # noqa: E402
from semalign_ros.export import graph  # noqa: E402
from semalign_ros.export.contrastive import export_public_contrastive  # noqa: E402
from semalign_ros.export.options import ExportOptions  # noqa: E402
from semalign_ros.inference.bundle import load_bundle  # noqa: E402
from semalign_ros.inference.factory import open_vlm  # noqa: E402
from semalign_ros.inference.manifest import Source  # noqa: E402
from semalign_ros.inference.query import VlmQuery  # noqa: E402
from semalign_ros.language import PromptSet  # noqa: E402
from semalign_ros.scene.taxonomy import CLASSES  # noqa: E402

PROMPTS = PromptSet.load()


@pytest.mark.parametrize("family", ["clip", "siglip", "siglip2"])
def test_scores_are_those_of_the_processor_and_the_model(family, checkpoints, frame, tmp_path):
    from transformers import AutoImageProcessor, AutoModel, AutoTokenizer

    folder, out = checkpoints(family), tmp_path / family
    size = "{1}x{0}".format(*frame.shape)
    arguments = [str(folder), str(out), "--licence", "none", "--size", size]
    assert main(["export", *arguments]) == 0
    manifest = load_bundle(out).manifest
    assert max(v for k, v in manifest.metrics["parity"].items() if k != "pixels") < 1e-4
    assert manifest.metrics["parity"]["pixels"] < 1e-3

    model = AutoModel.from_pretrained(folder).eval()
    pairs = PROMPTS.pairs(CLASSES)
    texts = [t for pair in pairs for t in (pair.positive, pair.negative)]
    # As the documentation of each family has it.
    words = AutoTokenizer.from_pretrained(folder)
    if family.startswith("siglip"):
        length = model.config.text_config.max_position_embeddings
        tokens = words(texts, padding="max_length", max_length=length, return_tensors="pt")
        tokens = {"input_ids": tokens["input_ids"]}
    else:
        tokens = words(texts, padding=True, return_tensors="pt")
        tokens = {name: tokens[name] for name in ("input_ids", "attention_mask")}
    images = AutoImageProcessor.from_pretrained(folder, backend="pil")
    seen = images(images=frame, return_tensors="pt")
    with torch.no_grad():
        logits = model(**tokens, **seen).logits_per_image[0].numpy()
    expected: dict[str, list[float]] = {}
    for pair, (yes, no) in zip(pairs, logits.reshape(-1, 2), strict=True):
        expected.setdefault(pair.question, []).append(yes - no)
    answer = open_vlm(out, "cpu", prompts=PROMPTS).answer(VlmQuery(frame))
    assert np.std(list(answer.scores.values())) > 0.01, "a model that says one thing shows nothing"
    for question, margins in expected.items():
        assert answer.scores[question] == pytest.approx(np.mean(margins), abs=1e-3), question


def test_half_weights_are_compared_with_rounded_ones(checkpoints, tmp_path):
    out = tmp_path / "clip"
    arguments = [str(checkpoints("clip")), str(out), "--kind", "contrastive", "--licence", "none"]
    assert main(["export", *arguments, "--precision", "float16-weights"]) == 0
    manifest = load_bundle(out).manifest
    assert manifest.precision == "float16-weights"
    assert manifest.metrics["parity"]["logits"] < 1e-4


def test_weights_that_one_file_cannot_hold_lie_beside_it(checkpoints, tmp_path, monkeypatch):
    monkeypatch.setattr(graph, "_LARGEST", 10_000)
    out = tmp_path / "clip"
    arguments = [str(checkpoints("clip")), str(out), "--kind", "contrastive", "--licence", "none"]
    assert main(["export", *arguments, "--precision", "float16-weights"]) == 0
    bundle = load_bundle(out)
    assert {"vision.onnx.data", "text.onnx.data"} <= set(bundle.manifest.files)
    assert bundle.manifest.metrics["parity"]["logits"] < 1e-4
    open_vlm(out, "cpu", prompts=PROMPTS).answer(VlmQuery(np.zeros((32, 48, 3), np.uint8)))


def test_a_family_that_is_none(checkpoints, tmp_path):
    options = ExportOptions("x", Source(checkpoint="x", licence="none"))
    with pytest.raises(BundleError, match="model_type is 'segformer', expected a contrastive"):
        export_public_contrastive(checkpoints("segformer"), tmp_path / "x", options)


def test_a_tokenizer_that_is_missing(checkpoints, tmp_path):
    folder = tmp_path / "clip"
    folder.mkdir()
    for path in checkpoints("clip").iterdir():
        if "tokenizer" not in path.name:
            (folder / path.name).symlink_to(path)
    options = ExportOptions("x", Source(checkpoint="x", licence="none"))
    with pytest.raises(BundleError, match="tokens of a prompt, the model reads at most 40"):
        export_public_contrastive(folder, tmp_path / "x", options)
