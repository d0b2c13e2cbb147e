"""The current device: passed on by the caller, else the user's default, else the CPU."""

import os

import pytest

from hsc.devices import check_device, current_device, usable, use_device
from hsc.errors import UsageError


@pytest.fixture(autouse=True)
def _no_default(monkeypatch):
    monkeypatch.delenv("HSC_DEVICE", raising=False)


def test_the_cpu_is_used_where_nobody_names_a_device():
    assert current_device() == "cpu"


@pytest.mark.parametrize(("default", "device"), [("cuda:1", "cuda:1"), ("", "cpu")])
def test_the_environment_variable_is_the_users_default(monkeypatch, default, device):
    monkeypatch.setenv("HSC_DEVICE", default)
    assert current_device() == device


def test_a_device_that_is_passed_on_precedes_the_default(monkeypatch):
    monkeypatch.setenv("HSC_DEVICE", "cuda:1")
    with use_device("cpu"):
        assert current_device() == "cpu"
    assert current_device() == "cuda:1"


def test_blocks_nest_and_an_error_ends_them_too():
    with use_device("cuda"):
        with use_device("cuda:2"):
            assert current_device() == "cuda:2"
        with pytest.raises(KeyError), use_device("cuda:2"):
            raise KeyError
        assert current_device() == "cuda"
    assert current_device() == "cpu"


def test_the_environment_is_never_written():
    before = dict(os.environ)
    with use_device("cuda:3"):
        assert dict(os.environ) == before


@pytest.mark.parametrize("name", ["gpu", "cuda:x", "cuda:-1", "", "cuda:9999"])
def test_a_device_that_is_not_here_is_refused(name):
    with pytest.raises(UsageError, match=r"cpu"):
        check_device(name)


def test_the_cpu_is_always_there():
    check_device("cpu")
    assert usable("cpu") == "cpu"


def test_usable_refuses_what_torch_cannot_compute_on():
    with pytest.raises(UsageError, match="--device cpu"):
        usable("cuda:9999")
