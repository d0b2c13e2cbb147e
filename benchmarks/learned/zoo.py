"""The architectures of CompressAI's zoo, and the addresses of their published weights.

CompressAI names a published file for the first eight digits of its sha256, and publishes no more of it. Code and
weights: InterDigital, BSD-3-Clause-Clear.

bmshj2018: Balle, Minnen, Singh, Hwang, Johnston, "Variational image compression with a scale hyperprior", ICLR 2018.
mbt2018: Minnen, Balle, Toderici, "Joint autoregressive and hierarchical priors for learned image compression", 2018.
cheng2020: Cheng, Sun, Takeuchi, Katto, "Learned image compression with discretized Gaussian mixture likelihoods and
attention modules", CVPR 2020. -vbr: Kamisli, Racape, Choi, "Variable-rate learned image compression with
multi-objective optimization and quantization-reconstruction offsets", DCC 2024.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from hsc.errors import UnavailableError

Metric = Literal["mse", "ms-ssim"]

_ROOT = "https://compressai.s3.amazonaws.com/models/v1"


class Architecture(NamedTuple):
    """One architecture of the zoo.

    name: as CompressAI spells it. network: its class in ``compressai.models``. qualities: how many published networks
    there are, the last being the largest; 1 to 8 where one network serves all qualities. first_layer, last_layer: the
    tensors whose first axes are the widths N and M. size_mb: of the tensors of the largest published network.
    """

    name: str
    network: str
    qualities: int
    size_mb: int
    first_layer: str = "g_a.0.weight"
    last_layer: str = "g_a.6.weight"

    @property
    def variable_rate(self) -> bool:
        """Whether one network serves all qualities, by a gain."""
        return self.name.endswith("-vbr")

    @property
    def hyperprior(self) -> bool:
        """Whether a second latent, z, describes the distribution of y."""
        return self.name != "bmshj2018-factorized"

    @property
    def context(self) -> bool:
        """Whether the distribution of a sample of y depends on its neighbours, so that decoding goes step by step."""
        return self.name in ("mbt2018", "mbt2018-vbr", "cheng2020-anchor", "cheng2020-attn")

    @property
    def means(self) -> bool:
        """Whether the distribution of y has a mean beside its scale."""
        return self.name.startswith(("mbt2018", "cheng2020"))


_CHENG_LAYER = "g_a.0.conv1.weight"
ARCHITECTURES = {
    row.name: row
    for row in (
        Architecture("bmshj2018-factorized", "FactorizedPrior", 8, 28),
        Architecture("bmshj2018-hyperprior", "ScaleHyperprior", 8, 48),
        Architecture("mbt2018-mean", "MeanScaleHyperprior", 8, 71),
        Architecture("mbt2018", "JointAutoregressiveHierarchicalPriors", 8, 123),
        Architecture("cheng2020-anchor", "Cheng2020Anchor", 6, 114, _CHENG_LAYER, _CHENG_LAYER),
        Architecture("cheng2020-attn", "Cheng2020Attention", 6, 126, _CHENG_LAYER, _CHENG_LAYER),
        Architecture("bmshj2018-hyperprior-vbr", "ScaleHyperpriorVbr", 8, 48),
        Architecture("mbt2018-mean-vbr", "MeanScaleHyperpriorVbr", 8, 71),
        Architecture("mbt2018-vbr", "JointAutoregressiveHierarchicalPriorsVbr", 8, 123),
    )
}

_FILES: dict[tuple[str, Metric], tuple[str, str]] = {
    ("bmshj2018-factorized", "mse"): (
        "bmshj2018-factorized-prior-{quality}",
        "446d5c7f 87279a02 5c6f152b 1ed4405a 866ba797 9b02ea3a 6dfd6734 5232faa3",
    ),
    ("bmshj2018-factorized", "ms-ssim"): (
        "bmshj2018-factorized-ms-ssim-{quality}",
        "9781d705 4a584386 5352f123 4f91b847 b3a88897 ee028763 8c265a29 8811bd14",
    ),
    ("bmshj2018-hyperprior", "mse"): (
        "bmshj2018-hyperprior-{quality}",
        "7eb97409 93677231 6d87be32 de1b779c f8b614e1 1ab9c41e 3804dcbd a583f0cf",
    ),
    ("bmshj2018-hyperprior", "ms-ssim"): (
        "bmshj2018-hyperprior-ms-ssim-{quality}",
        "5cf249be 1ff60d1f 92dd7878 4377354e c34afc8d 3a6d8229 8747d3bc cc15b5f3",
    ),
    ("mbt2018-mean", "mse"): (
        "mbt2018-mean-{quality}",
        "e522738d e54a039d 723404a8 6dba02a3 d504e8eb a19628ab d5d441d1 8089ae3e",
    ),
    ("mbt2018-mean", "ms-ssim"): (
        "mbt2018-mean-ms-ssim-{quality}",
        "5bf9c0b6 e2a1bf3f 640ce819 12626c13 1be7f059 b83bf379 ddf9644c 0cc7b94f",
    ),
    ("mbt2018", "mse"): (
        "mbt2018-{quality}",
        "3f36cd77 43b70cdd 22901978 456e2af9 b4a046dd 7052e5ea 8ba2bf82 dd0097aa",
    ),
    ("mbt2018", "ms-ssim"): (
        "mbt2018-ms-ssim-{quality}",
        "2878436b c41cb208 d0dd64e8 a120e037 9b30e3b7 f8b3626f 16e6ff50 0cb49d43",
    ),
    ("cheng2020-anchor", "mse"): (
        "cheng2020-anchor-{quality}",
        "dad2ebff a29008eb e49be189 98b0b468 23852949 4c052b1a",
    ),
    ("cheng2020-anchor", "ms-ssim"): (
        "cheng2020_anchor-ms-ssim-{quality}",
        "20f521db c7ff5812 c23e22d5 0e658304 c0a95e77 f2dc1913",
    ),
    ("cheng2020-attn", "mse"): (
        "cheng2020_attn-mse-{quality}",
        "465f2b64 e0805385 2d07bbdf f7b0ccf2 26c8920e 730501f2",
    ),
    ("cheng2020-attn", "ms-ssim"): (
        "cheng2020_attn-ms-ssim-{quality}",
        "c5381d91 5dad201d 5c9be841 8b2f647e 5ca1f34c 216423ec",
    ),
    ("bmshj2018-hyperprior-vbr", "mse"): ("bmshj2018-hyperprior-mse-vbr", "cddd26be"),
    ("mbt2018-mean-vbr", "mse"): ("mbt2018-mean-mse-vbr", "45d095e9"),
    ("mbt2018-vbr", "mse"): ("mbt2018-mse-vbr", "f12581a1"),
}
"""Name of the published files, and the first digits of their sha256 by quality."""


class Published(NamedTuple):
    """A published file of weights. sha256: its first eight digits. size_mb: at most, by the architecture."""

    url: str
    sha256: str
    size_mb: int

    @property
    def cache_name(self) -> str:
        """The file's path below the cache folder."""
        return f"weights/{self.url.rpartition('/')[2]}"


def published(architecture: str, metric: Metric, quality: int) -> Published:
    """The published weights of an architecture. quality: 1 up; ignored where one network serves all.

    Raises:
        UnavailableError: there are none for this metric or quality.
    """
    known = ARCHITECTURES[architecture]
    name, digits = _FILES.get((architecture, metric), ("", ""))
    hashes = digits.split()
    index = 0 if known.variable_rate else quality - 1
    if not 0 <= index < len(hashes):
        raise UnavailableError(
            f"CompressAI publishes no weights of {architecture} for metric={metric} and quality={quality}; give "
            f"your own with weights=FILE"
        )
    file = f"{name.format(quality=quality)}-{hashes[index]}.pth.tar"
    return Published(f"{_ROOT}/{file}", hashes[index], known.size_mb)
