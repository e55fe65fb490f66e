from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from transformers import LlamaConfig, LlamaForCausalLM  # noqa: E402

from semalign_ros.export import last_layer  # noqa: E402
from semalign_ros.export.language import CachedDecoder  # noqa: E402

pytestmark = pytest.mark.torch


@pytest.fixture(scope="module", params=["sdpa", "eager"])
def language(request):
    torch.manual_seed(0)
    config = LlamaConfig(
        hidden_size=64,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        vocab_size=50,
        initializer_range=0.3,
        attention_bias=True,
        attn_implementation=request.param,
    )
    return LlamaForCausalLM(config).eval()


@torch.inference_mode()
def read(decoder, embeds, seen, positions, wanted, past=None):
    batch = embeds.shape[0]
    past = past or list(torch.zeros(4, batch, 2, 0, 16))
    seen = torch.as_tensor(seen).expand(batch, -1, -1)
    positions = torch.as_tensor(positions).expand(batch, -1)
    logits, *cache = decoder(embeds, seen, positions, torch.tensor(wanted), *past)
    return logits, cache


@pytest.mark.parametrize("wanted", [[6], [0, 3], [5, 2, 6]])
def test_wanted_logits_are_those_of_the_whole_model(language, wanted):
    decoder = CachedDecoder(language).eval()
    embeds = torch.randn(2, 7, 64)
    with torch.inference_mode():
        expected = language(inputs_embeds=embeds).logits[:, wanted]
    causal = torch.ones(7, 7, dtype=torch.bool).tril()
    found, _ = read(decoder, embeds, causal, torch.arange(7), wanted)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


def test_reading_on_and_branching_equal_reading_each_branch(language):
    # Two branches, of 2 and 1 tokens, after a beginning of 4.
    decoder = CachedDecoder(language).eval()
    start, branches = torch.randn(1, 4, 64), torch.randn(1, 3, 64)
    causal = torch.ones(4, 4, dtype=torch.bool).tril()
    _, cache = read(decoder, start, causal, torch.arange(4), [3])
    seen = torch.ones(3, 7, dtype=torch.bool)
    seen[:, 4:] = torch.tensor([[1, 0, 0], [1, 1, 0], [0, 0, 1]])
    found, _ = read(decoder, branches, seen, [4, 5, 4], [1, 2], cache)
    with torch.inference_mode():
        for i, branch in enumerate((branches[:, :2], branches[:, 2:])):
            whole = language(inputs_embeds=torch.cat([start, branch], 1)).logits[:, -1]
            torch.testing.assert_close(found[:, i], whole, atol=1e-5, rtol=1e-5)


def test_the_last_layer_computes_what_is_wanted_and_the_model_is_left_alone(language, monkeypatch):
    decoder = CachedDecoder(language).eval()
    attend, queries = last_layer.sdpa_attention_forward, []
    monkeypatch.setattr(
        last_layer,
        "sdpa_attention_forward",
        lambda module, query, *args, **options: (
            queries.append(query.shape[2]) or attend(module, query, *args, **options)
        ),
    )
    rows = {}
    for i, layer in enumerate(decoder.language.model.layers):
        for name in ("self_attn.q_proj", "self_attn.o_proj", "mlp", "self_attn.k_proj"):
            module = layer.get_submodule(name)
            getattr(module, "module", module).register_forward_hook(
                lambda _m, args, _out, key=(i, name): rows.update({key: args[0].shape[1]})
            )
    read(decoder, torch.randn(1, 7, 64), torch.ones(7, 7, dtype=torch.bool), torch.arange(7), [3])
    assert not vars(decoder._wanted)  # what a trace leaves there cannot be copied
    restricted = {key for key, count in rows.items() if count == 1}
    assert restricted == {(1, "self_attn.q_proj"), (1, "self_attn.o_proj"), (1, "mlp")}
    assert set(rows.values()) == {1, 7}
    implementation = language.config._attn_implementation
    assert queries == ([1] if implementation == "sdpa" else [])
    assert {p.data_ptr() for p in decoder.parameters()} == {
        p.data_ptr() for p in language.parameters()
    }
    assert not any("_ForWanted" in type(m).__name__ for m in language.modules())
    assert {layer.self_attn.config._attn_implementation for layer in language.model.layers} == {
        implementation
    }
