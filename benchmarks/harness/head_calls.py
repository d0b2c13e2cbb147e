"""Calling a head: its input lent to it, its answers checked.

inputs, originals --lent as copies--> predict | predict_latents | compare --checked--> predictions
images, regions --cut out--> crops, which are the inputs of classifiers; the predictions of one image's are put together
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, NamedTuple

import numpy as np

from benchmarks.api import Region
from benchmarks.harness.guard import guarded, lent
from benchmarks.harness.head_answers import checked_prediction
from downstream.api import Classification, Prediction, Route, sees_originals
from hsc.api import Image
from hsc.errors import HeadError

Regions = Sequence[tuple[Region, ...] | None]
"""The regions of each image, None for one that is taken whole."""


class CutOut(NamedTuple):
    """The inputs of a classifier. inputs: whole images and crops, in order. counts: how many belong to each image, None
    for one that is taken whole.
    """

    inputs: list[Any]
    counts: list[int | None]

    def put_together(self, predictions: Sequence[Prediction]) -> list[Prediction]:
        """One prediction for each image from those for its crops."""
        left = iter(predictions)
        return [next(left) if count is None else _stacked(list(islice(left, count))) for count in self.counts]


def _stacked(rows: Sequence[Prediction]) -> Classification:
    """The rankings of an image's crops as those of the image."""
    rankings = [row.ranking for row in rows if isinstance(row, Classification)]
    return Classification(np.concatenate(rankings) if rankings else np.zeros((0, 0), np.uint16))


def cut_out(head: Any, inputs: Sequence[Any], regions: Regions) -> CutOut:
    """What a head is given of some images: crops of their regions if it classifies, else the inputs as they are."""
    if head.output is not Classification or not any(of_image is not None for of_image in regions):
        return CutOut(list(inputs), [None] * len(inputs))
    given: list[Any] = []
    for image, of_image in zip(inputs, regions, strict=True):
        given += [image] if of_image is None else [_part(image, region) for region in of_image]
    return CutOut(given, [None if of_image is None else len(of_image) for of_image in regions])


def _part(image: Image, region: Region) -> Image:
    left, top, right, bottom = region
    return np.ascontiguousarray(image[top:bottom, left:right])


def ask(
    head: Any, route: Route, inputs: Sequence[Any], originals: Sequence[Image], regions: Regions = ()
) -> list[Prediction]:
    """A head's predictions on decoded images or latents, each checked.

    inputs: decoded images, or latents on the latent route. originals: the images before coding, for heads that compare
    the two; empty for others. regions: of each image, for heads that classify; empty where images are taken whole.

    Raises:
        HscError: the head raised something itself, or wrote into its input.
        HeadError: it gave another number of predictions than inputs came, or one that cannot be scored.
    """
    cut = cut_out(head, inputs, regions or [None] * len(inputs))
    with lent_to(head, cut.inputs, originals) as (own_inputs, own_originals):
        answers = guarded(called, head, route, own_inputs, own_originals) if cut.inputs else []
    return cut.put_together(checked_predictions(answers, head, cut.inputs))


def called(head: Any, route: Route, inputs: Sequence[Any], originals: Sequence[Image]) -> Any:
    """A head's answers as they come, from the method that its route names. Raises whatever the head raises."""
    if sees_originals(head):
        return head.compare(originals, inputs)
    return head.predict(inputs) if route == "image" else head.predict_latents(inputs)


@contextlib.contextmanager
def lent_to(
    head: Any, inputs: Sequence[Any], originals: Sequence[Image]
) -> Iterator[tuple[Sequence[Any], Sequence[Image]]]:
    """A head's inputs and originals as it may have them: images are copies that it cannot write to.

    Raises:
        PluginError: the head wrote into an image all the same.
    """
    images = [array for array in inputs if isinstance(array, np.ndarray)]
    with lent([*images, *originals], "the head") as copies:
        yield copies[: len(images)] if images else inputs, copies[len(images) :]


def checked_predictions(answers: Any, head: Any, inputs: Sequence[Any]) -> list[Prediction]:
    """A head's answers to these inputs, each checked.

    Raises:
        HeadError: they are no sequence, another number than the inputs, or one of them cannot be scored.
    """
    try:
        predictions = list(answers)
    except TypeError:
        raise HeadError(f"the head gave {type(answers).__name__}, expected a list of {head.output.__name__}") from None
    if len(predictions) != len(inputs):
        raise HeadError(f"the head gave {len(predictions)} predictions for {len(inputs)} images")
    sizes = [given.shape[:2] if isinstance(given, np.ndarray) else given.image_hw for given in inputs]
    return [checked_prediction(p, head, (int(h), int(w))) for p, (h, w) in zip(predictions, sizes, strict=True)]
