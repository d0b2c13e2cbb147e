"""Bits and byte-wise integers of video headers: u(n), ue(v), se(v) of H.265 clause 9.2, and BPG's ue7.

Readers raise BitstreamError if the data end early or a number is not written as the format demands.
"""

from __future__ import annotations

from hsc.errors import BitstreamError


class BitReader:
    """Reads bits from the most significant end of ``data``."""

    def __init__(self, data: bytes) -> None:
        self._value = int.from_bytes(data, "big")
        self._bits = 8 * len(data)
        self.position = 0

    @property
    def left(self) -> int:
        """Bits not read yet."""
        return self._bits - self.position

    def u(self, n: int) -> int:
        """An unsigned integer of ``n`` bits.

        Raises:
            BitstreamError: fewer are left.
        """
        if n > self.left:
            raise BitstreamError(
                f"a header ends early: {n} more bits expected, {self.left} left; the data are cut or damaged"
            )
        self.position += n
        return (self._value >> (self._bits - self.position)) & ((1 << n) - 1)

    def flag(self) -> bool:
        return bool(self.u(1))

    def ue(self) -> int:
        """An unsigned Exp-Golomb number below 2^32.

        Raises:
            BitstreamError: it does not end, or is larger.
        """
        zeros = 0
        while not self.u(1):
            zeros += 1
            if zeros > 32:
                raise BitstreamError("a header number (Exp-Golomb) has over 32 leading zeros; the data are damaged")
        return (1 << zeros) - 1 + self.u(zeros)

    def se(self) -> int:
        """A signed Exp-Golomb number: 0, 1, -1, 2, -2, ..."""
        k = self.ue()
        return (k + 1) // 2 if k % 2 else -(k // 2)


class BitWriter:
    """Collects bits, first written first."""

    def __init__(self) -> None:
        self._value = 0
        self._bits = 0

    def u(self, n: int, value: int) -> None:
        """Append ``value`` in ``n`` bits.

        Raises:
            ValueError: it does not fit.
        """
        if not 0 <= value < 1 << n:
            raise ValueError(f"{value} does not fit in {n} unsigned bits")
        self._value = self._value << n | value
        self._bits += n

    def ue(self, value: int) -> None:
        """Append an unsigned Exp-Golomb number."""
        length = (value + 1).bit_length()
        self.u(2 * length - 1, value + 1)

    def bytes(self, *, stop_bit: bool) -> bytes:
        """The bits so far, padded with zeros to whole bytes. stop_bit: append a one first (rbsp_trailing_bits)."""
        value, bits = (self._value << 1 | 1, self._bits + 1) if stop_bit else (self._value, self._bits)
        size = -(-bits // 8)
        return (value << (8 * size - bits)).to_bytes(size, "big")


def write_ue7(value: int) -> bytes:
    """A number as ue7: seven bits a byte, most significant first, the top bit set on all but the last byte.

    >>> write_ue7(542).hex()
    '841e'
    """
    out = [value & 0x7F]
    while value := value >> 7:
        out.append(0x80 | value & 0x7F)
    return bytes(reversed(out))


def read_ue7(data: bytes, position: int) -> tuple[int, int]:
    """The number (below 2^32) at ``position``, and the position behind it.

    Raises:
        BitstreamError: the data end in it, it is padded with 0x80, or it is too large.
    """
    value = 0
    for count in range(5):
        if position >= len(data):
            raise BitstreamError("a header number (ue7) ends early; the data are cut")
        byte = data[position]
        position += 1
        if count == 0 and byte == 0x80:
            raise BitstreamError(
                "a header number (ue7) starts with 0x80, which its shortest form never does; the data are damaged"
            )
        value = value << 7 | byte & 0x7F
        if not byte & 0x80:
            if value >= 1 << 32:
                break
            return value, position
    raise BitstreamError("a header number (ue7) is 2^32 or more; the data are damaged")
