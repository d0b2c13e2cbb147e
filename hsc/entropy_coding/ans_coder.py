"""Symbols to bytes and back, exactly: integer tables, an ANS coder, and a proof at the end of every stream.

    symbols, tables, index, mean --SymbolEncoder.encode--> calls --write_payload--> payload
    payload --SymbolDecoder.decode(tables, index, mean)--> symbols  ...  finish() proves that all was as it should be

The coder is that of ``constriction`` (Rust, memory-safe): ANS with a state of 64 bits, words of 32 and probabilities of
24.
It takes probabilities as floats. Of a row with 24-bit frequencies f (ours times 256) and n entries it makes
``int(cumulated p * scale) + entries before``, with ``scale = (2**24 - n) / sum(p)``. So p = f - 1 gives a scale of
exactly 1 and sums of integers below 2**24, and the frequencies come through unchanged. Tests hold every entry of the
shipped kind of tables to that, and whole streams to a decoder in plain Python; ``_prove_library`` codes a message of
known bytes before the first use in a process.

Where the start state pays: an ANS coder loses some 23 bits to its start state whatever it is. Ours is the checksum of
all symbols and of the context (header, model), so a decoder that went astray by one symbol, or was given other tables,
ends elsewhere.
That is the short CRC over the symbols, the end-state check and the check of the read pointer in three bytes, none
added.

ANS is a stack: encoding runs backwards, so that decoding runs front to back. Payload bytes: the words from the top,
big-endian, leading zero bytes left out. ANS: Duda et al. 2015; constriction: Bamler 2022.
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
_FILLER = (
    2  # words put below a cut stream, so that the state can be filled; one of them taken up is a missing byte needed
)
_CHUNK = 12
_ESCAPE_CLASSES = 36
_STREAM = constriction.stream
_UNIFORM = _STREAM.model.Uniform()
_KNOWN_MESSAGE = 0xCEFF175C  # checksum of the bytes of ``_prove_library``'s message


@dataclass(frozen=True, eq=False)
class Call:
    """One array of symbols with what it is coded by; shapes agree. See ``CdfTables.locate`` for index and mean."""

    symbols: Symbols
    tables: CdfTables
    index: npt.NDArray[Any]
    mean: npt.NDArray[Any] | None = None


class _Step(NamedTuple):
    """One call of the library: entries of one model, or of a family with its parameter."""

    entries: Symbols
    model: Any
    sizes: Symbols | None = None


def _model(frequencies: npt.NDArray[Any]) -> Any:
    weights = frequencies.astype(np.float64) * (1 << (24 - PRECISION)) - 1  # see the module's docstring
    return _STREAM.model.Categorical(weights, perfect=False)


def _row_model(tables: CdfTables, row: int) -> Any:
    known = tables.models.get(row)
    if known is None:
        known = tables.models[row] = _model(tables.row(row))
    return known


def _escape_frequencies() -> npt.NDArray[np.int64]:
    """Lengths of escaped values: class n means n more bits; halved from class to class, none below 1."""
    frequencies = np.maximum(1 << 15 >> np.arange(_ESCAPE_CLASSES), 1)
    frequencies[0] -= frequencies.sum() - TOTAL
    return frequencies


_ESCAPE_BITS = PRECISION - np.log2(_escape_frequencies())


@functools.cache
def _escape_model() -> Any:
    return _model(_escape_frequencies())


@functools.cache
def _prove_library() -> None:
    """Refuse a library that turns the same tables into other bytes.

    Raises:
        UnavailableError: its version quantises or codes otherwise.
    """
    coder = _STREAM.stack.AnsCoder(np.array([_START + 12345], dtype=np.uint32))
    coder.encode_reverse(np.arange(_ESCAPE_CLASSES, dtype=np.int32)[::-1].copy(), _escape_model())
    coder.encode_reverse(np.arange(9, dtype=np.int32), _UNIFORM, np.full(9, 4096, dtype=np.int32))
    if zlib.crc32(_to_bytes(coder.get_compressed())) != _KNOWN_MESSAGE:
        version = getattr(constriction, "__version__", "of unknown version")
        raise UnavailableError(
            f"constriction {version} codes otherwise than the streams need; install 'constriction>=0.4,<0.6'"
        )


def _runs(rows: IntArray) -> tuple[IntArray, list[tuple[int, int, int]]]:
    """The order that puts equal rows together, and (row, start, end) of each run in that order."""
    if not len(rows):
        return rows, []
    order = np.argsort(
        rows.astype(np.uint16) if rows.max() < 1 << 16 else rows, kind="stable"
    )  # by counting, for short integers
    counts = np.bincount(rows)
    there = np.flatnonzero(counts)
    ends = np.cumsum(counts[there])
    return order, list(zip(there.tolist(), (ends - counts[there]).tolist(), ends.tolist(), strict=True))


def _checksum(context: bytes, calls: Sequence[Symbols]) -> int:
    """The start state: a set bit and 23 bits of CRC-32 over the context and all symbols as little-endian int32."""
    crc = zlib.crc32(context)
    for symbols in calls:
        crc = zlib.crc32(symbols.astype("<i4").tobytes(), crc)
    return _START | (crc & (_START - 1))


def _to_bytes(words: npt.NDArray[np.uint32]) -> bytes:
    return words[::-1].astype(">u4").tobytes().lstrip(b"\0")


def _escape_numbers(tables: CdfTables, values: IntArray, rows: IntArray) -> tuple[IntArray, IntArray]:
    """How far escaped values lie outside, both sides in turn, as (class, remaining bits) of an Exp-Golomb code."""
    low = tables.lowest[rows].astype(np.int64)
    beyond = low + tables.widths[rows] - 1
    number = np.where(values >= beyond, 2 * (values - beyond), 2 * (low - 1 - values) + 1) + 1
    length = np.frexp(number.astype(np.float64))[1].astype(np.int64) - 1  # exact: numbers are below 2**36
    return length, number - (np.int64(1) << length)


def _chunks(length: IntArray) -> Iterator[tuple[int, npt.NDArray[np.bool_], Symbols]]:
    """The remaining bits in pieces of 12: (shift, who has bits there, the size of the alphabet for those)."""
    for shift in range(0, _ESCAPE_CLASSES, _CHUNK):
        width = np.clip(length - shift, 0, _CHUNK)
        there = width > 0
        if there.any():
            yield shift, there, (np.int64(1) << width[there]).astype(np.int32)


def _flat_symbols(call: Call) -> tuple[IntArray, IntArray, IntArray]:
    """Values with the whole part of the mean taken off, their rows, and that whole part: int64 and flat."""
    symbols = np.asarray(call.symbols)
    if symbols.dtype.kind not in "iu" or (
        symbols.size and not -(2**31) <= int(symbols.min()) <= int(symbols.max()) < 2**31
    ):
        raise UsageError(
            f"symbols came as {symbols.dtype}, expected integers that fit int32; round and clip them before coding"
        )
    rows, whole = call.tables.locate(call.index, call.mean)
    if symbols.shape != rows.shape:
        raise UsageError(f"symbols came in the shape {symbols.shape}, expected that of the indexes, {rows.shape}")
    values = symbols.astype(np.int64).ravel() - whole.ravel()
    return values, rows.ravel(), whole.ravel()


def _steps(call: Call) -> list[_Step]:
    """What the library codes for one call, in decoding order: runs of equal rows, then what follows the escapes."""
    values, rows, _ = _flat_symbols(call)
    entries, escaped = call.tables.entries(values, rows)
    order, runs = _runs(rows)
    ordered = entries[order].astype(np.int32)
    steps = [_Step(ordered[start:end], _row_model(call.tables, row)) for row, start, end in runs]
    if escaped.any():
        length, rest = _escape_numbers(call.tables, values[escaped], rows[escaped])
        steps.append(_Step(length.astype(np.int32), _escape_model()))
        for shift, there, sizes in _chunks(length):
            steps.append(_Step(((rest[there] >> shift) & (sizes - 1)).astype(np.int32), _UNIFORM, sizes))
    return steps


def write_payload(calls: Sequence[Call], context: bytes) -> bytes:
    """Code arrays of symbols; at least three bytes.

    context: what else the decoder must agree on (header, model); it is checked, not stored.

    Raises:
        UsageError: symbols, indexes and means do not fit together.
        UnavailableError: the installed library codes otherwise.
    """
    _prove_library()
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
    """The ideal length by the same integer tables, in bits: no header, no checksum, no rounding to bytes."""
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
    """The mirror of ``SymbolDecoder``: takes symbols call by call, in decoding order, and codes them all in ``finish``."""

    def __init__(self, context: bytes = b"") -> None:
        self.calls: list[Call] = []
        self._context = context

    def encode(
        self, symbols: Symbols, tables: CdfTables, index: npt.NDArray[Any], mean: npt.NDArray[Any] | None = None
    ) -> None:
        """Take one array of symbols; see ``Call``."""
        self.calls.append(Call(symbols, tables, index, mean))

    def finish(self) -> bytes:
        """The payload of all calls; see ``write_payload`` for what it raises."""
        return write_payload(self.calls, self._context)


class SymbolDecoder:
    """Takes symbols from a payload, call by call; what a call is coded by may depend on the symbols of earlier ones.

    payload: bytes of ``write_payload``. context: the same as there.
    alignment: None for a whole payload; for one cut short, the length of the whole one modulo 4. Then symbols that need
    a
        missing byte are refused, those before are given, and nothing can be proven about either.
    ``calls`` holds what was decoded so far, ready for ``write_payload`` to code again.

    Raises:
        BitstreamError: the payload cannot be one.
    """

    def __init__(self, payload: bytes, context: bytes = b"", *, alignment: int | None = None) -> None:
        _prove_library()
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
            BitstreamError: the data ran out, or holds what no encoder writes.
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
        for shift, there, sizes in _chunks(length):
            number[there] += self._coder.decode(_UNIFORM, sizes).astype(np.int64) << shift
        number -= 1
        low = tables.lowest[rows].astype(np.int64)
        beyond = low + tables.widths[rows] - 1
        return np.where(number % 2 == 0, beyond + number // 2, low - 1 - number // 2)

    def _check_supply(self) -> None:
        """Encoding never makes the state smaller, so a state below every start state means that the data ran out."""
        words, state = self._coder.pos()
        if words < _FILLER if self._partial else words == 0 and state < _START:
            raise BitstreamError("the data ran out before the symbols did; the stream is cut or damaged")

    def finish(self) -> None:
        """Prove that all data was read and that the symbols are those that were coded.

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
