"""Classes that a bag's label maps tell apart, in the custom data of its metadata.yaml."""

from __future__ import annotations

import json
from pathlib import Path

from semalign_ros.bags.labels import LabelMap
from semalign_ros.errors import ConfigError
from semalign_ros.resources import read_yaml
from semalign_ros.scene.vocabulary import CITYSCAPES, Vocabulary

_METADATA = "metadata.yaml"
_KEY = "semalign_ros/labels"


def vocabulary_data(vocabulary: Vocabulary) -> dict[str, str]:
    """Return the custom data to write; none for the 19 classes themselves."""
    return {} if vocabulary == CITYSCAPES else {_KEY: json.dumps(vocabulary.describe())}


def find_vocabulary(name_or_path: str) -> Vocabulary:
    """Read the classes of a label map, or those that `semalign convert` wrote into a bag.

    Raises:
        ConfigError: There is no such label map, or it is damaged, or what the bag says is.
    """
    bag = Path(name_or_path).expanduser()
    if (bag / _METADATA).is_file():
        return read_vocabulary(bag)
    return LabelMap.load(name_or_path).vocabulary


def read_vocabulary(path: Path | str) -> Vocabulary:
    """Read the classes that the label maps of a bag tell; all 19 where it does not say.

    Args:
        path: Of the bag, or of a file in its folder.

    Raises:
        ConfigError: What it says is damaged.
    """
    path = Path(path).expanduser()
    metadata = (path if path.is_dir() else path.parent) / _METADATA
    text = _custom_data(metadata).get(_KEY)
    if text is None:
        return CITYSCAPES
    try:
        return Vocabulary.of(json.loads(text))
    except (ValueError, TypeError, AttributeError, ConfigError) as error:
        raise ConfigError(
            f"{metadata}: custom_data: {_KEY}: found {text!r} ({error}), expected the classes "
            "of the label maps as JSON, {class: [others that its label holds]}"
        ) from error


def _custom_data(metadata: Path) -> dict[str, str]:
    try:
        content = read_yaml(metadata)
    except ConfigError:
        return {}  # whoever reads the bag says what is wrong with it
    information = content.get("rosbag2_bagfile_information") if isinstance(content, dict) else None
    custom = information.get("custom_data") if isinstance(information, dict) else None
    return custom if isinstance(custom, dict) else {}
