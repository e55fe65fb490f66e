"""Classes that a bag's label maps tell apart, in the custom data of its metadata.yaml."""

from __future__ import annotations

import json
from pathlib import Path

from semalign_ros.bags.storage import bag_info
from semalign_ros.errors import BagError, ConfigError
from semalign_ros.scene.vocabulary import CITYSCAPES, Vocabulary

_KEY = "semalign_ros/labels"


def vocabulary_data(vocabulary: Vocabulary) -> dict[str, str]:
    """Return the custom data to write; none for the 19 classes themselves."""
    return {} if vocabulary == CITYSCAPES else {_KEY: json.dumps(vocabulary.describe())}


def read_vocabulary(path: Path | str) -> Vocabulary:
    """Read it from a bag; the 19 classes where the bag does not say, as a single file cannot.

    Raises:
        BagError: There is no bag, or what it says cannot be read.
    """
    text = bag_info(path).custom_data.get(_KEY)
    if text is None:
        return CITYSCAPES
    try:
        return Vocabulary.of(json.loads(text))
    except (ValueError, TypeError, AttributeError, ConfigError) as error:
        raise BagError(
            f"{path}: metadata.yaml: custom_data: {_KEY}: found {text!r} ({error}), expected "
            "the classes of the label maps as JSON, {class: [others that its label holds]}"
        ) from error
