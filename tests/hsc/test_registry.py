"""Specs as text, config and object; near names; broken plug-ins; plug-ins of other distributions."""

from __future__ import annotations

import contextlib
import dataclasses
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hsc.errors import SpecError, UnknownNameError
from hsc.registry import Registry, Spec, config, expand, format_value, parse_spec


@pytest.mark.parametrize(
    ("text", "name", "arguments"),
    [
        ("jpeg", "jpeg", {}),
        ("  jpeg ", "jpeg", {}),
        ("jpeg()", "jpeg", {}),
        ("jpeg(quality=5)", "jpeg", {"quality": 5}),
        ("my-codec_2( quality = 5 , )", "my-codec_2", {"quality": 5}),
        ("a(x=1.5, y=-2, z=1e-3)", "a", {"x": 1.5, "y": -2, "z": 1e-3}),
        ("a(x=True, y=False, z=None)", "a", {"x": True, "y": False, "z": None}),
        ("a(x=medium, y=out/q-1.bin)", "a", {"x": "medium", "y": "out/q-1.bin"}),
        ("""a(x="4:2:0", y='it, (is) "so"')""", "a", {"x": "4:2:0", "y": 'it, (is) "so"'}),
        (r'a(x="a \"b\" \\ c")', "a", {"x": 'a "b" \\ c'}),
        ("a(x=[1, 2], y=(3, 4), z=(5,), e=[], w=(6))", "a", {"x": [1, 2], "y": (3, 4), "z": (5,), "e": [], "w": 6}),
        ('a(x=[(1, 2), (3, 4)], y=[fast, "slow, er"])', "a", {"x": [(1, 2), (3, 4)], "y": ["fast", "slow, er"]}),
    ],
)
def test_parse(text: str, name: str, arguments: dict[str, Any]) -> None:
    assert parse_spec(text) == Spec(name, arguments)


@pytest.mark.parametrize(
    "text",
    [
        "", "5", "(x=1)", "jpeg(", "jpeg)", "jpeg(x=1", "jpeg x=1", "jpeg(5)", "jpeg(x=)", "jpeg(x=1)(y=2)",
        "jpeg(x=1, x=2)", 'jpeg(x="open)', "jpeg(x=[1, 2)", "jpeg(x=(1, 2])", "jpeg(x={1: 2})", "jpeg(x=1+1)",
        "jpeg(x=__import__('os'))", "jpeg(x=a b)", "jpeg(1x=2)",
    ],
)  # fmt: skip
def test_what_is_no_spec_is_refused(text: str) -> None:
    with pytest.raises(SpecError):
        parse_spec(text)


simple = st.one_of(st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.booleans(), st.none(), st.text())
values = st.recursive(
    simple, lambda inner: st.lists(inner, max_size=3) | st.lists(inner, max_size=3).map(tuple), max_leaves=6
)
keys = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,6}", fullmatch=True)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("jpeg(x=5", "not closed"),
        ("jpeg(x=[5)", "not closed"),
        ("jpeg(x='(", "not closed"),
        ("jpeg(x=5)(y=1", "not closed"),
        ("jpeg(x=5)y", r"after 'jpeg' came '\(x=5\)y'"),
        ("jpeg y", "after 'jpeg' came 'y'"),
    ],
)
def test_an_open_bracket_is_told_from_text_behind_a_closed_one(text: str, said: str) -> None:
    with pytest.raises(SpecError, match=said):
        parse_spec(text)


@settings(deadline=None)
@given(st.from_regex(r"[A-Za-z_][A-Za-z0-9_-]{0,8}", fullmatch=True), st.dictionaries(keys, values, max_size=4))
@example("a", {"x": "line\nline\r\0\x7f"})
def test_what_is_written_is_read_back(name: str, arguments: dict[str, Any]) -> None:
    assert parse_spec(str(Spec(name, arguments))) == Spec(name, arguments)


