"""Draw one person's pose into a video with another program.

python draw_poses.py mediapipe clip.mp4 --output drawn

Both read and write the video with OpenCV, as their own examples do. For MediaPipe, which needs
another NumPy than this package, the file runs as a script in a Python that may lack the package.
"""

import argparse
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

Draw = Callable[[Any], bool]  # draws on an image (height, width, 3), BGR, if there is a pose
COUNT = "frames_with_pose.txt"  # written beside the video
GREEN = (0, 255, 0)


def mediapipe_pose(weights: str | None) -> Draw:
    """Return what draws MediaPipe's pose, whose model lies in its package."""
    import cv2  # noqa: PLC0415 - of the Python that runs this
    import mediapipe  # type: ignore[import-not-found]  # noqa: PLC0415

    solutions = mediapipe.solutions
    pose = solutions.pose.Pose(model_complexity=1)

    def draw(image: Any) -> bool:
        seen = pose.process(cv2.cvtColor(image, cv2.COLOR_BGR2RGB))
        connections = solutions.pose.POSE_CONNECTIONS
        solutions.drawing_utils.draw_landmarks(image, seen.pose_landmarks, connections)
        return seen.pose_landmarks is not None

    return draw


def vitpose(weights: str | None) -> Draw:
    """Return what draws the pose of transformers' VitPose, of which `weights` is a folder.

    The person is whom this package's detector is surest of.
    """
    import cv2  # noqa: PLC0415
    import torch  # noqa: PLC0415
    import transformers  # noqa: PLC0415

    from tarvitpose.detection import load_detector  # noqa: PLC0415
    from tarvitpose.results import Frame  # noqa: PLC0415

    processor: Any = transformers.AutoImageProcessor.from_pretrained(weights)
    model: Any = transformers.VitPoseForPoseEstimation.from_pretrained(weights)
    detector = load_detector()

    @torch.inference_mode()
    def draw(image: Any) -> bool:
        rgb = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
        boxes = detector.detect(Frame(0, 0.0, rgb)).boxes[:1]
        if not len(boxes):
            return False
        boxes[:, 2:] -= boxes[:, :2]  # from corners to sizes
        outputs = model(**processor(rgb, boxes=[boxes], return_tensors="pt"))
        (pose,) = processor.post_process_pose_estimation(outputs, boxes=[boxes])[0]
        for x, y in pose["keypoints"].tolist():
            cv2.circle(image, (round(x), round(y)), 4, GREEN, -1)
        return True

    return draw


PROGRAMS = {"mediapipe": mediapipe_pose, "transformers": vitpose}


def redraw(video: str, output: Path, draw: Draw, frames: int | None) -> None:
    """Write a video with what is drawn into its frames, into the first `frames` or into all.

    Beside it is written into how many of them a pose was drawn.
    """
    import cv2  # noqa: PLC0415

    reader, writer, done, drawn = cv2.VideoCapture(video), None, 0, 0
    while done != frames:
        is_read, image = reader.read()
        if not is_read:
            break
        drawn += draw(image)
        if writer is None:
            code, rate = cv2.VideoWriter.fourcc(*"mp4v"), reader.get(cv2.CAP_PROP_FPS)
            writer = cv2.VideoWriter(str(output / "drawn.mp4"), code, rate, image.shape[1::-1])
        writer.write(image)
        done += 1
    if writer is None:
        raise SystemExit(f"{video}: OpenCV reads no frame of it")
    writer.release()
    (output / COUNT).write_text(str(drawn))


def main() -> None:
    """Draw the poses of one video; without a video, print the version of what would draw them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("program", choices=sorted(PROGRAMS))
    parser.add_argument("video", nargs="?")
    parser.add_argument("--output", type=Path, default=Path())
    parser.add_argument("--frames", type=int)
    parser.add_argument("--weights")
    given = parser.parse_args()
    draw = PROGRAMS[given.program](given.weights)
    if given.video is None:
        print(version(given.program))  # noqa: T201 - a script of its own
    else:
        redraw(given.video, given.output, draw, given.frames)


if __name__ == "__main__":
    main()
