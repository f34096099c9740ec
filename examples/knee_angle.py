"""The flexion of each knee over time, as a table and a plot: python knee_angle.py squats.mp4

Degrees; a straight leg is 0. Of an angle that is not known the cell is nan.
"""

import csv
import sys
from pathlib import Path

import matplotlib.pyplot as plt

from tarvitpose import PoseEstimator
from tarvitpose.angles.series import joint_angles

video = Path(sys.argv[1])
table, picture = video.with_suffix(".knees.csv"), video.with_suffix(".knees.png")
rows = [["track_id", "side", "time_s", "degrees"]]
for person in joint_angles([*PoseEstimator.from_pretrained("default").stream(video)]):
    for side in ("left", "right"):
        degrees = person.degrees[f"{side}_knee_flexion"]
        for time, angle in zip(person.times, degrees, strict=True):
            rows.append([str(person.track_id), side, f"{time:.3f}", f"{angle:.1f}"])
        plt.plot(person.times, degrees, label=f"person {person.track_id}, {side}")
with table.open("w", newline="") as file:
    csv.writer(file).writerows(rows)
plt.gca().set(xlabel="seconds", ylabel="degrees")
plt.legend()
plt.savefig(picture)
print(table, picture, sep="\n")