@settings(deadline=None)
@given(st.text(max_size=40))
def test_any_text_parses_or_is_refused(text: str) -> None:
    for attempt in (text, f"jpeg({text})", f"jpeg(x={text})"):
        with contextlib.suppress(SpecError):
            parse_spec(attempt)


def test_words_that_look_like_values_are_quoted() -> None:
    assert [format_value(v) for v in ("fast", "5", "True", "0016E5", "a b", "")] == [
        "fast",
        '"5"',
        '"True"',
        '"0016E5"',
        '"a b"',
        '""',
    ]


def test_expand_writes_out_sweeps_the_first_slowest() -> None:
    specs = expand(parse_spec("vvc(preset=[fast, medium], qp=[37, 32], scale=(1, 2))"))
    assert [tuple(s.arguments.values()) for s in specs] == [
        ("fast", 37, (1, 2)),
        ("fast", 32, (1, 2)),
        ("medium", 37, (1, 2)),
        ("medium", 32, (1, 2)),
    ]
    assert expand(parse_spec("jpeg(quality=[])")) == []
    assert expand(Spec("jpeg")) == [Spec("jpeg")]


PLUGINS = {
    "toast": """
        import dataclasses
        from typing import Literal
        from {package} import THINGS

        @THINGS.register("toast")
        @dataclasses.dataclass(frozen=True)
        class Toast:
            heat: int = 3
            butter: float = 0.5
            side: Literal["up", "down"] = "up"
            label: str = ""
            size: tuple[int, int] | None = None
            sliced: bool = False

            def __post_init__(self):
                if self.heat > 9:
                    raise ValueError("too hot")
    """,
    "jam": """
        import dataclasses
        from {package} import THINGS

        @THINGS.register("jam")
        @dataclasses.dataclass(frozen=True)
        class Jam:
            fruit: str
    """,
    "rotten": "import no_such_package_anywhere",
    "_private": "raise RuntimeError('never imported')",
}


ALIASED = {
    "toast": PLUGINS["toast"].replace('register("toast")', 'register("toast", aliases=("bruschetta", "crostini"))'),
    "jam": PLUGINS["jam"],
}


@pytest.fixture
def things(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Registry[Any]]:
    """things(files): a registry over a package made of these files, on the path until the test ends."""
    counter = iter(range(100))

    def make(files: dict[str, str] | None = None, group: str = "hsc.test_things") -> Registry[Any]:
        package = f"things_{tmp_path.name.replace('-', '_')}_{next(counter)}"
        folder = tmp_path / package
        folder.mkdir()
        head = f"from hsc.registry import Registry\nTHINGS = Registry('thing', package={package!r}, group={group!r})\n"
        (folder / "__init__.py").write_text(head)
        for name, text in (PLUGINS if files is None else files).items():
            (folder / f"{name}.py").write_text(textwrap.dedent(text).replace("{package}", package))
        monkeypatch.syspath_prepend(str(tmp_path))
        __import__(package)
        registry: Registry[Any] = sys.modules[package].THINGS
        return registry

    return make


def test_files_are_found_and_a_broken_one_hides_no_other(things: Callable[..., Registry[Any]]) -> None:
    registry = things()
    assert registry.names() == ["jam", "toast"]
    assert set(registry.broken) == {"rotten"}
    assert "no_such_package_anywhere" in registry.broken["rotten"]
    with pytest.raises(UnknownNameError, match=r"'rotten' cannot be used.*no_such_package_anywhere"):
        registry.get("rotten")


def test_nothing_is_imported_before_a_name_is_asked_for(things: Callable[..., Registry[Any]]) -> None:
    registry = things({"loud": "raise SystemError('imported')"})
    assert registry.broken == {}
    assert registry.names() == []
    assert set(registry.broken) == {"loud"}


