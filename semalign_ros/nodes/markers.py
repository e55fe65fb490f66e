"""The verdict as text in RViz's 3D view, before the camera."""

from __future__ import annotations

from builtin_interfaces.msg import Duration
from geometry_msgs.msg import Point, Pose, Vector3
from std_msgs.msg import ColorRGBA, Header
from visualization_msgs.msg import Marker, MarkerArray

from semalign_ros.drawing.lettering import Colour
from semalign_ros.drawing.overlay import GREEN, ORANGE, RED
from semalign_ros.types import FrameVerdict

_AHEAD_M = 10.0
_LINE_M = 0.9
_LIFETIME_S = 5


def verdict_markers(header: Header, verdict: FrameVerdict) -> MarkerArray:
    """Lines of text, ten metres ahead in the camera's optical frame.

    Args:
        header: Of the frame; REP 103 optical frame: x right, y down, z forward.
        verdict: What to write.
    """
    said, reference = verdict.degraded.claims.judgment, verdict.reference.judgment
    word = "unparsed" if said is None else said.value
    lines: list[tuple[str, Colour]] = [
        (
            f"{word.upper()} (reference {reference.value.upper()})",
            GREEN if said is reference else RED,
        )
    ]
    if verdict.omitted:
        lines.append((f"omitted: {', '.join(sorted(verdict.omitted))}", ORANGE))
    if verdict.hallucinated:
        lines.append((f"hallucinated: {', '.join(sorted(verdict.hallucinated))}", RED))
    # What the frame before had and this one has not must go.
    markers = [Marker(header=header, action=Marker.DELETEALL)]
    markers += [_text(header, number, *line) for number, line in enumerate(lines)]
    return MarkerArray(markers=markers)


def _text(header: Header, number: int, text: str, colour: Colour) -> Marker:
    red, green, blue = (value / 255 for value in colour)
    return Marker(
        header=header,
        ns="semalign",
        id=number,
        type=Marker.TEXT_VIEW_FACING,
        action=Marker.ADD,
        pose=Pose(position=Point(x=0.0, y=-3.0 + number * _LINE_M, z=_AHEAD_M)),
        scale=Vector3(x=0.0, y=0.0, z=0.8 * _LINE_M),
        color=ColorRGBA(r=red, g=green, b=blue, a=1.0),
        lifetime=Duration(sec=_LIFETIME_S),
        text=text,
    )
