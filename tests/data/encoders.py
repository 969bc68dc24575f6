"""The same sound from many encoders: soundfile, PyAV, and command-line programs where there are
any."""

import io
import shutil
import subprocess

import numpy as np
import soundfile

SECONDS = 1.3


def wave(rate=44100, channels=1, seconds=SECONDS):
    """A tone that is switched on and off, with a little noise: shape (n, channels)."""
    rng, t = np.random.default_rng(0), np.arange(round(seconds * rate)) / rate
    tone = 0.3 * np.sin(2 * np.pi * 440 * t) * (t % 0.5 < 0.3) + 0.01 * rng.standard_normal(len(t))
    return np.repeat(tone[:, None], channels, axis=1).astype(np.float32)


def by_soundfile(kind, subtype=None, rate=44100, channels=1, seconds=SECONDS, **options):
    file = io.BytesIO()
    soundfile.write(file, wave(rate, channels, seconds), rate, format=kind, subtype=subtype,
                    **options)
    return file.getvalue()


def by_av(container, codec, rate=44100, channels=1, seconds=SECONDS):
    import av

    file, layout = io.BytesIO(), "mono" if channels == 1 else "stereo"
    with av.open(file, "w", format=container) as out:
        stream = out.add_stream(codec, rate=rate)
        stream.layout, stream.bit_rate = layout, 12200 if "amr" in codec else 96_000
        samples = np.ascontiguousarray(wave(rate, channels, seconds).T)
        frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout=layout)
        frame.sample_rate = rate
        convert = av.AudioResampler(stream.format, layout, rate, stream.codec_context.frame_size)
        for part in [*convert.resample(frame), *convert.resample(None), None]:
            out.mux(stream.encode(part))
    return file.getvalue()


def by_program(folder, words, rate=44100, channels=1):
    """The output of a program whose words name IN and OUT."""
    source, made = folder / "in.wav", folder / f"made{words[-1]}"
    soundfile.write(source, wave(rate, channels), rate, subtype="PCM_16")
    names = {"IN": str(source), "OUT": str(made)}
    subprocess.run([names.get(word, word) for word in words[:-1]], check=True, capture_output=True,
                   stdin=subprocess.DEVNULL)
    return made.read_bytes()


def _soundfile():
    coded = "PCM_16 PCM_24 PCM_32 PCM_U8 FLOAT DOUBLE ULAW ALAW IMA_ADPCM MS_ADPCM"
    kinds = [*(("WAV", subtype) for subtype in coded.split()),
             ("WAVEX", "PCM_16"), ("RF64", "PCM_16"), ("W64", "FLOAT"), ("AIFF", "PCM_24"),
             ("AU", "PCM_16"), ("CAF", "PCM_16"), ("CAF", "ALAC_16"), ("FLAC", "PCM_16"),
             ("FLAC", "PCM_24"), ("OGG", "VORBIS"), ("OGG", "OPUS"), ("MP3", None)]
    for kind, subtype in kinds:
        for rate, channels in ((8000, 1), (44100, 1), (44100, 2), (48000, 2)):
            if subtype != "OPUS" or rate in (8000, 48000):
                yield kind, subtype, rate, channels
    yield "WAV", "GSM610", 8000, 1


def _av():
    kinds = [("ipod", "aac"), ("mp4", "aac"), ("adts", "aac"), ("ipod", "alac"),
             ("matroska", "aac"), ("webm", "libopus"), ("ogg", "libopus"), ("asf", "wmav1"),
             ("asf", "wmav2"), ("mp2", "mp2"), ("mp3", "libmp3lame"), ("wav", "libmp3lame"),
             ("wav", "pcm_s16le"), ("flac", "flac"), ("ac3", "ac3"), ("caf", "pcm_s16be"),
             ("aiff", "pcm_s16be")]
    for container, codec in kinds:
        for channels in (1, 2):
            yield container, codec, 48000 if codec == "libopus" else 44100, channels
    yield "amr", "libopencore_amrnb", 8000, 1
    yield "ipod", "aac", 22050, 1


def _programs():
    for options in (["-b", "128"], ["-V", "4"], ["-V", "9"], ["--abr", "96"], ["-t", "-b", "64"],
                    ["-t", "-V", "0"], ["-t", "-V", "6"], ["-t", "--abr", "80"], ["-t", "-p"],
                    ["-t", "--resample", "16", "-b", "24"], ["-t", "--resample", "8", "-b", "8"],
                    ["-t", "-m", "m", "-V", "2"], ["--tt", "title", "--add-id3v2"]):
        yield ["lame", "--quiet", *options, "IN", "OUT", ".mp3"]
    for options in (["-0"], ["-8"], ["--lax", "-b", "65535"], ["-b", "16"], ["--no-padding"]):
        yield ["flac", "-s", "-f", *options, "IN", "-o", "OUT", ".flac"]
    yield ["flac", "-s", "-f", "--ogg", "IN", "-o", "OUT", ".oga"]
    for quality in ("-1", "3", "10"):
        yield ["oggenc", "-Q", "-q", quality, "IN", "-o", "OUT", ".ogg"]
    yield ["opusenc", "--quiet", "IN", "OUT", ".opus"]
    yield ["twolame", "--quiet", "IN", "OUT", ".mp2"]
    unstated = ["-write_xing", "0"]
    for options, suffix in (([], ".m4a"), ([], ".wma"), ([], ".webm"), ([], ".mp3"),
                            (unstated, ".mp3"), ([*unstated, "-q:a", "5"], ".mp3")):
        yield ["ffmpeg", "-loglevel", "error", "-y", "-i", "IN", *options, "OUT", suffix]


ALL = [("soundfile", *given) for given in _soundfile()] + [("av", *given) for given in _av()] + [
    (words[0], words, channels) for words in _programs() for channels in (1, 2)]
PROGRAMS = {words[0] for words in _programs()}


def missing(encoder):
    """What an encoder lacks here, in words; None where it is there."""
    if encoder in PROGRAMS:
        return None if shutil.which(encoder) else f"{encoder} is not installed"
    if encoder == "av":
        try:
            import av  # noqa: F401
        except ImportError:
            return "PyAV is not installed: pip install 'acrnn-kit[formats]'"
    return None


def made(folder, encoder, *given):
    """Bytes of the sound of ``SECONDS`` from an entry of ALL."""
    if encoder == "soundfile":
        return by_soundfile(*given)
    if encoder == "av":
        return by_av(*given)
    words, channels = given
    return by_program(folder, words, channels=channels)
