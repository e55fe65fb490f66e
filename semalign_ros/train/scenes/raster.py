"""A depth-buffered rasteriser of textured polygons.

Colours are blended at polygon edges, which smooths the picture; ids and depth are
not: a pixel belongs to the face that covers (nearly) half of it. Depth is exact, because the
inverse depth of a plane is an affine function of the pixel.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from semalign_ros.train.scenes.camera import View
from semalign_ros.train.scenes.faces import Faces
from semalign_ros.train.scenes.lighting import Lighting
from semalign_ros.train.scenes.texture import Texture

_NEAR = 0.4
"""Nothing nearer to the camera is drawn, metres."""
_SUBPIXEL = 4
"""Bits behind the point in cv2's polygon corners."""
_SOLID = 110
"""Opacity from which a pixel belongs to the face; below 128, so that two faces that share
an edge leave no gap."""
_BIAS = np.float32(1.0005)
"""A face of equal depth that comes later wins."""


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
    seen = (toward < -1e-6) | faces.two_sided
    corners3d = (
        faces.origin[:, None]
        + faces.corners[..., :1] * faces.edge_u[:, None]
        + faces.corners[..., 1:] * faces.edge_v[:, None]
    )
    projected = view.project(corners3d)
    depth = projected[..., 2]
    u, v = projected[..., 0], projected[..., 1]
    whole = (depth > _NEAR).all(1)
    outside = (
        (u.max(1) < 0)
        | (u.min(1) > camera.width - 1)
        | (v.max(1) < 0)
        | (v.min(1) > camera.height - 1)
        | ((np.ptp(u, axis=1) < 0.35) | (np.ptp(v, axis=1) < 0.35))
    )
    chosen = np.flatnonzero(seen & (depth > _NEAR).any(1) & ~(whole & outside))
    if not len(chosen):
        return
    order = chosen[np.argsort(-depth[chosen].mean(1), kind="stable")]

    local = (faces.origin[order] - view.position) @ view.rotation.T
    edge_u = faces.edge_u[order] @ view.rotation.T
    edge_v = faces.edge_v[order] @ view.rotation.T
    matrix = camera.matrix()
    # Columns map (u, v, 1) in shares of the edges to homogeneous pixels.
    homographies = matrix @ np.stack([edge_u, edge_v, local], axis=-1)
    normal = faces.normal[order] @ view.rotation.T
    offset = np.einsum("fi,fi->f", normal, local)
    offset = np.where(np.abs(offset) < 1e-6, 1e-6, offset)
    planes = (normal @ np.linalg.inv(matrix)) / offset[:, None]
    facing = np.where((toward[order] > 0)[:, None], -faces.normal[order], faces.normal[order])
    light = np.clip(np.rint(lighting.shade(facing) * 32), 1, 80).astype(int)
    lamps = round(lighting.lamps * 32)

    for row, face in enumerate(order):
        if whole[face]:
            outline = projected[face, :, :2]
        else:
            clipped = _clip(corners3d[face], view)
            if clipped is None:
                continue
            outline = clipped
        red, green, blue = light[row]
        _draw(
            buffers,
            outline,
            homographies[row],
            planes[row],
            faces.textures[face],
            (int(red), int(green), int(blue), lamps),
            int(faces.ids[face]),
        )


def _clip(corners: NDArray[np.float64], view: View) -> NDArray[np.float64] | None:
    """Cut a polygon off at the near plane and project the rest."""
    local = (corners - view.position) @ view.rotation.T
    kept: list[NDArray[np.float64]] = []
    for here, there in zip(local, np.roll(local, -1, axis=0), strict=True):
        if here[2] > _NEAR:
            kept.append(here)
        if (here[2] > _NEAR) != (there[2] > _NEAR):
            share = (_NEAR - here[2]) / (there[2] - here[2])
            kept.append(here + share * (there - here))
    if len(kept) < 3:
        return None
    points = np.array(kept)
    camera = view.camera
    return np.stack(
        [
            camera.fx * points[:, 0] / points[:, 2] + camera.u0,
            camera.fy * points[:, 1] / points[:, 2] + camera.v0,
        ],
        axis=1,
    )


