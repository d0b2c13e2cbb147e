"""Widths and depths of the networks as plain data, without torch; ``hsc.networks.profiles`` holds the ones in use.

    Profile ─┬─ GeneratorConfig   StyleGAN2 synthesis: resolution, widths, layer at which F enters
             ├─ EncoderConfig     the general inversion encoder that feeds it
             ├─ SemanticConfig    W+ to symbols and back
             ├─ FeatureConfig     F to symbols and back, in slices
             ├─ DetailConfig      the residual of the image to symbols and back, or None
             ├─ CoarseMapConfig   the map of w from which F is predicted, or None
             └─ AblationConfig    what a study leaves out of these, or None

Layers are counted from 0: layer n is the n-th styled convolution and reads style n; "F at layer n" is its input.

    layer        0    1    2    3    4    5    6   ...
    input side   4    4    8    8   16   16   32        4 << n // 2
    output side  4    8    8   16   16   32   32        odd layers double the side
    RGB after    x         x         x         x        even layers; RGB k follows layer 2k and reads style 2k + 1
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from hsc.errors import UsageError
from hsc.networks.ablation_config import AblationConfig
from hsc.networks.coarse_map_config import CoarseMapConfig
from hsc.networks.config_bounds import MAX_STRIDE

MIN_RESOLUTION = 8
MAX_LAYERS = 16
MAX_QUALITY_STEPS = 255  # in 1/32, as a header holds it
MAX_FEATURE_LAYERS = MAX_LAYERS - 1  # the first layer is W+
SEMANTIC_MAP = 32
"""Side of the maps into which the paper's network reshapes W+: 18x512 values are nine of them."""


@dataclass(frozen=True)
class GeneratorConfig:
    """Shapes of a StyleGAN2 generator (Karras et al. 2020, "Analyzing and Improving the Image Quality of StyleGAN").

    resolution: nominal image side, a power of two; with start="feature" it only determines widths and stride.
    w_dim, z_dim: lengths of a style and of the mapping network's input. mapping_layers: 0 omits the mapping network.
    channel_base, channel_max: layers at side r have min(channel_base // r, channel_max) channels; 32768 and 512 in
    config-F, 16384 and 512 in NVLabs' "paper256".
    start: "const" is the whole pyramid from the learned 4x4 constant; "feature" starts at F and has no layers below.
    layer: the styled convolution that takes F as its input.
    form: "styled" is StyleGAN2's: modulated convolutions, blur resampling, RGB skips. "residual" has the same layers,
    styles and widths, but doubles the side by sub-pixel convolutions, uses residual units between them, and makes RGB
    once, at the end, added to an image that is linear in F, one patch per sample: it learns to draw detail from F in a
    fraction of the steps. It needs start="feature".
    detail: channels of E, the patches that are added to the image (``DetailConfig``); 0 for none. Needs the form
    "residual".
    lapped: filter the image of patches across their borders (``hsc.networks.lapped_filter``). smooth: average 2x2
    samples behind every sub-pixel convolution (``ResidualLayer``). Both need the form "residual".
    clamp: limit of activations, None for none. NVLabs' ADA networks were trained with 256 (their conv_clamp), which
    their state dicts do not record.

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
    lapped: bool = False
    smooth: bool = False

    def __post_init__(self) -> None:
        if (self.lapped or self.smooth) and self.form != "residual":
            raise UsageError(
                f"lapped and smooth came as {self.lapped} and {self.smooth}, expected false for a generator of the "
                f"form 'styled'"
            )
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
        """Number of resolutions, from 4 to ``resolution``."""
        return self.resolution.bit_length() - 2

    @property
    def layers(self) -> range:
        """The styled convolutions of this generator."""
        return range(self.first_layer, 2 * self.levels - 1)

    @property
    def first_layer(self) -> int:
        """The first styled convolution: 0, or ``layer`` in a generator that starts at F."""
        return self.layer if self.start == "feature" else 0

    @property
    def n_styles(self) -> int:
        """Styles in W+: one per layer and one for the last RGB; 2 log2(resolution) - 2 for a whole pyramid."""
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
        """Nominal side of the output of a styled convolution."""
        return 4 << (layer + 1) // 2

    def width(self, side: int) -> int:
        """Channels at a nominal side."""
        return min(self.channel_base // side, self.channel_max)


@dataclass(frozen=True)
class EncoderConfig:
    """Shapes of the general inversion encoder, a residual trunk of four blocks that each halve the side.

    n_styles, w_dim, feature_channels: as the generator takes them.
    input_size: side of the square to which images are first resized; None keeps their size, and F follows it.
    stem_width, stem_stride: the first convolution. widths, depths: channels and residual units of the four blocks.
    feature_block: the block, 1 to 4, whose output two convolutions turn into F; feature_stride: stride of the second.
    pool: each block's output is pooled to pool x pool before the style heads.
    patch: add a linear embedding of whole patches to F, so that F holds every pixel before the trunk is trained.
    norm: "batch" as in the paper's trunk; "none" starts every residual branch at zero instead, so that statistics of
    training crops are not applied to whole images.

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

    kind: "map" reshapes W+ to 32x32 maps and codes channels x 2 x 2 symbols with residual convolutions, as in the
    paper; "mlp" takes it as one vector and codes ``channels`` symbols. width: hidden channels.

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
        """Number of symbols per image."""
        return self.channels * self.side**2


