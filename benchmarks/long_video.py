"""Memory of preprocess over long videos: two files of hours each, two workers, the whole tree of processes.

    python benchmarks/long_video.py [--hours 3] [--size 256]

The files are 640x360, 25 frames per second, in H.264: a minute is encoded once and its packets are repeated.
The sum of the resident memory of all processes is read ten times a second; its peak is printed.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import av

ROOT = Path(__file__).resolve().parents[1]
RATE, MINUTE = 25, 1500


def repeat(minute: Path, path: Path, times: int) -> None:
    """Write the packets of a file `times` times, one after another."""
    with av.open(str(path), "w") as out, av.open(str(minute)) as source:
        stream = source.streams.video[0]
        copy = out.add_stream_from_template(stream)
        contents, ends = [], []
        for packet in source.demux(stream):
            if packet.size:
                assert packet.pts is not None
                assert packet.dts is not None
                assert packet.duration is not None
                contents.append((bytes(packet), packet.pts, packet.dts, packet.is_keyframe))
                ends.append(packet.pts + packet.duration)
        span = max(ends) - min(pts for _, pts, _, _ in contents)
        assert stream.time_base is not None
        for number in range(times):
            for data, pts, dts, is_keyframe in contents:
                again = av.Packet(data)
                again.pts, again.dts = pts + number * span, dts + number * span
                again.time_base, again.stream, again.is_keyframe = stream.time_base, copy, is_keyframe
                out.mux(again)


def resident(process: int) -> int:
    """Bytes of resident memory of a process and all its descendants."""
    children: dict[int, list[int]] = {}
    pages: dict[int, int] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
                pages[int(folder.name)] = int((folder / "statm").read_text().split()[1])
            except (FileNotFoundError, ProcessLookupError):
                continue
            children.setdefault(parent, []).append(int(folder.name))
    total, found = 0, [process]
    while found:
        one = found.pop()
        total += pages.get(one, 0) * 4096
        found += children.get(one, [])
    return total


def main() -> None:
    from material import scene, write_video

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hours", type=float, default=3)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--codec", default="jpeg")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        minute = write_video(folder / "minute.mp4", scene(MINUTE, size=(360, 640)), rate=RATE)
        (folder / "videos").mkdir()
        for name in ("a", "b"):
            repeat(minute, folder / "videos" / f"{name}.mp4", round(60 * options.hours))
        command = [
            sys.executable,
            str(ROOT / "cli.py"),
            "preprocess",
            str(folder / "videos"),
            str(folder / "s"),
        ]
        command += ["--size", str(options.size), "--codec", options.codec, "--workers", "2"]
        peak, started = 0, time.perf_counter()
        with subprocess.Popen(command) as running:
            while running.poll() is None:
                peak = max(peak, resident(running.pid))
                time.sleep(0.1)
        seconds = time.perf_counter() - started
        print(f"exit code {running.returncode}, {seconds:.0f} s, peak of all processes {peak / 1e6:.0f} MB")


if __name__ == "__main__":
    main()
