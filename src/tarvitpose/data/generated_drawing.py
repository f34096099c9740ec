"""Pictures of made-up people: limbs, clothes, faces, backgrounds.   Axes: K places, h w a picture.

Left limbs wear warm colours and right ones cool colours, so that left and right can be told.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from tarvitpose.data.generated_figure import AT, NOSE, Generator
from tarvitpose.utils.arrays import Float64, UInt8

CIRCLE = np.stack([np.cos(a := np.linspace(0, 2 * np.pi, 24, endpoint=False)), np.sin(a)], -1)
WARM, COOL = (-0.06, 0.13), (0.36, 0.66)  # hues, in turns
SKINS = ((236, 196, 168), (214, 164, 128), (168, 116, 82), (112, 76, 54))
HAIRS = ((40, 30, 26), (92, 60, 34), (176, 136, 78), (120, 118, 116), (140, 60, 30))
FACE = np.cos(np.deg2rad(66))  # how far the skin reaches around the nose
FEATURES = (  # of a face: direction in half axes of the head, reach in degrees, darkness
    ((0.36, 0.14, 0.92), 10, 0.75),
    ((-0.36, 0.14, 0.92), 10, 0.75),
    ((0.13, -0.52, 0.84), 9, 0.4),
    ((-0.13, -0.52, 0.84), 9, 0.4),
    (tuple(NOSE), 10, 0.25),
)


@dataclass(frozen=True)
class Part:
    """A piece of a body: the hull of circles about places."""

    name: str
    circles: tuple[tuple[str, float], ...]  # place and radius in heights
    axis: tuple[str, str]  # along which its cloth runs
    nearer: float = 0.0  # added to its depth, in heights


def _limb(side: str, name: str, start: str, end: str, radii: tuple[float, float]) -> Part:
    places = f"{side}_{start}", f"{side}_{end}"
    nearer = 0.03 if start in ("shoulder", "elbow", "wrist") else 0.0  # arms before the trunk
    return Part(f"{side}_{name}", tuple(zip(places, radii, strict=True)), places, nearer)


LIMBS = (
    ("thigh", "hip", "knee", (0.055, 0.038)),
    ("shin", "knee", "ankle", (0.038, 0.024)),
    ("shoe", "ankle", "toe", (0.027, 0.02)),
    ("upper_arm", "shoulder", "elbow", (0.036, 0.027)),
    ("forearm", "elbow", "wrist", (0.027, 0.019)),
    ("hand", "wrist", "hand", (0.018, 0.022)),
)
TRUNK = (("left_shoulder", 0.034), ("right_shoulder", 0.034), ("neck", 0.02))
PARTS = (
    Part("throat", (("neck", 0.03), ("head_bottom", 0.03)), ("neck", "head_bottom")),
    Part("trunk", (*TRUNK, ("left_hip", 0.05), ("right_hip", 0.05)), ("neck", "pelvis"), 0.015),
    *(_limb(side, *limb) for side in ("left", "right") for limb in LIMBS),
)


@dataclass(frozen=True)
class Body:
    """One person in one frame."""

    points: Float64  # (K, 2), in pixels of the frame
    depth: Float64  # (K,), in heights, larger where nearer
    head: Float64  # (3, 3), from the head's half axes to space, in heights
    height: float  # of the person standing upright, in pixels


@dataclass(frozen=True)
class Cloth:
    """What a part looks like."""

    colour: Float64  # (3,), RGB
    waves: Float64  # (2,), of its pattern: along in 1 / heights, and across
    contrast: float


@dataclass(frozen=True)
class Looks:
    """What a person looks like."""

    cloths: dict[str, Cloth]  # by part
    skin: Float64  # (3,), RGB
    hair: Float64  # (3,), RGB


def random_looks(rng: Generator) -> Looks:
    """Return clothes, skin and hair: a shirt, and a sleeve and a trouser leg for each side."""
    skin, hair = (
        np.array(colours[rng.integers(len(colours))]) * rng.uniform(0.9, 1.08)
        for colours in (SKINS, HAIRS)
    )
    cloths = {"throat": Cloth(skin * 0.85, np.zeros(2), 0), "trunk": _random_cloth((0, 1), rng)}
    for side, hues in (("left", WARM), ("right", COOL)):
        sleeve, trouser = _random_cloth(hues, rng), _random_cloth(hues, rng)
        bare = rng.uniform() < 0.4
        lower = Cloth((skin if bare else sleeve.colour) * 0.9, sleeve.waves, 0)
        cloths |= {
            f"{side}_upper_arm": sleeve,
            f"{side}_forearm": lower,
            f"{side}_hand": Cloth(skin, np.zeros(2), 0),
            f"{side}_thigh": trouser,
            f"{side}_shin": Cloth(trouser.colour * 0.82, trouser.waves, trouser.contrast),
            f"{side}_shoe": Cloth(rng.uniform(20, 90) * np.ones(3), np.zeros(2), 0),
        }
    return Looks(cloths, skin, hair)


def _random_cloth(hues: tuple[float, float], rng: Generator) -> Cloth:
    """A cloth of one hue, plain or with stripes along, across or aslant."""
    hue, light = rng.uniform(*hues) % 1, rng.uniform(110, 240)
    rainbow = np.clip(np.abs((hue * 6 - np.array([0, 2, 4])) % 6 - 3) - 1, 0, 1)  # (3,), RGB
    colour = light * (1 - rng.uniform(0.55, 0.9) * (1 - rainbow))
    waves = np.array([rng.uniform(15, 45), rng.uniform(0.6, 1.4)]) * rng.integers(0, 2, 2)
    return Cloth(np.asarray(colour), np.asarray(waves, np.float64), rng.uniform(0.1, 0.3))


def draw_figure(canvas: UInt8, body: Body, looks: Looks) -> None:
    """Draw a person on an RGB picture (h, w, 3), what is nearer over what is farther."""
    depths = [
        float(body.depth[[AT[place] for place, _ in part.circles]].mean()) + part.nearer
        for part in PARTS
    ]
    order = [PARTS[at] for at in np.argsort(depths)]
    behind = int((np.array(depths) < body.depth[AT["head"]]).sum())
    for part in order[:behind]:
        _draw_part(canvas, part, body, looks.cloths[part.name])
    _draw_head(canvas, body, looks)
    for part in order[behind:]:
        _draw_part(canvas, part, body, looks.cloths[part.name])


def figure_box(body: Body) -> tuple[Float64, Float64]:
    """Return the boxes xyxy, (4,) each, around what is drawn of a person and of their head."""
    face = head_outline(body)
    whole = np.concatenate([face, *(outline(part, body) for part in PARTS)])
    person, own = (np.concatenate([shape.min(0), shape.max(0)]) for shape in (whole, face))
    return person, own


def outline(part: Part, body: Body) -> Float64:
    """Return the convex outline of a part, (M, 2) in pixels."""
    circles = [
        body.points[AT[place]] + radius * body.height * CIRCLE for place, radius in part.circles
    ]
    return np.asarray(cv2.convexHull(np.concatenate(circles).astype(np.float32))[:, 0], np.float64)


def head_outline(body: Body) -> Float64:
    """Return the ellipse as which the head is seen, (M, 2) in pixels."""
    axes = body.head[:2] * body.height  # without depth
    ring = CIRCLE @ np.linalg.cholesky(axes @ axes.T).T * (1, -1)
    return np.asarray(body.points[AT["head"]] + ring)


def _draw_part(canvas: UInt8, part: Part, body: Body, cloth: Cloth) -> None:
    """Draw cloth in shades of a cylinder, its pattern fixed to the limb."""
    shape = outline(part, body)
    start, end = (body.points[AT[place]] for place in part.axis)
    along = (end - start) / max(float(np.linalg.norm(end - start)), 1e-6)
    across = np.array([-along[1], along[0]])
    wide = np.ptp(shape @ across) / 2
    middle = (shape @ across).max() - wide

    def paint(x: Float64, y: Float64) -> Float64:
        u = ((x - start[0]) * along[0] + (y - start[1]) * along[1]) / body.height
        v = (x * across[0] + y * across[1] - middle) / wide
        light = 1.05 - 0.4 * (v + 0.3) ** 2
        pattern = 1 + cloth.contrast * np.sin(2 * np.pi * (u * cloth.waves[0] + v * cloth.waves[1]))
        return np.asarray((light * pattern)[..., None] * cloth.colour)

    _fill(canvas, shape, paint)


def _draw_head(canvas: UInt8, body: Body, looks: Looks) -> None:
    """Draw an ellipsoid with hair all around and a face where it looks."""
    centre, axes = body.points[AT["head"]], body.head * body.height
    inverse = np.linalg.inv(axes)
    form = inverse.T @ inverse  # q form q = 1 on its surface

    def paint(x: Float64, y: Float64) -> Float64:
        x, y = x - centre[0], centre[1] - y
        b = form[0, 2] * x + form[1, 2] * y
        c = form[0, 0] * x**2 + 2 * form[0, 1] * x * y + form[1, 1] * y**2 - 1
        z = (-b + np.sqrt((b**2 - form[2, 2] * c).clip(min=0))) / form[2, 2]
        spot = (
            np.stack(np.broadcast_arrays(x, y, z), -1) @ inverse.T
        )  # (h, w, 3), on the unit sphere
        face = spot @ (0, -0.25, 0.97) > FACE
        colour = np.where(face[..., None], looks.skin, looks.hair)
        for direction, reach, darkness in FEATURES:
            near = spot @ (np.array(direction) / np.linalg.norm(direction))
            colour = colour * (1 - darkness * (near > np.cos(np.deg2rad(reach))))[..., None]
        lit = 0.7 + 0.35 * z / np.linalg.norm(axes, axis=1).max()
        return np.asarray(colour * lit[..., None])

    _fill(canvas, head_outline(body), paint)


def _fill(canvas: UInt8, shape: Float64, paint: Callable[[Float64, Float64], Float64]) -> None:
    """Fill an outline (M, 2) with what `paint` says for pixels x (1, w) and y (h, 1)."""
    low = np.floor(shape.min(0)).astype(int).clip(0)
    high = (np.ceil(shape.max(0)).astype(int) + 1).clip(max=canvas.shape[1::-1])
    if (high <= low).any():
        return
    x, y = (np.arange(a, b, dtype=np.float64) for a, b in zip(low, high, strict=True))
    mask = np.zeros((len(y), len(x)), np.uint8)
    cv2.fillConvexPoly(mask, np.rint((shape - low) * 16).astype(np.int32), 255, cv2.LINE_AA, 4)
    area = canvas[low[1] : high[1], low[0] : high[0]]
    share = mask[..., None] / 255
    area[:] = np.rint(area + (paint(x, y[:, None]).clip(0, 255) - area) * share)


def random_background(rng: Generator, size: tuple[int, int]) -> UInt8:
    """Return a picture (h, w, 3) of soft blotches, a floor and things that stand around."""
    height, width = size
    light, tint = rng.uniform(70, 170), rng.uniform(-18, 18, 3)
    picture = np.full((height, width, 3), light + tint, np.float32)
    for cells, strength in ((3, 40), (10, 20), (48, 12)):
        grey, coloured = (rng.uniform(-strength, strength, (cells, cells, n)) for n in (1, 3))
        noise = (grey + 0.3 * coloured).astype(np.float32)
        picture += cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)
    floor = round(height * rng.uniform(0.6, 0.85))
    picture[floor:] = picture[floor:] * rng.uniform(0.5, 1.3) + rng.uniform(-25, 25, 3)
    background: UInt8 = picture.clip(0, 255).astype(np.uint8)
    for _ in range(int(rng.integers(6, 14))):
        _draw_thing(background, rng)
    return background


def _draw_thing(picture: UInt8, rng: Generator) -> None:
    """Put a box, a ball or a rod of one colour somewhere, half transparent at times."""
    height, width = picture.shape[:2]
    colour = np.clip(rng.uniform(30, 225) + rng.uniform(-45, 45, 3), 0, 255).tolist()
    x, y = int(rng.integers(width)), int(rng.integers(height))
    a, b = (int(value) for value in rng.integers(8, 70, 2))
    thing, kind = picture.copy(), rng.integers(3)
    if kind == 0:
        cv2.rectangle(thing, (x - a, y - b), (x + a, y + b), colour, -1)
    elif kind == 1:
        cv2.ellipse(
            thing, (x, y), (a, b), float(rng.uniform(0, 180)), 0, 360, colour, -1, cv2.LINE_AA
        )
    else:
        end = (x + int(rng.normal(0, 80)), y + int(rng.normal(0, 80)))
        cv2.line(thing, (x, y), end, colour, int(rng.integers(4, 22)), cv2.LINE_AA)
    share = float(rng.uniform(0.4, 1))
    cv2.addWeighted(thing, share, picture, 1 - share, 0, dst=picture)
