from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from semalign_ros.corruption import get_corruption, list_corruptions, registry
from semalign_ros.corruption.parameters import Flag, Number
from semalign_ros.corruption.registry import corruption
from semalign_ros.errors import ConfigError, ImageError
from semalign_ros.types import Frame


def test_list_has_the_families_of_the_paper() -> None:
    assert {"motion_blur", "low_light", "low_light_gamma", "occlusion"} <= set(list_corruptions())
    assert list_corruptions("low*") == ["low_light", "low_light_gamma"]
    assert list_corruptions("nothing*") == []


def test_list_sorts_numbers_by_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_TABLE", dict.fromkeys(("b10", "b9", "a", "b9_x2", "b9_x10")))
    assert list_corruptions() == ["a", "b9", "b9_x2", "b9_x10", "b10"]


def test_unknown_name_suggests_the_nearest() -> None:
    with pytest.raises(
        ConfigError, match="unknown corruption 'motion_blurr'; did you mean 'motion_blur'"
    ):
        get_corruption("motion_blurr")


def test_unknown_parameter_suggests_the_nearest(frame: Frame) -> None:
    with pytest.raises(ConfigError, match="'lenght_px'; did you mean 'length_px'"):
        get_corruption("motion_blur").apply(frame, lenght_px=7)


@pytest.mark.parametrize("severity", [0, 3])
def test_bad_values_are_refused_even_where_nothing_would_happen(
    frame: Frame, severity: float
) -> None:
    with pytest.raises(ConfigError, match="length_px = 0, expected a number from 1 to 301 px"):
        get_corruption("motion_blur").apply(frame, severity, length_px=0)


@pytest.mark.parametrize("seed", [1.5, "1", None, True])
def test_seed_must_be_an_integer(frame: Frame, seed: object) -> None:
    with pytest.raises(ConfigError, match="expected an integer"):
        get_corruption("occlusion").apply(frame, seed=seed)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("image", "reason", "text"),
    [
        (np.zeros((4, 4), np.uint8), "bad_size", r"\[4, 4\]"),
        (np.zeros((4, 4, 4), np.uint8), "bad_size", r"\[4, 4, 4\]"),
        (np.zeros((0, 4, 3), np.uint8), "bad_size", "non-empty"),
        (np.zeros((4, 4, 3), np.float32), "bad_encoding", "float32, expected uint8"),
    ],
)
@pytest.mark.parametrize("method", ["apply", "hidden"])
def test_bad_images(image: np.ndarray, reason: str, text: str, method: str) -> None:
    with pytest.raises(ImageError, match=text) as info:
        getattr(get_corruption("occlusion"), method)(Frame(0, "c", 0, image))
    assert info.value.reason == reason


def test_bad_label_maps(frame: Frame) -> None:
    jitter = get_corruption("boundary_jitter")
    with pytest.raises(ConfigError, match="frame 0 has no label map"):
        jitter.apply(replace(frame, labels=None))
    with pytest.raises(ConfigError, match=r"ids \[26\]"):
        jitter.apply(replace(frame, labels=np.full_like(frame.labels, 26)))
    with pytest.raises(ImageError, match="expected one size") as info:
        jitter.apply(replace(frame, labels=np.zeros((3, 4), np.uint8)))
    assert info.value.reason == "bad_size"


def test_notes_carry_the_name() -> None:
    small = Frame(0, "c", 0, np.zeros((128, 256, 3), np.uint8))
    blur = get_corruption("motion_blur")
    assert blur.notes(small, 1) == (
        "motion_blur: 7 px at 2048 px width are 0.88 px at 256 px: hardly visible",
    )
    assert blur.notes(small, 5) == ()
    assert blur.notes(small, 0) == ()


def test_a_new_corruption_is_one_function_and_one_declaration(
    monkeypatch: pytest.MonkeyPatch, frame: Frame
) -> None:
    monkeypatch.setattr(registry, "_TABLE", {})

    @corruption("image", Number("amount", "", 0, 9, "How much.", neutral=0, ladder=(1, 2, 3, 4, 5)))
    def invert(frame: Frame, draws: object, *, amount: float) -> np.ndarray:
        """Inverted picture.

        More text.
        """
        return 255 - frame.image

    assert list_corruptions() == ["invert"]
    assert get_corruption("invert").description == "Inverted picture."
    assert np.array_equal(get_corruption("invert").apply(frame).image, 255 - frame.image)
    with pytest.raises(TypeError, match="registered twice"):
        corruption("image", *get_corruption("invert").parameters)(invert)


def test_schema_and_function_must_agree() -> None:
    def op(frame: Frame, draws: object, *, amount: float) -> np.ndarray:
        return frame.image

    with pytest.raises(TypeError, match=r"op: takes \['amount'\], its schema declares \['other'\]"):
        corruption("image", Flag("other", "Doc.", default=True))(op)
