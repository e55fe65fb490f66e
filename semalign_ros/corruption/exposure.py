"""Errors of the exposure: its control, and its meeting with pulsed light."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from semalign_ros.corruption.parameters import Number
from semalign_ros.corruption.registry import corruption
from semalign_ros.corruption.rng import Draws
from semalign_ros.corruption.tones import LEVELS, decode_srgb, encode_srgb
from semalign_ros.scene.taxonomy import TRAIN_ID
from semalign_ros.types import Frame, Image

# Frames that the control remembers; between them the brightness is interpolated.
_REMEMBERED = (*range(13), 15, 18, 22, 27, 33, 40, 48)


def _window(*, time_constant_s: float) -> tuple[int, ...]:
    return _REMEMBERED[1:] if time_constant_s else ()


def brightness(image: Image) -> float:
    """Mean linear light of a coarse sample of an image, u8[H, W, 3], as 0..1."""
    step = max(1, image.shape[1] // 256)
    sample = np.bincount(image[::step, ::step].reshape(-1), minlength=256)
    return float(sample @ decode_srgb(LEVELS / 255)) / int(sample.sum())


@corruption(
    "image",
    Number(
        "time_constant_s",
        "s",
        0,
        2,
        "Time in which the control makes up for 63 % of a change.",
        neutral=0,
        ladder=(0.1, 0.2, 0.35, 0.55, 0.8),
    ),
    recalls=_window,
)
def exposure_lag(frame: Frame, draws: Draws, *, time_constant_s: float) -> Image:  # noqa: ARG001
    """Exposure that follows the light late: blinded after a tunnel, dark in its entrance.

    The exposure is the one that suits a running mean of the brightness of this frame and of 19
    among the 48 before, weighted by exp(-age / time constant). What lies farther back is
    forgotten, so the control is quicker than told where the time constant is longer than some 20
    frames. In a steady light nothing happens. What the recording has clipped stays clipped.

    Source: first-order automatic exposure control.
    """
    if not time_constant_s:
        return frame.image
    now = brightness(frame.image)
    known = {0: (0.0, now)}  # by position: age in seconds, brightness
    for n, then in frame.earlier.items():
        age = (frame.stamp_ns - then.stamp_ns) / 1e9
        if age > 0:
            known[n] = age, brightness(then.image)
    places = sorted(known)
    ages, levels = (
        np.interp(np.arange(places[-1] + 1), places, [known[n][k] for n in places]) for k in (0, 1)
    )
    weights = np.exp(-ages / time_constant_s)
    followed = math.exp(float(np.average(np.log(np.maximum(levels, 1e-4)), weights=weights)))
    gain = max(now, 1e-4) / followed
    light = np.minimum(decode_srgb(LEVELS / 255) * gain, 1)
    curve = np.rint(255 * encode_srgb(light)).astype(np.uint8)
    return np.asarray(cv2.LUT(frame.image, curve), np.uint8)


def lit_share(phase: float, period_ms: float, on_ms: float, exposure_ms: float) -> float:
    """Share of an exposure during which a pulsed lamp is on, over its share of all time.

    Args:
        phase: Middle of the exposure in periods after a pulse begins.
        period_ms: From pulse to pulse.
        on_ms: Length of a pulse.
        exposure_ms: Length of the exposure, above 0.

    Returns:
        1 for a lamp as bright as a steady one would seem, 0 for one that is dark.
    """

    def on_until(time_ms: float) -> float:
        """Time that the lamp is on from 0 to `time_ms`."""
        whole = math.floor(time_ms / period_ms)
        return whole * on_ms + min(time_ms - whole * period_ms, on_ms)

    middle = phase * period_ms
    lit = on_until(middle + exposure_ms / 2) - on_until(middle - exposure_ms / 2)
    return lit / exposure_ms / (on_ms / period_ms)


def _no_lights(frame: Frame, **_: float) -> tuple[str, ...]:
    if frame.labels is None:
        return ("the frame has no label map, so no traffic light is found in it",)
    return ()


@corruption(
    "image",
    Number(
        "modulation_percent",
        "%",
        0,
        100,
        "How much of the light is pulsed; the rest is steady.",
        neutral=0,
        ladder=(30, 50, 70, 85, 100),
    ),
    Number("exposure_ms", "ms", 0.01, 50, "How long the shutter is open.", default=1.5),
    Number("pwm_hz", "Hz", 10, 5000, "Pulses a second.", default=90),
    Number("duty_percent", "%", 1, 100, "Share of the time that the lamp is on.", default=25),
    remarks=_no_lights,
)
def led_flicker(
    frame: Frame,
    draws: Draws,
    *,
    modulation_percent: float,
    exposure_ms: float,
    pwm_hz: float,
    duty_percent: float,
) -> Image:
    """Traffic lights that seem off, or too bright: their LEDs are pulsed.

    The frame's stamp is the middle of the exposure; where the pulse is then follows from the
    stamp and a phase drawn once a sequence. Acts on the bright and coloured pixels
    of the frame's traffic lights, as its label map has them; all lights share one phase.

    Source: pulse-width modulation and a short exposure, IEEE P2020 white paper (2018),
    section on flicker.
    """
    lights = None if frame.labels is None else (frame.labels == TRAIN_ID["traffic light"])
    if lights is None or not lights.any():
        return frame.image
    offset = draws.whole_sequence("phase").random()
    # As a float a stamp since 1970 is good to a quarter of a microsecond, far less than a pulse.
    period_ns = 1e9 / pwm_hz
    phase = math.fmod(frame.stamp_ns, period_ns) / period_ns + offset
    period_ms = 1000 / pwm_hz
    pulsed = lit_share(phase, period_ms, period_ms * duty_percent / 100, exposure_ms)
    share = 1 + modulation_percent / 100 * (pulsed - 1)
    rows, columns = np.nonzero(lights)
    pixels = frame.image[rows, columns]
    result = frame.image.copy()
    result[rows, columns] = _relight(pixels, share)
    return result


_DARK = 0.02  # linear light of a lamp that is off


def _relight(pixels: NDArray[np.uint8], share: float) -> NDArray[np.uint8]:
    """Give the lamps among some pixels another brightness, u8[N, 3] RGB."""
    light = decode_srgb(pixels / 255)
    brightest, darkest = light.max(axis=1, keepdims=True), light.min(axis=1, keepdims=True)
    # A lamp is bright and not grey: white housings and sky seen between are left alone.
    colourful = np.clip((brightest - darkest) / np.maximum(brightest, 1e-6) * 2 - 0.5, 0, 1)
    lamp = np.clip((brightest - _DARK) / 0.15, 0, 1) * colourful
    changed = np.minimum(np.maximum(light * share, np.minimum(light, _DARK)), 1)
    mixed = light + lamp * (changed - light)
    return np.rint(255 * encode_srgb(mixed)).astype(np.uint8)
