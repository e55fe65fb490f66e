"""What a corruption is, and the table of all of them.

A corruption is one pure function and one :func:`corruption` decoration above it
that declares its parameters; importing its module puts it into the table.
"""

from __future__ import annotations

import fnmatch
import inspect
import math
import re
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from semalign_ros.corruption.depth import ASSUMPTION, complete_depth, depth_is_assumed
from semalign_ros.corruption.parameters import Parameter, Value, check_severity, resolve
from semalign_ros.corruption.rng import Draws
from semalign_ros.errors import ConfigError, ImageError, unknown_name
from semalign_ros.scene.reference import check_labels
from semalign_ros.types import Frame, Labels

Family = Literal["image", "labels"]

Mask = NDArray[np.bool_]
"""bool[H, W]."""

_Function = TypeVar("_Function", bound=Callable[..., NDArray[np.uint8]])


@dataclass(frozen=True, slots=True)
class Corruption:
    """A named degradation of the image or of the label map.

    Args:
        name: Its name in the table.
        family: ``image`` changes ``Frame.image``, ``labels`` changes ``Frame.labels``.
        description: One line.
        parameters: Schema of its parameters.
        function: ``(frame, draws, *, parameters...) -> array`` of the input's shape and
            dtype; never writes to its input, may return it where nothing changes.
        hides: ``(frame, draws, *, parameters...) -> bool[H, W]``, true where nothing of the
            scene is left to see; None where the corruption covers nothing.
        shows: ``(frame, draws, *, parameters...) -> int``, how many frames back the picture was
            taken that the result is; None where that is the frame's own.
        remarks: ``(frame, *, parameters...) -> texts`` that a reader of the result must know.
        needs_depth: Uses ``Frame.depth``; `function` gets it without gaps, assumed where the
            frame has none, which :meth:`notes` says.
        needs_motion: Uses ``Frame.speed`` and ``Frame.yaw_rate``.
        recalls: ``(*, parameters...) -> positions``, how many frames back it looks; `function`
            finds those in ``Frame.earlier`` as the steps before it left them. None where a
            frame stands for itself.
        unbroken: Looks no farther back than the step that applies it struck without a break.
        moves_content: Content changes its place, so that pixel-wise scores drop by that alone.
    """

    name: str
    family: Family
    description: str
    parameters: tuple[Parameter, ...]
    function: Callable[..., NDArray[np.uint8]]
    hides: Callable[..., Mask] | None = None
    shows: Callable[..., int] | None = None
    remarks: Callable[..., tuple[str, ...]] | None = None
    needs_depth: bool = False
    needs_motion: bool = False
    recalls: Callable[..., Collection[int]] | None = None
    unbroken: bool = False
    moves_content: bool = False

    @property
    def temporal(self) -> bool:
        """Whether the result depends on earlier frames."""
        return self.recalls is not None

    @property
    def hides_content(self) -> bool:
        """Whether parts of the scene are covered."""
        return self.hides is not None

    def resolve(self, severity: float = 3, **params: object) -> dict[str, Value]:
        """Values of all parameters at a severity.

        Args:
            severity: 0..5, continuous.
            **params: Values that replace the severity's.

        Raises:
            ConfigError: Severity out of range, or parameters unknown or bad; lists all.
        """
        return resolve(self.name, self.parameters, check_severity(severity), params)

    def apply(
        self,
        frame: Frame,
        severity: float = 3,
        seed: int = 0,
        *,
        occurrence: int = 0,
        **params: object,
    ) -> Frame:
        """Degrade a frame.

        Args:
            frame: The frame; its index keys the random stream.
            severity: 0..5, continuous; 0 returns the frame itself.
            seed: Of every random draw.
            occurrence: See :class:`~semalign_ros.corruption.rng.Draws`.
            **params: Values that replace the severity's.

        Returns:
            A frame that differs in its image (or labels) alone.

        Raises:
            ConfigError: Severity or parameters are bad, or there are no labels to degrade.
            ImageError: Image or labels have the wrong dtype or shape.

        Example:
            >>> import numpy as np
            >>> from semalign_ros.corruption import get_corruption
            >>> frame = Frame(0, "camera", 0, np.full((4, 8, 3), 200, np.uint8))
            >>> dark = get_corruption("low_light_gamma").apply(frame, gamma=2.0, sigma=0)
            >>> dark.image[0, 0].tolist()
            [157, 157, 157]
        """
        values = self.resolve(severity, **params)
        if severity == 0:
            return frame
        self._check(frame)
        seen = replace(frame, depth=complete_depth(frame)) if self.needs_depth else frame
        result = self.function(seen, self._draws(frame, seed, occurrence), **values)
        if self.family == "image":
            return replace(frame, image=result)
        return replace(frame, labels=result)

    def hidden(
        self,
        frame: Frame,
        severity: float = 3,
        seed: int = 0,
        *,
        occurrence: int = 0,
        **params: object,
    ) -> Mask | None:
        """What :meth:`apply` with the same arguments covers.

        Returns:
            bool[H, W], or None where the corruption covers nothing.

        Raises:
            ConfigError: Severity or parameters are bad.
            ImageError: Image or labels have the wrong dtype or shape.
        """
        values = self.resolve(severity, **params)
        if severity == 0 or self.hides is None:
            return None
        self._check(frame)
        return self.hides(frame, self._draws(frame, seed, occurrence), **values)

    def shown(
        self,
        frame: Frame,
        severity: float = 3,
        seed: int = 0,
        *,
        occurrence: int = 0,
        **params: object,
    ) -> int:
        """How many frames back the picture was taken that :meth:`apply` returns, 0 for its own.

        Raises:
            ConfigError: Severity or parameters are bad.
        """
        values = self.resolve(severity, **params)
        if severity == 0 or self.shows is None:
            return 0
        return self.shows(frame, self._draws(frame, seed, occurrence), **values)

    def notes(self, frame: Frame, severity: float = 3, **params: object) -> tuple[str, ...]:
        """What a reader of the result must know, such as an assumed depth.

        Raises:
            ConfigError: Severity or parameters are bad.
        """
        values = self.resolve(severity, **params)
        if severity == 0:
            return ()
        texts = self.remarks(frame, **values) if self.remarks else ()
        if self.needs_depth and depth_is_assumed(frame):
            texts += (ASSUMPTION,)
        if self.needs_motion and (frame.speed is None or not math.isfinite(frame.speed)):
            texts += (f"the frame has no motion; {SPEED:g} m/s straight on is assumed",)
        if self.recalls is not None:
            wanted = [n for n in self.recalls(**values) if n <= frame.index]
            missing = sum(n not in frame.earlier for n in wanted)
            if missing:
                texts += (
                    f"{missing} of {len(wanted)} earlier frames that it may look at are missing",
                )
        return tuple(f"{self.name}: {text}" for text in texts)

    def _draws(self, frame: Frame, seed: int, occurrence: int) -> Draws:
        if isinstance(seed, bool) or not isinstance(seed, int | np.integer):
            raise ConfigError(f"seed = {seed!r}, expected an integer")
        return Draws(int(seed), self.name, frame.index, occurrence)

    def _check(self, frame: Frame) -> None:
        image = frame.image
        if image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
            raise ImageError(
                "bad_size",
                f"{self.name}: found an image of shape {list(image.shape)}, "
                "expected a non-empty [H, W, 3]",
            )
        if image.dtype != np.uint8:
            raise ImageError(
                "bad_encoding", f"{self.name}: found an image of {image.dtype}, expected uint8"
            )
        if self.needs_depth and frame.depth is not None and frame.depth.shape != image.shape[:2]:
            raise ImageError(
                "bad_size",
                f"{self.name}: the depth map is {list(frame.depth.shape)}, "
                f"the image {list(image.shape[:2])}; expected one size",
            )
        if self.family == "image":
            return
        if frame.labels is None:
            raise ConfigError(
                f"{self.name}: frame {frame.index} has no label map to degrade; give a segmenter, "
                "or a bag or topic with label maps"
            )
        check_labels(frame.labels)
        if frame.labels.shape != image.shape[:2]:
            raise ImageError(
                "bad_size",
                f"{self.name}: the label map is {list(frame.labels.shape)}, "
                f"the image {list(image.shape[:2])}; expected one size",
            )


