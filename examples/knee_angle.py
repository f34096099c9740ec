"""The angle of each knee over time, as a table and a plot: python knee_angle.py squats.mp4"""

import csv
import sys
from collections import defaultdict
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from tarvitpose import PoseEstimator

video, angles = Path(sys.argv[1]), defaultdict(list)
for frame in PoseEstimator.from_pretrained("default").stream(video):
    for track, points in zip(frame.track_ids, frame.keypoints, strict=True):
        for side in ("left", "right"):
            leg = [frame.joint_names.index(f"{side}_{part}") for part in ("hip", "knee", "ankle")]
            hip, knee, ankle = points[leg]
            turn = np.degrees(np.arctan2(*(hip - knee)) - np.arctan2(*(ankle - knee)))
            angles[track, side].append((frame.time, 180 - abs(abs(turn) - 180)))  # 180: straight
with video.with_suffix(".knees.csv").open("w", newline="") as file:
    table = csv.writer(file)
    table.writerow(["track_id", "side", "time_s", "degrees"])
    for (track, side), leg in angles.items():
        table.writerows([track, side, f"{time:.3f}", f"{angle:.1f}"] for time, angle in leg)
        plt.plot(*np.transpose(leg), label=f"person {track}, {side}")
plt.gca().set(xlabel="seconds", ylabel="degrees")
plt.legend()
plt.savefig(video.with_suffix(".knees.png"))