@dataclass(frozen=True)
class FeatureConfig:
    """Shapes of the feature compression network.

    slices: channels of y in each slice, in coding order.
    passes: in how many passes, 1 to 3, the positions of a slice are coded; each pass reads the ones before it
    (``hsc.entropy_coding.checkerboard``).
    stride: samples of F per sample of y along a side, 1 or 2.
    width, depth: hidden channels and residual units of g_a and g_s.
    context: channels to which the semantics are reduced for the integer networks.
    hidden: the two hidden widths of each slice's integer networks.

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
                f"slices and hidden came as {self.slices} and {self.hidden}, expected equally many of both, all "
                f"positive"
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
        """Number of layers of F in a file: one per slice and pass."""
        return len(self.slices) * self.passes


@dataclass(frozen=True)
class DetailConfig:
    """Shapes of the detail network (``hsc.networks.detail``).

    channels: channels of E.
    start: the quality in 1/32 from which detail is coded; above it, W+ and F keep this quality.
    layers: number of detail layers in a file, 1 to 3: the passes of ``hsc.entropy_coding.checkerboard``.
    width: channels of the attention network, which finds objects.
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
    """The configuration of a whole codec: a generator, a matching encoder, and the networks that code their latents.

    Raises:
        UsageError: the generator does not take the encoder's W+ or F, or W+ is no whole number of 32x32 maps.
    """

    name: str
    generator: GeneratorConfig
    encoder: EncoderConfig
    semantic: SemanticConfig = SemanticConfig()
    feature: FeatureConfig = FeatureConfig()
    detail: DetailConfig | None = None
    coarse_map: CoarseMapConfig | None = None
    ablation: AblationConfig | None = None

    def __post_init__(self) -> None:
        self._check_coarse_map()
        channels = 0 if self.detail is None else self.detail.channels
        if channels != self.generator.detail or (channels and self.encoder.input_size is not None):
            raise UsageError(
                f"the generator takes E of {self.generator.detail} channels, the detail network gives {channels}; make "
                f"them equal (0 with a fixed input size)"
            )
        if self.layers > MAX_LAYERS:
            raise UsageError(f"semantics, F and detail are {self.layers} layers, a file holds at most {MAX_LAYERS}")
        encoder, generator = self.encoder, self.generator
        given = (encoder.n_styles, encoder.w_dim, encoder.feature_channels)
        taken = (generator.n_styles, generator.w_dim, generator.feature_channels)
        if given != taken:
            raise UsageError(
                f"the encoder gives (styles, w_dim, channels of F) = {given}, the generator takes {taken}; make them "
                f"equal"
            )
        self._check_size_of_feature()
        values = self.encoder.n_styles * self.encoder.w_dim
        if self.semantic.kind == "map" and values % SEMANTIC_MAP**2:
            raise UsageError(
                f"W+ has {values} values, no whole number of {SEMANTIC_MAP}x{SEMANTIC_MAP} maps; use "
                f"SemanticConfig(kind='mlp')"
            )

    def _check_coarse_map(self) -> None:
        """Raise UsageError if there is a coarse map that does not fit W+."""
        if self.coarse_map is None:
            return
        if self.ablation is not None:
            raise UsageError("an ablation is for profiles without a coarse map; leave out one of the two")
        if self.coarse_map.symbols % self.encoder.w_dim or self.semantic.kind != "mlp":
            raise UsageError(
                f"the coarse map has {self.coarse_map.symbols} symbols beside W+ of kind {self.semantic.kind!r}, "
                f"expected a multiple of w_dim, {self.encoder.w_dim}, and SemanticConfig(kind='mlp')"
            )

    def _check_size_of_feature(self) -> None:
        """Raise UsageError unless F has the same stride, or for a fixed input size the same side, in both networks."""
        encoder, generator = self.encoder, self.generator
        if encoder.input_size is None:
            noun, given, taken = "stride", encoder.stride, generator.stride
            if given > MAX_STRIDE:
                raise UsageError(
                    f"F has a stride of {given} pixels, expected at most {MAX_STRIDE} for images of any size"
                )
        else:
            noun, given, taken = "side", encoder.input_size // encoder.stride, generator.input_side(generator.layer)
        if given != taken:
            raise UsageError(
                f"the encoder's F has {noun} {given}, the generator's {taken}; change stem_stride, feature_block or "
                f"feature_stride"
            )

    @property
    def word_rows(self) -> int:
        """Rows of w_hat as heads and edits see it: the styles, then the coefficients of a coarse map, w_dim a row."""
        coefficients = 0 if self.coarse_map is None else self.coarse_map.symbols
        return self.encoder.n_styles + coefficients // self.encoder.w_dim

    @property
    def layers(self) -> int:
        """Number of layers of a complete file."""
        return 1 + self.feature.layers + (0 if self.detail is None else self.detail.layers)

    @property
    def highest_base(self) -> int:
        """The highest quality of W+ and F in 1/32: the one at which detail starts, or without detail the maximum."""
        return MAX_QUALITY_STEPS if self.detail is None else self.detail.start

    def layers_at(self, quality: int) -> int:
        """Number of layers of a file at a quality in 1/32; below the detail's start it has no detail layers."""
        return self.layers if self.detail is None or quality >= self.detail.start else 1 + self.feature.layers
