"""Rendering: frames of a sequence from a seed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from semalign_ros.scene.taxonomy import LABEL_ID_TO_TRAIN_ID
from semalign_ros.train.scenes.camera import Camera, View
from semalign_ros.train.scenes.content import Scene
from semalign_ros.train.scenes.decals import paint_mask, tone_mask
from semalign_ros.train.scenes.drive import EgoState, ego_states
from semalign_ros.train.scenes.faces import stack
from semalign_ros.train.scenes.ground import draw_ground
from semalign_ros.train.scenes.raster import Buffers, draw_faces
from semalign_ros.train.scenes.sensor import add_haze, draw_bonnet, expose
from semalign_ros.train.scenes.shadows import shadow_mask
from semalign_ros.train.scenes.sky import draw_sky
from semalign_ros.train.scenes.things import Billboard, Shadow, billboard_faces
from semalign_ros.train.scenes.world import Script, build_scene, stream
from semalign_ros.types import Image, Labels

RATE_HZ = 17.0
"""Frame rate of Cityscapes sequences."""


@dataclass(frozen=True, slots=True)
class RenderedFrame:
    """One rendered frame with all that is known about it.

    Args:
        sequence: Number of the scene.
        index: Frame number at RATE_HZ from 0.
        time: Seconds since the first frame.
        image: u8[H, W, 3], RGB.
        instance_ids: u16[H, W], Cityscapes: label id, or label id * 1000 + number.
        depth: f32[H, W], metres along the optical axis; infinite in the sky, NaN on the
            recording vehicle.
        camera: Intrinsics and mounting.
        state: Place, speed and yaw rate of the recording vehicle.
    """

    sequence: int
    index: int
    time: float
    image: Image
    instance_ids: NDArray[np.uint16]
    depth: NDArray[np.float32]
    camera: Camera
    state: EgoState

    @property
    def label_ids(self) -> Labels:
        """u8[H, W], Cityscapes label ids."""
        ids = self.instance_ids
        return np.where(ids >= 1000, ids // 1000, ids).astype(np.uint8)

    @property
    def train_ids(self) -> Labels:
        """u8[H, W], train ids, 255 ignored."""
        return np.take(LABEL_ID_TO_TRAIN_ID, self.label_ids)

    @property
    def disparity(self) -> NDArray[np.uint16]:
        """u16[H, W], disparity in the encoding of Cityscapes."""
        return self.camera.disparity(self.depth)


def draw_camera(seed: int, sequence: int, width: int, height: int) -> Camera:
    """Draw the mounting of the camera of a sequence, near that of Cityscapes."""
    rng = stream(seed, sequence, "camera")
    return Camera.for_size(
        width,
        height,
        z=float(rng.uniform(1.15, 1.32)),
        pitch=float(rng.normal(0.038, 0.008)),
        yaw=float(rng.normal(-0.0195, 0.004)),
    )


def render_sequence(
    seed: int,
    sequence: int,
    frames: int,
    size: tuple[int, int] = (512, 256),
    *,
    every: int = 1,
    script: Script | None = None,
) -> Iterator[RenderedFrame]:
    """Render the frames of one scene.

    The same arguments give the same bytes, in any process and any order of sequences.

    Args:
        seed: Seed of the data set, >= 0.
        sequence: Number of the scene, >= 0.
        frames: Number of frames, >= 1.
        size: Width and height in pixels. Another aspect than 2:1 squashes the picture.
        every: Render each `every`-th frame of a camera at RATE_HZ.
        script: What the scene must contain.

    Example:
        >>> frame = next(render_sequence(seed=1, sequence=0, frames=1))
        >>> frame.image.shape
        (256, 512, 3)
    """
    camera = draw_camera(seed, sequence, *size)
    scene = build_scene(seed, sequence, camera, script)
    indices = [k * every for k in range(frames)]
    states = ego_states(
        scene.street,
        start=scene.start,
        speed=scene.speed,
        stops=scene.stops,
        times=[k / RATE_HZ for k in indices],
    )
    for index, state in zip(indices, states, strict=True):
        rng = stream(seed, sequence, "sensor", index)
        yield render_frame(scene, camera, state, sequence, index, rng)


def render_frame(
    scene: Scene,
    camera: Camera,
    state: EgoState,
    sequence: int,
    index: int,
    rng: np.random.Generator,
) -> RenderedFrame:
    """Render one moment of a scene."""
    view = View.at(camera, state.pose)
    shape = (camera.height, camera.width)
    buffers = Buffers(
        np.empty((*shape, 3), np.uint8), np.empty(shape, np.uint16), np.empty(shape, np.float32)
    )
    travelled = state.pose.x - scene.start
    groups = [scene.solids, *(head.at(state.time) for head in scene.heads)]
    boards: list[Billboard] = list(scene.boards)
    shadows: list[Shadow] = list(scene.shadows)
    for actor in scene.vehicles:
        place = actor.motion.at(state.time, travelled, scene.street)
        groups.append(actor.model.faces.placed(*place))
        shadows.append(actor.shadow(place))
    for walker in scene.walkers:
        place = walker.motion.at(state.time, travelled, scene.street)
        boards.append(walker.board(state.time, place, view.position))
        shadows.append(walker.shadow(place))
    for rider in scene.two_wheelers:
        place = rider.motion.at(state.time, travelled, scene.street)
        groups.append(rider.faces(state.time, place, view.position))
        shadows.append(rider.shadow(place))
    groups.append(billboard_faces(boards, view.position))

    draw_sky(buffers, view, scene.lighting, scene.sky_offset)
    mask = shadow_mask(view, scene.lighting, shadows)
    decals = scene.decals
    paint = paint_mask(view, decals.paint)
    tone = tone_mask(view, decals.tones, decals.levels)
    draw_ground(buffers, view, scene.street, scene.look, scene.lighting, mask, paint, tone)
    draw_faces(buffers, view, stack(groups), scene.lighting)
    add_haze(buffers, scene.lighting)
    draw_bonnet(buffers, scene.lighting, scene.bonnet)
    image = expose(buffers.colour, scene.lighting, rng)
    with np.errstate(divide="ignore"):
        depth = np.float32(1.0) / buffers.inverse_depth
    return RenderedFrame(sequence, index, state.time, image, buffers.ids, depth, camera, state)
