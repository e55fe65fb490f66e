"""The examples in the docstrings: a user copies them, so they must be true."""

from __future__ import annotations

import doctest
import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MODULES = [
    path.relative_to(ROOT)
    for path in sorted((ROOT / "semalign_ros").rglob("*.py"))
    if ">>> " in path.read_text(encoding="utf-8")
]


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_the_examples_of_a_module_are_true(path, monkeypatch):
    monkeypatch.chdir(ROOT)
    module = importlib.import_module(".".join(path.with_suffix("").parts))
    results = doctest.testmod(module)
    assert results.attempted
    assert not results.failed
