"""Parts of a sound file whose headers state their lengths.

libsndfile reads as many samples as a header promises. Some headers promise nothing (an MP3 without
Xing/Info frame, a FLAC or WAV file whose recorder was stopped), too little (a FLAC that was
continued), or speak of the first part only (joined MP3, chained Ogg). Such a file is given to
libsndfile as parts with headers that are right; all others as they are.

Notebook: 13_your_own_sounds
"""

import io
import re
import struct
from typing import BinaryIO

_OTHER = re.compile(  # formats that are not MP3
    rb"RIFF|RF64|riff|FORM|caff|\.snd|\x1aE\xdf\xa3|0&\xb2u|#!AMR|....ftyp", re.DOTALL)
_ID = re.compile(rb"[A-Za-z][\x20-\x7e]{3}")  # of a chunk in a WAV file
_SEARCHED = 2**17  # bytes at the start of a file in which its first MPEG frame must lie
_TAGS = re.compile(rb"ID3|TAG|APETAGEX|LYRICS|\0{16}")  # what may stand between MP3 streams
_KBPS = ((32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),  # MPEG 1, layer III
         (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160))  # MPEG 2 and 2.5
_HERTZ = (44100, 48000, 32000)  # MPEG 1
_HALVED = {3: 0, 2: 1, 0: 2}  # how often the rate is halved, by the version's bits
_FLAC_BLOCKS = (0, 192, 576, 1152, 2304, 4608, 0, 0, *(256 << k for k in range(8)))  # samples


