"""The classes that heads answer in and data sets are labelled in: known label spaces, or names from a text file.

coco80        Lin et al., "Microsoft COCO: Common Objects in Context", ECCV 2014; its numbers have gaps (``NUMBERS``)
camvid11      Brostow, Fauqueur, Cipolla 2009, grouped as in SegNet (Badrinarayanan, Kendall, Cipolla 2017)
voc21         Everingham et al., "The PASCAL Visual Object Classes Challenge: A Retrospective", IJCV 2015; 0: background
coco81        COCO's 80 object classes behind a background
cityscapes19  Cordts et al., "The Cityscapes Dataset", CVPR 2016; the order of its trainIds
ade150        Zhou et al., "Scene Parsing through ADE20K Dataset", CVPR 2017; the benchmark's numbers 1 to 150, less 1
imagenet1k    Russakovsky et al., "ImageNet Large Scale Visual Recognition Challenge", IJCV 2015; see ``imagenet.py``
imagenet1001  the same behind a background, as classifiers of TensorFlow number them
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path

from downstream.api import LabelSpace
from downstream.label_spaces.imagenet import imagenet1k
from downstream.weights.file_hash import sha256_of
from hsc.errors import UnavailableError
from hsc.files.file_digests import sha256_of_file

_COCO = (
    "person,bicycle,car,motorcycle,airplane,bus,train,truck,boat,traffic light,fire hydrant,stop sign,"
    "parking meter,bench,bird,cat,dog,horse,sheep,cow,elephant,bear,zebra,giraffe,backpack,umbrella,handbag,tie,"
    "suitcase,frisbee,skis,snowboard,sports ball,kite,baseball bat,baseball glove,skateboard,surfboard,"
    "tennis racket,bottle,wine glass,cup,fork,knife,spoon,bowl,banana,apple,sandwich,orange,broccoli,carrot,"
    "hot dog,pizza,donut,cake,chair,couch,potted plant,bed,dining table,toilet,tv,laptop,mouse,remote,keyboard,"
    "cell phone,microwave,oven,toaster,sink,refrigerator,book,clock,vase,scissors,teddy bear,hair drier,"
    "toothbrush"
)

_CAMVID = "sky,building,pole,road,pavement,tree,sign,fence,car,pedestrian,bicyclist"

_VOC = (
    "aeroplane,bicycle,bird,boat,bottle,bus,car,cat,chair,cow,diningtable,dog,horse,motorbike,person,pottedplant,"
    "sheep,sofa,train,tvmonitor"
)

_CITYSCAPES = (
    "road,sidewalk,building,wall,fence,pole,traffic light,traffic sign,vegetation,terrain,sky,person,rider,car,"
    "truck,bus,train,motorcycle,bicycle"
)

_ADE = (
    "wall,building,sky,floor,tree,ceiling,road,bed,windowpane,grass,cabinet,sidewalk,person,earth,door,table,"
    "mountain,plant,curtain,chair,car,water,painting,sofa,shelf,house,sea,mirror,rug,field,armchair,seat,fence,"
    "desk,rock,wardrobe,lamp,bathtub,railing,cushion,base,box,column,signboard,chest of drawers,counter,sand,"
    "sink,skyscraper,fireplace,refrigerator,grandstand,path,stairs,runway,case,pool table,pillow,screen door,"
    "stairway,river,bridge,bookcase,blind,coffee table,toilet,flower,book,hill,bench,countertop,stove,palm,"
    "kitchen island,computer,swivel chair,boat,bar,arcade machine,hovel,bus,towel,light,truck,tower,chandelier,"
    "awning,streetlight,booth,television receiver,airplane,dirt track,apparel,pole,land,bannister,escalator,"
    "ottoman,bottle,buffet,poster,stage,van,ship,fountain,conveyer belt,canopy,washer,plaything,swimming pool,"
    "stool,barrel,basket,waterfall,tent,bag,minibike,cradle,oven,ball,food,step,tank,trade name,microwave,pot,"
    "animal,bicycle,lake,dishwasher,screen,blanket,sculpture,hood,sconce,vase,traffic light,tray,ashcan,fan,pier,"
    "crt screen,plate,monitor,bulletin board,shower,radiator,glass,clock,flag"
)

BACKGROUND = "background"

COCO80 = LabelSpace("coco80", tuple(_COCO.split(",")))
CAMVID11 = LabelSpace("camvid11", tuple(_CAMVID.split(",")))
VOC21 = LabelSpace("voc21", (BACKGROUND, *_VOC.split(",")))
COCO81 = LabelSpace("coco81", (BACKGROUND, *COCO80.classes))
CITYSCAPES19 = LabelSpace("cityscapes19", tuple(_CITYSCAPES.split(",")))
ADE150 = LabelSpace("ade150", tuple(_ADE.split(",")))

IMAGENET1K, IMAGENET1001 = "imagenet1k", "imagenet1001"
"""The names of the label spaces of ImageNet classifiers; ``space_of`` reads their classes from a file."""

ROADSCENES = LabelSpace("roadscenes", ("car", "bus", "pedestrian", "bicyclist", "sign"))
NO_CLASSES = LabelSpace("", ())

UNUSED_NUMBERS = frozenset({12, 26, 29, 30, 45, 66, 68, 69, 71, 83})
"""Category numbers between 1 and 90 that COCO's detection labels never use."""

