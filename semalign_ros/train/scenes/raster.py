"""A depth-buffered rasteriser of textured polygons.

Colours are blended at polygon edges, which smooths the picture; ids and depth are
not: a pixel belongs to the face that covers half of it. Depth is exact, because the
inverse depth of a plane is an affine function of the pixel.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from semalign_ros.train.scenes.camera import View
from semalign_ros.train.scenes.faces import Faces
from semalign_ros.train.scenes.lighting import Lighting
from semalign_ros.train.scenes.occlusion import hidden
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


@dataclass(frozen=True, slots=True)
class _Job:
    """One face, ready to be drawn; coordinates are relative to the window's corner.

    Args:
        window: Rows and columns of the image.
        outline: f64[K, 2], pixels.
        strength: How strongly to draw it, 0..1.
        plane: f32[3], pixel to inverse depth.
        warp: f64[3, 3], texels to pixels.
        picture: Its texture, reduced and lit.
        opaque: The texture has no gaps.
        ident: Instance id.
    """

    window: tuple[slice, slice]
    outline: NDArray[np.float64]
    strength: float
    plane: NDArray[np.float32]
    warp: NDArray[np.float64]
    picture: Rgba
    opaque: bool
    ident: int


def draw_faces(buffers: Buffers, view: View, faces: Faces, lighting: Lighting) -> None:
    """Draw all faces into the buffers, far ones first."""
    if not len(faces):
        return
    corners = (
        faces.origin[:, None]
        + faces.corners[..., :1] * faces.edge_u[:, None]
        + faces.corners[..., 1:] * faces.edge_v[:, None]
    )
    projected = view.project(corners)
    order = _choose(view, faces, projected)
    if len(order):
        for job in _jobs(view, faces, lighting, order, corners[order], projected[order]):
            _draw(buffers, job)


def _choose(view: View, faces: Faces, projected: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return the faces that can show in the picture, far ones first."""
    camera = view.camera
    toward = np.einsum("fi,fi->f", faces.normal, faces.origin - view.position)
    u, v, depth = projected[..., 0], projected[..., 1], projected[..., 2]
    low_u, high_u, low_v, high_v = u.min(1), u.max(1), v.min(1), v.max(1)
    outside = (high_u < 0) | (low_u > camera.width - 1)
    outside |= (high_v < 0) | (low_v > camera.height - 1)
    wide, high = high_u - low_u, high_v - low_v
    outside |= (wide < _THINNEST) | (high < _THINNEST) | (wide * high < _SMALLEST)
    seen = ((toward < -1e-6) | faces.two_sided) & (depth.max(1) > _NEAR)
    chosen = np.flatnonzero(seen & ~((depth.min(1) > _NEAR) & outside))
    order = chosen[np.argsort(-depth[chosen].mean(1), kind="stable")]
    if not len(order):
        return order
    nearest = depth[order].min(1)
    nearest = np.where(nearest > _NEAR, 1.0 / np.maximum(nearest, _NEAR), np.inf)
    opaque = np.array([faces.textures[face].opaque for face in order])
    planes = _planes(view, faces, order)[1]
    size = (camera.width, camera.height)
    return order[~hidden(projected[order, :, :2], nearest, planes, opaque, size)]


def _jobs(
    view: View,
    faces: Faces,
    lighting: Lighting,
    order: NDArray[np.intp],
    corners: NDArray[np.float64],
    projected: NDArray[np.float64],
) -> Iterator[_Job]:
    """Prepare the faces `order`, whose corners in the world and on screen are given."""
    inner, strength = inset(projected[..., :2])
    low, high = inner.min(1), inner.max(1)
    outlines: list[NDArray[np.float64] | None] = list(inner)
    for cut in np.flatnonzero(projected[..., 2].min(1) <= _NEAR):
        part = outlines[cut] = view.project_part(corners[cut], _NEAR)
        if part is not None:
            low[cut], high[cut], strength[cut] = part.min(0), part.max(0), 1.0
    start = np.maximum(np.floor(low) - 1, 0).astype(int)
    end = np.minimum(np.floor(high) + 2, (view.camera.width, view.camera.height)).astype(int)

    textures = [faces.textures[face] for face in order]
    sizes = np.array([t.size for t in textures])
    homographies, planes = _planes(view, faces, order)
    halvings = _halvings(sizes, homographies)
    warps = _warps(homographies, np.maximum(sizes >> halvings, 1), start)
    # The window's corner is taken out in double precision: on a plane seen edge-on the
    # coefficients are large and would cancel.
    planes[:, 2] += (planes[:, :2] * start).sum(1)
    light = _light(view, faces, lighting, order)
    for row, outline in enumerate(outlines):
        (x0, y0), (x1, y1) = start[row].tolist(), end[row].tolist()
        if outline is None or x0 >= x1 or y0 >= y1:
            continue
        across, down = halvings[row].tolist()
        yield _Job(
            window=(slice(y0, y1), slice(x0, x1)),
            outline=outline - (x0, y0),
            strength=float(strength[row]),
            plane=planes[row].astype(np.float32),
            warp=warps[row],
            picture=textures[row].lit((across, down), light[row]),
            opaque=textures[row].opaque,
            ident=int(faces.ids[order[row]]),
        )


