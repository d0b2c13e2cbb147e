"""Widths and depths of the networks, as plain data: no torch here.

    Profile ─┬─ GeneratorConfig   StyleGAN2 synthesis: resolution, widths, where F enters
             ├─ EncoderConfig     the general inversion encoder that feeds it
             ├─ SemanticConfig    W+ to symbols and back
             ├─ FeatureConfig     F to symbols and back, in slices
             └─ DetailConfig      what the image still lacks to symbols and back, or none

Layers are counted from 0: layer n is the n-th styled convolution, it reads style n, and "F at layer n" is its input.

    layer        0    1    2    3    4    5    6   ...
    input side   4    4    8    8   16   16   32        4 << n // 2
    output side  4    8    8   16   16   32   32        odd layers double the side
    RGB after    x         x         x         x        even layers; RGB k follows layer 2k and reads style 2k + 1
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from hsc.errors import DataError, UsageError
from hsc.files.plain_json import read_object
from hsc.networks.config_bounds import MAX_STRIDE, require_bounded

MIN_RESOLUTION = 8
MAX_LAYERS = 16
MAX_QUALITY_STEPS = 255  # in 1/32, as a header holds it
MAX_FEATURE_LAYERS = MAX_LAYERS - 1  # the first is W+
SEMANTIC_MAP = 32
"""Side of the maps as which the paper's network sees W+: 18x512 are nine of them."""


