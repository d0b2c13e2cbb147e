"""Lossless coding of symbols to bytes and back: integer tables, an ANS coder, and a check at the end of every stream.

    symbols, tables, index, mean --SymbolEncoder.encode--> calls --write_payload--> payload
    payload --SymbolDecoder.decode(tables, index, mean)--> symbols  ...  finish() verifies the whole stream

The coder is that of ``constriction`` (Rust, memory-safe): ANS with a state of 64 bits, words of 32 bits and
probabilities of 24 bits. It takes probabilities as floats: from a row p of n entries it computes the cumulative
frequencies ``int(cumulated p * scale) + entries before``, with ``scale = (2**24 - n) / sum(p)``. With 24-bit
frequencies f (ours times 256), p = f - 1 gives a scale of exactly 1 and sums of integers below 2**24, so the
frequencies are used unchanged. Tests verify this for every entry of tables like the shipped ones, and compare whole
streams with a decoder in plain Python; ``_check_library`` codes a message of known bytes before the first use in a
process.

The start state is a checksum. An ANS coder spends about 23 bits on its start state, whatever that is. Ours is the
checksum of all symbols and of the context (header, model), so a decoder that got one symbol wrong, or was given other
tables, ends in another state. This one value replaces a CRC of the symbols, a check of the end state and a check of the
read position, at no extra bytes.

ANS is a stack: encoding runs backwards, so that decoding runs front to back. Payload bytes: the words from the top,
big-endian, without leading zero bytes. ANS: Duda et al. 2015; constriction: Bamler 2022.
"""

from __future__ import annotations

import functools
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import constriction
import numpy as np
import numpy.typing as npt

from hsc.entropy_coding.cdf_tables import PRECISION, TOTAL, CdfTables, IntArray
from hsc.errors import BitstreamError, UnavailableError, UsageError

Symbols = npt.NDArray[np.int32]

_START = 1 << 23
_FILLER = 2  # words below a cut stream, to fill the state; once one of them is read, a missing byte was needed
_CHUNK = 12
_ESCAPE_CLASSES = 36
_STREAM = constriction.stream
_UNIFORM = _STREAM.model.Uniform()
_KNOWN_MESSAGE = 0xCEFF175C  # checksum of the message's bytes in ``_check_library``


@dataclass(frozen=True, eq=False)
class Call:
    """One array of symbols with its tables; index and mean, of the same shape, are those of ``CdfTables.locate``."""

    symbols: Symbols
    tables: CdfTables
    index: npt.NDArray[Any]
    mean: npt.NDArray[Any] | None = None


class _Step(NamedTuple):
    """One call of the library: entries of one model, or of a model family with the sizes as its parameter."""

    entries: Symbols
    model: Any
    sizes: Symbols | None = None


def _model(frequencies: npt.NDArray[Any]) -> Any:
    weights = frequencies.astype(np.float64) * (1 << (24 - PRECISION)) - 1  # see the module's docstring
    return _STREAM.model.Categorical(weights, perfect=False)


def _row_model(tables: CdfTables, row: int) -> Any:
    model = tables.models.get(row)
    if model is None:
        model = tables.models[row] = _model(tables.row(row))
    return model


def _escape_frequencies() -> npt.NDArray[np.int64]:
    """Frequencies of an escaped value's length: class n means n more bits; halved from class to class, at least 1."""
    frequencies = np.maximum(1 << 15 >> np.arange(_ESCAPE_CLASSES), 1)
    frequencies[0] -= frequencies.sum() - TOTAL
    return frequencies


_ESCAPE_BITS = PRECISION - np.log2(_escape_frequencies())


@functools.cache
def _escape_model() -> Any:
    return _model(_escape_frequencies())


@functools.cache
def _check_library() -> None:
    """Refuse a library version that turns the same tables into other bytes.

    Raises:
        UnavailableError: the installed version quantises or codes differently.
    """
    coder = _STREAM.stack.AnsCoder(np.array([_START + 12345], dtype=np.uint32))
    coder.encode_reverse(np.arange(_ESCAPE_CLASSES, dtype=np.int32)[::-1].copy(), _escape_model())
    coder.encode_reverse(np.arange(9, dtype=np.int32), _UNIFORM, np.full(9, 4096, dtype=np.int32))
    if zlib.crc32(_to_bytes(coder.get_compressed())) != _KNOWN_MESSAGE:
        version = getattr(constriction, "__version__", "of unknown version")
        raise UnavailableError(
            f"constriction {version} gives other bytes than our streams have; install 'constriction>=0.4,<0.6'"
        )


def _runs(rows: IntArray) -> tuple[IntArray, list[tuple[int, int, int]]]:
    """The order that groups equal rows, and (row, start, end) of each group in that order."""
    if not len(rows):
        return rows, []
    short = rows.astype(np.uint16) if rows.max() < 1 << 16 else rows  # NumPy sorts short integers by counting
    order = np.argsort(short, kind="stable")
    counts = np.bincount(rows)
    present = np.flatnonzero(counts)
    ends = np.cumsum(counts[present])
    return order, list(zip(present.tolist(), (ends - counts[present]).tolist(), ends.tolist(), strict=True))