def _light(
    view: View, faces: Faces, lighting: Lighting, order: NDArray[np.intp]
) -> list[tuple[int, int, int, int]]:
    """Light on the side of each face that we see, as textures take it."""
    normal = faces.normal[order]
    away = np.einsum("fi,fi->f", normal, faces.origin[order] - view.position) > 0
    normal = np.where(away[:, None], -normal, normal)
    light = np.clip(np.rint(lighting.shade(normal) * 32), 1, 80).astype(int)
    lamps = round(lighting.lamps * 32)
    return [(red, green, blue, lamps) for red, green, blue in light.tolist()]


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


def _warps(
    homographies: NDArray[np.float64], sizes: NDArray[np.intp], start: NDArray[np.intp]
) -> NDArray[np.float64]:
    """Return f64[F, 3, 3], texels of each texture to pixels of its window."""
    # Texel i has its centre at (i + 0.5) / size.
    warps = homographies.copy()
    warps[:, :, 0] /= sizes[:, :1]
    warps[:, :, 1] /= sizes[:, 1:]
    warps[:, :, 2] += 0.5 * (warps[:, :, 0] + warps[:, :, 1])
    warps[:, :2] -= start[:, :, None] * warps[:, 2:]
    return warps


def _draw(buffers: Buffers, job: _Job) -> None:
    there = buffers.inverse_depth[job.window]
    shape, plane = there.shape, job.plane
    inverse = np.add.outer(plane[1] * _COUNT[: shape[0]] + plane[2], plane[0] * _COUNT[: shape[1]])
    mask: NDArray[np.uint8] = np.zeros(shape, np.uint8)
    fill(mask, job.outline, 255 * job.strength)
    mask &= np.asarray(cv2.compare(inverse * _BIAS, there, cv2.CMP_GT), np.uint8)
    if not cv2.hasNonZero(mask):
        return

    solid = mask >= EDGE
    if job.picture.shape[:2] == (1, 1):
        source = np.empty((*shape, 3), np.uint8)
        source[:] = job.picture[0, 0, :3]
    else:
        warped = cv2.warpPerspective(
            job.picture,
            job.warp,
            (shape[1], shape[0]),
            flags=cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        )
        source = np.asarray(cv2.cvtColor(warped, cv2.COLOR_RGBA2RGB), np.uint8)
        if not job.opaque:
            opacity = cv2.extractChannel(warped, 3)
            mask = np.asarray(cv2.multiply(mask, opacity, scale=1 / 255), np.uint8)
            solid &= opacity >= _OPAQUE

    target = buffers.colour[job.window]
    weight = mask * np.float32(1 / 255)
    target[:] = cv2.blendLinear(source, np.ascontiguousarray(target), weight, 1 - weight)
    np.copyto(buffers.ids[job.window], np.uint16(job.ident), where=solid)
    np.copyto(there, inverse, where=solid)


def _halvings(sizes: NDArray[np.intp], homographies: NDArray[np.float64]) -> NDArray[np.intp]:
    """How often to halve each texture so that a texel is about a pixel, i64[F, 2]."""
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
    halvings: NDArray[np.intp] = np.clip(
        np.log2(np.maximum(sizes / pixels, 1.0)) + 0.35, 0, 7
    ).astype(np.intp)
    halvings[behind] = 0
    return halvings
