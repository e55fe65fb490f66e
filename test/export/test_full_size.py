from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

pytestmark = pytest.mark.torch
torch = pytest.importorskip("torch")

from semalign_ros.benchmarks.peers import agreement  # noqa: E402
from semalign_ros.cli import main  # noqa: E402
from semalign_ros.errors import BundleError  # noqa: E402
from semalign_ros.export import full_size  # noqa: E402
from semalign_ros.export.full_size import Exported, export_table  # noqa: E402
from semalign_ros.export.peers import open_peers  # noqa: E402
from semalign_ros.language import PromptSet  # noqa: E402

PROMPTS = PromptSet.load()
TEXT = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 600,
    "max_position_embeddings": 512,
}
VISION = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "image_size": 64,
}


def segformer():
    return full_size.segformer(
        depths=[1, 1, 1, 1],
        hidden_sizes=[8, 8, 16, 16],
        num_attention_heads=[1, 1, 2, 2],
        decoder_hidden_size=16,
    )


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """Folder of a small checkpoint of each builder, by its name."""
    made = {}

    def save(build, *sizes):
        if build not in made:
            made[build] = tmp_path_factory.mktemp(build.__name__)
            full_size.save_checkpoint(build(*sizes), made[build])
        return made[build]

    return save


@pytest.fixture
def uncompiled(monkeypatch):
    """Modules that would be compiled, which takes longer than all else here and is torch's own."""
    modules, compile_ = [], torch.compile

    def left_alone(module, **how):
        if not isinstance(module, torch.nn.Module):  # a branch, on its way through torch.export
            return compile_(module, **how)
        modules.append(module)
        return module

    monkeypatch.setattr(torch, "compile", left_alone)
    return modules


@pytest.mark.parametrize(
    ("build", "millions"),
    [("segformer", 3.7), ("clip", 151.3), ("llava", 249.5), ("smolvlm", 256.5)],
)
def test_the_configurations_have_the_published_sizes(build, millions, monkeypatch):
    monkeypatch.setattr(full_size, "enliven", lambda model: model)
    monkeypatch.setattr(full_size, "make_answering", lambda model, *_: model)
    with torch.device("meta"):
        model, *_ = getattr(full_size, build)()
    assert sum(w.numel() for w in model.parameters()) / 1e6 == pytest.approx(millions, abs=0.05)


@pytest.mark.parametrize("build", [full_size.llava, full_size.smolvlm])
def test_a_random_model_answers_yes_or_no_and_ends(build, small, frame):
    from transformers import AutoModelForImageTextToText, AutoProcessor

    folder = small(build, TEXT, VISION)
    one, batched = open_peers(folder, "cpu", PROMPTS, 8)
    answers = one.run(frame)
    assert set(answers) == {q.id for q in PROMPTS.questions()}
    assert set(answers.values()) == {True, False}
    assert batched.run(frame) == answers
    processor = AutoProcessor.from_pretrained(folder)
    model = AutoModelForImageTextToText.from_pretrained(folder)
    content = [{"type": "image"}, {"type": "text", "text": PROMPTS.description}]
    said = processor.apply_chat_template(
        [{"role": "user", "content": content}], add_generation_prompt=True
    )
    inputs = processor(images=[frame], text=[said], return_tensors="pt")
    made = model.generate(**inputs, max_new_tokens=8, do_sample=False)
    assert made.shape[1] - inputs["input_ids"].shape[1] == 2, "a word and the end"


@pytest.mark.parametrize("family", ["qwen2_5_vl", "smolvlm", "llava"])
def test_checkpoints_without_a_whole_processor_are_asked(family, checkpoints, frame, monkeypatch):
    # transformers' own processors of the first two want torchvision.
    monkeypatch.setattr("semalign_ros.export.peers.parse_yes_no", lambda text: text)
    one, batched = open_peers(checkpoints(family), "cpu", PROMPTS, 4)
    frame = np.ascontiguousarray(frame[:96, :160])
    said = one.run(frame)
    assert len(set(said.values())) > 1
    assert batched.run(frame) == said