class Part(io.RawIOBase):
    """A header of one's own, then bytes ``start`` to ``stop`` of a file; read only.

    Parameters
    ----------
    file : binary file object
    start, stop : int, bytes
    header : bytes
    mp3 : str
        How the length of an MP3 stream is known: "stated" by its encoder, "counted" here (a decoder
        may find 0.1 s less), "damaged" where 0.1 s or more between its frames are no frames; ""
        for other files.

    Attributes
    ----------
    error : OSError, KeyboardInterrupt or None
        Of the last reading: soundfile's callback would print it and go on.
    """

    def __init__(self, file: BinaryIO, start: int, stop: int, header: bytes = b"",
                 mp3: str = ""):
        super().__init__()
        self.file, self.start, self.header, self.mp3 = file, start, header, mp3
        self.size, self.at, self.error = len(header) + stop - start, 0, None

    def readable(self) -> bool:  # noqa: D102
        return True

    def seekable(self) -> bool:  # noqa: D102
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move as any file does; -1, and no exception, for a place before the start.

        Both decoders call this from C, and print what is raised.
        """
        to = offset + (0, self.at, self.size)[whence]
        if to < 0:
            return -1
        self.at = to
        return to

    def tell(self) -> int:  # noqa: D102
        return self.at

    def readinto(self, buffer: memoryview) -> int:
        """Fill the buffer as far as there are bytes, in one call."""
        data = self.header[self.at : self.at + len(buffer)]
        inside = self.at + len(data) - len(self.header)  # where to go on in the file
        count = min(len(buffer), self.size - self.at) - len(data)
        if count > 0:
            try:
                self.file.seek(self.start + inside)
                data += self.file.read(count)
            except (OSError, KeyboardInterrupt) as error:
                self.error = error
        buffer[: len(data)] = data
        self.at += len(data)
        return len(data)


def parts(file: BinaryIO) -> list[Part]:
    """Split a sound file into parts whose headers state their lengths, in order.

    Parameters
    ----------
    file : binary file object
        Of any format.

    Returns
    -------
    list of Part
        One part, the whole file, where its header can be relied on.

    Notebook: 13_your_own_sounds
    """
    size = file.seek(0, io.SEEK_END)
    start = _after_tag(file, 0)
    magic = _at(file, start, 12)
    whole = [Part(file, start if magic[:4] == b"fLaC" else 0, size)]
    if magic[:4] == b"RIFF" and magic[8:] == b"WAVE":
        return _wav(file, size) or whole
    if magic[:4] == b"fLaC":
        return _flac(file, start, size) or whole
    if magic[:4] == b"OggS":
        return _ogg(file, size) or whole
    return whole if _OTHER.match(magic) else _mp3(file, start, size) or whole


def _at(file, offset, count):
    file.seek(offset)
    return file.read(count)


def _after_tag(file, at):
    """Offset behind an ID3v2 tag, if there is one."""
    tag = _at(file, at, 10)
    if tag[:3] != b"ID3" or len(tag) < 10:
        return at
    return at + 10 + sum((byte & 0x7F) << shift for byte, shift in zip(tag[6:], (21, 14, 7, 0),
                                                                       strict=True))


def _wav(file, size):
    """A WAV file that holds MP3, or sound behind a data chunk of 0 bytes (to the file's end)."""
    at, coding = 12, b""
    while len(chunk := _at(file, at, 8)) == 8 and chunk[:4] != b"data":
        coding = _at(file, at + 8, 2) if chunk[:4] == b"fmt " else coding
        at += 8 + (n := struct.unpack("<I", chunk[4:])[0]) + n % 2
    rest = size - at - 8
    if len(chunk) < 8 or rest <= 0:
        return None
    if coding == b"\x55\0":
        length = struct.unpack("<I", chunk[4:])[0]
        return _mp3(file, at + 8, min(size, at + 8 + length) if length else size)
    if any(chunk[4:]):
        return None
    following = at + 8
    while len(chunk := _at(file, following, 8)) == 8 and _ID.match(chunk):
        following += 8 + (n := struct.unpack("<I", chunk[4:])[0]) + n % 2
    if following >= size:  # no sound but other chunks, up to the end
        return None
    length = struct.pack("<I", min(rest, 0xFFFFFFFF))
    return [Part(file, at + 8, size, _at(file, 0, at + 4) + length)]


def _flac(file, start, size):
    """A FLAC file that holds more samples than its header says, with the number of its last frame.

    A frame begins with 15 bits of sync code, sizes, its number and a CRC (RFC 9639, 9.1).
    """
    header = bytearray(_at(file, start, 42))
    if len(header) < 42 or header[4] & 0x7F:  # STREAMINFO must come first
        return None
    fixed, largest = int.from_bytes(header[8:10], "big"), int.from_bytes(header[15:18], "big")
    stated = int.from_bytes(header[21:26], "big") & 0xFFFFFFFFF
    tail = _at(file, max(start, size - (largest or 2**20) - 2**16), 2**25)
    for match in reversed(list(re.finditer(rb"\xff[\xf8\xf9]", tail))):
        if end := _flac_frame(tail[match.start() : match.start() + 16], fixed):
            break
    else:
        return None
    if end <= stated:
        return None
    header[21:26] = ((header[21] & 0xF0) << 32 | end).to_bytes(5, "big")
    return [Part(file, start + 42, size, bytes(header))]


def _flac_frame(frame, fixed):
    """Number of the sample behind a frame, or None where its header is none."""
    if len(frame) < 16 or frame[3] & 1 or frame[2] >> 4 == 0 or frame[3] >> 4 > 10:
        return None
    ones = 8 - (frame[4] ^ 0xFF).bit_length()  # of a number in the form of UTF-8
    if ones in (1, 8):
        return None
    extra = max(0, ones - 1)
    number = frame[4] & (0x7F >> ones)
    for byte in frame[5 : 5 + extra]:
        number = number << 6 | byte & 0x3F
    at, code = 5 + extra, frame[2] >> 4
    samples = _FLAC_BLOCKS[code]
    if code in (6, 7):
        samples = int.from_bytes(frame[at : at + code - 5], "big") + 1
        at += code - 5
    at += {12: 1, 13: 2, 14: 2}.get(frame[2] & 15, 0)
    if at >= 16 or _crc8(frame[:at]) != frame[at]:
        return None
    return (number if frame[1] & 1 else number * fixed) + samples


def _crc8(data):
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc << 1 ^ (0x07 if crc & 0x80 else 0)) & 0xFF
    return crc


def _ogg(file, size):
    """The links of a chained Ogg file; None for one link, or streams side by side."""
    starts, at, first = [], 0, b"OggS\0\x02"  # a page that begins a stream
    while block := _at(file, at, 2**20):
        starts += [at + match.start() for match in re.finditer(re.escape(first), block)]
        at += max(1, len(block) - len(first) + 1)
    if len(starts) < 2:
        return None
    pages = [_at(file, start, 27 + 255) for start in starts]
    ends = [start + 27 + page[26] + sum(page[27 : 27 + page[26]])
            for start, page in zip(starts, pages, strict=True) if len(page) >= 27]
    if set(ends) & set(starts):
        return None
    return [Part(file, *both) for both in zip(starts, [*starts[1:], size], strict=True)]


