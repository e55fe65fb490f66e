"""What the shipped bundles promise: size, licence, and the figures they were measured with."""

import pytest

from semalign_ros.inference.bundle import load_bundle
from semalign_ros.resources import resource

SEGMENTER, LANGUAGE = "street_segmenter", ("street_contrastive", "street_generative")


@pytest.mark.parametrize("name", [SEGMENTER, *LANGUAGE])
def test_a_shipped_bundle_is_small_and_says_how_it_may_be_passed_on(name):
    bundle = load_bundle(resource("models", name))
    assert sum(file.size for file in bundle.manifest.files.values()) <= 10_000_000
    assert bundle.manifest.source.licence.startswith("non-commercial")
    assert "frames may not be passed on" in (bundle.manifest.source.licence_note or "")


def test_a_shipped_bundle_was_measured_to_be_good_enough_to_ship():
    figures = load_bundle(resource("models", SEGMENTER)).manifest.metrics["held_out"]
    assert figures["cityscapes_256"]["mean_iou"] >= 0.45
    assert figures["scenes"]["mean_iou"] >= 0.70
    for name in LANGUAGE:
        real = load_bundle(resource("models", name)).manifest.metrics["held_out"]["cityscapes_256"]
        assert real["presence_balanced_accuracy"] >= 0.70
        assert real["presence_f1"] > real["constant_set_f1"]
        assert real["safety_balanced_accuracy"] >= 0.70
        assert real["parse_coverage"] >= 0.99
