"""Headers and frames byte by byte, from the formats' definitions: no encoder writes all of them."""

import io

import pytest

from acrnn_lib.data import lengths


def found(data):
    """[(start, stop, kind of MP3)] of the parts of a file."""
    return [(part.start, part.start + part.size - len(part.header), part.mp3)
            for part in lengths.parts(io.BytesIO(bytes(data)))]


# FLAC: RFC 9639, 8.2 and 9.1


def crc(data):
    """Remainder by x^8 + x^2 + x + 1, by long division."""
    number = int.from_bytes(data, "big") << 8
    for bit in range(number.bit_length() - 1, 7, -1):
        if number >> bit & 1:
            number ^= 0x107 << bit - 8
    return number


def frame(number=b"\x05", size=0xC, rate=9, rest=b"", channels=0, sync=b"\xff\xf8"):
    """A frame of 256 << size - 8 samples, or of the size in ``rest``; the number in UTF-8."""
    header = sync + bytes([size << 4 | rate, channels << 4]) + number + rest
    return header + bytes([crc(header)]) + bytes(16)


def flac(*frames, kind=0, stated=1):
    """STREAMINFO for fixed blocks of 4096 samples, then frames."""
    sizes = (4096).to_bytes(2, "big") * 2 + bytes(6)
    numbers = (44100 << 44 | 15 << 36 | stated).to_bytes(8, "big")
    return b"fLaC" + bytes([kind]) + b"\0\0\x22" + sizes + numbers + bytes(16) + b"".join(frames)


def samples(data):
    """The length that the first part's header states, or None where it is the file's own."""
    header = lengths.parts(io.BytesIO(data))[0].header
    return int.from_bytes(header[21:26], "big") & 0xFFFFFFFFF if header else None


@pytest.mark.parametrize("given, expected", [
    ({}, 5 * 4096 + 4096),
    ({"number": b"\xc2\x85"}, 0x85 * 4096 + 4096),
    ({"number": b"\xe1\x80\x81"}, 0x1001 * 4096 + 4096),
    ({"number": b"\xc2\x85", "sync": b"\xff\xf9"}, 0x85 + 4096),  # the number of a sample
    ({"size": 1}, 5 * 4096 + 192), ({"size": 2}, 5 * 4096 + 576), ({"size": 5}, 5 * 4096 + 4608),
    ({"size": 8}, 5 * 4096 + 256), ({"size": 15}, 5 * 4096 + 32768),
    ({"size": 6, "rest": b"\x63"}, 5 * 4096 + 100),
    ({"size": 7, "rest": b"\x03\xe7"}, 5 * 4096 + 1000),
    ({"rate": 12, "rest": b"\x10"}, 6 * 4096), ({"rate": 13, "rest": b"\x10\x11"}, 6 * 4096),
    ({"rate": 14, "rest": b"\x10\x11"}, 6 * 4096),
    ({"size": 7, "rate": 12, "rest": b"\x03\xe7\x10"}, 5 * 4096 + 1000),
    ({"channels": 7}, 6 * 4096), ({"channels": 10}, 6 * 4096),
    ({"channels": 11}, None), ({"size": 0}, None), ({"number": b"\x85"}, None),
    ({"number": b"\xff"}, None)])
def test_the_last_flac_frame_tells_where_it_ends(given, expected):
    assert samples(flac(frame(**given))) == expected
    damaged = bytearray(flac(frame(**given)))
    damaged[-17] ^= 1  # its checksum
    assert samples(bytes(damaged)) is None


def test_the_last_of_several_flac_frames_counts_and_what_only_looks_like_one_does_not():
    two = flac(frame(b"\x05"), frame(b"\x06"))
    assert samples(two) == samples(two + b"\xff\xf8\xc9\x00" + bytes(20)) == 7 * 4096
    assert samples(flac(frame(), stated=6 * 4096)) is None, "as stated"
    assert samples(flac(frame(), stated=6 * 4096 - 1)) == 6 * 4096
    assert samples(flac(frame(), kind=0x80)) == 6 * 4096, "STREAMINFO is the only block"
    assert samples(flac(frame(), kind=1)) is None, "STREAMINFO comes first"


# MP3


def mpeg(header="fffb9000", length=417):
    """A frame; by default MPEG 1 at 44.1 kHz with 128 kbps, stereo."""
    return bytes.fromhex(header).ljust(length, b"\0")


def xing(frames, size, name=b"Info", length=417):
    """The first frame of a stream: how many follow, and how many bytes there are with it."""
    numbers = (3).to_bytes(4, "big") + frames.to_bytes(4, "big") + size.to_bytes(4, "big")
    return (mpeg(length=4) + bytes(32) + name + numbers).ljust(length, b"\0")


@pytest.mark.parametrize("header, length", [
    ("fffb9000", 417), ("fffb9200", 418), ("fffb9400", 384), ("fffb9800", 576),  # MPEG 1, 128 kbps
    ("fffb1000", 104), ("fffbe000", 1044), ("fffa9000", 417),  # 32 and 320 kbps; with a CRC
    ("fff38000", 208), ("fff38400", 192), ("fff38800", 288),  # MPEG 2: 64 kbps; 22.05, 24, 16 kHz
    ("ffe38000", 417), ("ffe38400", 384), ("ffe38800", 576)])  # MPEG 2.5: half of these
