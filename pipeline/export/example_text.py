"""`example.py` of an exported folder: numpy, av and the runtime alone, to be read and changed."""

import textwrap

from mnad.automaton import HOLD
from mnad.evidence import GAP
from pipeline.export.config import Format
from pipeline.video.pyav_files import RESTRICTIONS

_ONNX = """import onnxruntime

session = onnxruntime.InferenceSession(str(HERE / "model.onnx"), providers=["CPUExecutionProvider"])
NAMES = [output.name for output in session.get_outputs()]


def step(window, memory, threshold, keep):
    given = {"window": window, "memory": memory, "threshold": threshold, "keep": keep}
    return dict(zip(NAMES, session.run(None, given)))
"""

_OPENVINO = """sys.modules["openvino_telemetry"] = None  # it would report that it was imported

import openvino

HINT = {"fp32": "f32", "bf16": "bf16", "int8": "bf16"}[ABOUT["precision"]]
core = openvino.Core()
graph = core.read_model(HERE / "model.xml")
NAMES = [port.any_name for port in graph.outputs]  # a compiled port may have those of others as well
model = core.compile_model(graph, "CPU", {"INFERENCE_PRECISION_HINT": HINT})


def step(window, memory, threshold, keep):
    return dict(zip(NAMES, model([window, memory, threshold, keep]).values()))
"""

_TORCH = """import torch

from mnad.step import Inputs
from pipeline.runtimes.exported import load_exported

runtime = load_exported(str(HERE)).runtime


def step(window, memory, threshold, keep):
    outputs = runtime.step(Inputs(*map(torch.as_tensor, (window, memory, threshold, keep))))
    return {name: value.numpy() for name, value in outputs._asdict().items()}
"""

_STEPS: dict[Format, str] = {"onnx": _ONNX, "openvino": _OPENVINO, "torch": _TORCH}