@dataclass(frozen=True)
class GeneratorConfig:
    """Shapes of a StyleGAN2 generator (Karras et al. 2020, "Analyzing and Improving the Image Quality of StyleGAN").

    resolution: nominal image side, a power of two; with start="feature" it only fixes widths and stride.
    w_dim, z_dim: lengths of a style and of the mapping network's input. mapping_layers: 0 leaves that network out.
    channel_base, channel_max: layers at side r have min(channel_base // r, channel_max) channels; 32768 and 512 in
    config-F, 16384 and 512 in NVLabs' "paper256".
    start: "const" is the whole pyramid from the learned 4x4 constant; "feature" begins at F and has no layers below.
    layer: the styled convolution whose input F is.
    form: "styled" is StyleGAN2's: modulated convolutions, blur resampling, RGB skips. "residual" keeps layers, styles
    and widths, but doubles the side by sub-pixel convolutions, makes the layers between them residual units, and makes
    RGB once, at the end, on top
    of an image that is linear in F, a patch a sample: it learns to draw detail from F in a fraction of the steps. Needs
    start="feature".
    detail: channels of E, the patches that are added to the image (``DetailConfig``); 0 for none. Needs the form
    "residual".
    clamp: limit of activations, None for none. NVLabs' ADA nets were trained with 256 (their conv_clamp), which their
    state dicts do not say.

    Raises:
        UsageError: the fields do not describe a generator.
    """

    resolution: int = 1024
    w_dim: int = 512
    z_dim: int = 512
    mapping_layers: int = 8
    channel_base: int = 32768
    channel_max: int = 512
    start: Literal["const", "feature"] = "const"
    layer: int = 5
    clamp: float | None = None
    form: Literal["styled", "residual"] = "styled"
    detail: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.detail <= 3 * self.stride**2 or (self.detail and self.form != "residual"):
            raise UsageError(
                f"detail came as {self.detail}, expected 0, or with form='residual' up to the {3 * self.stride**2} "
                f"numbers of a patch"
            )
        if self.resolution < MIN_RESOLUTION or self.resolution & (self.resolution - 1):
            raise UsageError(f"resolution came as {self.resolution}, expected a power of two from {MIN_RESOLUTION} up")
        if self.start not in ("const", "feature"):
            raise UsageError(f"start came as {self.start!r}, expected 'const' or 'feature'")
        self.check_layer(self.layer)
        if self.form not in ("styled", "residual") or (
            self.form == "residual" and (self.start == "const" or self.layer % 2 == 0)
        ):
            raise UsageError(
                f"form came as {self.form!r}, expected 'styled', or 'residual' with start='feature' and an odd layer"
            )
        if self.channel_base < self.resolution:
            raise UsageError(
                f"channel_base came as {self.channel_base}, expected at least the resolution, {self.resolution}: one "
                f"channel there"
            )
        if min(self.w_dim, self.z_dim, self.channel_max) < 1 or self.mapping_layers < 0:
            raise UsageError("w_dim, z_dim and channel_max must be at least 1 and mapping_layers at least 0")

    @property
    def levels(self) -> int:
        """How many resolutions there are, 4 to ``resolution``."""
        return self.resolution.bit_length() - 2

    @property
    def layers(self) -> range:
        """The styled convolutions this generator has."""
        return range(self.first_layer, 2 * self.levels - 1)

    @property
    def first_layer(self) -> int:
        """The first styled convolution it has: 0, or the one F enters where it starts there."""
        return self.layer if self.start == "feature" else 0

    @property
    def n_styles(self) -> int:
        """Styles in W+: one a layer and one for the last RGB; 2 log2(resolution) - 2 for a whole pyramid."""
        return 2 * self.levels - self.first_layer

    @property
    def stride(self) -> int:
        """Image pixels per sample of F."""
        return self.resolution // self.input_side(self.layer)

    @property
    def feature_channels(self) -> int:
        """Channels of F."""
        return self.width(self.input_side(self.layer))

    def check_layer(self, layer: int) -> None:
        """Raise UsageError unless ``layer`` is one of the pyramid's styled convolutions."""
        if not 0 <= layer <= 2 * self.levels - 2:
            raise UsageError(
                f"layer came as {layer}, expected 0 to {2 * self.levels - 2} for a resolution of {self.resolution}"
            )

    def input_side(self, layer: int) -> int:
        """Nominal side of the input of a styled convolution."""
        return 4 << layer // 2

    def output_side(self, layer: int) -> int:
        """Nominal side of its output."""
        return 4 << (layer + 1) // 2

    def width(self, side: int) -> int:
        """Channels at a nominal side."""
        return min(self.channel_base // side, self.channel_max)


@dataclass(frozen=True)
class EncoderConfig:
    """Shapes of the general inversion encoder, a residual trunk of four blocks that each halve the side.

    n_styles, w_dim, feature_channels: what the generator takes.
    input_size: images are first reduced to this square; None keeps their size, so that F follows it.
    stem_width, stem_stride: the first convolution. widths, depths: channels and residual units of the four blocks.
    feature_block: the block, 1 to 4, after which two convolutions make F; feature_stride: of the second of them.
    pool: each block's output is pooled to pool x pool before the style heads.
    patch: add a linear embedding of whole patches to F, so that F knows every pixel before the trunk has learned a
    thing.
    norm: "batch" as in the paper's trunk; "none" starts every residual branch at zero instead, so that no statistics of
    training crops are carried to whole images.

    Raises:
        UsageError: the fields do not describe an encoder.
    """

    n_styles: int = 18
    w_dim: int = 512
    feature_channels: int = 512
    input_size: int | None = 256
    stem_width: int = 64
    stem_stride: int = 1
    widths: tuple[int, int, int, int] = (64, 128, 256, 512)
    depths: tuple[int, int, int, int] = (3, 4, 14, 3)
    feature_block: int = 3
    feature_stride: int = 2
    pool: int = 3
    norm: Literal["batch", "none"] = "batch"
    patch: bool = False

    def __post_init__(self) -> None:
        if len(self.widths) != 4 or len(self.depths) != 4 or min(self.widths + self.depths) < 1:
            raise UsageError(
                f"widths and depths came as {self.widths} and {self.depths}, expected four positive numbers each"
            )
        if not 1 <= self.feature_block <= 4:
            raise UsageError(f"feature_block came as {self.feature_block}, expected 1 to 4")
        if self.patch and (self.input_size is not None or self.norm == "batch"):
            raise UsageError("patch=True is for encoders of any size without batch norm; leave it out")
        if self.norm not in ("batch", "none"):
            raise UsageError(f"norm came as {self.norm!r}, expected 'batch' or 'none'")

    @property
    def stride(self) -> int:
        """Pixels of the encoder's input per sample of F."""
        return (self.stem_stride * self.feature_stride) << self.feature_block


@dataclass(frozen=True)
class SemanticConfig:
    """Shapes of the semantic compression network.

    kind: "map" sees W+ as a tensor of 32x32 maps and codes channels x 2 x 2 symbols with residual convolutions, as in
    the paper; "mlp" sees it as one vector and codes ``channels`` symbols. width: hidden channels.

    Raises:
        UsageError: the fields do not describe such a network.
    """

    kind: Literal["map", "mlp"] = "map"
    channels: int = 192
    width: int = 192

    def __post_init__(self) -> None:
        if self.kind not in ("map", "mlp"):
            raise UsageError(f"kind came as {self.kind!r}, expected 'map' or 'mlp'")
        if min(self.channels, self.width) < 1:
            raise UsageError("channels and width must be at least 1")

    @property
    def side(self) -> int:
        """Height and width of the map of symbols."""
        return 2 if self.kind == "map" else 1

    @property
    def symbols(self) -> int:
        """How many symbols an image has."""
        return self.channels * self.side**2


@dataclass(frozen=True)
class FeatureConfig:
    """Shapes of the feature compression network.

    slices: channels of y in each slice, in coding order. passes: 1, or the positions of a slice are coded in 2 or 3
    turns, each of which sees the ones before (``hsc.entropy_coding.checkerboard``). stride: samples of F per sample of
    y along a side, 1 or 2.
    width, depth: hidden channels and residual units of g_a and g_s. context: channels the semantics are reduced to for
    the integer networks. hidden: the two hidden widths of each slice's integer networks.

    Raises:
        UsageError: the fields do not describe such a network, or it has more layers than a file can hold.
    """

    slices: tuple[int, ...] = (24,) * 8
    passes: int = 1
    stride: int = 2
    width: int = 192
    depth: int = 2
    context: int = 32
    hidden: tuple[tuple[int, int], ...] = ((64, 64),) * 8

    def __post_init__(self) -> None:
        if not self.slices or min(self.slices) < 1 or len(self.hidden) != len(self.slices):
            raise UsageError(
                f"slices and hidden came as {self.slices} and {self.hidden}, expected as many of one as of the "
                f"other, all positive"
            )
        if self.passes not in (1, 2, 3) or self.stride not in (1, 2):
            raise UsageError(f"passes and stride came as {self.passes} and {self.stride}, expected 1 to 3 and 1 or 2")
        if self.layers > MAX_FEATURE_LAYERS:
            raise UsageError(
                f"{len(self.slices)} slices in {self.passes} passes are {self.layers} layers, expected at most "
                f"{MAX_FEATURE_LAYERS}"
            )

    @property
    def channels(self) -> int:
        """Channels of y."""
        return sum(self.slices)

    @property
    def layers(self) -> int:
        """Layers of the file that F takes: one a slice and pass."""
        return len(self.slices) * self.passes


@dataclass(frozen=True)
class DetailConfig:
    """Shapes of the detail network (``hsc.networks.detail``).

    channels: of E. start: the quality in 1/32 from which detail is coded; from there on everything else keeps that
    quality.
    layers: of the file, 1 to 3: the passes of ``hsc.entropy_coding.checkerboard``. width: of the network that says
    where objects are.
    hidden: the two hidden widths of the integer networks.

    Raises:
        UsageError: the fields do not describe such a network.
    """

    channels: int = 192
    start: int = 128
    layers: int = 3
    width: int = 64
    hidden: tuple[int, int] = (128, 96)

    def __post_init__(self) -> None:
        if self.layers not in (1, 2, 3) or len(self.hidden) != 2 or min(self.channels, self.width, *self.hidden) < 1:
            raise UsageError(
                f"layers came as {self.layers}, hidden as {self.hidden}, expected 1 to 3 and two widths; all sizes "
                f"start at 1"
            )
        if not 0 <= self.start <= MAX_QUALITY_STEPS:
            raise UsageError(f"start came as {self.start}, expected a quality of 0 to {MAX_QUALITY_STEPS} in 1/32")


@dataclass(frozen=True)
class Profile:
    """A generator, the encoder that fits it, and how what passes between them is coded.

    Raises:
        UsageError: the encoder's W+ or F is not what the generator takes, or W+ is no whole number of 32x32 maps.
    """

    name: str
    generator: GeneratorConfig
    encoder: EncoderConfig
    semantic: SemanticConfig = SemanticConfig()
    feature: FeatureConfig = FeatureConfig()
    detail: DetailConfig | None = None

    def __post_init__(self) -> None:
        channels = 0 if self.detail is None else self.detail.channels
        if channels != self.generator.detail or (channels and self.encoder.input_size is not None):
            raise UsageError(
                f"the generator takes E of {self.generator.detail} channels, {channels} come; make them equal (0 "
                f"with a fixed input size)"
            )
        if self.layers > MAX_LAYERS:
            raise UsageError(f"semantics, F and detail are {self.layers} layers, a file holds at most {MAX_LAYERS}")
        made = (self.encoder.n_styles, self.encoder.w_dim, self.encoder.feature_channels)
        taken = (self.generator.n_styles, self.generator.w_dim, self.generator.feature_channels)
        if made != taken:
            raise UsageError(
                f"the encoder gives (styles, w_dim, channels of F) = {made}, the generator takes {taken}; make them "
                f"equal"
            )
        if self.encoder.input_size is None:
            came, wanted = self.encoder.stride, self.generator.stride
        else:
            came, wanted = (
                self.encoder.input_size // self.encoder.stride,
                self.generator.input_side(self.generator.layer),
            )
        if self.encoder.input_size is None and came > MAX_STRIDE:
            raise UsageError(
                f"F has a stride of {came} pixels, expected at most {MAX_STRIDE} for images of any size"
            )
        if came != wanted:
            noun = "stride" if self.encoder.input_size is None else "side"
            raise UsageError(
                f"the encoder's F has {noun} {came}, the generator's {wanted}; change stem_stride, feature_block or "
                f"feature_stride"
            )
        values = self.encoder.n_styles * self.encoder.w_dim
        if self.semantic.kind == "map" and values % SEMANTIC_MAP**2:
            raise UsageError(
                f"W+ has {values} values, no whole number of {SEMANTIC_MAP}x{SEMANTIC_MAP} maps; use "
                f"SemanticConfig(kind='mlp')"
            )

    @property
    def layers(self) -> int:
        """Layers of a file that holds all there are."""
        return 1 + self.feature.layers + (0 if self.detail is None else self.detail.layers)

    @property
    def highest_base(self) -> int:
        """The quality in 1/32 that all but the detail keep from where detail starts; without detail the highest there
        is.
        """
        return MAX_QUALITY_STEPS if self.detail is None else self.detail.start

    def layers_at(self, quality: int) -> int:
        """Layers of a file of a quality in 1/32: below the detail's start it has none."""
        return self.layers if self.detail is None or quality >= self.detail.start else 1 + self.feature.layers


PAPER = Profile("paper", GeneratorConfig(), EncoderConfig())
"""Faces at 1024x1024: W+ 18x512, F 512x16x16 at layer 5, encoder input 256x256; symbols 192x2x2 and 192x8x8 in 8
slices.

Generator 30,370,060 parameters, of which the mapping network 2,101,248; encoder 113,920,704, of which the 18 style
heads 79,635,456; SCN 11,038,308, FCN 8,877,856. The trunk is an ArcFace ResNet-50 without its head.
Cars and churches are the same with (resolution, layer, input) = (512, 3, 128) and (256, 3, 128).
"""

SMALL = Profile(
    "small",
    GeneratorConfig(
        resolution=256,
        w_dim=64,
        z_dim=64,
        mapping_layers=0,
        channel_base=3840,
        channel_max=192,
        start="feature",
        layer=5,
        form="residual",
    ),
    EncoderConfig(
        n_styles=9,
        w_dim=64,
        feature_channels=192,
        input_size=None,
        stem_width=24,
        stem_stride=2,
        widths=(32, 64, 128, 96),
        depths=(1, 1, 2, 1),
        feature_stride=1,
        pool=1,
        patch=True,
        norm="none",
    ),
    SemanticConfig(kind="mlp", channels=32, width=160),
    FeatureConfig(
        slices=(8, 8, 16, 24, 88),
        passes=3,
        stride=1,
        width=120,
        depth=2,
        context=32,
        hidden=((48, 48), (48, 48), (64, 64), (96, 64), (128, 96)),
    ),
)
"""Images of any size: W+ 9x64 in 32 symbols, F 192 channels at a stride of 16 in 144 symbols a sample, 5 slices of 3
passes.

Generator 1,705,242 parameters, encoder 1,692,792, SCN 299,424, FCN 2,279,952 (of both, 759,904 in integers of 8 bits or
tables):
11.8 MB in all. The integer networks take 0.106 GMAC for 384x256 pixels.
"""

DETAILED = replace(
    SMALL,
    name="detailed",
    generator=replace(SMALL.generator, detail=192),
    feature=replace(SMALL.feature, slices=(8, 8, 16, 24), hidden=((48, 48), (48, 48), (64, 64), (96, 64))),
    detail=DetailConfig(),
)
"""As "small", with F in 56 symbols a sample in 4 slices, and from quality 4 on detail in 192 more.

Generator 1,889,562 parameters, encoder 1,692,792, SCN 299,424, FCN 1,568,960, detail network 644,482 (777,456 in
integers of 8 bits, the quality tables besides): 11.8 MB in all. The integer networks take 0.104 GMAC for 384x256
pixels, 0.066 of them for detail.
"""

PROFILES = {profile.name: profile for profile in (PAPER, SMALL, DETAILED)}


def profile_to_json(profile: Profile) -> str:
    """All fields as one line of canonical JSON; ``profile_from_json`` reads it back."""
    fields = asdict(profile)
    if profile.detail is None:  # as it was written before there was any
        del fields["detail"], fields["generator"]["detail"]
    return json.dumps(fields, sort_keys=True, separators=(",", ":"))


def profile_from_json(text: str) -> Profile:
    """The profile of ``profile_to_json``.

    Raises:
        DataError: the text is none.
    """
    try:
        fields = read_object(text)
        require_bounded(fields)
        parts = {name: _as_tuple(value) for name, value in fields.items()}
        return Profile(
            parts["name"],
            GeneratorConfig(**parts["generator"]),
            EncoderConfig(**parts["encoder"]),
            SemanticConfig(**parts["semantic"]),
            FeatureConfig(**parts["feature"]),
            None if parts.get("detail") is None else DetailConfig(**parts["detail"]),
        )
    except (ValueError, KeyError, TypeError, ArithmeticError, UsageError) as error:
        raise DataError(
            f"the profile in the weights cannot be read: {error}; they need another version of hsc, or are damaged"
        ) from error


def _as_tuple(value: Any) -> Any:
    """Lists as tuples, at any depth of a JSON object."""
    if isinstance(value, dict):
        return {name: _as_tuple(inner) for name, inner in value.items()}
    return tuple(_as_tuple(v) for v in value) if isinstance(value, list) else value
