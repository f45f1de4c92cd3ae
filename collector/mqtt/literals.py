"""Numbers and times as JSON writes them, read by kernels to the bits that the library gives.

What is outside of the common is not read here, so that the library judges it.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from collector.mqtt.kernel import kernel

_POWERS = 60
"""Decimal exponents from -_POWERS to _POWERS are read here."""


def _powers_of_five() -> NDArray[np.uint64]:
    """uint64[2 * _POWERS + 1, 2]: the leading 128 bits of each power. Lemire 2021,
    https://arxiv.org/abs/2101.11408"""
    rows = []
    for q in range(-_POWERS, _POWERS + 1):
        if q < 0:
            power = 5**-q
            shift = power.bit_length() + (127 if q >= -27 else 128 + power.bit_length())
            c = 2**shift // power + 1
        else:
            c = 5**q << 128
        c >>= c.bit_length() - 128
        rows.append((c >> 64, c & (1 << 64) - 1))
    return np.array(rows, np.uint64)


_FIVES = _powers_of_five()
_TENS = np.array([10.0**q for q in range(23)])
_U32, _U63, _U64 = np.uint64(32), np.uint64(63), np.uint64(64)
_LOW32, _LOW9 = np.uint64(0xFFFFFFFF), np.uint64(0x1FF)
_ALL, _ONE, _FOUR, _TEN = (np.uint64(n) for n in (0xFFFFFFFFFFFFFFFF, 1, 4, 10))
_EXACT = np.uint64(1 << 53)


@kernel
def number_at(buffer, i, end):  # type: ignore[no-untyped-def]
    """A JSON number, correctly rounded. -> behind it (0: none, or one for the library), its value,
    and as a whole number when it is written as one [int64], whether it is"""
    none = (np.int64(0), 0.0, np.int64(0), False)
    i, end = np.uintp(i), np.uintp(end)  # unsigned indices need no look at below 0
    negative = i < end and buffer[i] == 45
    if negative:
        i += _ONE
    w, digits, exponent, whole = np.uint64(0), np.int64(0), np.int64(0), True
    begin = i
    while i < end and 48 <= buffer[i] <= 57:
        w = w * _TEN + np.uint64(buffer[i] - 48)
        i += _ONE
    if i == begin or (buffer[begin] == 48 and i - begin > _ONE):
        return none
    digits = np.int64(i - begin) if buffer[begin] != 48 else np.int64(0)
    if i < end and buffer[i] == 46:
        whole = False
        i += _ONE
        point = i
        while i < end and 48 <= buffer[i] <= 57:
            w = w * _TEN + np.uint64(buffer[i] - 48)
            if digits > 0 or w > 0:  # w may have come round to 0
                digits += 1
            i += _ONE
        if i == point:
            return none
        exponent = np.int64(point) - np.int64(i)
    if digits > 19:
        return none
    if i < end and (buffer[i] == 101 or buffer[i] == 69):
        whole = False
        i += _ONE
        down = i < end and buffer[i] == 45
        if i < end and (buffer[i] == 43 or down):
            i += _ONE
        begin, e = i, np.int64(0)
        while i < end and 48 <= buffer[i] <= 57 and i - begin < _FOUR:
            e = e * 10 + np.int64(buffer[i] - 48)
            i += _ONE
        if i == begin or i - begin == _FOUR:
            return none
        exponent += -e if down else e
    if whole and (w >> _U63 or (negative and w == 0)):
        return none
    value, fine = _round(w, exponent)
    if not fine:
        return none
    if negative:
        return np.int64(i), -value, -np.int64(w), whole
    return np.int64(i), value, np.int64(w), whole


@kernel
def _round(w, q):  # type: ignore[no-untyped-def]
    """w * 10**q to the nearest double. -> it, and whether that is sure. Eisel and Lemire"""
    if w == 0:
        return 0.0, True
    if w <= _EXACT and -22 <= q <= 22:
        return (float(w) / _TENS[-q] if q < 0 else float(w) * _TENS[q]), True
    if q < -_POWERS or q > _POWERS:
        return 0.0, False
    zeros = np.int64(0)
    while w >> _U63 == 0:
        w <<= _ONE
        zeros += 1
    high, low = _product(w, _FIVES[q + _POWERS, 0])
    if high & _LOW9 == _LOW9:
        more, _ = _product(w, _FIVES[q + _POWERS, 1])
        low += more
        if more > low:
            high += _ONE
    if low == _ALL and (q < -27 or q > 55):
        return 0.0, False
    upper = np.int64(high >> _U63)
    shift = np.uint64(upper + 9)
    mantissa = high >> shift
    half = low <= _ONE and -4 <= q <= 23 and mantissa & np.uint64(3) == _ONE
    if half and mantissa << shift == high:
        mantissa -= _ONE
    mantissa = (mantissa + (mantissa & _ONE)) >> _ONE
    power = ((152170 + 65536) * q >> 16) + 63 + upper - zeros
    return math.ldexp(float(mantissa), int(power - 52)), True