def _mpeg(header):
    """(bytes, what all frames of a stream share) of an MPEG layer III frame; None if it is none."""
    if len(header) < 4 or header[0] != 0xFF or header[1] & 0xE6 != 0xE2:
        return None
    version, kbps, rate = header[1] >> 3 & 3, header[2] >> 4, header[2] >> 2 & 3
    if version == 1 or kbps in (0, 15) or rate == 3:  # 0: a length that no header states
        return None
    kbps, hertz = _KBPS[version != 3][kbps - 1], _HERTZ[rate] >> _HALVED[version]
    length = (144 if version == 3 else 72) * 1000 * kbps // hertz + (header[2] >> 1 & 1)
    return length, (version, rate, header[3] >> 6 == 3)


def _mp3(file, start, size):
    """An MP3 file by its streams; None where there are none, or the only one states its length."""
    at, kind, found, lost = _next_frame(file, start, min(size, start + _SEARCHED)), None, [], 0
    if at is None:
        return None
    if _is_stated(file, at, size):
        return [Part(file, at, size, mp3="stated")]
    while at is not None:
        frame = _mpeg(header := _at(file, at, 4))
        if frame is None or at + frame[0] > size:  # tags, junk, the end
            gap, kind = at, None
            at = _next_frame(file, _after_tag(file, at + (frame is not None)), size)
            lost += 0 if at is None or _TAGS.match(_at(file, gap, 16)) else at - gap
            continue
        stated = _xing(file, at, header)
        if stated or frame[1] != kind:
            kind = frame[1]
            found.append([at, at, 0, header, stated])
        found[-1][1:3] = at + frame[0], found[-1][2] + 1
        at += frame[0]
    streams = [_stream(file, *stream) for stream in found if stream[2] > bool(stream[4])]
    if streams and lost > 4 * sum(b - a for a, b, *_ in found) / sum(stream[2] for stream in found):
        streams[0].mp3 = "damaged"  # four frames are 0.1 s
    return streams or None


def _next_frame(file, at, size):
    """Offset of the next of three frames of a kind (fewer at the very end), or None."""
    while at < size:
        block = _at(file, at, 2**16)
        for match in re.finditer(rb"\xff[\xe2\xe3\xf2\xf3\xfa\xfb]", block):
            here, kinds = at + match.start(), []
            while len(kinds) < 3 and (frame := _mpeg(_at(file, here, 4))):
                here += frame[0]
                kinds.append(frame[1])
            if len(set(kinds)) == 1 and (len(kinds) == 3 or here == size):
                return at + match.start()
        at += max(1, len(block) - 1)
    return None


def _xing(file, at, header):
    """(frames, bytes) that a Xing or Info frame states, 0 for unknown; None for another frame."""
    _, (version, _, mono) = _mpeg(header)
    side = _side(version, mono)
    found = _at(file, at + 4 + side, 16)
    if found[:4] not in (b"Xing", b"Info") or len(found) < 16:
        return None
    flags, *numbers = struct.unpack(">4s3I", found)[1:]
    frames = numbers.pop(0) if flags & 1 else 0
    return frames, numbers.pop(0) if flags & 2 else 0


def _side(version, mono):
    """Bytes between a frame's header and its data."""
    return (17 if mono else 32) if version == 3 else (9 if mono else 17)


def _is_stated(file, at, size):
    """Whether the first frame's numbers are those of the file, but for a short tag at its end."""
    header = _at(file, at, 4)
    frames, length = _xing(file, at, header) or (0, 0)
    return frames and length and size - (at + length) <= 128 + _mpeg(header)[0]


def _stream(file, start, stop, frames, header, stated):
    """An MP3 stream with a Xing frame, its own where that tells what is there."""
    if stated and abs(stated[0] - (frames - 1)) <= 1:
        return Part(file, start, stop, mp3="stated")
    if stated:
        start, frames = start + _mpeg(header)[0], frames - 1
    header = bytes([0xFF, header[1] | 1, 0x90 | header[2] & 0x0C, header[3]])  # no CRC, 80/128 kbps
    length, (version, _, mono) = _mpeg(header)
    info = (header + bytes(_side(version, mono)) + b"Info"
            + struct.pack(">3I", 3, frames, min(stop - start + length, 0xFFFFFFFF)))
    return Part(file, start, stop, info.ljust(length, b"\0"), "counted")