NUMBERS = tuple(n for n in range(1, 91) if n not in UNUSED_NUMBERS)
"""COCO's own category number of each class of ``COCO80``."""

SPACES = {space.name: space for space in (CAMVID11, VOC21, COCO81, CITYSCAPES19, ADE150)}
"""The known label spaces of label maps, by name."""

KNOWN = {COCO80.name: COCO80, **SPACES}
"""The known label spaces of boxes and label maps, by name."""

_NAMES = (*KNOWN, IMAGENET1K, IMAGENET1001)
"""All label spaces that a head can be given by name."""

TRAINED_ON = {"roadscenes": CAMVID11, "camvid": CAMVID11}
"""The classes of our packaged segmenters, by the data that they were trained on."""


def space_of(classes: str) -> LabelSpace:
    """A label space by name, or from a text file.

    classes: the name of a known label space, or the path of a text file with one class name a line; a space from a file
    is named after the file.

    Raises:
        UnavailableError: ``classes`` is neither.
    """
    if classes in KNOWN:
        return KNOWN[classes]
    if classes in (IMAGENET1K, IMAGENET1001):
        background = (BACKGROUND,) * (classes == IMAGENET1001)
        return LabelSpace(classes, (*background, *imagenet1k().classes))
    try:
        return _read(classes, sha256_of_file(classes))
    except (OSError, ValueError) as error:  # ValueError: text that is not UTF-8, or a path that contains a NUL
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise UnavailableError(
            f"the class names {classes} cannot be read: {reason}; give one of {', '.join(_NAMES)}, or a text file, "
            f"one name a line"
        ) from error


def is_known(classes: str) -> bool:
    """Whether ``space_of`` knows the label space by this name, and reads no file of the user's."""
    return classes in _NAMES


def space_named(names: Sequence[str], otherwise: str) -> LabelSpace:
    """The known label space with exactly these classes in this order, else a new one with the name ``otherwise``."""
    classes = tuple(names)
    return next((space for space in KNOWN.values() if space.classes == classes), LabelSpace(otherwise, classes))


def sha256_of_classes(classes: str) -> dict[str, str]:
    """Entry of a head's provenance: the hash of the file of class names; empty for a known label space."""
    return {} if is_known(classes) else {"classes_sha256": sha256_of(classes)}


@functools.lru_cache(maxsize=16)
def _read(path: str, _sha256: str) -> LabelSpace:
    names = Path(path).read_text("utf-8").splitlines()
    return LabelSpace(Path(path).stem, tuple(name.strip() for name in names if name.strip()))