def labels_of(frame: Frame) -> Labels:
    """Label map of a frame that :meth:`Corruption.apply` has checked.

    Returns:
        u8[H, W] train ids.
    """
    assert frame.labels is not None
    return frame.labels


def depth_of(frame: Frame) -> NDArray[np.float32]:
    """Depth of a frame, as :meth:`Corruption.apply` hands it to what `needs_depth`.

    Returns:
        f32[H, W], metres, all finite.
    """
    assert frame.depth is not None
    return frame.depth


SPEED, YAW_RATE = 13.9, 0.0
"""Motion, m/s and rad/s, of a frame that does not say: 50 km/h straight on."""


def motion_of(frame: Frame) -> tuple[float, float]:
    """Speed m/s and yaw rate rad/s of a frame, assumed where it does not say."""
    return (
        SPEED if frame.speed is None or not math.isfinite(frame.speed) else frame.speed,
        YAW_RATE if frame.yaw_rate is None or not math.isfinite(frame.yaw_rate) else frame.yaw_rate,
    )


_TABLE: dict[str, Corruption] = {}


def corruption(
    family: Family, *parameters: Parameter, **traits: Any
) -> Callable[[_Function], _Function]:
    """Register the decorated function under its own name.

    Args:
        family: ``image`` or ``labels``.
        *parameters: Schema; the function takes exactly these as keywords.
        **traits: Further fields of :class:`Corruption`.

    Raises:
        TypeError: The name is taken, or function and schema disagree (a fault of the program).
    """

    def register(function: _Function) -> _Function:
        name = function.__name__
        keywords = [
            p.name
            for p in inspect.signature(function).parameters.values()
            if p.kind is inspect.Parameter.KEYWORD_ONLY
        ]
        declared = [parameter.name for parameter in parameters]
        if keywords != declared:
            raise TypeError(f"{name}: takes {keywords}, its schema declares {declared}")
        if name in _TABLE:
            raise TypeError(f"{name}: registered twice")
        description = (inspect.getdoc(function) or "").split("\n", 1)[0]
        _TABLE[name] = Corruption(name, family, description, parameters, function, **traits)
        return function

    return register