def _draw(
    buffers: Buffers,
    outline: NDArray[np.float64],
    homography: NDArray[np.float64],
    plane: NDArray[np.float64],
    texture: Texture,
    light: tuple[int, int, int, int],
    ident: int,
) -> None:
    height, width = buffers.ids.shape
    low, high = outline.min(0), outline.max(0)
    x0, y0 = max(0, int(low[0]) - 1), max(0, int(low[1]) - 1)
    x1, y1 = min(width, int(high[0]) + 2), min(height, int(high[1]) + 2)
    if x0 >= x1 or y0 >= y1:
        return
    window = (slice(y0, y1), slice(x0, x1))
    shape = (y1 - y0, x1 - x0)

    # The plane in 1/m, and whether it is in front of what is there.
    inverse = np.add.outer(
        (plane[1] * np.arange(y0, y1) + plane[2]).astype(np.float32),
        (plane[0] * np.arange(x0, x1)).astype(np.float32),
    )
    there = buffers.inverse_depth[window]
    visible = cv2.compare(inverse * _BIAS, there, cv2.CMP_GT)

    mask = np.zeros(shape, np.uint8)
    # cv2 overflows on corners far outside; nothing there is visible anyway.
    points = np.clip(outline - (x0, y0), -8000, 8000) * (1 << _SUBPIXEL)
    cv2.fillConvexPoly(mask, np.rint(points).astype(np.int32), 255, cv2.LINE_AA, _SUBPIXEL)
    mask &= visible
    if not mask.any():
        return

    picture = texture.rgba
    if picture.shape[:2] == (1, 1):
        colour = texture.lit((0, 0), light)[0, 0]
        source = np.empty((*shape, 3), np.uint8)
        source[:] = colour[:3]
    else:
        halvings = _halvings(texture.size, homography)
        picture = texture.lit(halvings, light)
        tex_h, tex_w = picture.shape[:2]
        # Texel i has its centre at (i + 0.5) / size.
        texel = np.array([[1 / tex_w, 0, 0.5 / tex_w], [0, 1 / tex_h, 0.5 / tex_h], [0, 0, 1]])
        shift = np.array([[1.0, 0, -x0], [0, 1.0, -y0], [0, 0, 1.0]])
        warped = cv2.warpPerspective(
            picture,
            shift @ homography @ texel,
            (shape[1], shape[0]),
            flags=cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        )
        source = np.ascontiguousarray(warped[..., :3])
        if not texture.opaque:
            mask = cv2.multiply(mask, np.ascontiguousarray(warped[..., 3]), scale=1 / 255)

    target = buffers.colour[window]
    weight = mask.astype(np.float32) * np.float32(1 / 255)
    target[:] = cv2.blendLinear(source, np.ascontiguousarray(target), weight, 1 - weight)
    solid = mask >= _SOLID
    np.copyto(buffers.ids[window], np.uint16(ident), where=solid)
    np.copyto(there, inverse, where=solid)


def _halvings(size: tuple[int, int], homography: NDArray[np.float64]) -> tuple[int, int]:
    """How often to halve a texture so that a texel is about a pixel, along each edge."""
    ends = homography @ np.array([[0, 1, 0, 1], [0, 0, 1, 1], [1, 1, 1, 1]], np.float64)
    if (ends[2] <= 0).any():
        return 0, 0
    points = (ends[:2] / ends[2]).T
    # The longer of the two opposite edges: rather a little alias than blur.
    along_u = max(np.hypot(*(points[1] - points[0])), np.hypot(*(points[3] - points[2])))
    along_v = max(np.hypot(*(points[2] - points[0])), np.hypot(*(points[3] - points[1])))
    return tuple(  # type: ignore[return-value]
        int(np.clip(np.log2(max(texels / max(pixels, 0.5), 1.0)) + 0.35, 0, 7))
        for texels, pixels in zip(size, (along_u, along_v), strict=True)
    )
