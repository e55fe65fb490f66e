from __future__ import annotations

import numpy as np
import onnx
import pytest

pytestmark = pytest.mark.torch
torch = pytest.importorskip("torch")

from semalign_ros.cli import main  # noqa: E402
from semalign_ros.errors import BundleError, ConfigError  # noqa: E402
from semalign_ros.export.graph import export_graph, fold_batch_norms  # noqa: E402
from semalign_ros.export.language import CachedDecoder, decoder_graph  # noqa: E402
from semalign_ros.export.options import FUSED, TOLERANCES, ExportOptions  # noqa: E402
from semalign_ros.export.parity import Tolerance, graph_differences, require_parity  # noqa: E402
from semalign_ros.export.pixels import EXAMPLE, FREE, ImageRecipe, Pixels  # noqa: E402
from semalign_ros.export.precision import in_half, write_graph  # noqa: E402
from semalign_ros.inference.bundle import load_bundle  # noqa: E402
from semalign_ros.inference.manifest import Source  # noqa: E402
from semalign_ros.inference.segmenter import open_segmenter  # noqa: E402

SOURCE = Source(checkpoint="random", licence="none")
HALF, FULL = onnx.TensorProto.FLOAT16, onnx.TensorProto.FLOAT


def export(checkpoint, out, *arguments):
    return main(["export", str(checkpoint), str(out), "--licence", "none", *arguments])


@pytest.fixture(scope="module")
def half(checkpoints, tmp_path_factory):
    out = tmp_path_factory.mktemp("half") / "segformer"
    assert export(checkpoints("segformer"), out, "--precision", "float16") == 0
    return out


def dtypes(model):
    """Element type of each tensor of a graph."""
    inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True).graph
    values = (*inferred.value_info, *inferred.input, *inferred.output)
    found = {v.name: v.type.tensor_type.elem_type for v in values}
    return found | {t.name: t.data_type for t in inferred.initializer}


def test_the_network_works_in_float16_and_what_surrounds_it_in_float32(half):
    manifest = load_bundle(half).manifest
    assert manifest.precision == "float16"
    spec = manifest.graphs.segmenter
    assert [t.dtype for t in spec.inputs] == ["uint8"]
    assert [t.dtype for t in spec.outputs] == ["uint8", "float"]
    model = onnx.load(half / "segmenter.onnx")
    types = dtypes(model)

    def of(*names):
        return [n for n in model.graph.node if n.op_type in names]

    layers = of("Conv", "MatMul", "Gemm", "Softmax", "LayerNormalization")
    assert len(layers) > 20
    assert {types[n.input[0]] for n in layers} == {HALF}
    assert not of("BatchNormalization")
    # Frames are resized across and then down, or the other way, each by one product.
    (either,) = of("If")
    assert types[either.output[0]] == FULL
    for branch in either.attribute:
        assert len([n for n in branch.g.node if n.op_type == "MatMul"]) == 2
    # Whole levels, and the softmax over classes, spelt out.
    for node in (*of("Floor"), *of("Exp"), *of("ArgMax", "ReduceMax")):
        assert types[node.input[0]] in (FULL, onnx.TensorProto.DOUBLE), node.op_type


def test_float16_differs_a_little_and_that_is_said(half, frame):
    parity = load_bundle(half).manifest.metrics["parity"]
    assert 1e-5 < parity["confidence"] < 1e-2
    with pytest.raises(BundleError, match=r"labels differs by 0.00\d+ \(allowed 0.0001\)"):
        require_parity(parity, TOLERANCES["float32"])
    require_parity(parity, TOLERANCES["float16"])
    assert open_segmenter(half, "cpu").segment(frame).labels.shape == frame.shape[:2]


