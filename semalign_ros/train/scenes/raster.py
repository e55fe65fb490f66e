"""A depth-buffered rasteriser of textured polygons.

Colours are blended at polygon edges, which smooths the picture; ids and depth are
not: a pixel belongs to the face that covers half of it. Depth is exact, because the
inverse depth of a plane is an affine function of the pixel.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from semalign_ros.train.scenes.camera import Camera, View
from semalign_ros.train.scenes.faces import Faces
from semalign_ros.train.scenes.lighting import Lighting
from semalign_ros.train.scenes.polygons import EDGE, fill, inset
from semalign_ros.train.scenes.texture import Rgba

_NEAR = 0.4
"""Nothing nearer to the camera is drawn, metres."""
_OPAQUE = 128
_THINNEST = 0.5
_SMALLEST = 4.0
"""Faces thinner (pixels) or smaller (square pixels) than this are not drawn."""
_BIAS = np.float32(1.0005)
"""A face of equal depth that comes later wins."""
_COUNT = np.arange(8192, dtype=np.float32)


@dataclass(frozen=True, slots=True)
class Buffers:
    """What the rasteriser writes to.

    Args:
        colour: u8[H, W, 3], RGB.
        ids: u16[H, W], Cityscapes instance ids.
        inverse_depth: f32[H, W], 1/m; 0 is infinitely far.
    """

    colour: NDArray[np.uint8]
    ids: NDArray[np.uint16]
    inverse_depth: NDArray[np.float32]


def draw_faces(buffers: Buffers, view: View, faces: Faces, lighting: Lighting) -> None:
    """Draw all faces into the buffers, far ones first."""
    if not len(faces):
        return
    camera = view.camera
    toward = np.einsum("fi,fi->f", faces.normal, faces.origin - view.position)
    corners3d = (
        faces.origin[:, None]
        + faces.corners[..., :1] * faces.edge_u[:, None]
        + faces.corners[..., 1:] * faces.edge_v[:, None]
    )
    projected = view.project(corners3d)
    whole = projected[..., 2].min(1) > _NEAR
    order = _choose(camera, projected, whole, (toward < -1e-6) | faces.two_sided)
    if not len(order):
        return
    facing = np.where((toward[order] > 0)[:, None], -faces.normal[order], faces.normal[order])
    light = np.clip(np.rint(lighting.shade(facing) * 32), 1, 80).astype(int).tolist()
    lamps = round(lighting.lamps * 32)
    homographies, planes = _planes(view, faces, order)
    textures = [faces.textures[face] for face in order]
    outlines = [
        projected[face, :, :2] if whole[face] else view.project_part(corners3d[face], _NEAR)
        for face in order
    ]
    inner, strength = inset(projected[order, :, :2])
    halvings = _halvings(np.array([t.size for t in textures]), homographies)
    for row, outline in enumerate(outlines):
        if outline is None:
            continue
        red, green, blue = light[row]
        cut = not whole[order[row]]
        _draw(
            buffers,
            outline if cut else inner[row],
            1.0 if cut else float(strength[row]),
            homographies[row],
            planes[row].tolist(),
            textures[row].lit(halvings[row], (red, green, blue, lamps)),
            opaque=textures[row].opaque,
            ident=int(faces.ids[order[row]]),
        )


def _choose(
    camera: Camera,
    projected: NDArray[np.float64],
    whole: NDArray[np.bool_],
    seen: NDArray[np.bool_],
) -> NDArray[np.intp]:
    """Return the faces that can show in the picture, far ones first."""
    u, v, depth = projected[..., 0], projected[..., 1], projected[..., 2]
    low_u, high_u, low_v, high_v = u.min(1), u.max(1), v.min(1), v.max(1)
    outside = (high_u < 0) | (low_u > camera.width - 1)
    outside |= (high_v < 0) | (low_v > camera.height - 1)
    wide, high = high_u - low_u, high_v - low_v
    outside |= (wide < _THINNEST) | (high < _THINNEST) | (wide * high < _SMALLEST)
    chosen = np.flatnonzero(seen & (depth > _NEAR).any(1) & ~(whole & outside))
    return chosen[np.argsort(-depth[chosen].mean(1), kind="stable")]


def _planes(
    view: View, faces: Faces, order: NDArray[np.intp]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return f64[F, 3, 3] shares of the edges to pixels, and f64[F, 3] pixel to inverse depth."""
    local = (faces.origin[order] - view.position) @ view.rotation.T
    edge_u = faces.edge_u[order] @ view.rotation.T
    edge_v = faces.edge_v[order] @ view.rotation.T
    matrix = view.camera.matrix()
    homographies = matrix @ np.stack([edge_u, edge_v, local], axis=-1)
    normal = np.cross(edge_u, edge_v)
    offset = np.einsum("fi,fi->f", normal, local)
    offset = np.where(np.abs(offset) < 1e-9, 1e-9, offset)
    return homographies, (normal @ np.linalg.inv(matrix)) / offset[:, None]


