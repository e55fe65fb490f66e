from __future__ import annotations

import pytest

pytestmark = pytest.mark.torch
torch = pytest.importorskip("torch")

from semalign_ros.train.generative import next_logits  # noqa: E402
from semalign_ros.train.models import IMAGE_TOKENS, TOWER_TOKENS, Generative  # noqa: E402
from semalign_ros.train.packing import NOTHING, Exchange, pack  # noqa: E402


@pytest.fixture(scope="module")
def model(tiny_settings):
    torch.manual_seed(0)
    return Generative(12, tiny_settings.generative, 50, 1).eval()


def last_logits(model, tokens, sentence, question):
    """One question alone, without any packing."""
    text = model.language.get_input_embeddings()(torch.tensor([[*sentence, *question]]))
    embeds = torch.cat([model.projector(tokens), text], dim=1)
    return model.language(inputs_embeds=embeds).logits[0, -1]


@torch.no_grad()
def test_packed_questions_get_the_logits_they_get_alone(model):
    tokens = torch.randn(2, TOWER_TOKENS, 12, generator=torch.Generator().manual_seed(1))
    questions = [[5, 6, 7], [8, 9, 10, 11, 12], [13]]
    sentences = [[20, 21], []]
    # Answers lie between the questions; the next question must not see them.
    rows = [[Exchange(q, [3, 4, 1]) for q in questions]] * 2
    packed = pack(rows, sentences, IMAGE_TOKENS)
    where = torch.zeros_like(packed.ids, dtype=torch.bool).scatter_(1, packed.last, True)
    found = next_logits(model, model.projector(tokens), packed, where).view(2, 3, -1)
    for b, sentence in enumerate(sentences):
        for k, question in enumerate(questions):
            alone = last_logits(model, tokens[b : b + 1], sentence, question)
            assert torch.allclose(found[b, k], alone, atol=1e-5), (b, k)


def test_targets_are_the_answers():
    rows = [[Exchange([5, 6], [3, 1], shift=0.5), Exchange([7], [9, 8, 1], is_choice=False)]]
    packed = pack(rows, [[2]], IMAGE_TOKENS)
    assert packed.ids.tolist() == [[2, 5, 6, 3, 7, 9, 8]]
    none = NOTHING
    assert packed.target.tolist() == [[none, none, 3, 1, 9, 8, 1]]
    assert packed.choice.nonzero().tolist() == [[0, 2]]
    assert packed.shift[0, 2] == 0.5
    assert packed.positions[0, IMAGE_TOKENS:].sub(IMAGE_TOKENS).tolist() == [0, 1, 2, 3, 1, 2, 3]
