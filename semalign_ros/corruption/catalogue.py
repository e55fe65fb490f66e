"""The table of corruptions as documentation."""

from __future__ import annotations

from semalign_ros.corruption.registry import Corruption, get_corruption, list_corruptions


def catalogue() -> str:
    """Describe every corruption and parameter from their declarations.

    Returns:
        Markdown, one section a family.
    """
    everything = [get_corruption(name) for name in list_corruptions()]
    parts: list[str] = []
    for family, title in (("image", "Image"), ("labels", "Label map")):
        parts.append(f"### {title}\n")
        parts.extend(_section(c) for c in everything if c.family == family)
    return "\n".join(parts)


def _section(corruption: Corruption) -> str:
    traits = [
        text
        for flag, text in (
            (corruption.needs_depth, "uses depth"),
            (corruption.needs_motion, "uses speed and yaw rate"),
            (corruption.temporal, "depends on earlier frames"),
            (corruption.moves_content, "moves content"),
            (corruption.hides_content, "hides content"),
        )
        if flag
    ]
    lines = [
        f"**`{corruption.name}`**: {corruption.description}"
        + (f" ({', '.join(traits)})" if traits else ""),
        "",
        "| parameter | valid | severity 1 / 2 / 3 / 4 / 5, or default | |",
        "|---|---|---|---|",
        *(
            f"| `{p.name}` | {p.expected()} | {p.ladder_text()} | {p.doc} |"
            for p in corruption.parameters
        ),
        "",
    ]
    return "\n".join(lines)