def test_unknown_names_come_with_near_ones(things: Callable[..., Registry[Any]]) -> None:
    registry = things()
    with pytest.raises(UnknownNameError, match=r"no thing is named 'tosat'; did you mean toast\?"):
        registry.get("tosat")
    with pytest.raises(UnknownNameError, match="there are: jam, toast"):
        registry.get("xyz")


def test_build_and_back(things: Callable[..., Registry[Any]]) -> None:
    registry = things()
    for text in (
        "toast",
        "toast(heat=5)",
        "toast(butter=2.0, side=down, size=(3, 4), sliced=True)",
        'toast(label="5")',
        "jam(fruit=plum)",
    ):
        item = registry.build(text)
        assert str(registry.spec(item)) == text
        assert registry.build(parse_spec(text)) == item
        assert type(item)(**config(item)) == item


def test_build_fits_values_to_fields(things: Callable[..., Registry[Any]]) -> None:
    registry = things()
    assert isinstance(registry.build("toast(butter=2)").butter, float)
    assert registry.build("toast(label=5)").label == "5"
    assert registry.build("toast(size=None)").size is None


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("toast(haet=1)", "no argument 'haet'; did you mean 'heat'"),
        ("toast(zzz=1)", "it takes: heat, butter"),
        ("toast(heat=hot)", r"toast\(heat=\.\.\.\) came as hot, expected a whole number"),
        ("toast(heat=1.5)", "expected a whole number"),
        ("toast(heat=True)", "expected a whole number"),
        ("toast(sliced=1)", "expected True or False"),
        ("toast(side=left)", "expected up or down"),
        ("toast(heat=[1, 2])", "here one value is expected"),
        ("toast(heat=10)", "is not possible: too hot"),
        ("jam", r"needs fruit, as in jam\(fruit=\.\.\.\)"),
    ],
)
def test_arguments_that_do_not_fit_are_named(text: str, complaint: str, things: Callable[..., Registry[Any]]) -> None:
    with pytest.raises(SpecError, match=complaint):
        things().build(text)


def test_whole_numbers_that_no_float_holds_are_refused() -> None:
    registry: Registry[Any] = Registry("toast", package="no.such.package", group="none")
    registry._loaded = True

    @registry.register("warm")
    @dataclasses.dataclass(frozen=True)
    class Warm:
        heat: float = 1.0
        side: float | None = None

    assert registry.build(f"warm(heat={10**300})") == Warm(1e300)
    for text in (f"warm(heat={10**400})", f"warm(heat=-{10**400})", f"warm(side={10**309})"):
        with pytest.raises(SpecError, match=r"came as a whole number of \d{3} digits, which no float holds"):
            registry.build(text)


def test_two_of_one_name_are_refused(things: Callable[..., Registry[Any]]) -> None:
    registry = things()
    registry.names()

    @dataclasses.dataclass(frozen=True)
    class Other:
        pass

    with pytest.raises(SpecError, match="two things are named 'toast'"):
        registry.register("toast")(Other)
    again = registry.get("toast")
    assert registry.register("toast")(again) is again


def test_a_second_file_of_one_name_is_broken_and_the_first_stays(things: Callable[..., Registry[Any]]) -> None:
    registry = things({"bread": PLUGINS["toast"], "toast": PLUGINS["toast"].replace("class Toast", "class Toast2")})
    assert registry.names() == ["toast"]
    assert "two things are named 'toast'" in registry.broken["toast"]
    assert registry.get("toast").__name__ == "Toast"


def test_an_alias_gives_the_same_class_object_and_spec(things: Callable[..., Registry[Any]]) -> None:
    registry = things(ALIASED)
    assert registry.get("bruschetta") is registry.get("toast")
    for arguments in ("", "(heat=5)", "(butter=2.0, size=(3, 4))"):
        item = registry.build(f"bruschetta{arguments}")
        assert item == registry.build(f"toast{arguments}")
        assert item.spec_name == "toast"
        assert str(registry.spec(item)) == f"toast{arguments}"
        assert registry.parse(f"crostini{arguments}") == parse_spec(f"toast{arguments}")
    assert registry.parse("jam(fruit=plum)") == parse_spec("jam(fruit=plum)")


