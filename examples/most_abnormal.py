"""List the most abnormal moments of an evaluation, from its scores alone.

    python examples/most_abnormal.py EVALUATION [HOW-MANY]

EVALUATION is the folder that `evaluate` wrote, such as runs/yard/evaluation-yard. The scores are plain
Parquet; with DuckDB:

    SELECT * FROM 'EVALUATION/scores/*.parquet' ORDER BY anomaly_score DESC LIMIT 10
"""

import sys
from pathlib import Path

import pyarrow.parquet as pq

APART = 25
"""Frames between two moments of one video; frames that are nearer belong to the same moment."""


def main(evaluation: str, how_many: str = "10") -> None:
    """Print the frame with the highest score of each moment, the most abnormal moment first."""
    columns = ["video", "frame", "anomaly_score", "psnr", "label"]
    table = pq.read_table(Path(evaluation) / "scores", columns=columns)
    listed: list[tuple[str, int]] = []
    for row in table.sort_by([("anomaly_score", "descending")]).to_pylist():
        video, frame = row["video"], row["frame"]
        if any(video == other and abs(frame - peak) < APART for other, peak in listed):
            continue
        label = {True: "abnormal", False: "normal", None: "not labelled"}[row["label"]]
        print(f"{video} frame {frame}: score {row['anomaly_score']:.3f}, PSNR {row['psnr']:.1f} dB, {label}")
        listed.append((video, frame))
        if len(listed) == int(how_many):
            break


if __name__ == "__main__":
    main(*sys.argv[1:])