def _draw(
    buffers: Buffers,
    outline: NDArray[np.float64],
    strength: float,
    homography: NDArray[np.float64],
    plane: Sequence[float],
    picture: Rgba,
    *,
    opaque: bool,
    ident: int,
) -> None:
    height, width = buffers.ids.shape
    across, down = zip(*outline.tolist(), strict=True)
    low_x, high_x, low_y, high_y = min(across), max(across), min(down), max(down)
    x0, y0 = max(0, int(low_x) - 1), max(0, int(low_y) - 1)
    x1, y1 = min(width, int(high_x) + 2), min(height, int(high_y) + 2)
    if x0 >= x1 or y0 >= y1:
        return
    window = (slice(y0, y1), slice(x0, x1))
    shape = (y1 - y0, x1 - x0)

    # The window's corner is taken out in double precision: on a plane seen edge-on the
    # coefficients are large and would cancel.
    corner = plane[0] * x0 + plane[1] * y0 + plane[2]
    inverse = np.add.outer(
        np.float32(corner) + np.float32(plane[1]) * _COUNT[: shape[0]],
        np.float32(plane[0]) * _COUNT[: shape[1]],
    )
    there = buffers.inverse_depth[window]
    mask = np.zeros(shape, np.uint8)
    fill(mask, outline - (x0, y0), 255 * strength)
    mask &= cv2.compare(inverse * _BIAS, there, cv2.CMP_GT)
    if not cv2.hasNonZero(mask):
        return

    solid = mask >= EDGE
    tex_h, tex_w = picture.shape[:2]
    if tex_h == tex_w == 1:
        source = np.empty((*shape, 3), np.uint8)
        source[:] = picture[0, 0, :3]
    else:
        # Texel i has its centre at (i + 0.5) / size.
        matrix = homography / (tex_w, tex_h, 1)
        matrix[:, 2] += 0.5 * (matrix[:, 0] + matrix[:, 1])
        matrix[0] -= x0 * matrix[2]
        matrix[1] -= y0 * matrix[2]
        warped = cv2.warpPerspective(
            picture,
            matrix,
            (shape[1], shape[0]),
            flags=cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        )
        source = cv2.cvtColor(warped, cv2.COLOR_RGBA2RGB)
        if not opaque:
            opacity = cv2.extractChannel(warped, 3)
            mask = cv2.multiply(mask, opacity, scale=1 / 255)
            solid &= opacity >= _OPAQUE

    target = buffers.colour[window]
    weight = mask * np.float32(1 / 255)
    target[:] = cv2.blendLinear(source, np.ascontiguousarray(target), weight, 1 - weight)
    np.copyto(buffers.ids[window], np.uint16(ident), where=solid)
    np.copyto(there, inverse, where=solid)


def _halvings(sizes: NDArray[np.intp], homographies: NDArray[np.float64]) -> list[tuple[int, int]]:
    """How often to halve each texture so that a texel is about a pixel, along each edge."""
    ends = homographies @ np.array([[0, 1, 0, 1], [0, 0, 1, 1], [1, 1, 1, 1]], np.float64)
    depth = ends[:, 2]
    behind = (depth <= 0).any(1)
    points = ends[:, :2] / np.where(depth <= 0, 1.0, depth)[:, None]
    # The longer of the two opposite edges: rather a little alias than blur.
    along_u = np.maximum(
        np.linalg.norm(points[..., 1] - points[..., 0], axis=1),
        np.linalg.norm(points[..., 3] - points[..., 2], axis=1),
    )
    along_v = np.maximum(
        np.linalg.norm(points[..., 2] - points[..., 0], axis=1),
        np.linalg.norm(points[..., 3] - points[..., 1], axis=1),
    )
    pixels = np.maximum(np.stack([along_u, along_v], 1), 0.5)
    halvings = np.clip(np.log2(np.maximum(sizes / pixels, 1.0)) + 0.35, 0, 7).astype(int)
    halvings[behind] = 0
    return [(u, v) for u, v in halvings.tolist()]
