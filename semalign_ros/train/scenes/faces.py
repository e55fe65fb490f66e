"""Textured polygons in space: how models are put together, placed and stacked."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from semalign_ros.train.scenes.texture import Texture

Vector = Sequence[float]
_SQUARE = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))


@dataclass(frozen=True, slots=True)
class Faces:
    """Flat four-cornered surfaces.

    Args:
        origin: f64[F, 3], the texture's top left corner, metres.
        edge_u: f64[F, 3], from there along the texture's width.
        edge_v: f64[F, 3], along its height.
        corners: f64[F, 4, 2], the polygon in shares of the two edges.
        normal: f64[F, 3], unit vectors outwards.
        two_sided: bool[F], visible from behind as well.
        ids: i32[F], Cityscapes instance id (label id for stuff).
        textures: One for each face.
    """

    origin: NDArray[np.float64]
    edge_u: NDArray[np.float64]
    edge_v: NDArray[np.float64]
    corners: NDArray[np.float64]
    normal: NDArray[np.float64]
    two_sided: NDArray[np.bool_]
    ids: NDArray[np.int32]
    textures: tuple[Texture, ...]

    def __len__(self) -> int:
        return len(self.textures)

    def placed(self, x: float, y: float, z: float, yaw: float) -> Faces:
        """Return the faces turned by `yaw` (to the left, radians) and moved."""
        c, s = math.cos(yaw), math.sin(yaw)
        turn = np.array([[c, s, 0.0], [-s, c, 0.0], [0.0, 0.0, 1.0]])
        return Faces(
            self.origin @ turn + (x, y, z),
            self.edge_u @ turn,
            self.edge_v @ turn,
            self.corners,
            self.normal @ turn,
            self.two_sided,
            self.ids,
            self.textures,
        )

    def with_ids(self, mapping: dict[int, int]) -> Faces:
        """Return the faces with ids replaced, such as a label id by an instance id."""
        ids = np.array([mapping.get(int(i), int(i)) for i in self.ids], np.int32)
        return Faces(
            self.origin,
            self.edge_u,
            self.edge_v,
            self.corners,
            self.normal,
            self.two_sided,
            ids,
            self.textures,
        )


@dataclass(frozen=True, slots=True)
class Model:
    """A vehicle's surfaces and its size.

    Args:
        faces: The surfaces, with label ids.
        length: Metres.
        width: Metres.
        height: Metres.
    """

    faces: Faces
    length: float
    width: float
    height: float


def stack(groups: Iterable[Faces]) -> Faces:
    """Join groups of faces into one."""
    groups = [group for group in groups if len(group)]
    if not groups:
        return FaceBuilder().build()
    return Faces(
        np.concatenate([g.origin for g in groups]),
        np.concatenate([g.edge_u for g in groups]),
        np.concatenate([g.edge_v for g in groups]),
        np.concatenate([g.corners for g in groups]),
        np.concatenate([g.normal for g in groups]),
        np.concatenate([g.two_sided for g in groups]),
        np.concatenate([g.ids for g in groups]),
        tuple(texture for g in groups for texture in g.textures),
    )


@dataclass(slots=True)
class FaceBuilder:
    """Collects the faces of one model; x forward, y left, z up, metres."""

    _rows: list[tuple[Vector, Vector, Vector, Sequence[Vector], Vector, bool, int, Texture]] = (
        field(default_factory=list)
    )

    def add(
        self,
        origin: Vector,
        edge_u: Vector,
        edge_v: Vector,
        texture: Texture,
        label: int,
        *,
        normal: Vector,
        corners: Sequence[Vector] = _SQUARE,
        two_sided: bool = False,
    ) -> None:
        """Add one face; `normal` points to the side from which it is seen."""
        self._rows.append((origin, edge_u, edge_v, corners, normal, two_sided, label, texture))

    def box(
        self,
        size: Vector,
        centre: Vector,
        textures: dict[str, Texture],
        label: int,
    ) -> None:
        """Add the sides of an upright box.

        Args:
            size: Length, width, height.
            centre: Centre of the bottom.
            textures: For ``front``, ``rear``, ``left``, ``right``, ``top``; a side without
                one is left open. On the left and right sides u runs from rear to front.
            label: Label id.
        """
        (length, width, height), (cx, cy, cz) = size, centre
        x0, x1 = cx - length / 2, cx + length / 2
        y0, y1 = cy - width / 2, cy + width / 2
        top, down = cz + height, (0.0, 0.0, -height)
        sides = {
            "front": ((x1, y0, top), (0, width, 0), down, (1, 0, 0)),
            "rear": ((x0, y1, top), (0, -width, 0), down, (-1, 0, 0)),
            "left": ((x0, y1, top), (length, 0, 0), down, (0, 1, 0)),
            "right": ((x0, y0, top), (length, 0, 0), down, (0, -1, 0)),
            "top": ((x0, y1, top), (length, 0, 0), (0, -width, 0), (0, 0, 1)),
        }
        for side, (origin, edge_u, edge_v, normal) in sides.items():
            if side in textures:
                self.add(origin, edge_u, edge_v, textures[side], label, normal=normal)

    def extend(self, faces: FaceBuilder) -> None:
        """Add the faces of another builder."""
        self._rows.extend(faces._rows)

    def build(self) -> Faces:
        """Return what was collected."""
        count = len(self._rows)
        columns = list(zip(*self._rows, strict=True)) if count else [()] * 8
        normal = np.array(columns[4], np.float64).reshape(count, 3)
        if count:
            normal = normal / np.linalg.norm(normal, axis=1, keepdims=True)
        return Faces(
            np.array(columns[0], np.float64).reshape(count, 3),
            np.array(columns[1], np.float64).reshape(count, 3),
            np.array(columns[2], np.float64).reshape(count, 3),
            np.array(columns[3], np.float64).reshape(count, 4, 2),
            normal,
            np.array(columns[5], np.bool_),
            np.array(columns[6], np.int32),
            tuple(columns[7]),
        )