_TEXT = '''"""Scores a video with the model of this folder: python example.py [VIDEO]

Without VIDEO it runs the check that lies beside it. One line per frame: seconds, PSNR, local error, its box.
It takes every n-th frame where `score` of mnad goes by time, and leaves out no damaged frame.
"""

import json
import math
import sys
from pathlib import Path

import numpy as np

GAP = {gap}  # seconds between two frames; after more, smoothing starts again
HOLD = {hold}  # seconds of low evidence that close an alarm
HERE = Path(__file__).parent
ABOUT = json.loads((HERE / "model.json").read_text())
CONTAINERS = {{
    "protocol_whitelist": "{protocols}",
    "format_whitelist": (
{formats}
    ).replace(" ", ","),
}}
"""What a video may be; playlists, which open whatever files and addresses they name, are not among it."""

{step}

def check():
    """The scores of the 16 windows of check.npz, one after the other, the memory carried on."""
    with np.load(HERE / "check.npz") as file:
        expected = {{name: file[name] for name in file.files}}
    memory, worst = expected["memory"][None], 0.0
    for index in range(len(expected["window"])):
        window = expected["window"][index : index + 1]
        found = step(window, memory, expected["threshold"], expected["keep"])
        memory = found["next_memory"]
        worst = max(worst, *(abs(float(found[n][0] - expected[n][index])) for n in ("psnr", "local_error")))
    moved = float(np.abs(memory[0] - expected["next_memory"]).max())
    print(f"check: {{worst:.2g}} dB, memory {{moved:.2g}}")
    if not (worst <= ABOUT["tolerance"]["db"] and moved <= ABOUT["tolerance"]["memory"]):
        sys.exit("this machine does not give the scores of the check")


def resized(picture, height, width):
    """Bilinear, as cv2.resize does it, to one level of 255."""
    rows = np.clip((np.arange(height) + 0.5) * picture.shape[0] / height - 0.5, 0, picture.shape[0] - 1)
    columns = np.clip((np.arange(width) + 0.5) * picture.shape[1] / width - 0.5, 0, picture.shape[1] - 1)
    top, left = rows.astype(int), columns.astype(int)
    low, right = np.minimum(top + 1, picture.shape[0] - 1), np.minimum(left + 1, picture.shape[1] - 1)
    y, x = (rows - top)[:, None, None], (columns - left)[None, :, None]
    upper = picture[top][:, left] * (1 - x) + picture[top][:, right] * x
    lower = picture[low][:, left] * (1 - x) + picture[low][:, right] * x
    return np.rint(upper * (1 - y) + lower * y).astype(np.uint8)


def frames(video):
    """Seconds and pictures (H, W, 3) BGR of a file, at the rate of the model."""
    import av

    # In a relative path FFmpeg takes what stands before a colon for a protocol.
    with av.open(str(Path(video).absolute()), options=CONTAINERS) as file:
        own = float(file.streams.video[0].average_rate or 25)
        every = max(1, round(own / ABOUT["rate"])) if ABOUT["rate"] else 1
        for number, frame in enumerate(file.decode(video=0)):
            if number % every == 0:
                picture = frame.to_ndarray(format="bgr24")
                seconds = number / own if frame.time is None else frame.time
                yield seconds, resized(picture, ABOUT["height"], ABOUT["width"])


class Alarm:
    """Smooths local errors causally, and opens and closes an alarm as `score` does."""

    def __init__(self, levels):
        self.levels, self.mean, self.before = levels, None, -math.inf
        self.is_open, self.low = False, None

    def push(self, seconds, local):
        """How unusual a frame is: in standard deviations of normal video, the most of all boxes."""
        step, tau = seconds - self.before, self.levels["tau"]
        if step > GAP:
            self.mean, self.start = local, seconds
        else:
            self.mean = self.mean - math.expm1(-step / tau) * (local - self.mean)
        self.before = seconds
        unusual = float(((self.mean - self.levels["mean"]) / self.levels["deviation"]).max())
        has_settled = seconds - self.start >= 3 * tau
        if not self.is_open:
            self.is_open, self.low = has_settled and unusual >= self.levels["on"], None
        elif has_settled and unusual >= self.levels["off"]:
            self.low = None
        elif self.low is None:
            self.low = seconds
        elif seconds >= self.low + HOLD:
            self.is_open = False
        return unusual


def score(video):
    """One line per frame; with a calibration also how unusual it is, and whether that is an alarm."""
    with np.load(HERE / "check.npz") as file:
        memory, keep = file["memory"][None], file["keep"]
    threshold = np.float32(-1)  # the memory stays as it was trained
    alarm = None if ABOUT["alarm"] is None else Alarm(ABOUT["alarm"])
    window = []
    for seconds, picture in frames(video):
        window = [*window, picture][-ABOUT["window"] :]
        if len(window) < ABOUT["window"]:
            continue
        found = step(np.stack(window)[None], memory, np.array(threshold), keep)
        line = f"{{seconds:8.2f}} s  {{found['psnr'][0]:6.2f}} dB  {{found['local_error'][0]:6.2f}} dB  "
        line += "box " + " ".join(f"{{edge:.2f}}" for edge in found["box"][0])
        if alarm is not None:
            unusual = alarm.push(seconds, found["local_errors"][0].astype(np.float64))
            line += f"  {{unusual:5.2f}}" + ("  ALARM" if alarm.is_open else "")
        print(line)


if __name__ == "__main__":
    score(sys.argv[1]) if len(sys.argv) > 1 else check()
'''


def example_text(format: Format) -> str:
    """The program for a runtime."""
    lines = textwrap.wrap(RESTRICTIONS["format_whitelist"].replace(",", " "), 90, break_on_hyphens=False)
    return _TEXT.format(
        step=_STEPS[format],
        gap=GAP,
        hold=HOLD,
        protocols=RESTRICTIONS["protocol_whitelist"],
        formats="\n".join(f'        "{line}"' for line in [*(f"{each} " for each in lines[:-1]), lines[-1]]),
    )