def test_an_alias_is_no_name_of_its_own(things: Callable[..., Registry[Any]]) -> None:
    registry = things(ALIASED)
    assert registry.names() == ["jam", "toast"]
    assert [registry.display_name(name) for name in registry.names()] == ["jam", "bruschetta, crostini (= toast)"]
    assert [registry.registered_name(name) for name in ("crostini", "toast", "jam", "unknown")] == [
        "toast",
        "toast",
        "jam",
        "unknown",
    ]


def test_aliases_are_among_the_near_names(things: Callable[..., Registry[Any]]) -> None:
    registry = things(ALIASED)
    with pytest.raises(UnknownNameError, match=r"no thing is named 'brushetta'; did you mean bruschetta\?"):
        registry.get("brushetta")
    with pytest.raises(UnknownNameError, match=r"there are: jam, bruschetta, crostini \(= toast\)"):
        registry.get("xyz")


@pytest.mark.parametrize(
    ("name", "aliases", "word"),
    [
        ("baguette", ("toast",), "toast"),  # an alias that is another's name
        ("baguette", ("crostini",), "crostini"),  # an alias that is another's alias
        ("crostini", (), "crostini"),  # a name that is another's alias
        ("baguette", ("baguette",), "baguette"),
        ("baguette", ("ficelle", "jam"), "jam"),
    ],
)
def test_an_alias_that_collides_is_refused_and_changes_nothing(
    name: str, aliases: tuple[str, ...], word: str, things: Callable[..., Registry[Any]]
) -> None:
    registry = things(ALIASED)
    registry.names()

    @dataclasses.dataclass(frozen=True)
    class Baguette:
        pass

    with pytest.raises(SpecError, match=f"'{word}'"):
        registry.register(name, aliases=aliases)(Baguette)
    assert registry.names() == ["jam", "toast"]
    assert registry.get("crostini") is registry.get("toast")
    with pytest.raises(UnknownNameError):
        registry.get("ficelle")


def test_a_class_registered_again_keeps_its_aliases(things: Callable[..., Registry[Any]]) -> None:
    registry = things(ALIASED)
    toast = registry.get("toast")
    assert registry.register("toast", aliases=("bruschetta", "crostini"))(toast) is toast
    assert registry.get("bruschetta") is toast
    with pytest.raises(SpecError, match="crostini"):
        registry.register("crostini")(toast)


def test_entry_points_of_other_distributions_are_found(
    things: Callable[..., Registry[Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = things({}, group="hsc.test_outside")
    info = tmp_path / "outside-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: outside\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[hsc.test_outside]\nhoney = outside_honey\nvinegar = outside_vinegar\n")
    (tmp_path / "outside_honey.py").write_text(
        textwrap.dedent(PLUGINS["jam"])
        .replace("{package}", registry.package)
        .replace('"jam"', '"honey", aliases=("nectar",)')
        .replace("fruit: str", "sweet: int = 5")
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    assert registry.names() == ["honey"]
    assert registry.build("honey(sweet=7)").sweet == 7
    assert registry.build("nectar(sweet=7)") == registry.build("honey(sweet=7)")
    assert "outside_vinegar" in registry.broken["vinegar"]


@dataclasses.dataclass(frozen=True)
class Plain:
    number: int | float = 1
    word: Literal["a", "b"] = "a"
    hidden: int = dataclasses.field(default=0, init=False)


def test_config_is_the_fields_one_can_set() -> None:
    assert config(Plain(2)) == {"number": 2, "word": "a"}
    registry: Registry[Plain] = Registry("plain", package="hsc", group="hsc.test_none")
    assert str(registry.spec(Plain(2.5))) == "Plain(number=2.5)"