def list_corruptions(pattern: str = "*") -> list[str]:
    """Names that match a shell wildcard, numbers in them in numeric order.

    Example:
        >>> list_corruptions("low*")
        ['low_light', 'low_light_gamma']
    """
    return sorted(fnmatch.filter(_TABLE, pattern), key=_natural)


def choose_corruptions(patterns: Iterable[str] = ()) -> list[str]:
    """Names that match any of some wildcards, in the order of the patterns; all for none.

    Raises:
        ConfigError: A pattern matches nothing; suggests the nearest name.
    """
    chosen: dict[str, None] = {}
    for pattern in list(patterns) or ["*"]:
        matching = list_corruptions(pattern)
        if not matching:
            raise ConfigError(unknown_name("corruption", pattern, list_corruptions()))
        chosen.update(dict.fromkeys(matching))
    return list(chosen)


def _natural(name: str) -> list[tuple[int, str]]:
    return [
        (int(part or 0), "") if part.isdigit() else (0, part) for part in re.split(r"(\d+)", name)
    ]


def get_corruption(name: str) -> Corruption:
    """Look a corruption up.

    Raises:
        ConfigError: There is none of that name; suggests the nearest.
    """
    try:
        return _TABLE[name]
    except KeyError:
        raise ConfigError(unknown_name("corruption", name, list_corruptions())) from None
