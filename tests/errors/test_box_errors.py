"""Errors of detections: a case worked by hand, and random scenes against loops that follow the definitions."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.errors.box_errors import compare, judge
from benchmarks.errors.kinds import FALSE_KINDS, OBJECT_KINDS
from benchmarks.errors.score_thresholds import best_thresholds
from benchmarks.metrics._coco_matching import Shapes, Taken, ious, match, take


def shapes(rows):
    """Rows of image, label, left, top, width, height."""
    table = np.asarray(rows, np.float64).reshape(-1, 6)
    return Shapes(table[:, 0].astype(int), table[:, 1].astype(int), table[:, 2:], table[:, 4] * table[:, 5])


def judged(objects, rows, crowd=None, classes=3):
    """Rows of image, label, left, top, width, height; the first has the highest score."""
    found = shapes(rows)
    scores = np.linspace(0.9, 0.5, len(found.image)) if len(found.image) else np.zeros(0)
    crowd = np.zeros(len(objects.image), bool) if crowd is None else crowd
    return judge(objects, crowd, found, scores, classes)


def names(numbers, kinds):
    return [kinds[number] if number >= 0 else "" for number in numbers]


OBJECTS = shapes([[0, 0, 100 * place, 0, 20, 20] for place in range(6)])
AT = [[0, 0, 100 * place, 0, 20, 20] for place in range(6)]


def test_every_kind_of_object_and_of_false_detection():
    original = [AT[0], AT[1], AT[2], AT[3], [0, 0, 0, 300, 20, 20], [0, 0, 0, 400, 20, 20]]
    coded = [
        AT[0],  # kept
        AT[4],  # gained
        [0, 1, 200, 0, 20, 20],  # the class of object 2 is another one
        [0, 0, 300, 12, 20, 20],  # IoU .25 with object 3
        [0, 0, 0, 301, 20, 20],  # false on the original, too
        [0, 0, 0, 500, 20, 20],  # on nothing
        [0, 0, 1, 0, 20, 20],  # a second one on object 0
        [0, 2, 500, 12, 20, 20],  # wrong class and place
    ]
    no_crowd = np.zeros(6, bool)
    errors = compare(OBJECTS, no_crowd, judged(OBJECTS, original), judged(OBJECTS, coded))
    assert names(errors.objects, OBJECT_KINDS) == [
        "kept",
        "vanished",
        "class_changed",
        "box_moved",
        "gained",
        "missed",
    ]
    assert names(errors.false, FALSE_KINDS) == [
        "",
        "",
        "wrong_class",
        "wrong_box",
        "already_false",
        "hallucinated",
        "duplicate",
        "wrong_both",
    ]
    assert errors.cured.tolist() == [False, False, False, False, False, True]


def test_a_crowd_is_neither_lost_nor_found_and_what_takes_it_is_not_false():
    crowd = np.array([True, False])
    objects = shapes([[0, 0, 0, 0, 100, 100], [0, 0, 300, 0, 20, 20]])
    errors = compare(objects, crowd, judged(objects, [], crowd), judged(objects, [[0, 0, 10, 10, 20, 20]], crowd))
    assert names(errors.objects, OBJECT_KINDS) == ["", "missed"]
    assert errors.false.tolist() == [-1]


def test_false_detections_are_paired_one_to_one():
    """Two new boxes around one old one: the better is the old one, the other is new."""
    objects = shapes([])
    errors = compare(
        objects,
        np.zeros(0, bool),
        judged(objects, [[0, 0, 0, 0, 20, 20]]),
        judged(objects, [[0, 0, 1, 0, 20, 20], [0, 0, 0, 0, 20, 20], [1, 0, 0, 0, 20, 20]]),
    )
    assert names(errors.false, FALSE_KINDS) == ["already_false", "hallucinated", "hallucinated"]


def random_shapes(random, count, spread=60):
    image, label = random.integers(0, 4, count), random.integers(0, 3, count)
    boxes = np.concatenate([random.integers(0, spread, (count, 2)), random.integers(8, 30, (count, 2))], 1)
    return Shapes(image, label, boxes.astype(np.float64), boxes[:, 2:].prod(1).astype(np.float64))


def overlap(one, other):
    width = min(one[0] + one[2], other[0] + other[2]) - max(one[0], other[0])
    height = min(one[1] + one[3], other[1] + other[3]) - max(one[1], other[1])
    inside = max(width, 0) * max(height, 0)
    return inside / (one[2] * one[3] + other[2] * other[3] - inside)


def kind_by_definition(found, d, objects, counting, taken):
    near = [o for o in counting if objects.image[o] == found.image[d]]
    iou = {o: overlap(found.boxes[d], objects.boxes[o]) for o in near}
    same = {o: value for o, value in iou.items() if objects.label[o] == found.label[d]}
    others = {o: value for o, value in iou.items() if objects.label[o] != found.label[d]}
    if same and 0.1 <= max(same.values()) < 0.5:
        return "wrong_box"
    if others and max(others.values()) >= 0.5:
        return "wrong_class"
    if any(value >= 0.5 and o in taken for o, value in same.items()):
        return "duplicate"
    return "hallucinated" if max(iou.values(), default=0) <= 0.1 else "wrong_both"


@pytest.mark.parametrize("seed", range(20))
def test_the_kinds_add_up_and_follow_their_definitions(seed):
    random = np.random.default_rng(seed)
    objects = random_shapes(random, 30)
    crowd = random.random(30) < 0.1
    pair = []
    for _ in range(2):
        found = random_shapes(random, 40)
        found.boxes[:20] = objects.boxes[:20] + random.integers(-3, 4, (20, 4))
        found.image[:20] = objects.image[:20]
        found.label[:15] = objects.label[:15]
        found = found._replace(areas=found.boxes[:, 2:].prod(1))
        pair.append(judge(objects, crowd, found, random.random(40), 3))
    original, coded = pair
    errors = compare(objects, crowd, original, coded)
    counting = np.flatnonzero(~crowd)
    before, after = ({int(o) for o in one.objects if o >= 0} for one in pair)
    kinds = names(errors.objects, OBJECT_KINDS)
    assert [bool(kind) for kind in kinds] == (~crowd).tolist()
    assert {o for o in counting if kinds[o] == "kept"} == before & after
    assert {o for o in counting if kinds[o] == "gained"} == after - before
    assert {o for o in counting if kinds[o] == "missed"} == set(counting.tolist()) - before - after
    assert {o for o in counting if kinds[o] in ("vanished", "class_changed", "box_moved")} == before - after
    false = names(errors.false, FALSE_KINDS)
    assert [bool(kind) for kind in false] == coded.false.tolist()
    assert false.count("already_false") + int(errors.cured.sum()) == int(original.false.sum())
    for d in np.flatnonzero(coded.false):
        if false[d] != "already_false":
            assert false[d] == kind_by_definition(coded.shapes, d, objects, counting, after)
    for o in counting:
        if kinds[o] in ("class_changed", "box_moved"):
            reason = {"class_changed": "wrong_class", "box_moved": "wrong_box"}[kinds[o]]
            assert reason in [
                false[d]
                for d in np.flatnonzero(coded.false)
                if coded.shapes.image[d] == objects.image[o] and overlap(coded.shapes.boxes[d], objects.boxes[o]) >= 0.1
            ]


@pytest.mark.parametrize("seed", range(5))
def test_what_detections_take_are_the_evaluators_hits(seed):
    random = np.random.default_rng(seed)
    objects, found = random_shapes(random, 40), random_shapes(random, 60)
    found.boxes[:40] = objects.boxes + random.integers(-4, 5, (40, 4))
    found.image[:40], found.label[:40] = objects.image, objects.label
    crowd, scores = random.random(40) < 0.2, random.random(60)
    taken = take(objects, crowd, found, scores, 3)
    for label, matched in enumerate(match(objects, crowd, found, scores, 3)):
        assert int((matched.hit & 1).sum()) == int((taken.objects[found.label == label] >= 0).sum())
        assert int((matched.ignored & 1).sum()) == int((~taken.counts[found.label == label]).sum())
    some = taken.objects >= 0
    assert len(set(taken.objects[some].tolist())) == int(some.sum())
    assert (objects.label[taken.objects[some]] == found.label[some]).all()
    assert all(overlap(found.boxes[d], objects.boxes[o]) >= 0.5 for d, o in enumerate(taken.objects.tolist()) if o >= 0)


def test_the_same_predictions_lose_and_make_up_nothing():
    random = np.random.default_rng(3)
    objects = random_shapes(random, 30)
    found = judge(objects, np.zeros(30, bool), random_shapes(random, 40), random.random(40), 3)
    errors = compare(objects, np.zeros(30, bool), found, found)
    assert set(names(errors.objects, OBJECT_KINDS)) <= {"kept", "missed"}
    assert set(names(errors.false, FALSE_KINDS)) <= {"", "already_false"}
    assert not errors.cured.any()


def test_masks_are_compared_by_their_pixels():
    from pycocotools import mask

    canvas = np.zeros((2, 20, 20), np.uint8, order="F")
    canvas[0, :10, :10] = 1
    canvas[1, :10, :5] = 1
    runs = [mask.encode(np.asfortranarray(one)) for one in canvas]
    both = shapes([[0, 0, 0, 0, 10, 10], [0, 0, 0, 0, 5, 10]])._replace(runs=runs)
    assert np.allclose(ious(both, both), [[1, 0.5], [0.5, 1]])


def test_the_threshold_is_where_f1_on_the_originals_is_best():
    labels, scores = np.zeros(6, int), np.array([0.9, 0.8, 0.7, 0.6, 0.5, 0.4])
    taken = Taken(np.array([0, 1, -1, 2, -1, -1]), np.ones(6, bool))
    # F1 after each: 2/(20+1), 4/22, 4/23, 6/24, 6/25, 6/26
    assert best_thresholds(labels, scores, taken, np.array([20])).tolist() == [0.6]


def test_rare_classes_share_the_threshold_of_all_and_ties_count_together():
    labels, scores = np.array([0, 0, 1, 1]), np.array([0.9, 0.5, 0.8, 0.5])
    taken = Taken(np.array([0, 1, 2, -1]), np.array([True] * 4))
    thresholds = best_thresholds(labels, scores, taken, np.array([30, 5]))
    assert thresholds.tolist() == [0.5, 0.5]  # of all: 2/36, 4/37, 6/39 with both of score .5
    nothing = Taken(np.full(4, -1), np.ones(4, bool))
    assert np.isinf(best_thresholds(labels, scores, nothing, np.array([30, 5]))).all()