@kernel
def _product(a, b):  # type: ignore[no-untyped-def]
    """All 128 bits of the product. -> high, low"""
    a1, a0, b1, b0 = a >> _U32, a & _LOW32, b >> _U32, b & _LOW32
    low = a0 * b0
    middle = a1 * b0 + (low >> _U32)
    across = a0 * b1 + (middle & _LOW32)
    return a1 * b1 + (middle >> _U32) + (across >> _U32), (across << _U32) | (low & _LOW32)


@kernel
def unix(value, whole, is_whole, unit):  # type: ignore[no-untyped-def]
    """As `collector/times.py`: a float is taken to the microsecond. -> [ns], can be told here"""
    if is_whole:
        return whole * unit, abs(whole) < 9_000_000_000_000_000_000 // unit
    told = abs(value) < 9e18 / unit
    if not told:
        return np.int64(0), False
    if unit >= 1000:
        return np.int64(np.rint(value * unit / 1000)) * 1000, True
    return np.int64(np.rint(value)), True


@kernel
def _digits(buffer, begin, end):  # type: ignore[no-untyped-def]
    """-> the number that these bytes write, -1 when they write none"""
    value = np.int64(0)
    for i in range(begin, end):
        digit = np.int64(buffer[i]) - 48
        if digit < 0 or digit > 9:
            return np.int64(-1)
        value = value * 10 + digit
    return value


@kernel
def iso(buffer, i, end):  # type: ignore[no-untyped-def]
    """YYYY-MM-DDTHH:MM:SS[.f]Z or ±HH:MM, 1900 to 2199, to the microsecond. -> [ns], can be told"""
    none = (np.int64(0), False)
    if end - i < 20 or buffer[i + 4] != 45 or buffer[i + 7] != 45:
        return none
    if buffer[i + 10] != 84 or buffer[i + 13] != 58 or buffer[i + 16] != 58:
        return none
    year, month = _digits(buffer, i, i + 4), _digits(buffer, i + 5, i + 7)
    day, hour = _digits(buffer, i + 8, i + 10), _digits(buffer, i + 11, i + 13)
    minute, second = _digits(buffer, i + 14, i + 16), _digits(buffer, i + 17, i + 19)
    if not (1900 <= year < 2200 and 1 <= month <= 12 and 0 <= hour < 24):
        return none
    if not (0 <= minute < 60 and 0 <= second < 60):
        return none
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    longest = 30 if month in (4, 6, 9, 11) else 31
    if month == 2:
        longest = 29 if leap else 28
    if not 1 <= day <= longest:
        return none
    i += 19
    micro = np.int64(0)
    if buffer[i] == 46:
        begin = i + 1
        i = begin
        while i < end and i - begin < 6 and 48 <= buffer[i] <= 57:
            i += 1
        if i == begin:
            return none
        micro = _digits(buffer, begin, i) * np.int64(10) ** (6 - (i - begin))
        while i < end and 48 <= buffer[i] <= 57:
            i += 1
    offset = np.int64(0)
    if end - i == 6 and (buffer[i] == 43 or buffer[i] == 45) and buffer[i + 3] == 58:
        hours, minutes = _digits(buffer, i + 1, i + 3), _digits(buffer, i + 4, i + 6)
        if not (0 <= hours < 24 and 0 <= minutes < 60):
            return none
        offset = (hours * 60 + minutes) * (60 if buffer[i] == 43 else -60)
    elif end - i != 1 or buffer[i] != 90:
        return none
    # days since the epoch in the proleptic Gregorian calendar, years from March
    y = year - (1 if month <= 2 else 0)
    of_year = (153 * (month + (-3 if month > 2 else 9)) + 2) // 5 + day - 1
    days = y * 365 + y // 4 - y // 100 + y // 400 + of_year - 719_468
    seconds = days * 86_400 + hour * 3600 + minute * 60 + second - offset
    return (seconds * 1_000_000 + micro) * 1000, True
