"""Calling a head: its input lent to it, its answers checked.

inputs, originals --lent as copies--> predict | predict_latents | compare --checked--> predictions
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from benchmarks.harness.guard import guarded, lent
from benchmarks.harness.head_answers import checked_prediction
from downstream.api import Prediction, Route, sees_originals
from hsc.api import Image
from hsc.errors import HeadError


def ask(head: Any, route: Route, inputs: Sequence[Any], originals: Sequence[Image]) -> list[Prediction]:
    """A head's predictions on decoded images or latents, each checked.

    inputs: decoded images, or latents on the latent route. originals: the images before coding, for heads that compare
    the two; empty for others.

    Raises:
        HscError: the head raised something itself, or wrote into its input.
        HeadError: it gave another number of predictions than inputs came, or one that cannot be scored.
    """
    with lent_to(head, inputs, originals) as (own_inputs, own_originals):
        return checked_predictions(guarded(called, head, route, own_inputs, own_originals), head, inputs)


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