def test_models_are_exported_and_then_timed_beside_pytorch(
    tmp_path, monkeypatch, capsys, uncompiled
):
    monkeypatch.setattr(full_size, "FULL_SIZE", {"segformer-b0": segformer})
    made = ["bench", "models", "--precision", "float16", "--out", str(tmp_path)]
    assert main(made) == 0
    said = capsys.readouterr().out
    assert "float16, random weights" in said
    (row,) = [line for line in said.splitlines() if line.startswith("| segformer-b0 |")]
    assert "labels" in row
    assert main(made) == 1
    assert "--overwrite" in capsys.readouterr().err
    assert main(["bench", "models", "--only", "segfrmer-b0"]) == 1
    assert "did you mean 'segformer-b0'" in capsys.readouterr().err
    peer = ["--peer", "--checkpoints", str(tmp_path / "checkpoints")]
    models = ["--models", str(tmp_path / "models"), "street_segmenter"]
    few = ["--size", "96x48", "--repetitions", "1", "--device", "cpu"]
    assert main(["bench", "inference", *models, *peer, *few]) == 0
    said = capsys.readouterr().out
    assert "street_segmenter: no checkpoint in" in said
    rows = [
        [cell.strip() for cell in line.split("|")[1:-1]]
        for line in said[said.index("| model | run by") :].splitlines()[2:]
    ]
    assert [row[1] for row in rows] == ["ONNX Runtime, cpu", "PyTorch", "PyTorch, torch.compile"]
    shares = [float(row[5].rstrip("%")) for row in rows]
    assert min(shares) > 98, "what rounding to 11 bits leaves"
    assert {p.dtype for p in uncompiled[0].parameters()} == {torch.float16}


def test_the_dual_encoder_in_pytorch_answers_as_its_processor_and_model_do(
    checkpoints, frame, uncompiled
):
    from transformers import CLIPModel, CLIPProcessor

    folder = checkpoints("clip")
    frame = np.ascontiguousarray(frame[:64, :100])  # cut, not resized: equal to the last digits
    found = open_peers(folder, "cpu", PROMPTS, 8)[0].run(frame)
    model, processor = CLIPModel.from_pretrained(folder), CLIPProcessor.from_pretrained(folder)
    margins = {}
    for pair in PROMPTS.pairs():
        texts = [pair.positive, pair.negative]
        inputs = processor(images=frame, text=texts, padding=True, return_tensors="pt")
        with torch.no_grad():
            yes, no = model(**inputs).logits_per_image[0].tolist()
        margins.setdefault(pair.question, []).append(yes - no)
    wanted = {question: sum(values) > 0 for question, values in margins.items()}
    assert agreement(wanted, found) == 1
    assert set(found.values()) == {True, False}


def test_peers_see_frames_at_the_size_of_the_bundle(checkpoints, frame, tmp_path, uncompiled):
    folder, other = checkpoints("segformer"), tmp_path / "other"
    shutil.copytree(folder, other)
    path = other / "preprocessor_config.json"
    stated = json.loads(path.read_text()) | {"size": {"height": 64, "width": 96}}
    path.write_text(json.dumps(stated))
    own, _ = open_peers(folder, "cpu", PROMPTS, 8)
    wide, _ = open_peers(folder, "cpu", PROMPTS, 8, net_size=(64, 96))
    wanted = open_peers(other, "cpu", PROMPTS, 8)[0].run(frame)
    assert (wide.run(frame) == wanted).all()
    assert (own.run(frame) != wanted).any()
    # A checkpoint that states no size can only have been exported with --size.
    path.write_text(json.dumps(stated | {"do_resize": False}))
    silent, _ = open_peers(other, "cpu", PROMPTS, 8, net_size=(64, 96))
    assert (silent.run(frame) == wanted).all()
    with pytest.raises(BundleError, match="--size WIDTHxHEIGHT"):
        open_peers(other, "cpu", PROMPTS, 8)


def test_the_peer_of_a_model_that_keeps_the_shape_of_frames(checkpoints, frame, uncompiled):
    from transformers import AutoImageProcessor, AutoModel, AutoTokenizer

    folder = checkpoints("siglip2")
    found = open_peers(folder, "cpu", PROMPTS, 8, net_size=frame.shape[:2])[0].run(frame)
    model, words = AutoModel.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    seen = AutoImageProcessor.from_pretrained(folder, backend="pil")(
        images=frame, return_tensors="pt"
    )
    margins: dict[str, list[float]] = {}
    for pair in PROMPTS.pairs():
        texts = [pair.positive, pair.negative]
        said = words(texts, padding="max_length", max_length=40, return_tensors="pt")
        with torch.no_grad():
            both = model(input_ids=said["input_ids"], **seen).logits_per_image[0].tolist()
        margins.setdefault(pair.question, []).append(both[0] - both[1])
    wanted = {question: sum(values) > 0 for question, values in margins.items()}
    assert agreement(wanted, found) == 1
    assert set(found.values()) == {True, False}


def test_a_family_of_ours_has_no_peer(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "semalign_segmenter"}')
    with pytest.raises(BundleError, match="which PyTorch alone does not know"):
        open_peers(tmp_path, "cpu", PROMPTS, 8)


def test_the_table_of_exports_has_time_size_and_whole_differences():
    parity = {"pixels": 0.0017, "logits": 4.2e-06, "vision/logits": 0.5}
    row = export_table([Exported("m", 151_300_000, 453.3, 605_123_456, parity)]).splitlines()[2]
    assert row == "| m | 151.3 | 453 | 605.1 | pixels 0.002, logits 4e-06 |"
