"""Cut a video into the clips in which somebody is visible: python visible_clips.py street.mp4"""

import sys
from pathlib import Path

from tarvitpose import PoseEstimator
from tarvitpose.video.sources import open_source
from tarvitpose.video.writer import VideoWriter

GAP, MARGIN = 1.0, 0.25  # seconds: shorter gaps are bridged; added before and after a clip

video = Path(sys.argv[1])
clips: list[list[float]] = []
for frame in PoseEstimator.from_pretrained("default", det_every=5).stream(video):
    if (
        len(frame) and frame.scores.mean(1).max() > 0.3
    ):  # a box without a visible body does not count
        if not clips or frame.time - clips[-1][1] > GAP:
            clips.append([frame.time, frame.time])
        clips[-1][1] = frame.time
for number, (first, last) in enumerate(clips, 1):
    start, end = max(first - MARGIN, 0), last + MARGIN
    path = video.with_suffix(f".{number}.mp4")
    with open_source(video, start=start, end=end) as frames:
        size, rate = frames.image_size, frames.frame_rate
        with VideoWriter(path, size, rate, audio_from=video, start=start, end=end) as writer:
            for frame in frames:
                writer.write(frame.image, frame.time)
    print(f"{path}: {start:.2f} to {end:.2f} s")
