"""Tokenizers that are no `tokenizers` of themselves."""

from __future__ import annotations

import random
import shutil

import pytest

pytestmark = pytest.mark.torch
pytest.importorskip("torch")

from transformers import AutoTokenizer, CanineTokenizer  # noqa: E402

from semalign_ros.cli import main  # noqa: E402
from semalign_ros.errors import BundleError  # noqa: E402
from semalign_ros.export.contrastive import prompt_texts  # noqa: E402
from semalign_ros.export.tokenizer import vehicle_tokenizer  # noqa: E402

# Among them ligatures, fractions and spaces that normalisation takes apart or together.
SIGNS = "abz ABZ  \t\n.,!?'\"-_`~^[]{}()012" + "".join(
    map(chr, (0xE4, 0xDF, 0xC9, 0xFB01, 0xBD, 0x2026, 0x6771, 0x1F600, 0x130, 0x3A3, 0xA0, 0x3000))
)


def test_siglip_reads_texts_as_the_checkpoint_does(checkpoints):
    theirs = AutoTokenizer.from_pretrained(checkpoints("siglip"))
    assert not theirs.is_fast
    ours = vehicle_tokenizer(theirs, prompt_texts())
    draw = random.Random(0)
    texts = ["", " ", "A CAR, and (behind it) a bus?", "  two  spaces ", *prompt_texts()]
    texts += ["".join(draw.choices(SIGNS, k=draw.randint(1, 30))) for _ in range(500)]
    for text in texts:
        assert ours.encode(text).ids == theirs(text)["input_ids"], repr(text)


def test_a_tokenizer_that_reads_otherwise_is_refused(checkpoints):
    theirs = AutoTokenizer.from_pretrained(checkpoints("siglip"))
    # A special token written out: only transformers takes it for one.
    with pytest.raises(BundleError, match=r"of 'a </s> b', its translation"):
        vehicle_tokenizer(theirs, ["a car", "a </s> b"])
    with pytest.raises(BundleError, match=r"CanineTokenizer cannot be written"):
        vehicle_tokenizer(CanineTokenizer(), [])


def test_a_contrastive_tokenizer_needs_something_to_fill_up_with(checkpoints, tmp_path, capsys):
    folder = shutil.copytree(checkpoints("clip"), tmp_path / "clip")
    config = folder / "tokenizer_config.json"
    lines = config.read_text().splitlines(keepends=True)
    config.write_text("".join(line for line in lines if '"pad_token"' not in line))
    assert main(["export", str(folder), str(tmp_path / "out"), "--licence", "none"]) == 1
    assert "clip: the tokenizer has no pad_token" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