def test_mp3_frames_are_counted(header, length):
    data = 5 * mpeg(header, length)
    part, = lengths.parts(io.BytesIO(data))
    assert (part.start, part.mp3) == (0, "counted")
    frames = part.header[part.header.index(b"Info") + 8 :][:4]
    assert int.from_bytes(frames, "big") == 5
    size = part.header[part.header.index(b"Info") + 12 :][:4]
    assert int.from_bytes(size, "big") == part.size == len(part.header) + len(data)


@pytest.mark.parametrize("header", ["fffd9000", "ffeb9000", "fffb0000", "fffbf000", "fffb9c00"])
def test_what_is_no_frame_of_an_mp3_ends_it(header):
    """Another layer, a version that does not exist, two bitrates and a rate that say nothing."""
    assert found(3 * mpeg() + mpeg(header, 50)) == [(0, 3 * 417, "counted")]
    assert found(4 * mpeg(header)) == [(0, 4 * 417, "")], "no MP3"


@pytest.mark.parametrize("name", [b"Info", b"Xing"])
@pytest.mark.parametrize("behind", [0, 128, 128 + 417, 128 + 418])
def test_an_mp3_whose_numbers_are_those_of_the_file_is_taken_as_it_is(name, behind):
    """But for a short tag, or a frame, at its end."""
    data = xing(4, 5 * 417, name) + 4 * mpeg() + bytes(behind)
    assert found(data) == [(0, len(data) if behind <= 128 + 417 else 5 * 417, "stated")]


@pytest.mark.parametrize("stated, kind, start", [
    (3, "stated", 0), (4, "stated", 0), (5, "stated", 0), (6, "counted", 417), (2, "counted", 417)])
def test_a_joined_mp3_is_counted_where_its_own_number_is_another(stated, kind, start):
    data = xing(stated, 0) + 4 * mpeg() + xing(4, 0) + 4 * mpeg()
    assert found(data) == [(start, 5 * 417, kind), (5 * 417, 10 * 417, "stated")]
    if kind == "counted":
        header = lengths.parts(io.BytesIO(data))[0].header
        assert header[36:48] == b"Info\0\0\0\3\0\0\0\4"


@pytest.mark.parametrize("lost, kind", [(0, "counted"), (4 * 417, "counted"),
                                        (4 * 417 + 1, "damaged")])
def test_an_mp3_may_lose_four_frames(lost, kind):
    data = 40 * mpeg() + b"\x55" * lost + 40 * mpeg()
    assert found(data)[0][2] == kind
    assert found(40 * mpeg() + b"TAG" + bytes(9000) + 40 * mpeg())[0][2] == "counted", "a tag"


# WAV


def wav(coding, *chunks):
    parts = [b"fmt " + (18).to_bytes(4, "little") + bytes([coding, 0]) + bytes(16)]
    parts += [name + stated.to_bytes(4, "little") + data for name, stated, data in chunks]
    return b"RIFF" + bytes(4) + b"WAVE" + b"".join(parts)


def test_an_mp3_in_a_wav_ends_with_its_chunk():
    sound, rest = 5 * mpeg(), (b"LIST", 2000, 4 * mpeg() + bytes(332))
    start = 12 + 26 + 8
    assert found(wav(0x55, (b"data", len(sound), sound), rest)) == [
        (start, start + len(sound), "counted")]
    assert found(wav(0x55, (b"odd ", 3, b"\0" * 4), (b"data", 10**6, sound))) == [
        (start + 12, start + 12 + len(sound), "counted")]
    assert found(wav(0x55, (b"data", 0, sound))) == [(start, start + len(sound), "counted")]
    whole = wav(1, (b"data", len(sound), sound), rest)
    assert found(whole) == [(0, len(whole), "")]


@pytest.mark.parametrize("following, own", [
    ((), True), (((b"LIST", 4, b"abcd"),), False), (((b"LIST", 3, b"abc\0"),), False),
    (((b"LIST", 3, b"abc"),), False), (((b"LIST", 9, b"abc"),), False)])
def test_a_data_chunk_of_0_bytes_holds_what_follows_unless_those_are_chunks(following, own):
    sound = b"\1\2" * 50 if own else b""
    data = wav(1, (b"data", 0, sound), *following)
    part, = lengths.parts(io.BytesIO(data))
    assert part.header == (data[:42] + (100).to_bytes(4, "little") if own else b"")
    assert part.size == len(data)


# Ogg


def page(kind, size=10):
    return b"OggS\0" + bytes([kind]) + bytes(20) + b"\1" + bytes([size]) + bytes(size)


def test_links_of_an_ogg_are_parts_and_streams_side_by_side_are_not():
    one = page(2) + page(0) + page(4)
    assert found(one) == [(0, len(one), "")]
    assert found(one + one) == [(0, len(one), ""), (len(one), 2 * len(one), "")]
    both = page(2) + page(2) + page(0) + page(4)
    assert found(both) == [(0, len(both), "")]


def test_a_link_that_begins_at_the_border_of_two_readings_is_found():
    for cut in range(8):
        first = page(2) + bytes(2**20 - 38 - cut)
        assert [part[0] for part in found(first + page(2) + page(4))] == [0, len(first)]


# Part


def test_a_part_is_a_file_of_its_own():
    part = lengths.Part(io.BytesIO(b"0123456789"), 2, 6, b"ab")
    assert io.BufferedReader(part).read() == b"ab2345"
    assert part.seek(-2, io.SEEK_END) == 4 and part.read(9) == b"45" and part.tell() == 6
    assert part.seek(1) == 1 and part.read(3) == b"b23"
    assert part.seek(-1, io.SEEK_CUR) == 3 and part.seek(-9, io.SEEK_CUR) == -1
    assert part.tell() == 3 and part.read(1) == b"3" and part.error is None
