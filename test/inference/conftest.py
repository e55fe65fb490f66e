"""Small real models: ONNX graphs whose arithmetic the tests repeat in numpy."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer, models, pre_tokenizers

from semalign_ros.inference.bundle import Bundle, write_bundle
from semalign_ros.inference.manifest import (
    ContrastiveManifest,
    GenerativeManifest,
    SegmenterManifest,
    Source,
)
from semalign_ros.language import PromptSet
from semalign_ros.language.prompts import parse_prompt_set

SOURCE = Source(checkpoint="test/none", licence="Apache-2.0")
F32, U8, I64 = TensorProto.FLOAT, TensorProto.UINT8, TensorProto.INT64


def save_graph(
    path: Path,
    nodes: Sequence[onnx.NodeProto],
    inputs: Mapping[str, tuple[int, Sequence[Any]]],
    outputs: Mapping[str, tuple[int, Sequence[Any]]],
    weights: Mapping[str, np.ndarray],
) -> Path:
    graph = helper.make_graph(
        list(nodes),
        path.stem,
        [helper.make_tensor_value_info(n, t, s) for n, (t, s) in inputs.items()],
        [helper.make_tensor_value_info(n, t, s) for n, (t, s) in outputs.items()],
        [numpy_helper.from_array(np.asarray(w), n) for n, w in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, path)
    return path


def word_tokenizer(texts: Sequence[str]) -> Tokenizer:
    special = ["<pad>", "<eos>", "yes", "no"]
    words = sorted({w for text in texts for w in pieces(text)} - set(special))
    vocab = {w: i for i, w in enumerate([*special, *words])}
    tokenizer = Tokenizer(models.WordLevel(vocab, unk_token="<pad>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    return tokenizer


def pieces(text: str) -> list[str]:
    return [w for w, _ in pre_tokenizers.Whitespace().pre_tokenize_str(text)]


SMALL_PROMPTS = {
    "schema_version": 1,
    "name": "small",
    "version": "1",
    "presence": "is there a {class} ?",
    "description": "describe the scene",
    "safety": [
        {
            "id": "proceed",
            "text": "is it safe to proceed forward now ?",
            "safe_when_yes": True,
            "contrast": [{"safe": "clear road", "unsafe": "blocked road"}],
        },
        {
            "id": "stop",
            "text": "stop ?",
            "safe_when_yes": False,
            "contrast": [{"safe": "go on", "unsafe": "stop now"}],
        },
    ],
    "contrast": [
        {"present": "a photo with a {class}", "absent": "a photo without any {classes}"},
        {"present": "there is a {class}", "absent": "there is no {class}"},
    ],
}
SMALL_CLASSES = ("person", "car", "traffic light")


@pytest.fixture(scope="session")
def prompts() -> PromptSet:
    return parse_prompt_set(dict(SMALL_PROMPTS), "small")


# --- generative --------------------------------------------------------------------------


@dataclass
class TinyVlm:
    """A transformer decoder with random weights, and the same in numpy without a cache."""

    hidden: int = 8
    heads: int = 2
    layers: int = 2
    image_tokens: int = 3
    seed: int = 0
    prompts: PromptSet = field(default_factory=lambda: parse_prompt_set(dict(SMALL_PROMPTS), "s"))
    max_positions: int = 64
    mrope: bool = False
    grid: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        rng = np.random.default_rng(self.seed)
        texts = [q.text for q in self.prompts.questions()]
        texts += [self.prompts.description, "The perception system reports : , ."]
        texts += [t for q in self.prompts.pairs() for t in (q.positive, q.negative)]
        texts += ["image begins", "question", "answer", "road building car person sky"]
        self.tokenizer = word_tokenizer(texts)
        self.vocab = self.tokenizer.get_vocab_size()
        D = self.hidden

        def draw(*shape: int, gain: float = 1.0) -> np.ndarray:
            return (rng.normal(size=shape) * gain / np.sqrt(shape[0])).astype(np.float32)

        self.table = draw(self.vocab, D, gain=np.sqrt(self.vocab))
        self.positions = draw(self.max_positions, D, gain=np.sqrt(self.max_positions))
        self.project = draw(3, self.image_tokens * D, gain=4.0)
        self.output = draw(D, self.vocab, gain=3.0)
        self.weights = {
            f"{n}{i}": draw(D, D, gain=1.5) for i in range(self.layers) for n in ("q", "k", "v")
        }

    # The same arithmetic, one sequence, no cache, no padding.

    def features(self, image: np.ndarray) -> np.ndarray:
        colour = image.reshape(-1, 3).mean(axis=0, dtype=np.float64) / 255
        return (colour @ self.project.astype(np.float64)).reshape(self.image_tokens, self.hidden)

    def ids(self, text: str) -> list[int]:
        return [self.tokenizer.token_to_id(w) or 0 for w in pieces(text)]

    def prefix(self, image: np.ndarray) -> np.ndarray:
        table = self.table.astype(np.float64)
        begin, end = table[self.ids("image begins")], table[self.ids("question")]
        return np.concatenate([begin, self.features(image), end])

    def logits(self, embeds: np.ndarray, positions: np.ndarray | None = None) -> np.ndarray:
        """f64[V] after a full prefill of f64[S, D]; positions i64[axes, S]."""
        S, D = embeds.shape
        hd = D // self.heads
        at = np.arange(S)[None] if positions is None else positions
        x = embeds + self.positions[at].astype(np.float64).mean(axis=0)
        causal = np.tril(np.ones((S, S), bool))
        for i in range(self.layers):
            q, k, v = (
                (x @ self.weights[f"{n}{i}"]).reshape(S, self.heads, hd).transpose(1, 0, 2)
                for n in "qkv"
            )
            scores = np.where(causal, q @ k.transpose(0, 2, 1) / np.sqrt(hd), -np.inf)
            attention = np.exp(scores - scores.max(axis=-1, keepdims=True))
            attention /= attention.sum(axis=-1, keepdims=True)
            x = x + (attention @ v).transpose(1, 0, 2).reshape(S, D)
        return np.asarray(x[-1] @ self.output)

    def ask(self, image: np.ndarray, question: str, said: str | None = None) -> np.ndarray:
        ids = [*(self.ids(said) if said else []), *self.ids(f"{question} answer")]
        return self.logits(np.concatenate([self.prefix(image), self.table[ids]]))

    # The graphs.

    def decoder(self, path: Path) -> Path:
        D, H, hd = self.hidden, self.heads, self.hidden // self.heads
        n = helper.make_node
        weights: dict[str, np.ndarray] = {
            "positions": self.positions,
            "output": self.output,
            "split": np.array([0, 0, H, hd]),
            "join": np.array([0, 0, D]),
            "scale": np.float32(1 / np.sqrt(hd)),
            "zero": np.float32(0),
            "never": np.float32(-1e30),
            "a1": np.array([1]),
            **self.weights,
        }
        nodes = [
            n("Gather", ["positions", "position_ids"], ["each"]),
            n("ReduceMean", ["each"], ["p"], axes=[0], keepdims=0)
            if self.mrope
            else n("Identity", ["each"], ["p"]),
            n("Add", ["inputs_embeds", "p"], ["x0"]),
            n("Unsqueeze", ["attention_mask", "a1"], ["seen"]),
            n("Where", ["seen", "zero", "never"], ["bias"]),
        ]
        for i in range(self.layers):
            for name in "qkv":
                nodes += [
                    n("MatMul", [f"x{i}", f"{name}{i}"], [f"{name}{i}_flat"]),
                    n("Reshape", [f"{name}{i}_flat", "split"], [f"{name}{i}_split"]),
                    n(
                        "Transpose",
                        [f"{name}{i}_split"],
                        [f"{name}{i}_new"],
                        perm=[0, 2, 1, 3],
                    ),
                ]
            for name, part in (("k", "key"), ("v", "value")):
                past, present = f"past_key_values.{i}.{part}", f"present.{i}.{part}"
                nodes.append(n("Concat", [past, f"{name}{i}_new"], [present], axis=2))
            nodes += [
                n("Transpose", [f"present.{i}.key"], [f"kt{i}"], perm=[0, 1, 3, 2]),
                n("MatMul", [f"q{i}_new", f"kt{i}"], [f"dot{i}"]),
                n("Mul", [f"dot{i}", "scale"], [f"scaled{i}"]),
                n("Add", [f"scaled{i}", "bias"], [f"biased{i}"]),
                n("Softmax", [f"biased{i}"], [f"attention{i}"], axis=-1),
                n("MatMul", [f"attention{i}", f"present.{i}.value"], [f"mixed{i}"]),
                n("Transpose", [f"mixed{i}"], [f"mixed{i}_t"], perm=[0, 2, 1, 3]),
                n("Reshape", [f"mixed{i}_t", "join"], [f"mixed{i}_flat"]),
                n("Add", [f"x{i}", f"mixed{i}_flat"], [f"x{i + 1}"]),
            ]
        nodes += [
            n("Gather", [f"x{self.layers}", "logits_to_keep"], ["kept"], axis=1),
            n("MatMul", ["kept", "output"], ["logits"]),
        ]
        cache = [(i, part) for i in range(self.layers) for part in ("key", "value")]
        return save_graph(
            path,
            nodes,
            {
                "inputs_embeds": (F32, ["B", "S", D]),
                "attention_mask": (TensorProto.BOOL, ["B", "S", "T"]),
                "position_ids": (I64, [3, "B", "S"] if self.mrope else ["B", "S"]),
                "logits_to_keep": (I64, ["R"]),
                **{f"past_key_values.{i}.{p}": (F32, ["B", H, "P", hd]) for i, p in cache},
            },
            {
                "logits": (F32, ["B", "R", self.vocab]),
                **{f"present.{i}.{p}": (F32, ["B", H, "T", hd]) for i, p in cache},
            },
            weights,
        )

    def vision(self, path: Path) -> Path:
        n = helper.make_node
        nodes = [
            n("Cast", ["image"], ["pixels"], to=F32),
            n("ReduceMean", ["pixels"], ["colour"], axes=[1, 2], keepdims=0),
            n("Mul", ["colour", "scale"], ["scaled"]),
            n("MatMul", ["scaled", "project"], ["flat"]),
            n("Reshape", ["flat", "shape"], ["image_features"]),
        ]
        return save_graph(
            path,
            nodes,
            {"image": (U8, ["N", "H", "W", 3])},
            {"image_features": (F32, ["N", self.image_tokens, self.hidden])},
            {
                "scale": np.float32(1 / 255),
                "project": self.project,
                "shape": np.array([-1, self.image_tokens, self.hidden]),
            },
        )

    def embed_tokens(self, path: Path) -> Path:
        return save_graph(
            path,
            [helper.make_node("Gather", ["table", "input_ids"], ["inputs_embeds"])],
            {"input_ids": (I64, ["B", "S"])},
            {"inputs_embeds": (F32, ["B", "S", self.hidden])},
            {"table": self.table},
        )

    def manifest(self, **changes: Any) -> GenerativeManifest:
        image_token = self.vocab + 5  # outside the table, as in LLaVA
        fields: dict[str, Any] = {
            "name": "tiny",
            "source": SOURCE,
            "net_size": (8, 8),
            "decoder": {
                "num_layers": self.layers,
                "num_kv_heads": self.heads,
                "head_dim": self.hidden // self.heads,
                "hidden_size": self.hidden,
                "vocab_size": self.vocab,
                "max_positions": self.max_positions,
                "position_ids": "mrope" if self.mrope else "sequential",
                "image_grid": self.grid,
            },
            "prompt": {
                "prefix_ids": [*self.ids("image begins"), image_token, *self.ids("question")],
                "image_token_id": image_token,
                "image_tokens": self.image_tokens,
                "scene_text_template": "{text}",
                "question_template": "{question} answer",
                "yes_token_ids": [2],
                "no_token_ids": [3],
                "eos_token_ids": [1],
            },
            "min_answer_mass": 0.0,
            "max_new_tokens": 6,
        }
        return GenerativeManifest.model_validate({**fields, **changes})

    def write(self, folder: Path, **changes: Any) -> Bundle:
        parts = folder.with_name(folder.name + "_parts")
        files: dict[str, Path | bytes] = {
            "vision.onnx": self.vision(parts / "vision.onnx"),
            "embed_tokens.onnx": self.embed_tokens(parts / "embed_tokens.onnx"),
            "decoder.onnx": self.decoder(parts / "decoder.onnx"),
            "tokenizer.json": self.tokenizer.to_str().encode(),
        }
        return write_bundle(folder, self.manifest(**changes), files)


# --- contrastive -------------------------------------------------------------------------


@dataclass
class TinyClip:
    """Mean colour against the mean of the token embeddings, both normalised."""

    width: int = 6
    seed: int = 1
    scale: float = 10.0
    bias: float = -3.0
    extra_texts: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        rng = np.random.default_rng(self.seed)
        prompts = parse_prompt_set(dict(SMALL_PROMPTS), "small")
        texts = [t for p in prompts.pairs() for t in (p.positive, p.negative)]
        self.tokenizer = word_tokenizer([*texts, *self.extra_texts])
        self.table = rng.normal(size=(self.tokenizer.get_vocab_size(), self.width)).astype("f4")
        self.project = rng.normal(size=(3, self.width)).astype("f4")

    def logits(self, image: np.ndarray, texts: Sequence[str]) -> np.ndarray:
        colour = image.reshape(-1, 3).mean(axis=0, dtype=np.float64) / 255 - 0.5
        seen = colour @ self.project.astype(np.float64)
        seen /= np.linalg.norm(seen)
        rows = [
            self.table[[self.tokenizer.token_to_id(w) for w in pieces(t)]].mean(0, dtype="f8")
            for t in texts
        ]
        said = np.stack([r / np.linalg.norm(r) for r in rows])
        return np.asarray(self.scale * said @ seen + self.bias)

    def vision(self, path: Path) -> Path:
        n = helper.make_node
        nodes = [
            n("Cast", ["image"], ["pixels"], to=F32),
            n("ReduceMean", ["pixels"], ["colour"], axes=[1, 2], keepdims=0),
            n("Mul", ["colour", "inverse"], ["scaled"]),
            n("Sub", ["scaled", "half"], ["centred"]),
            n("MatMul", ["centred", "project"], ["embeds"]),
            n("LpNormalization", ["embeds"], ["unit"], axis=1, p=2),
            n("Transpose", ["text_embeds"], ["columns"], perm=[1, 0]),
            n("MatMul", ["unit", "columns"], ["cosine"]),
            n("Mul", ["cosine", "scale"], ["sharp"]),
            n("Add", ["sharp", "bias"], ["logits"]),
        ]
        return save_graph(
            path,
            nodes,
            {"image": (U8, ["N", "H", "W", 3]), "text_embeds": (F32, ["K", self.width])},
            {"logits": (F32, ["N", "K"])},
            {
                "inverse": np.float32(1 / 255),
                "half": np.float32(0.5),
                "project": self.project,
                "scale": np.float32(self.scale),
                "bias": np.float32(self.bias),
            },
        )

    def text(self, path: Path) -> Path:
        n = helper.make_node
        nodes = [
            n("Gather", ["table", "input_ids"], ["rows"]),
            n("Cast", ["attention_mask"], ["weight"], to=F32),
            n("Unsqueeze", ["weight", "last"], ["weights"]),
            n("Mul", ["rows", "weights"], ["kept"]),
            n("ReduceSum", ["kept", "one"], ["total"], keepdims=0),
            n("ReduceSum", ["weights", "one"], ["count"], keepdims=0),
            n("Div", ["total", "count"], ["mean"]),
            n("LpNormalization", ["mean"], ["text_embeds"], axis=1, p=2),
        ]
        return save_graph(
            path,
            nodes,
            {"input_ids": (I64, ["K", "L"]), "attention_mask": (I64, ["K", "L"])},
            {"text_embeds": (F32, ["K", self.width])},
            {"table": self.table, "last": np.array([-1]), "one": np.array([1])},
        )

    def write(self, folder: Path, **changes: Any) -> Bundle:
        parts = folder.with_name(folder.name + "_parts")
        manifest = ContrastiveManifest.model_validate(
            {"name": "tiny-clip", "source": SOURCE, "net_size": (8, 8), **changes}
        )
        files: dict[str, Path | bytes] = {
            "vision.onnx": self.vision(parts / "vision.onnx"),
            "text.onnx": self.text(parts / "text.onnx"),
            "tokenizer.json": self.tokenizer.to_str().encode(),
        }
        return write_bundle(folder, manifest, files)


# --- segmenter ---------------------------------------------------------------------------


def threshold_segmenter(path: Path) -> Path:
    """Own graph: road where red is below 128, sky elsewhere; confidence is red / 255."""
    n = helper.make_node
    nodes = [
        n("Gather", ["image", "zero"], ["red"], axis=3),
        n("Cast", ["red"], ["level"], to=F32),
        n("Less", ["level", "half"], ["dark"]),
        n("Where", ["dark", "road", "sky"], ["labels"]),
        n("Mul", ["level", "inverse"], ["confidence"]),
    ]
    return save_graph(
        path,
        nodes,
        {"image": (U8, ["N", "H", "W", 3])},
        {"labels": (U8, ["N", "H", "W"]), "confidence": (F32, ["N", "H", "W"])},
        {
            "zero": np.array(0),
            "half": np.float32(128),
            "road": np.uint8(0),
            "sky": np.uint8(10),
            "inverse": np.float32(1 / 255),
        },
    )


def segmenter_manifest(**changes: Any) -> SegmenterManifest:
    fields: dict[str, Any] = {"name": "small", "source": SOURCE, "net_size": (8, 8)}
    return SegmenterManifest.model_validate({**fields, **changes})


@pytest.fixture
def own_segmenter(tmp_path: Path) -> Bundle:
    graph = threshold_segmenter(tmp_path / "parts" / "segmenter.onnx")
    return write_bundle(tmp_path / "own", segmenter_manifest(), {"segmenter.onnx": graph})


@pytest.fixture
def graph_writer() -> Callable[..., Path]:
    return save_graph


@pytest.fixture
def manifest_of_segmenter() -> Callable[..., SegmenterManifest]:
    return segmenter_manifest


@pytest.fixture(scope="session")
def tiny_vlm() -> TinyVlm:
    return TinyVlm()


@pytest.fixture(scope="session")
def mrope_vlm() -> TinyVlm:
    return TinyVlm(mrope=True, image_tokens=6, grid=(2, 3))


@pytest.fixture(scope="session")
def tiny_clip() -> TinyClip:
    return TinyClip()


@pytest.fixture(scope="session")
def endless_clip() -> TinyClip:
    return TinyClip(scale=float("inf"))


@pytest.fixture
def image() -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, (12, 16, 3), np.uint8)
