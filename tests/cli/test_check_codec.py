"""The contract suite as a command, and that it catches what it is there to catch."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pytest

from benchmarks.cli.check_codec import main
from benchmarks.codecs.jpeg import Jpeg
from benchmarks.conformance.checks import Finding, examine
from benchmarks.conformance.codec_rules import CONTRACT
from hsc.errors import BitstreamError


@dataclass(frozen=True)
class Paints(Jpeg):
    """Changes its input."""

    def encode(self, image: np.ndarray) -> bytes:
        image[0, 0] = 0
        return super().encode(image)


@dataclass(frozen=True)
class Moody(Jpeg):
    """Gives other bytes each time."""

    def encode(self, image: np.ndarray) -> bytes:
        return super().encode(image) + os.urandom(8)


@dataclass(frozen=True)
class Trusting(Jpeg):
    """Makes an image of anything."""

    def decode(self, data: bytes) -> np.ndarray:
        try:
            return super().decode(data)
        except BitstreamError:
            return np.zeros((8, 8, 3), np.uint8)


@dataclass(frozen=True)
class Crashing(Jpeg):
    """Answers damage with an error that is not ours."""

    def decode(self, data: bytes) -> np.ndarray:
        try:
            return super().decode(data)
        except BitstreamError:
            raise IndexError("out of range") from None


@dataclass(frozen=True)
class Leaning(Jpeg):
    """Decodes by its own quality, which is not in the bytes."""

    def decode(self, data: bytes) -> np.ndarray:
        return super().decode(data) // np.uint8(2 if self.quality < 50 else 1)


@dataclass(frozen=True)
class Cropping(Jpeg):
    """Gives whole blocks only."""

    def decode(self, data: bytes) -> np.ndarray:
        image = super().decode(data)
        return image[: max(image.shape[0] // 8 * 8, 1)]


@dataclass(frozen=True)
class Backwards(Jpeg):
    """Its ladder begins with the largest file."""

    ladder: ClassVar[tuple[Any, ...]] = (75, 50, 35, 20, 10, 5)


@dataclass(frozen=True)
class Standing(Jpeg):
    """Two points of its ladder are one."""

    ladder: ClassVar[tuple[Any, ...]] = (5, 10, 10, 20)


@dataclass(frozen=True)
class Silent(Jpeg):
    """Does not say what decides its bytes."""

    def provenance(self) -> dict[str, str]:
        return {}


@dataclass(frozen=True)
class Eager(Jpeg):
    """Codes what is no image."""

    def encode(self, image: np.ndarray) -> bytes:
        if image.ndim == 2:
            image = np.stack([image] * 3, axis=2)
        return super().encode(image)


@dataclass(unsafe_hash=True)
class Thawed:
    """A value that can be changed."""

    quality: int = 50
    rate_field: ClassVar[str] = "quality"
    ladder: ClassVar[tuple[int, ...]] = (10, 50)

    def encode(self, image: np.ndarray) -> bytes:
        return Jpeg(self.quality).encode(image)

    def decode(self, data: bytes) -> np.ndarray:
        return Jpeg().decode(data)

    def available(self) -> str | None:
        return None

    def provenance(self) -> dict[str, str]:
        return {"code": "thawed-1"}


def finding(codec: Any, name: str) -> Finding:
    return examine(codec, next(check for check in CONTRACT if check.name == name))


@pytest.mark.parametrize(
    ("codec", "rule", "said"),
    [
        (Paints(), "codes_any_size", "encode changed its input"),
        (Moody(), "gives_the_same_bytes_twice", "two encodes"),
        (Trusting(), "refuses_empty_and_foreign_streams", "it took b''"),
        (Trusting(), "refuses_other_codecs_streams", "stream of original"),
        (Crashing(), "refuses_empty_and_foreign_streams", "IndexError: out of range"),
        (Leaning(), "decodes_in_a_fresh_process", "pixels differ"),
        (Cropping(), "codes_any_size", "expected uint8"),
        (Backwards(), "bytes_grow_from_end_to_end", "the ladder's first point takes"),
        (Backwards(), "its_ladder_lies_within_its_range", "does not run from 1 to 100"),
        (Standing(), "its_ladder_is_of_its_rate_field", "3 different points"),
        (Standing(), "bytes_grow_along_the_whole_ladder", "along the ladder"),
        (Silent(), "says_what_decides_its_bytes", "provenance gave {}"),
        (Eager(), "refuses_what_is_no_image", "it coded an array of uint8 (4, 4)"),
        (Thawed(), "is_a_frozen_value", "quality can be set"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_seeded_mistakes_are_found_and_described(codec: Any, rule: str, said: str) -> None:
    found = finding(codec, rule)
    assert found.state == "failed"
    assert said in found.text
    assert finding(Jpeg(), rule).state == "passed"


def test_rules_have_names_and_sentences_of_their_own() -> None:
    assert len({check.name for check in CONTRACT}) == len({check.rule for check in CONTRACT}) == len(CONTRACT) >= 16
    assert all(check.rule and not check.rule.endswith(".") for check in CONTRACT)


def test_a_rule_that_does_not_apply_is_not_held_against_a_codec(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["original", "--quick"]) == 0
    shown = capsys.readouterr().out
    assert (
        "- (not applicable) Its files are larger at the end of its ladder than at the beginning: it has one point\n"
        in shown
    )


def test_what_is_kept_is_printed_as_markdown(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(['jpeg(subsampling="4:4:4")', "--quick"]) == 0
    lines = capsys.readouterr().out.splitlines()
    quick = [check for check in CONTRACT if not check.slow]
    passed = len(quick) - sum(line.startswith("- (not applicable)") for line in lines)
    assert passed > 10
    assert lines[0].startswith(
        f'`jpeg(subsampling="4:4:4")` passes {passed} of {passed} rules of the codec contract of '
    )
    for check, line in zip(quick, lines[2:], strict=True):
        assert line == f"- [x] {check.rule}" or line.startswith(f"- (not applicable) {check.rule}: ")


def test_broken_rules_end_with_1_and_say_how(capsys: pytest.CaptureFixture[str]) -> None:
    """The test kit's toy takes anything for an image."""
    assert main(["blocks", "--quick"]) == 1
    rule = next(check.rule for check in CONTRACT if check.name == "refuses_what_is_no_image")
    assert f"- [ ] {rule}: " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["jpg"], "did you mean jpeg"),
        (["jpeg(quality=[5, 10])"], "one value is expected"),
        (["precomputed"], "needs"),
        (["x", "--codec-file", "no.toml"], "no.toml"),
    ],
)
def test_what_cannot_be_checked_ends_with_2(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 2
    message = capsys.readouterr().err
    assert message.startswith("error: ")
    assert said in message


def test_help_has_examples(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["--help"])
    assert stopped.value.code == 0
    assert "examples:" in capsys.readouterr().out
