"""Time whole pipelines on one video, by turns: `tarvitpose predict` and MediaPipe Pose.

python -m tools.compare_pipelines clip.mp4 --mediapipe-python ~/mediapipe/bin/python

Other options, such as --det-every 5, are those of predict. MediaPipe needs another NumPy than this
package, so it runs in a Python of its own (`pip install mediapipe==0.10.21`), with this file as its
script. Both read the video, find one person's pose in every frame and write a video with it drawn;
results and sound are written by `predict` alone.
"""

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

OURS = (sys.executable, "-m", "tarvitpose", "predict", "--quiet", "--max-people", "1")


def main() -> None:
    """Print seconds of processor time and of the clock, and their ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("video")
    parser.add_argument("--mediapipe-python", required=True)
    parser.add_argument("--rounds", type=int, default=3)
    arguments, options = parser.parse_known_args()  # others are predict's
    theirs = (arguments.mediapipe_python, __file__, "--draw")
    for end in (0.01, None):  # one frame: from the shell to the first result
        commands = {
            "tarvitpose": [*OURS, arguments.video, *options],
            "mediapipe": [*theirs, arguments.video],
        }
        commands["tarvitpose"] += [] if end is None else ["--end", str(end)]
        commands["mediapipe"] += ["1"] if end else []
        seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
        for _ in range(arguments.rounds):
            for name, command in commands.items():
                seconds[name].append(timed(command))
        print("one frame" if end else "whole video")
        for name, runs in seconds.items():
            cpu, clock = (median(column) for column in zip(*runs, strict=True))
            print(f"  {name:10}  processor {cpu:7.2f} s   clock {clock:7.2f} s   {runs}")


def timed(command: list[str]) -> tuple[float, float]:
    """Run a command that writes into a new folder; return its seconds: processor, clock."""
    with TemporaryDirectory() as folder:
        option = ["--output", folder]
        began = time.monotonic()
        process = subprocess.Popen([*command, *option], stdout=subprocess.DEVNULL)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise SystemExit(f"{' '.join(command)}: exit code {process.returncode}")
        return used.ru_utime + used.ru_stime, time.monotonic() - began


def draw_with_mediapipe(video: str, output: Path, frames: int | None) -> None:
    """Write a video with MediaPipe's pose drawn, of the first `frames` or of all."""
    import cv2  # noqa: PLC0415 - of the other Python
    import mediapipe  # type: ignore[import-not-found]  # noqa: PLC0415

    reader = cv2.VideoCapture(video)
    rate = reader.get(cv2.CAP_PROP_FPS)
    solutions = mediapipe.solutions
    writer = None
    with solutions.pose.Pose(model_complexity=1) as pose:
        count = 0
        while count != frames:
            is_read, image = reader.read()
            if not is_read:
                break
            found = pose.process(cv2.cvtColor(image, cv2.COLOR_BGR2RGB))
            connections = solutions.pose.POSE_CONNECTIONS
            solutions.drawing_utils.draw_landmarks(image, found.pose_landmarks, connections)
            if writer is None:
                code = cv2.VideoWriter.fourcc(*"mp4v")
                size = image.shape[1::-1]
                writer = cv2.VideoWriter(str(output / "drawn.mp4"), code, rate, size)
            writer.write(image)
            count += 1
    if writer is not None:
        writer.release()
    print(f"{count} frames")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--draw"]:
        video, *count, _, folder = sys.argv[2:]
        draw_with_mediapipe(video, Path(folder), int(count[0]) if count else None)
    else:
        main()
