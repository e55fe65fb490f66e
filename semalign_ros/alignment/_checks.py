"""Checks and conversions of what callers hand to the metrics."""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Sized

from semalign_ros.errors import ConfigError
from semalign_ros.types import Judgment

NAN = float("nan")

ClassSets = Iterable[Iterable[str]]
"""One set of class names per frame."""

AnyJudgment = Judgment | str | None
"""A judgment, its value "safe" or "unsafe", or None for an answer that says neither."""

_BY_VALUE: dict[object, Judgment] = {
    **{judgment: judgment for judgment in Judgment},
    **{judgment.value: judgment for judgment in Judgment},
}


def as_sets(sets: ClassSets, what: str) -> list[frozenset[str]]:
    """Return one frozenset per frame.

    Raises:
        ConfigError: `sets` or an item of it is a string, or holds something else than names.
    """
    if isinstance(sets, str):
        raise ConfigError(f"{what}: found the string {sets!r}, expected one set a frame")
    result = []
    for i, names in enumerate(sets):
        # A bare string iterates as letters and would score as a set of strange classes.
        if isinstance(names, str) or not isinstance(names, Iterable):
            raise ConfigError(
                f"{what}[{i}]: found {names!r}, expected a set of class names, such as {{'car'}}; "
                "for a single frame put its set into a list"
            )
        chosen = frozenset(names)
        odd = next((name for name in chosen if not isinstance(name, str)), None)
        if odd is not None:
            raise ConfigError(f"{what}[{i}]: found {odd!r}, expected class names as strings")
        result.append(chosen)
    return result


def as_judgments(
    judgments: Iterable[AnyJudgment], what: str = "judgments"
) -> list[Judgment | None]:
    """Return one judgment per frame, None where there is none.

    Raises:
        ConfigError: An item is neither a judgment, "safe", "unsafe" nor None.
    """
    if isinstance(judgments, str):
        raise ConfigError(f"{what}: found the string {judgments!r}, expected one judgment a frame")
    return [None if j is None else as_judgment(j, f"{what}[{i}]") for i, j in enumerate(judgments)]


def as_judgment(value: AnyJudgment, what: str) -> Judgment:
    """Return one judgment.

    Raises:
        ConfigError: `value` is none.
    """
    # An unhashable value must get the same message, so no plain dict lookup.
    judgment = _BY_VALUE.get(value) if isinstance(value, (str, Judgment)) else None
    if judgment is None:
        raise ConfigError(
            f"{what}: found {value!r}, expected 'safe', 'unsafe' or a Judgment"
            + ("; leave out frames without a reference" if value is None else "")
        )
    return judgment


def as_reference(reference: Iterable[AnyJudgment]) -> list[Judgment]:
    """Return the reference judgments; unlike answers they may not be None."""
    return [as_judgment(j, f"reference[{i}]") for i, j in enumerate(reference)]


def check_lengths(**arrays: Sized) -> None:
    """Check that sequences belong together.

    Raises:
        ConfigError: Their lengths differ.
    """
    lengths = {name: len(values) for name, values in arrays.items()}
    if len(set(lengths.values())) > 1:
        found = ", ".join(f"{name} {length}" for name, length in lengths.items())
        raise ConfigError(f"one item a frame is expected in each; found lengths {found}")


def share(numerator: float, denominator: float) -> float:
    """Return the quotient, NaN where nothing was counted."""
    return numerator / denominator if denominator else NAN


def mean(values: Sequence[float]) -> float:
    """Return the mean, NaN of nothing."""
    return share(sum(values), len(values))
