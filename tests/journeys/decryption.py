"""What a player does with a key: finds a segment's samples (ISO 14496-12), decrypts them (ISO 23001-7, cenc)."""

from collections.abc import Iterator
from struct import unpack_from

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CTR

IV_BYTES = 8
CHANNEL_PAIR, FILLING, END = 0b001, 0b110, 0b111
_CONTAINERS = (b"moof", b"traf")


def decrypted_samples(segment: bytes, key: bytes) -> list[bytes]:
    """The samples of a segment whose samples are encrypted whole, as sound is."""
    found = dict(_boxes(segment, 0, len(segment)))
    (start, _end), (senc, _) = found[b"mdat"], found[b"senc"]
    flags, count = unpack_from(">II", segment, senc)
    assert flags & 2 == 0, "there are clear parts inside of the samples"
    samples = []
    for number, size in enumerate(_sizes(segment, found[b"trun"][0], count)):
        iv = segment[senc + 8 + number * IV_BYTES :][:IV_BYTES]
        decryptor = Cipher(AES(key), CTR(iv.ljust(16, b"\0"))).decryptor()
        samples.append(decryptor.update(segment[start : start + size]))
        start += size
    return samples


def _boxes(data: bytes, start: int, end: int) -> Iterator[tuple[bytes, tuple[int, int]]]:
    """Kind of each box with the place of what it holds."""
    while start < end:
        size, kind = unpack_from(">I4s", data, start)
        yield kind, (start + 8, start + size)
        if kind in _CONTAINERS:
            yield from _boxes(data, start + 8, start + size)
        start += size


def _sizes(data: bytes, trun: int, count: int) -> list[int]:
    """Size of each sample, from the track run."""
    flags, samples = unpack_from(">II", data, trun)
    assert samples == count
    place = trun + 8 + 4 * bool(flags & 0x1) + 4 * bool(flags & 0x4)
    before = 4 * bool(flags & 0x100)
    step = 4 * (flags >> 8 & 0xF).bit_count()
    assert flags & 0x200, "the samples have no sizes of their own"
    return [unpack_from(">I", data, place + number * step + before)[0] for number in range(count)]


def is_aac(frame: bytes) -> bool:
    """Whether it begins with a channel pair or filling and ends with the end mark (ISO 14496-3): by chance, few do."""
    bits = int.from_bytes(frame[-2:])
    padding = (bits & -bits).bit_length() - 1
    return frame[0] >> 5 in (CHANNEL_PAIR, FILLING) and padding < 8 and bits >> padding & 0b111 == END
