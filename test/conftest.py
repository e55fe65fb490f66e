"""Fixtures that several packages share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

# A time limit an example would fail on a busy machine, and say nothing of the code.
settings.register_profile("semalign", deadline=None)
settings.load_profile("semalign")

REPOSITORY = Path(__file__).resolve().parents[1]
LONG = [
    REPOSITORY / "test" / name for name in ("train/test_pipeline.py", "export/test_generative.py")
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take minutes, so that all processes end together."""
    items.sort(key=lambda item: item.path not in LONG)


def _shared(name: str) -> Path:
    """Folder of real data or models beside the checkout; SEMALIGN_SHARED names another place."""
    root = Path(os.environ.get("SEMALIGN_SHARED", REPOSITORY.parent / "shared"))
    folder = root / name
    if not folder.exists():
        pytest.skip(
            f"real input is absent: {folder} (set SEMALIGN_SHARED to the folder that has it)"
        )
    return folder


@pytest.fixture(scope="session")
def cityscapes_sample() -> Path:
    """11 real Cityscapes frames, 2048x1024, in the data set's layout."""
    return _shared("data/cityscapes_sample")


@pytest.fixture(scope="session")
def cityscapes_256() -> Path:
    """The real Cityscapes, 256x256."""
    return _shared("data/cityscapes_256")


@pytest.fixture(scope="session")
def camvid() -> Path:
    """163 real CamVid frames with labels."""
    return _shared("data/camvid")


@pytest.fixture(scope="session")
def real_video() -> Path:
    """221 frames of a real motorway."""
    return _shared("data/video/solidWhiteRight.mp4")


@pytest.fixture(scope="session")
def vlm_answers() -> Path:
    """Annotated real VLM answers."""
    return _shared("data/vlm_answers")


@pytest.fixture(scope="session")
def real_segmenter() -> Path:
    """ONNX file of a segmenter trained on Cityscapes."""
    return _shared("models/deeplabv3_mobilenet_edgetpu_cityscapes_513.onnx")