def test_positions_are_counted_in_float32():
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    config = LlamaConfig(
        hidden_size=64,
        intermediate_size=64,
        num_hidden_layers=1,
        num_attention_heads=2,
        vocab_size=50,
        max_position_embeddings=8192,
        initializer_range=0.3,
    )
    decoder = CachedDecoder(LlamaForCausalLM(config)).eval()
    narrow = in_half(decoder)
    feed = [torch.randn(1, 5, 64), torch.ones(1, 5, 5, dtype=torch.bool).tril()]
    feed += [torch.tensor([[0, 1, 900, 4001, 8001]]), torch.tensor([4])]
    feed += torch.zeros(2, 1, 2, 0, 32)
    with torch.inference_mode():
        wanted, *_ = decoder(*feed)
        found, key, value = narrow(*(t.half() if t.is_floating_point() else t for t in feed))
    assert key.dtype == value.dtype == torch.float16
    assert found.dtype == torch.float32
    assert (wanted - found).abs().max() < 5e-3 * wanted.abs().max()
    assert {p.dtype for p in decoder.parameters()} == {torch.float32}, "the original is kept"


class Peaks(torch.nn.Module):
    """Right in float32, beyond float16's largest number on the way."""

    def __init__(self):
        super().__init__()
        self.gain = torch.nn.Parameter(torch.tensor([300.0]))

    def forward(self, x):
        return (((x.to(self.gain.dtype) * self.gain) * self.gain) / self.gain / self.gain).float()


def test_the_original_stays_where_it_is_when_its_copy_moves():
    pixels = Pixels(ImageRecipe((8, 8)))
    in_half(torch.nn.Sequential(pixels)).to("meta")
    assert {b.device.type for b in pixels.buffers()} == {"cpu"}


def test_an_overflow_that_only_a_gpu_would_have_is_found(tmp_path):
    graph, feed = tmp_path / "peaks.onnx", {"x": np.ones((2, 3), np.float32)}
    narrow = in_half(Peaks())
    inputs = {name: torch.from_numpy(v) for name, v in feed.items()}
    export_graph(narrow, inputs, ["y"], {}, graph)
    found = graph_differences(Peaks(), graph, [feed], ["y"])
    assert found["y"] < 1e-3, "the CPU provider has begun to round; compare with it alone"
    found = graph_differences(Peaks(), graph, [feed], ["y"], rounded=narrow)
    with pytest.raises(BundleError, match="y differs by inf"):
        require_parity(found, Tolerance())


def test_a_generative_model_keeps_its_cache_in_float16(checkpoints, tmp_path):
    out = tmp_path / "llava"
    assert export(checkpoints("llava"), out, "--precision", "float16") == 0
    manifest = load_bundle(out).manifest
    graphs = manifest.graphs
    types = {t.name: t.dtype for t in (*graphs.decoder.inputs, *graphs.decoder.outputs)}
    cache = [name for name in types if name.startswith(("past_key_values", "present"))]
    assert len(cache) == 8
    assert {types[name] for name in (*cache, "inputs_embeds")} == {"float16"}
    assert types["logits"] == "float"
    assert graphs.embed_tokens.outputs[0].dtype == "float16"
    assert graphs.vision.outputs[0].dtype == "float"
    # The bundle has answered all questions, through the cache, as the checkpoint does.
    assert 1e-6 < manifest.metrics["parity"]["scores"] < 2e-2


def test_opset_and_fusions(checkpoints, frame, tmp_path):
    out = tmp_path / "segformer"
    arguments = "--opset", "21", "--fuse", "--precision", "float16-weights"
    assert export(checkpoints("segformer"), out, *arguments) == 0
    manifest = load_bundle(out).manifest
    assert manifest.opset == 21
    assert manifest.notes == (FUSED,)
    assert manifest.metrics["parity"]["labels"] <= 1e-4
    model = onnx.load(out / "segmenter.onnx")
    fused = {n.op_type for n in model.graph.node if n.domain == "com.microsoft"}
    assert fused & {"Attention", "MultiHeadAttention"}
    assert "SkipLayerNormalization" in fused
    large = [t for t in model.graph.initializer if np.prod(t.dims) >= 1024]
    assert {t.data_type for t in large} <= {HALF, onnx.TensorProto.INT64}
    assert open_segmenter(out, "cpu").segment(frame).labels.shape == frame.shape[:2]


