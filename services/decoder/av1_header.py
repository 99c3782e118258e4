"""Reads what an AV1 sequence header says of its colours, for AVIF files that say nothing of them elsewhere.

The fields are those of the AV1 bitstream specification, 5.3 to 5.5; all before the colours have to be passed over.
"""

from __future__ import annotations

_SEQUENCE_HEADER = 1
_SELECT_INTEGER = 2
_WIDEST_CODE = 32


class _Bits:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._position = 0

    def take(self, count: int) -> int:
        start, self._position = self._position, self._position + count
        if self._position > 8 * len(self._data):
            raise ValueError("a sequence header is cut off")
        last = (self._position + 7) // 8
        whole = int.from_bytes(self._data[start // 8 : last], "big")
        return whole >> (8 * last - self._position) & (1 << count) - 1

    def take_code(self) -> int:
        """A number of as many bits as there are zeros before it: uvlc() of 4.10.3."""
        zeros = 0
        while not self.take(1):
            zeros += 1
        return self.take(zeros) if zeros < _WIDEST_CODE else 0


def code_points(data: bytes) -> tuple[int, int] | None:
    """Colour primaries and transfer characteristics that coded data begins with; None where it names none."""
    try:
        header = _sequence_header(data)
        return _colours(_Bits(header)) if header else None
    except (ValueError, IndexError):
        return None


def _sequence_header(data: bytes) -> bytes | None:
    """Of the first units, a temporal delimiter or such among them, the one that is it."""
    position = 0
    while position < len(data):
        head = data[position]
        position += 2 if head & 4 else 1
        length = len(data) - position
        if head & 2:
            length, shift = 0, 0
            while True:
                byte = data[position]
                position, length, shift = position + 1, length | (byte & 127) << shift, shift + 7
                if byte < 128 or shift > _WIDEST_CODE:
                    break
        if head >> 3 & 15 == _SEQUENCE_HEADER:
            return data[position : position + length]
        position += length
    return None


def _colours(bits: _Bits) -> tuple[int, int] | None:
    profile = bits.take(3)
    bits.take(1)
    is_reduced = bits.take(1)
    if is_reduced:
        bits.take(5)
    else:
        _pass_operating_points(bits)
    widths = bits.take(4) + 1, bits.take(4) + 1
    bits.take(sum(widths))
    if not is_reduced and bits.take(1):
        bits.take(7)
    bits.take(3)
    if not is_reduced:
        _pass_tools(bits)
    bits.take(3)
    is_deep = bits.take(1)
    if profile == 2 and is_deep:
        bits.take(1)
    if profile != 1:
        bits.take(1)
    return (bits.take(8), bits.take(8)) if bits.take(1) else None


def _pass_operating_points(bits: _Bits) -> None:
    has_decoder_model, delay_bits = 0, 0
    if bits.take(1):
        bits.take(64)
        if bits.take(1):
            bits.take_code()
        has_decoder_model = bits.take(1)
        if has_decoder_model:
            delay_bits = bits.take(5) + 1
            bits.take(42)
    has_delays = bits.take(1)
    for _ in range(bits.take(5) + 1):
        bits.take(12)
        if bits.take(5) > 7:
            bits.take(1)
        if has_decoder_model and bits.take(1):
            bits.take(2 * delay_bits + 1)
        if has_delays and bits.take(1):
            bits.take(4)


def _pass_tools(bits: _Bits) -> None:
    bits.take(4)
    has_order = bits.take(1)
    if has_order:
        bits.take(2)
    may_choose = bits.take(1)
    screen_content = _SELECT_INTEGER if may_choose else bits.take(1)
    if screen_content and not bits.take(1):
        bits.take(1)
    if has_order:
        bits.take(3)
