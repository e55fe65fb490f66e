"""Pictures for people: the overlay of a verdict, the gallery of corruptions."""

from semalign_ros.drawing.gallery import draw_gallery
from semalign_ros.drawing.overlay import draw_overlay

__all__ = ["draw_gallery", "draw_overlay"]