def test_an_opset_that_cannot_be(checkpoints, tmp_path, capsys):
    assert export(checkpoints("segformer"), tmp_path / "x", "--opset", "17") == 1
    assert "opset 17: expected 18 to 25, which torch's exporter" in capsys.readouterr().err
    with pytest.raises(ConfigError, match="opset 26: expected 18 to 25"):
        ExportOptions("x", SOURCE, opset=26)
    # torch itself leaves the graph at 18 and says so in a log.
    pixels = Pixels(ImageRecipe((96, 160), exact=False))
    with pytest.raises(BundleError, match=r"with opset 17: onnxscript .* leaves it at 18"):
        export_graph(pixels, {"image": EXAMPLE}, ["y"], {"image": FREE}, tmp_path / "p.onnx", 17)


def test_fusions_that_onnxruntime_refuses_are_named(tmp_path):
    from transformers import GemmaConfig, GemmaForCausalLM

    config = GemmaConfig(
        hidden_size=64,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        head_dim=32,
        vocab_size=50,
    )
    graph = decoder_graph(CachedDecoder(GemmaForCausalLM(config)).eval())
    options = ExportOptions("x", SOURCE, precision="float16", fuse=True)
    parts = graph.module, graph.inputs, graph.outputs, graph.dynamic, tmp_path / "d.onnx"
    # Gemma's norms compute in float32; once it is fused, a norm gets both types.
    with pytest.raises(BundleError, match=r"refuses the graph: .*: leave out --fuse"):
        write_graph(*parts, options, graph.narrow)


def test_int8_is_not_fused():
    with pytest.raises(ConfigError, match="TensorRT, which knows none of the fused operators"):
        ExportOptions("x", SOURCE, precision="int8", fuse=True)


def test_norms_that_are_not_defined_in_the_order_of_use_are_not_folded():
    class Residual(torch.nn.Module):
        """As DPT's: conv1, norm1, conv2, norm2 in use, but defined otherwise."""

        def __init__(self):
            super().__init__()
            self.conv1 = torch.nn.Conv2d(4, 4, 3, padding=1)
            self.conv2 = torch.nn.Conv2d(4, 4, 3, padding=1)
            self.norm1 = torch.nn.BatchNorm2d(4)
            self.norm2 = torch.nn.BatchNorm2d(4)

        def forward(self, x):
            return self.norm2(self.conv2(self.norm1(self.conv1(x))))

    module = Residual().eval()
    for norm in (module.norm1, module.norm2):
        torch.nn.init.uniform_(norm.running_mean, 1, 2)
    x = torch.randn(1, 4, 8, 8)
    with torch.no_grad():
        before = module(x)
        assert torch.equal(fold_batch_norms(module)(x), before)


@pytest.mark.parametrize(
    ("family", "precision", "found"),
    [
        # Its pooling head multiplies with a batch that has been transposed.
        ("siglip", "float32", {"Attention", "SkipLayerNormalization"}),
        # Its norms become an operator of the plain domain that ONNX does not know.
        ("llava", "float16-weights", {"MultiHeadAttention", "SkipSimplifiedLayerNormalization"}),
    ],
)
def test_language_models_are_fused(family, precision, found, checkpoints, tmp_path, capsys):
    out = tmp_path / family
    assert export(checkpoints(family), out, "--fuse", "--precision", precision) == 0
    text = onnx.load(out / ("text.onnx" if family == "siglip" else "decoder.onnx"))
    assert found <= {n.op_type for n in text.graph.node if n.domain == "com.microsoft"}
    assert "constant folding" not in capsys.readouterr().err