def _checksum(context: bytes, calls: Sequence[Symbols]) -> int:
    """The start state: a set bit, then 23 bits of the CRC-32 of the context and all symbols as little-endian int32."""
    crc = zlib.crc32(context)
    for symbols in calls:
        crc = zlib.crc32(symbols.astype("<i4").tobytes(), crc)
    return _START | (crc & (_START - 1))


def _to_bytes(words: npt.NDArray[np.uint32]) -> bytes:
    return words[::-1].astype(">u4").tobytes().lstrip(b"\0")


def _escape_numbers(tables: CdfTables, values: IntArray, rows: IntArray) -> tuple[IntArray, IntArray]:
    """The distance of escaped values from their table's range as (class, remaining bits) of an Exp-Golomb code.

    Distances above the range have even numbers, those below it odd ones.
    """
    low = tables.lowest[rows].astype(np.int64)
    beyond = low + tables.widths[rows] - 1
    number = np.where(values >= beyond, 2 * (values - beyond), 2 * (low - 1 - values) + 1) + 1
    length = np.frexp(number.astype(np.float64))[1].astype(np.int64) - 1  # exact: numbers are below 2**36
    return length, number - (np.int64(1) << length)


def _chunks(length: IntArray) -> Iterator[tuple[int, npt.NDArray[np.bool_], Symbols]]:
    """The remaining bits in chunks of 12: (shift, mask of the values with bits there, alphabet sizes of these)."""
    for shift in range(0, _ESCAPE_CLASSES, _CHUNK):
        width = np.clip(length - shift, 0, _CHUNK)
        mask = width > 0
        if mask.any():
            yield shift, mask, (np.int64(1) << width[mask]).astype(np.int32)


def _flat_symbols(call: Call) -> tuple[IntArray, IntArray, IntArray]:
    """Values less the integer part of their mean, their rows, and that integer part: flat int64 arrays."""
    symbols = np.asarray(call.symbols)
    if symbols.dtype.kind not in "iu" or (
        symbols.size and not -(2**31) <= int(symbols.min()) <= int(symbols.max()) < 2**31
    ):
        raise UsageError(
            f"symbols came as {symbols.dtype}, expected integers that fit int32; round and clip them before coding"
        )
    rows, whole = call.tables.locate(call.index, call.mean)
    if symbols.shape != rows.shape:
        raise UsageError(f"symbols came with shape {symbols.shape}, expected that of the indexes, {rows.shape}")
    values = symbols.astype(np.int64).ravel() - whole.ravel()
    return values, rows.ravel(), whole.ravel()


def _steps(call: Call) -> list[_Step]:
    """The library's calls for one array, in decoding order: groups of equal rows, then the values of escapes."""
    values, rows, _ = _flat_symbols(call)
    entries, escaped = call.tables.entries(values, rows)
    order, runs = _runs(rows)
    ordered = entries[order].astype(np.int32)
    steps = [_Step(ordered[start:end], _row_model(call.tables, row)) for row, start, end in runs]
    if escaped.any():
        length, rest = _escape_numbers(call.tables, values[escaped], rows[escaped])
        steps.append(_Step(length.astype(np.int32), _escape_model()))
        for shift, mask, sizes in _chunks(length):
            steps.append(_Step(((rest[mask] >> shift) & (sizes - 1)).astype(np.int32), _UNIFORM, sizes))
    return steps


def write_payload(calls: Sequence[Call], context: bytes) -> bytes:
    """Encode arrays of symbols to a payload of at least three bytes.

    context: other data that the decoder must agree on (header, model); it is part of the checksum, but not stored.

    Raises:
        UsageError: symbols, indexes and means do not fit together.
        UnavailableError: the installed library codes differently.
    """
    _check_library()
    steps = [step for call in calls for step in _steps(call)]
    start = _checksum(context, [np.asarray(call.symbols) for call in calls])
    coder = _STREAM.stack.AnsCoder(np.array([start], dtype=np.uint32))
    for entries, model, sizes in reversed(steps):
        if sizes is None:
            coder.encode_reverse(entries, model)
        else:
            coder.encode_reverse(entries, model, sizes)
    return _to_bytes(coder.get_compressed())


def estimate_bits(calls: Sequence[Call]) -> float:
    """The ideal length in bits by the same integer tables, without header, checksum and rounding to bytes."""
    bits = 0.0
    for call in calls:
        values, rows, _ = _flat_symbols(call)
        entries, escaped = call.tables.entries(values, rows)
        bits += call.tables.entry_bits(entries, rows)
        if escaped.any():
            length, _ = _escape_numbers(call.tables, values[escaped], rows[escaped])
            bits += float(_ESCAPE_BITS[length].sum() + length.sum())
    return bits


