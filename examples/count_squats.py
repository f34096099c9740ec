"""Count squats: tarvitpose predict squats.mp4, then python count_squats.py results/squats.coco.json

Measures the height of the hips above the knees in shin lengths: about 1 when standing, 0 in a deep
squat, from any side. A squat goes from the top fifth of this range to about its middle and back.
"""

import sys
from collections import defaultdict

import numpy as np

from tarvitpose import load_poses

PARTS = ("hip", "knee", "ankle")
heights = defaultdict(list)  # of each track, over time
for frame in load_poses(sys.argv[1]):
    for track, points, scores in zip(frame.track_ids, frame.keypoints, frame.scores, strict=True):
        parts = [f"{side}_{part}" for part in PARTS for side in ("left", "right")]
        joints = [frame.joint_names.index(part) for part in parts]
        hip, knee, ankle = points[joints].reshape(3, 2, 2).mean(1)  # between left and right
        if scores[joints].mean() > 0.3:
            heights[track].append((knee[1] - hip[1]) / np.linalg.norm(ankle - knee))
for track, values in heights.items():
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(values, 2, mode="edge"), 5)
    smooth = np.median(windows, axis=1)
    share = (smooth - smooth.min()) / max(np.ptp(smooth), 0.5)  # standing still has a small range
    stands = share[(share < 0.55) | (share > 0.8)] > 0.7
    squats = np.diff(stands[stands.argmax() :].astype(int)) == 1
    print(f"person {track}: {squats.sum()} squats")
