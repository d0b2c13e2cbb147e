"""Small files that claim huge images: every call refuses them quickly, before memory is allocated."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_profile import TINY, noise_photo, tiny_codec, whole_profile

from hsc.__main__ import main
from hsc.cli.image_files import read_picture
from hsc.codec import HscCodec
from hsc.entropy_coding import layered_stream
from hsc.entropy_coding.container import MAX_IMAGE_PIXELS, MAX_PADDED_PIXELS, Header, pack, padded_pixels, why_too_large
from hsc.errors import BitstreamError, CodecError, ImageError, UsageError
from hsc.networks.tiling import require_image, require_numbers
from hsc.weights import files

SLIVERS = [(1, 1 << 24), (1 << 24, 1), (3, 5_592_405), (2, 1 << 23), (1, 1_114_113), (17, 600_000), (129, 130_055)]
"""Each at most 2**24 pixels, and more than are read once both sides are rounded up to 16."""

READABLE = [(4096, 4096), (4095, 4097), (256, 65_536), (1, 1_114_112), (1_114_112, 1), (1, 1), (1000, 16_777)]


def number(value: int) -> bytes:
    groups = [value >> 7 * i & 127 for i in range(max(1, -(-value.bit_length() // 7)))]
    return bytes([group | 128 for group in groups[:-1]] + groups[-1:])


def forged(image_hw: tuple[int, int], codec: HscCodec) -> bytes:
    """A file of the first layer alone, true in every byte but that it says to be of another size: some 20 bytes."""
    from hsc.entropy_coding.container import _crc

    entropy, quality = codec.entropy, 96
    small = Header((1, 1), quality, 1)
    known = layered_stream.code(entropy, small, lambda _, parameters: np.zeros(parameters.index.shape, np.int32))
    from hsc.entropy_coding.ans_coder import write_payload

    context = bytes([quality, 1]) + b"".join(side.to_bytes(4, "big") for side in image_hw) + entropy.fingerprint
    payload = write_payload(layered_stream._calls(known), context)
    head = b"\xc8\x53" + bytes([len(payload) % 4 << 4]) + entropy.fingerprint[:3] + bytes([quality])
    head += number(image_hw[0] - 1) + number(image_hw[1] - 1)
    return head + _crc(head, payload, entropy.fingerprint) + payload


def calls(codec: HscCodec) -> dict[str, Callable[[bytes], object]]:
    profile = codec.model.profile.encoder
    return {
        "decode": codec.decode,
        "decode in part": lambda data: codec.decode(data, 1, allow_partial=True),
        "decode_latents": codec.decode_latents,
        "decode_latents_batch": lambda data: codec.decode_latents_batch([data]),
        "preview": codec.preview,
        "info": codec.info,
        "cut": lambda data: codec.cut(data, 1),
        "edit": lambda data: codec.edit(data, np.zeros((profile.n_styles, profile.w_dim)), 1.0),
    }


def test_a_forged_file_of_a_sane_size_is_read() -> None:
    data = forged((33, 57), tiny_codec())
    assert len(data) <= 22
    assert tiny_codec().decode(data).shape == (33, 57, 3)
    assert data == pack(Header((33, 57), 96, 1), tiny_codec().entropy.fingerprint, data[11:])


@pytest.mark.parametrize("image_hw", SLIVERS)
def test_slivers_are_refused_by_every_call_before_memory_is_taken(image_hw: tuple[int, int]) -> None:
    codec, data = tiny_codec(), forged(image_hw, tiny_codec())
    assert len(data) <= 24
    for name, call in calls(codec).items():
        tracemalloc.start()
        started = time.perf_counter()
        with pytest.raises(
            BitstreamError,
            match=rf"{image_hw[0]}x{image_hw[1]}, which is [\d,]+ pixels in whole blocks of 16x16, expected at most",
        ):
            call(data)
        assert time.perf_counter() - started < 0.5, name
        assert tracemalloc.get_traced_memory()[1] < 1 << 20, name
        tracemalloc.stop()


@pytest.mark.parametrize("image_hw", SLIVERS)
def test_encoders_refuse_what_decoders_would(image_hw: tuple[int, int]) -> None:
    image = np.broadcast_to(np.uint8(7), (*image_hw, 3))
    with pytest.raises(ImageError, match="in whole blocks of 16x16"):
        tiny_codec().encode(image, 3.0)
    with pytest.raises(ImageError, match="in whole blocks of 16x16"):
        tiny_codec().estimate_bits(image, 3.0)
    with pytest.raises(UsageError, match="in whole blocks of 16x16"):
        Header(image_hw, 0, 1)
    assert padded_pixels(image_hw) > MAX_PADDED_PIXELS


@pytest.mark.parametrize("image_hw", READABLE)
def test_other_shapes_are_read_as_far_as_their_first_layer(image_hw: tuple[int, int]) -> None:
    assert why_too_large(image_hw) is None
    image = np.broadcast_to(np.uint8(7), (*image_hw, 3))
    assert require_image(image) is image
    decoded = layered_stream.decode(tiny_codec().entropy, forged(image_hw, tiny_codec()))
    assert decoded.header.image_hw == image_hw


def test_more_pixels_than_a_file_holds_are_another_sentence() -> None:
    assert why_too_large((4097, 4096)) == f"expected at most {MAX_IMAGE_PIXELS:,} pixels in all"
    with pytest.raises(BitstreamError, match="4097x4096, expected at most 16,777,216 pixels in all"):
        tiny_codec().info(forged((4097, 4096), tiny_codec()))


def test_the_command_refuses_pictures_and_files_that_are_too_large(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import io

    import PIL.Image

    files.save(tiny_codec().model, tmp_path / "tiny.safetensors")
    buffer = io.BytesIO()
    PIL.Image.new("1", (1_200_000, 1)).save(buffer, "PNG")
    with pytest.raises(ImageError, match="in whole blocks"):
        read_picture(buffer.getvalue(), "line.png")
    (tmp_path / "line.hsc").write_bytes(forged((1, 1 << 24), tiny_codec()))
    for command, more in (
        ("decode", []),
        ("preview", []),
        ("info", []),
        ("cut", ["--layers", "1"]),
        ("edit", ["--like", str(tmp_path / "line.hsc")]),
    ):
        target = str(tmp_path / "out.png")
        assert (
            main([command, str(tmp_path / "line.hsc"), target, "--model", str(tmp_path / "tiny.safetensors"), *more])
            == 1
        )
        assert "in whole blocks of 16x16" in capsys.readouterr().err
        assert not Path(target).exists()


def test_a_line_of_noise_at_the_best_quality_fits_its_own_limit() -> None:
    """The longest payload goes by whole blocks, as the symbols do: a line has sixteen times those of its own pixels."""
    image = noise_photo(1, 40_000)
    codec = tiny_codec()
    data = codec.encode(image, 7.9)
    assert codec.info(data).image_hw == (1, 40_000)


def test_a_wide_picture_of_a_fixed_size_profile_takes_memory_of_its_own_size() -> None:
    """A generator's 64 rows are not first drawn at the width of a million pixels, and narrower ones come out as by one
    call.
    """
    from hsc.networks.tiling import _resized

    made = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    once = torch.nn.functional.interpolate(made, (40, 300), mode="bilinear", align_corners=False, antialias=True)
    assert torch.equal(_resized(made, (40, 300)), once)
    assert _resized(made, (1, 1_000_000)).shape == (1, 3, 1, 1_000_000)
    assert why_too_large((1, 1_000_000)) is None
    narrow = made[:, :1]
    once = torch.nn.functional.interpolate(narrow, (1, 300_000), mode="bilinear", align_corners=False, antialias=True)
    torch.testing.assert_close(_resized(narrow, (1, 300_000)), once, atol=1e-5, rtol=0)


HOSTILE = """
    import resource, sys, time
    sys.path.insert(0, {tests!r})
    import numpy as np
    from test_large_demands import SLIVERS, calls, forged, tiny_codec
    from hsc.errors import BitstreamError

    codec = tiny_codec()
    codec.decode(forged((40, 50), codec))
    files = [forged(image_hw, codec) for image_hw in SLIVERS]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    pages = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (pages + (64 << 20),) * 2)
    for data in files:
        for name, call in calls(codec).items():
            try:
                call(data)
            except BitstreamError:
                continue
            sys.exit(f"{{name}} took {{data.hex()}}")
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    print(grown)
"""


@pytest.mark.skipif(not Path("/proc/self/statm").is_file(), reason="memory limits of a process are Linux's")
def test_hostile_files_are_refused_where_there_is_no_memory_to_spare() -> None:
    """A process that may take 64 MiB more than it has answers all of them, and hardly grows."""
    code = textwrap.dedent(HOSTILE).format(tests=str(Path(__file__).parent))
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, env=env, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert int(done.stdout) < 32 << 10  # KiB


MEMORY = """
    import resource, sys
    sys.path.insert(0, {tests!r})
    from test_large_demands import forged, tiny_codec

    codec = tiny_codec()
    codec.decode(forged((40, 50), codec))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert codec.decode(forged({image_hw}, codec)).shape[:2] == {image_hw}
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.slow
@pytest.mark.parametrize("image_hw", [(1024, 1024), (1, 65_536), (2048, 512)])
def test_memory_goes_by_the_pixels_of_whole_blocks(image_hw: tuple[int, int]) -> None:
    """The same million of them in three shapes, in files of some twenty bytes: at most 400 bytes each."""
    code = textwrap.dedent(MEMORY).format(tests=str(Path(__file__).parent), image_hw=image_hw)
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, env=env, check=True
    )
    assert int(done.stdout) * 1024 < 400 * padded_pixels(image_hw)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_what_networks_make_must_be_numbers(value: float) -> None:
    x = torch.zeros(1, 3, 4, 4)
    assert require_numbers(x, "pixels") is x
    x[0, 1, 2, 3] = value
    with pytest.raises(BitstreamError, match="pixels that are not finite numbers"):
        require_numbers(x, "pixels")


@pytest.mark.parametrize("profile", [TINY, whole_profile()], ids=lambda p: p.name)
def test_weights_that_break_down_while_they_run_code_nothing(profile: object) -> None:
    """Every weight is a number, and sums of them are not: neither a file nor a picture nor latents come out."""
    from tiny_profile import lively

    codec = HscCodec(lively(profile))  # type: ignore[arg-type]
    data = codec.encode(noise_photo(20, 30), 3.0)
    codec.latent_specs()
    with torch.no_grad():
        for parameter in codec.model.gie.parameters():
            parameter.mul_(1e30)
    with pytest.raises(CodecError, match="values for the layer semantic that are not finite"):
        codec.encode(noise_photo(20, 30), 3.0)
    assert codec.decode(data).shape == (20, 30, 3)
    with torch.no_grad():
        for parameter in codec.model.fcn.synthesis.parameters():
            parameter.mul_(1e30)
    with pytest.raises(BitstreamError, match="F_hat that are not finite"):
        codec.decode_latents(data)
    assert set(codec.decode_latents(data, ("w_hat", "y_hat")).maps) == {"w_hat", "y_hat"}
    with pytest.raises(BitstreamError, match="pixels that are not finite"):
        codec.decode(data)
