"""The classes that heads answer in and data sets are labelled in: known label spaces by name, or names from a text
file.

coco80        Lin et al., "Microsoft COCO: Common Objects in Context", ECCV 2014; its own numbers have gaps, see ``UNUSED_NUMBERS``
camvid11      Brostow, Fauqueur, Cipolla 2009, grouped as in SegNet (Badrinarayanan, Kendall, Cipolla 2017)
voc21         Everingham et al., "The PASCAL Visual Object Classes Challenge: A Retrospective", IJCV 2015; 0 is background
coco81        COCO's 80 object classes behind a background
cityscapes19  Cordts et al., "The Cityscapes Dataset", CVPR 2016; the order of its trainIds
ade150        Zhou et al., "Scene Parsing through ADE20K Dataset", CVPR 2017; the benchmark's numbers 1 to 150, less 1
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path

from downstream.api import LabelSpace
from downstream.weights.file_hash import sha256_of
from hsc.errors import UnavailableError
from hsc.files.file_digests import sha256_of_file

_NAMES = (
    "person,bicycle,car,motorcycle,airplane,bus,train,truck,boat,traffic light,fire hydrant,stop sign,parking "
    "meter,bench,"
    "bird,cat,dog,horse,sheep,cow,elephant,bear,zebra,giraffe,backpack,umbrella,handbag,tie,suitcase,frisbee,skis,snowboard,"
    "sports ball,kite,baseball bat,baseball glove,skateboard,surfboard,tennis racket,bottle,wine "
    "glass,cup,fork,knife,spoon,"
    "bowl,banana,apple,sandwich,orange,broccoli,carrot,hot dog,pizza,donut,cake,chair,couch,potted plant,bed,dining "
    "table,"
    "toilet,tv,laptop,mouse,remote,keyboard,cell "
    "phone,microwave,oven,toaster,sink,refrigerator,book,clock,vase,scissors,"
    "teddy bear,hair drier,toothbrush"
)

COCO80 = LabelSpace("coco80", tuple(_NAMES.split(",")))

UNUSED_NUMBERS = frozenset({12, 26, 29, 30, 45, 66, 68, 69, 71, 83})
"""Category numbers between 1 and 90 that COCO's detection labels never use."""

NUMBERS = tuple(n for n in range(1, 91) if n not in UNUSED_NUMBERS)
"""COCO's own number of each class of ``COCO80``."""


BACKGROUND = "background"

_CAMVID = "sky,building,pole,road,pavement,tree,sign,fence,car,pedestrian,bicyclist"

_VOC = "aeroplane,bicycle,bird,boat,bottle,bus,car,cat,chair,cow,diningtable,dog,horse,motorbike,person,pottedplant,sheep,sofa,train,tvmonitor"

_CITYSCAPES = (
    "road,sidewalk,building,wall,fence,pole,traffic light,traffic "
    "sign,vegetation,terrain,sky,person,rider,car,truck,bus,train,motorcycle,bicycle"
)

_ADE = (
    "wall,building,sky,floor,tree,ceiling,road,bed,windowpane,grass,cabinet,sidewalk,person,earth,door,table,mountain,plant,curtain,"
    "chair,car,water,painting,sofa,shelf,house,sea,mirror,rug,field,armchair,seat,fence,desk,rock,wardrobe,lamp,bathtub,railing,cushion,"
    "base,box,column,signboard,chest of "
    "drawers,counter,sand,sink,skyscraper,fireplace,refrigerator,grandstand,path,stairs,runway,case,"
    "pool table,pillow,screen door,stairway,river,bridge,bookcase,blind,coffee "
    "table,toilet,flower,book,hill,bench,countertop,stove,palm,"
    "kitchen island,computer,swivel chair,boat,bar,arcade "
    "machine,hovel,bus,towel,light,truck,tower,chandelier,awning,streetlight,booth,"
    "television receiver,airplane,dirt "
    "track,apparel,pole,land,bannister,escalator,ottoman,bottle,buffet,poster,stage,van,ship,fountain,"
    "conveyer belt,canopy,washer,plaything,swimming "
    "pool,stool,barrel,basket,waterfall,tent,bag,minibike,cradle,oven,ball,food,step,tank,"
    "trade name,microwave,pot,animal,bicycle,lake,dishwasher,screen,blanket,sculpture,hood,sconce,vase,traffic "
    "light,tray,ashcan,fan,pier,"
    "crt screen,plate,monitor,bulletin board,shower,radiator,glass,clock,flag"
)

CAMVID11 = LabelSpace("camvid11", tuple(_CAMVID.split(",")))
VOC21 = LabelSpace("voc21", (BACKGROUND, *_VOC.split(",")))
COCO81 = LabelSpace("coco81", (BACKGROUND, *COCO80.classes))
CITYSCAPES19 = LabelSpace("cityscapes19", tuple(_CITYSCAPES.split(",")))
ADE150 = LabelSpace("ade150", tuple(_ADE.split(",")))

SPACES = {space.name: space for space in (CAMVID11, VOC21, COCO81, CITYSCAPES19, ADE150)}


KNOWN = {COCO80.name: COCO80, **SPACES}


def space_of(classes: str) -> LabelSpace:
    """A label space: ``classes`` is the name of a known one, or a text file with one name a line, and the space is
    named after it.

    Raises:
        UnavailableError: there is neither.
    """
    if classes in KNOWN:
        return KNOWN[classes]
    try:
        return _read(classes, sha256_of_file(classes))
    except (OSError, ValueError) as error:  # ValueError: of other text than UTF-8, or a name with a NUL
        reason = getattr(error, "strerror", None) or error
        raise UnavailableError(
            f"the class names {classes} cannot be read: {reason}; give one of {', '.join(KNOWN)}, or a text file, "
            f"one name a line"
        ) from error


def space_named(names: Sequence[str], otherwise: str) -> LabelSpace:
    """The known label space of exactly these classes in this order, else one of the name ``otherwise``."""
    found = tuple(names)
    return next((space for space in KNOWN.values() if space.classes == found), LabelSpace(otherwise, found))


def sha256_of_classes(classes: str) -> dict[str, str]:
    """For a head's provenance: the hash of the class names where they are a file."""
    return {} if classes in KNOWN else {"classes_sha256": sha256_of(classes)}


@functools.lru_cache(maxsize=16)
def _read(path: str, _sha256: str) -> LabelSpace:
    names = Path(path).read_text("utf-8").splitlines()
    return LabelSpace(Path(path).stem, tuple(name.strip() for name in names if name.strip()))


ROADSCENES = LabelSpace("roadscenes", ("car", "bus", "pedestrian", "bicyclist", "sign"))


TRAINED_ON = {"roadscenes": CAMVID11, "camvid": CAMVID11}
"""The classes that each packaged network answers in."""


NO_CLASSES = LabelSpace("", ())
