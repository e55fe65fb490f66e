from __future__ import annotations

from pathlib import Path

from semalign_ros.corruption import get_corruption, list_corruptions
from semalign_ros.corruption.catalogue import catalogue

DOCUMENT = Path(__file__).parents[2] / "docs" / "corruptions.md"
BEGIN, END = "<!-- begin catalogue -->\n", "<!-- end catalogue -->"


def test_documentation_is_current() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    found = text[text.index(BEGIN) + len(BEGIN) : text.index(END)]
    assert found == catalogue(), (
        f"put the output of semalign_ros.corruption.catalogue.catalogue() between the marks of "
        f"{DOCUMENT.name}"
    )


def test_everything_is_described_with_its_source() -> None:
    for name in list_corruptions():
        op = get_corruption(name)
        assert f"**`{name}`**" in catalogue()
        assert op.description.endswith(".")
        assert "Source: " in (op.function.__doc__ or ""), name
        assert all(p.doc.endswith(".") for p in op.parameters)
