"""roadscenes: streets rendered from a seed, with exact boxes, masks and label maps. Needs no files and no network.

A scene is drawn from (seed, index): a street with its course and hill, buildings, parks, a side street, a crossing,
street furniture, traffic, people, weather, time of day, and a driving camera of random height, pitch and focal length
with its exposure, blur and noise. A scene has about 36,000 triangles. Four samples a pixel are rasterised into a depth
buffer and shaded with textures of several scales, sun and contact shadows, sky light, reflections and haze, then
developed as by a camera (clipping, tone curve, sharpening, sensor noise).

    (seed, index) --draw_scene--> Scene --fill--> samples --shade--> radiance --develop--> image (H,W,3)
                                                      \\--vote of 4--> label map, instances --> boxes

Splits: train (4000 images by default), val (64), test (256); the seeds of two splits never coincide. Any image size
works.

Labels. Boxes and masks of car, bus, pedestrian, bicyclist (with the bicycle) and sign hold only visible pixels.
Scorable objects have at least 64 visible pixels, 5 pixels on each side (both at 384x256; they scale with the picture)
and a quarter of their outline unhidden. The others are ``iscrowd``: neighbours of a class are gathered into one region,
and detections there count neither as right nor as wrong. The label map has CamVid's eleven classes; buses count as car,
traffic lights and boards as sign, walls as building, hedges and lawns as tree; 255 is void (bins, cabinets). The backs
of signs are sign in the map, and no object.

The images are as hard to code as photographs: on the 64 val images at 384x256, JPEG (Pillow, quality 50, 4:2:0) spends
0.918 bit a pixel and VVC (libvvenc fast, qp 37) 0.248, against 0.926 and 0.263 on 16 val and 16 train images of CamVid
resized alike; the standard deviation over images is 0.204 and 0.104 against 0.170 and 0.103. Texture, contrast,
sharpening and noise were tuned for this, without looking at CamVid's test split. Limits: bodies are plain, faces and
lettering are blots, and all streets are of one kind.

Pixels are the same on every machine: integer hashes, float64 without fast arithmetic, no threads.
``pixel_hashes.json`` holds hashes of a few frames; rendering first checks one small frame and refuses to work if its
pixels differ. Changing a pixel means a new ``pixel_hashes.VERSION``. An image takes about 0.12 s of one core, after
half a minute of compiling once; rendered val and test images are cached (see ``cache``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.datasets.roadscenes.dataset import Roadscenes, scene_seed
from benchmarks.datasets.roadscenes.materials import OBJECTS, SEMANTIC

if TYPE_CHECKING:
    from benchmarks.datasets.roadscenes.frame import Frame

__all__ = ["OBJECTS", "SEMANTIC", "Roadscenes", "render", "scene_seed"]


def render(seed: int, index: int, size: tuple[int, int] = (384, 256)) -> Frame:
    """Image and labels of scene ``index`` of ``seed`` at size (width, height), rendered without any cache.

    ``scene_seed("train", None)`` is the seed of a split.
    """
    from benchmarks.datasets.roadscenes import renderer

    return renderer.render(seed, index, size)