class SymbolEncoder:
    """The counterpart of ``SymbolDecoder``: takes symbols in decoding order and encodes all of them in ``finish``."""

    def __init__(self, context: bytes = b"") -> None:
        self.calls: list[Call] = []
        self._context = context

    def encode(
        self, symbols: Symbols, tables: CdfTables, index: npt.NDArray[Any], mean: npt.NDArray[Any] | None = None
    ) -> None:
        """Add one array of symbols; see ``Call``."""
        self.calls.append(Call(symbols, tables, index, mean))

    def finish(self) -> bytes:
        """The payload of all arrays. Errors are those of ``write_payload``."""
        return write_payload(self.calls, self._context)


class SymbolDecoder:
    """Decodes arrays of symbols from a payload, one by one; the tables of one may depend on the symbols before it.

    payload: bytes of ``write_payload``. context: the same as there.
    alignment: None for a whole payload; for a cut one, the length of the whole payload modulo 4. Symbols that need a
    missing byte are then refused, those before are returned, and neither can be verified.
    ``calls`` holds the arrays decoded so far, ready to be encoded again by ``write_payload``.

    Raises:
        BitstreamError: no encoder writes such a payload.
    """

    def __init__(self, payload: bytes, context: bytes = b"", *, alignment: int | None = None) -> None:
        _check_library()
        self.calls: list[Call] = []
        self._context, self._partial = context, alignment is not None
        lead = -(len(payload) if alignment is None else alignment) % 4
        padded = bytes(lead) + payload
        words = np.frombuffer(padded[: len(padded) // 4 * 4], dtype=">u4").astype(np.uint32)[::-1]
        if not payload or payload[0] == 0 or (len(payload) < 3 and not self._partial):
            raise BitstreamError(
                f"a payload of {len(payload)} bytes is empty or starts with a zero, which no encoder writes; it is "
                f"damaged or cut"
            )
        if self._partial:
            words = np.concatenate([np.full(_FILLER, 0xFFFFFFFF, dtype=np.uint32), words])
        self._coder = _STREAM.stack.AnsCoder(np.ascontiguousarray(words))

    def decode(self, tables: CdfTables, index: npt.NDArray[Any], mean: npt.NDArray[Any] | None = None) -> Symbols:
        """The next symbols, int32 in the shape of ``index``.

        Raises:
            BitstreamError: the data ran out, or no encoder writes it.
            UsageError: index or mean do not fit the tables.
        """
        rows, whole = tables.locate(index, mean)
        shape, rows = rows.shape, rows.ravel()
        order, runs = _runs(rows)
        ordered = np.empty(len(rows), dtype=np.int64)
        for row, start, end in runs:
            ordered[start:end] = self._coder.decode(_row_model(tables, row), end - start)
        self._check_supply()
        entries = np.empty_like(ordered)
        entries[order] = ordered
        values = entries + tables.lowest[rows]
        escaped = entries == tables.widths[rows] - 1
        if escaped.any():
            values[escaped] = self._escaped_values(tables, rows[escaped])
            self._check_supply()
        values = values.reshape(shape) + whole
        if values.size and not -(2**31) <= int(values.min()) <= int(values.max()) < 2**31:
            raise BitstreamError(
                "a decoded symbol does not fit 32 bits, which no encoder writes; the stream is damaged"
            )
        symbols: Symbols = values.astype(np.int32)
        self.calls.append(Call(symbols, tables, index, mean))
        return symbols

    def _escaped_values(self, tables: CdfTables, rows: IntArray) -> IntArray:
        length = self._coder.decode(_escape_model(), len(rows)).astype(np.int64)
        number = np.int64(1) << length
        for shift, mask, sizes in _chunks(length):
            number[mask] += self._coder.decode(_UNIFORM, sizes).astype(np.int64) << shift
        number -= 1
        low = tables.lowest[rows].astype(np.int64)
        beyond = low + tables.widths[rows] - 1
        return np.where(number % 2 == 0, beyond + number // 2, low - 1 - number // 2)

    def _check_supply(self) -> None:
        """Raise BitstreamError where the data ran out: encoding grows the state, so it may not fall below the start."""
        words, state = self._coder.pos()
        if words < _FILLER if self._partial else words == 0 and state < _START:
            raise BitstreamError("the data ran out before the symbols did; the stream is cut or damaged")

    def finish(self) -> None:
        """Verify that all data was read and that the symbols are those that were encoded.

        Raises:
            BitstreamError: data is left, or the checksum of symbols and context is not the coder's start state.
        """
        words, state = self._coder.pos()
        if self._partial:
            raise BitstreamError("a cut payload cannot be finished: its end, and the checksum there, are missing")
        if words:
            raise BitstreamError(f"{4 * words} bytes or more are left after the last symbol; the stream is damaged")
        if state != _checksum(self._context, [call.symbols for call in self.calls]):
            raise BitstreamError(
                "the decoded symbols do not have the checksum coded with them; the stream is damaged, or these are "
                "not its tables"
            )
