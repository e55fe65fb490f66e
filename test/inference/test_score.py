"""Figures of a model on labelled frames, against scikit-learn on the same pixels and answers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from scipy.ndimage import maximum_filter, minimum_filter
from sklearn.metrics import balanced_accuracy_score, f1_score, jaccard_score

from semalign_ros.cli import main
from semalign_ros.inference import Bundle
from semalign_ros.language import PromptSet
from semalign_ros.scene.taxonomy import TRAIN_ID
from semalign_ros.train.datasets import find_samples
from semalign_ros.train.measure import measure_vlm
from semalign_ros.types import Judgment, SceneClaims, VlmAnswer

ROAD, SKY, CAR = (TRAIN_ID[name] for name in ("road", "sky", "car"))
HEIGHT, WIDTH = 60, 90
Writer = Callable[[np.ndarray, np.ndarray, bool], None]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "town"


@pytest.fixture
def write(root: Path) -> Writer:
    def write(image: np.ndarray, labels: np.ndarray, annotated: bool) -> None:
        folders = {"leftImg8bit": "leftImg8bit", "gtFine": "gtFine_labelTrainIds"}
        for folder in folders:
            (root / folder / "val" / "town").mkdir(parents=True, exist_ok=True)
        count = len(list((root / "leftImg8bit").glob("*/*/*")))
        stem = f"town_{count:06d}_000019"
        arrays = {"leftImg8bit": image[..., ::-1], "gtFine": labels}
        for folder, suffix in folders.items():
            path = root / folder / "val" / "town" / f"{stem}_{suffix}.png"
            assert cv2.imwrite(str(path), arrays[folder])
        if annotated:
            instances = root / "gtFine" / "val" / "town" / f"{stem}_gtFine_instanceIds.png"
            assert cv2.imwrite(str(instances), labels.astype(np.uint16))

    return write


def two_bands(edge: int, seen: int) -> tuple[np.ndarray, np.ndarray]:
    """Sky above `edge` and road below, drawn so that the model puts the edge at `seen`."""
    labels = np.full((HEIGHT, WIDTH), ROAD, np.uint8)
    labels[:edge] = SKY
    image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    image[:seen] = 200
    return image, labels


def printed(capsys: pytest.CaptureFixture[str]) -> dict[str, float]:
    lines = capsys.readouterr().out.splitlines()
    return {line.split()[0]: float(line.split()[1]) for line in lines if line.startswith("  ")}


@pytest.mark.parametrize("annotated", [True, False])
def test_pixels_along_edges_count_where_labels_were_annotated(
    own_segmenter: Bundle,
    root: Path,
    write: Writer,
    annotated: bool,
    capsys: pytest.CaptureFixture[str],
) -> None:
    frames = [two_bands(20, 24), two_bands(33, 32), two_bands(10, 10)]
    for image, labels in frames:
        write(image, labels, annotated)
    assert main(["models", "score", str(own_segmenter.folder), "--data", str(root)]) == 0
    found = printed(capsys)
    truth = np.stack([labels for _, labels in frames])
    said = np.where(np.stack([image for image, _ in frames])[..., 0] < 128, ROAD, SKY)
    size = (1, 3, 3)
    inside = minimum_filter(truth, size, mode="nearest") == maximum_filter(
        truth, size, mode="nearest"
    )
    counted = np.full(truth.shape, True) if annotated else inside
    assert counted.all() == annotated
    expected = jaccard_score(truth[counted], said[counted], average="macro")
    assert found["mean_iou"] == pytest.approx(expected, abs=6e-4)
    accuracy = (truth == said)[counted].mean()
    assert found["pixel_accuracy"] == pytest.approx(accuracy, abs=6e-4)


PROMPTS = PromptSet.load()


class ByColour:
    """Says car where red is bright, and unsafe where green is, whatever it is asked."""

    prompts = PROMPTS

    def answer(self, query):
        red, green, _ = query.image[0, 0]
        present = frozenset({"car"} if red > 128 else ())
        judgment = Judgment.UNSAFE if green > 128 else Judgment.SAFE
        claims = SceneClaims(present, judgment=judgment, coverage=0.5 if red > 128 else 1.0)
        others = {p.id: Judgment.SAFE for p in PROMPTS.safety[1:]}
        return VlmAnswer(claims, {}, {PROMPTS.safety[0].id: judgment, **others}, {})


def test_presence_and_safety_are_those_of_scikit_learn(root: Path, write: Writer) -> None:
    rng = np.random.Generator(np.random.Philox(key=[3, 0]))
    has_car, says_car, says_unsafe = rng.random((3, 40)) < np.array([[0.5], [0.5], [0.4]])
    for there, car, unsafe in zip(has_car, says_car, says_unsafe, strict=True):
        image, labels = two_bands(20, 20)
        if there:
            labels[36:52, 36:54] = CAR  # right ahead
        image[:] = 200 * car, 200 * unsafe, 0
        write(image, labels, False)
    found = measure_vlm(ByColour(), find_samples(root, "val"))
    assert found["presence_balanced_accuracy"] == pytest.approx(
        balanced_accuracy_score(has_car, says_car)
    )
    assert found["presence_f1"] == pytest.approx(f1_score(has_car, says_car))
    assert found["safety_balanced_accuracy"] == pytest.approx(
        balanced_accuracy_score(has_car, says_unsafe)
    )
    assert found["parse_coverage"] == pytest.approx(1 - says_car.mean() / 2)
    # One of the prompts disagrees with all others in a frame that it calls unsafe.
    same = sum(p.safe_when_yes is PROMPTS.safety[0].safe_when_yes for p in PROMPTS.safety)
    of_a_kind = [same, len(PROMPTS.safety) - same]
    pairs = sum(n * (n - 1) // 2 for n in of_a_kind)
    wrong = says_unsafe.mean()
    assert found["paraphrase_agreement"] == pytest.approx(1 - wrong * (same - 1) / pairs)
    assert found["polarity_contradiction"] == pytest.approx(wrong / same)


def test_what_cannot_be_scored_is_said(
    own_segmenter: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["models", "score", str(own_segmenter.folder), "--data", str(tmp_path)]) == 1
    assert "no folder leftImg8bit/val" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["models", "score", "x", "--data", str(tmp_path), "--limit", "0"])
    assert "--limit: expected a whole number above 0" in capsys.readouterr().err
