"""The classes of the common segmentation data sets, in the order of their labels; a head trained on one answers in these.

camvid11      Brostow, Fauqueur, Cipolla 2009, grouped as in SegNet (Badrinarayanan, Kendall, Cipolla 2017)
voc21         Everingham et al., "The PASCAL Visual Object Classes Challenge: A Retrospective", IJCV 2015; 0 is background
coco81        COCO's 80 object classes behind a background
cityscapes19  Cordts et al., "The Cityscapes Dataset", CVPR 2016; the order of its trainIds
ade150        Zhou et al., "Scene Parsing through ADE20K Dataset", CVPR 2017; the benchmark's numbers 1 to 150, less 1
"""

from __future__ import annotations

from downstream.api import LabelSpace
from downstream.coco_classes import COCO80

BACKGROUND = "background"

_CAMVID = "sky,building,pole,road,pavement,tree,sign,fence,car,pedestrian,bicyclist"

_VOC = "aeroplane,bicycle,bird,boat,bottle,bus,car,cat,chair,cow,diningtable,dog,horse,motorbike,person,pottedplant,sheep,sofa,train,tvmonitor"

_CITYSCAPES = (
    "road,sidewalk,building,wall,fence,pole,traffic light,traffic sign,vegetation,terrain,sky,person,rider,car,truck,bus,train,motorcycle,bicycle"
)

_ADE = (
    "wall,building,sky,floor,tree,ceiling,road,bed,windowpane,grass,cabinet,sidewalk,person,earth,door,table,mountain,plant,curtain,"
    "chair,car,water,painting,sofa,shelf,house,sea,mirror,rug,field,armchair,seat,fence,desk,rock,wardrobe,lamp,bathtub,railing,cushion,"
    "base,box,column,signboard,chest of drawers,counter,sand,sink,skyscraper,fireplace,refrigerator,grandstand,path,stairs,runway,case,"
    "pool table,pillow,screen door,stairway,river,bridge,bookcase,blind,coffee table,toilet,flower,book,hill,bench,countertop,stove,palm,"
    "kitchen island,computer,swivel chair,boat,bar,arcade machine,hovel,bus,towel,light,truck,tower,chandelier,awning,streetlight,booth,"
    "television receiver,airplane,dirt track,apparel,pole,land,bannister,escalator,ottoman,bottle,buffet,poster,stage,van,ship,fountain,"
    "conveyer belt,canopy,washer,plaything,swimming pool,stool,barrel,basket,waterfall,tent,bag,minibike,cradle,oven,ball,food,step,tank,"
    "trade name,microwave,pot,animal,bicycle,lake,dishwasher,screen,blanket,sculpture,hood,sconce,vase,traffic light,tray,ashcan,fan,pier,"
    "crt screen,plate,monitor,bulletin board,shower,radiator,glass,clock,flag"
)

CAMVID11 = LabelSpace("camvid11", tuple(_CAMVID.split(",")))
VOC21 = LabelSpace("voc21", (BACKGROUND, *_VOC.split(",")))
COCO81 = LabelSpace("coco81", (BACKGROUND, *COCO80.classes))
CITYSCAPES19 = LabelSpace("cityscapes19", tuple(_CITYSCAPES.split(",")))
ADE150 = LabelSpace("ade150", tuple(_ADE.split(",")))

SPACES = {space.name: space for space in (CAMVID11, VOC21, COCO81, CITYSCAPES19, ADE150)}
