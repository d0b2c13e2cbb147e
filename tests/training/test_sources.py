"""The origin of images in the card of trained weights."""

from __future__ import annotations

from downstream.training.shards import in_words


def test_ranges_that_follow_on_each_other_are_one() -> None:
    assert (
        in_words(["a revision 1 images 0 to 249", "a revision 1 images 250 to 265"]) == "a revision 1 images 0 to 265"
    )
    assert in_words(
        [
            "a images 0 to 9, seed 0 view 0",
            "a images 0 to 9, seed 0 view 2",
            "a images 10 to 11, seed 0 view 0",
            "a images 10 to 11, seed 0 view 2",
        ]
    ) == ("a images 0 to 11, seed 0 views 0, 2")
    assert in_words(["a images 0 to 9 without b*", "a images 10 to 11 without b*"]) == "a images 0 to 11 without b*"


def test_others_stand_beside_each_other_once() -> None:
    gap = ["a images 0 to 9", "a images 20 to 29"]
    other = ["a images 0 to 9", "b images 10 to 19"]
    named = ["a images 0 to 9", "a images 10 to 19 without b*"]
    for sources in (gap, other, named, ["words", "more words"]):
        assert in_words([*sources, sources[-1]]) == "; ".join(sources)
    assert in_words([]) == ""
