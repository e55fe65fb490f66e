"""How the language models start: what looks at what before any training."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.torch
torch = pytest.importorskip("torch")

from semalign_ros.scene.taxonomy import NUM_CLASSES  # noqa: E402
from semalign_ros.train.models import IMAGE_TOKENS, TOWER_TOKENS, Generative  # noqa: E402


@pytest.fixture(scope="module")
def model(tiny_settings):
    torch.manual_seed(0)
    wide = tiny_settings.generative.model_copy(update={"hidden": 128, "heads": 4, "kv_heads": 2})
    model = Generative(12, wide, 50, 1).eval()
    model.name_classes([[10 + c] for c in range(NUM_CLASSES)])
    return model


@torch.no_grad()
def test_every_token_that_goes_on_has_seen_the_cells(model):
    tokens = torch.randn(1, TOWER_TOKENS, 12, generator=torch.Generator().manual_seed(1))
    other = tokens.clone()
    other[0, 5] += 1
    before, after = model.projector(tokens), model.projector(other)
    assert before.shape == (1, IMAGE_TOKENS, 128)
    assert ((before - after).abs().amax(dim=2) > 1e-4).all()


@torch.no_grad()
def test_summary_and_classes_go_on_in_their_order(model):
    tokens = torch.randn(1, TOWER_TOKENS, 12, generator=torch.Generator().manual_seed(1))
    before = model.projector(tokens)
    for k in range(IMAGE_TOKENS):
        other = tokens.clone()
        other[0, TOWER_TOKENS - IMAGE_TOKENS + k] += 1
        assert (model.projector(other) - before).abs().sum(dim=2).argmax() == k


@torch.no_grad()
def test_the_name_of_a_class_looks_at_the_token_of_that_class_first(model):
    tokens = torch.randn(1, TOWER_TOKENS, 12, generator=torch.Generator().manual_seed(1))
    language = model.language
    language.set_attn_implementation("eager")
    names = language.get_input_embeddings()(torch.arange(10, 10 + NUM_CLASSES)[:, None])
    image = model.projector(tokens).expand(NUM_CLASSES, -1, -1)
    out = language.model(inputs_embeds=torch.cat([image, names], dim=1), output_attentions=True)
    looks = out.attentions[0].mean(dim=1)[:, -1, 1:IMAGE_TOKENS]
    own = looks.argmax(dim=1) == torch.arange(NUM_CLASSES)
    # By chance it would be one in nineteen; what the tokens show and their places turn some away.
    assert own.float().mean() > 0.5
