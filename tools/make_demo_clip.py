"""Make the demo clip that ships: every second frame of a BSD-3 clip, at half its size.

python -m tools.make_demo_clip data/clips/two_people_cam04.mp4
"""

import argparse
from pathlib import Path

import cv2

from tarvitpose.video.sources import open_source
from tarvitpose.video.writer import VideoWriter

OUTPUT = Path(__file__).parents[1] / "src" / "tarvitpose" / "assets" / "demo.mp4"


def main() -> None:
    """Read the source and write `assets/demo.mp4`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", type=Path)
    source = parser.parse_args().source
    with open_source(source) as frames:
        height, width = (side // 2 for side in frames.image_size)
        with VideoWriter(OUTPUT, (height, width), frames.frame_rate / 2) as writer:
            for frame in frames:
                if frame.index % 2 == 0:
                    small = cv2.resize(frame.image, (width, height), interpolation=cv2.INTER_AREA)
                    writer.write(small, frame.time)


if __name__ == "__main__":
    main()
