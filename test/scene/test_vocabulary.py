"""Labels of another data set: what is said of a class that they do not tell."""

from __future__ import annotations

import numpy as np
import pytest

from semalign_ros.errors import ConfigError
from semalign_ros.scene import CLASSES, Vocabulary
from semalign_ros.scene.vocabulary import CITYSCAPES
from semalign_ros.types import Judgment, SceneClaims

WORDS = Vocabulary.of({"road": (), "car": ("bus", "truck"), "person": ()})


def test_what_is_said_is_brought_to_the_labels():
    assert WORDS.translate({"truck", "bus", "road", "fence"}) == {"car", "road"}
    assert WORDS.translate({"vehicle"}) == {"vehicle"}
    # The other word of a bicycle, that the labels call a rider.
    cyclists = Vocabulary.of({"rider": ("bicycle",), "car": ()})
    assert cyclists.translate({"vehicle", "bicycle"}) == {"rider"}
    assert Vocabulary.of({"road": (), "person": ()}).translate({"vehicle", "road"}) == {"road"}
    assert CITYSCAPES.translate(CLASSES) == set(CLASSES)


def test_a_denied_lorry_denies_no_car():
    claims = SceneClaims(
        present=frozenset({"bus"}),
        denied=frozenset({"truck", "person"}),
        hypothetical=frozenset({"truck", "sky"}),
        judgment=Judgment.SAFE,
        coverage=0.5,
    )
    assert WORDS.translate_claims(claims) == SceneClaims(
        frozenset({"car"}), frozenset({"person"}), frozenset({"car"}), Judgment.SAFE, 0.5
    )


def test_label_maps_are_brought_to_the_labels():
    labels = np.array([[0, 11, 13], [14, 15, 255], [4, 18, 10]], np.uint8)
    found = WORDS.translate_labels(labels)
    # A fence, a bicycle and the sky have no label.
    assert found.tolist() == [[0, 11, 13], [13, 13, 255], [255, 255, 255]]
    assert found.dtype == np.uint8
    assert CITYSCAPES.translate_labels(labels) is labels


def test_it_is_read_from_what_it_describes():
    assert WORDS.describe() == {"road": [], "person": [], "car": ["truck", "bus"]}
    assert Vocabulary.of(WORDS.describe()) == WORDS
    assert WORDS.labels == {"road", "person", "car"}
    assert WORDS.untold == tuple(
        c for c in CLASSES if c not in {"road", "person", "car", "truck", "bus"}
    )
    assert Vocabulary.of(CITYSCAPES.describe()) == CITYSCAPES


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ({"raod": ()}, "unknown label 'raod'; did you mean 'road'"),
        ({"car": ("lorry",)}, "unknown class held by car 'lorry'"),
        ({"car": ("bus",), "truck": ("bus",)}, "bus: found it under car and under truck"),
        ({"car": ("truck",), "truck": ()}, "truck: found it under truck and under car"),
    ],
)
def test_a_class_has_one_label(labels, message):
    with pytest.raises(ConfigError, match=message):
        Vocabulary.of(labels)
