"""The 80 COCO classes in their usual order, and the gaps in COCO's own numbering.

Lin et al., "Microsoft COCO: Common Objects in Context", ECCV 2014. COCO numbers its categories 1 to 90 and never used ten of
those numbers; detectors trained elsewhere answer either 0 to 79 ("coco80") or those original numbers.
"""

from __future__ import annotations

from downstream.api import LabelSpace

_NAMES = (
    "person,bicycle,car,motorcycle,airplane,bus,train,truck,boat,traffic light,fire hydrant,stop sign,parking meter,bench,"
    "bird,cat,dog,horse,sheep,cow,elephant,bear,zebra,giraffe,backpack,umbrella,handbag,tie,suitcase,frisbee,skis,snowboard,"
    "sports ball,kite,baseball bat,baseball glove,skateboard,surfboard,tennis racket,bottle,wine glass,cup,fork,knife,spoon,"
    "bowl,banana,apple,sandwich,orange,broccoli,carrot,hot dog,pizza,donut,cake,chair,couch,potted plant,bed,dining table,"
    "toilet,tv,laptop,mouse,remote,keyboard,cell phone,microwave,oven,toaster,sink,refrigerator,book,clock,vase,scissors,"
    "teddy bear,hair drier,toothbrush"
)

COCO80 = LabelSpace("coco80", tuple(_NAMES.split(",")))

UNUSED_NUMBERS = frozenset({12, 26, 29, 30, 45, 66, 68, 69, 71, 83})
"""Category numbers between 1 and 90 that COCO's detection labels never use."""

NUMBERS = tuple(n for n in range(1, 91) if n not in UNUSED_NUMBERS)
"""COCO's own number of each class of ``COCO80``."""
