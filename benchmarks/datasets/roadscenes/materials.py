"""Numbers of the materials, the semantic classes and the object classes.

Materials from 40 on have holes (see ``alpha_mask``).
"""

from __future__ import annotations

SKY, ROAD, PAVEMENT, KERB, WALL, ROOF, PLAIN, PAINT, GLASS, WHEEL, LAMP, SIGN, BARK, CLOTH, SKIN = range(15)
GRASS, HEDGE, PLATE, BUS, HAIR, STONE, METAL, ADVERT, CANOPY = range(15, 24)
LEAF, TWIG, RAILING, MESH, SPOKES = range(40, 45)

SEMANTIC = ("sky", "building", "pole", "road", "pavement", "tree", "sign", "fence", "car", "pedestrian", "bicyclist")
"""CamVid's eleven classes in the order of its usual 11-class label maps (Badrinarayanan et al., SegNet, 2017)."""

S_SKY, S_BUILDING, S_POLE, S_ROAD, S_PAVEMENT, S_TREE, S_SIGN, S_FENCE, S_CAR, S_PEDESTRIAN, S_BICYCLIST = range(11)
S_VOID = 255

OBJECTS = ("car", "bus", "pedestrian", "bicyclist", "sign")
"""Classes of the detection labels; COCO's category_id is the index here plus 1."""

CAR, BUS_OBJECT, PEDESTRIAN, BICYCLIST, SIGN_OBJECT = range(5)
