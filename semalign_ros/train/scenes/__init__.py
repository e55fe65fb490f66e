"""Synthetic street scenes with labels, instances, depth and ego motion (numpy and OpenCV only)."""

from semalign_ros.train.scenes.camera import Camera, Pose, View
from semalign_ros.train.scenes.sequence import RATE_HZ, RenderedFrame, render_sequence
from semalign_ros.train.scenes.world import Script

__all__ = ["RATE_HZ", "Camera", "Pose", "RenderedFrame", "Script", "View", "render_sequence"]
