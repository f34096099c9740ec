"""Turn labelled clips (JHMDB, rendered people) into PoseTrack18's layout, which training reads.

    python -m tools.convert_clips jhmdb data/jhmdb data/default/jhmdb
    python -m tools.convert_clips rendered data/rendered data/default/rendered

`INPUT/labels.json` lists the clips with their joints on every frame; docs/model-card.md names the
public data sets that they are made from. `OUTPUT/images/<clip>/%06d.jpg` are all frames, and
`OUTPUT/annotations/{train,val}/<clip>.json` their labels. Every `--every`th frame is labelled.
"""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from tarvitpose.skeleton import POSETRACK_15
from tarvitpose.utils.arrays import Float32
from tarvitpose.utils.json_file import write_json

JPEG_QUALITY = 95
FEWEST_VISIBLE = 6  # joints of a labelled person

LabelledPerson = tuple[Float32, list[float]]  # keypoints (K, 3) of x, y, v; box xywh


def jhmdb_people(clip: dict[str, Any], size: tuple[int, int]) -> Iterator[list[LabelledPerson]]:
    """Yield the person of each frame, without labels outside of the frame (width, height)."""
    for points, box in zip(clip["xy"], clip["boxes"], strict=True):
        xy = np.asarray(points, np.float32)
        inside = ((xy >= 0) & (xy <= np.array(size) - 1)).all(-1)
        left, top, right, bottom = box
        keypoints = np.column_stack([xy, 2 * inside]).astype(np.float32)
        yield [(keypoints, [left, top, right - left, bottom - top])]


def rendered_people(clip: dict[str, Any], size: tuple[int, int]) -> Iterator[list[LabelledPerson]]:
    """Yield the people of each frame who have enough visible joints."""
    for people in clip["people"]:
        labelled = [(np.asarray(p["keypoints"], np.float32), p["bbox"]) for p in people]
        yield [(k, box) for k, box in labelled if (k[:, 2] == 2).sum() >= FEWEST_VISIBLE]


PEOPLE = {"jhmdb": jhmdb_people, "rendered": rendered_people}


def write_images(video: Path, folder: Path) -> tuple[int, tuple[int, int]]:
    """Write the frames of a video as JPEG; return their number and size (width, height)."""
    folder.mkdir(parents=True, exist_ok=True)
    number, size = 0, (0, 0)
    with av.open(str(video)) as container:
        for number, frame in enumerate(container.decode(video=0), start=1):
            size = (frame.width, frame.height)
            image: NDArray[np.uint8] = frame.to_ndarray(format="bgr24")
            path = folder / f"{number - 1:06d}.jpg"
            if not cv2.imwrite(str(path), image, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]):
                raise SystemExit(f"{path}: cannot be written")
    return number, size


def posetrack18(
    name: str, frames: list[list[LabelledPerson]], joints: list[str], every: int
) -> dict[str, Any]:
    """Return the annotations of one video."""
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for at, people in enumerate(frames):
        labelled = at % every == 0
        images.append(
            {
                "id": at,
                "frame_id": at,
                "file_name": f"images/{name}/{at:06d}.jpg",
                "nframes": len(frames),
                "vid_id": name,
                "is_labeled": labelled,
            }
        )
        for track, (keypoints, box) in enumerate(people if labelled else []):
            annotations.append(
                {
                    "id": len(annotations),
                    "image_id": at,
                    "category_id": 1,
                    "track_id": track,
                    "bbox": [float(side) for side in box],
                    "keypoints": [round(float(value), 2) for value in keypoints.ravel()],
                }
            )
    category = {"id": 1, "name": "person", "keypoints": joints}
    return {"images": images, "annotations": annotations, "categories": [category]}


def main() -> None:
    """Convert one data set."""
    parser = argparse.ArgumentParser(description="Labelled clips to PoseTrack18's layout.")
    parser.add_argument("kind", choices=list(PEOPLE))
    parser.add_argument("input", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--every", type=int, default=1, help="label every Nth frame")
    given = parser.parse_args()
    labels = json.loads((given.input / "labels.json").read_text(encoding="utf-8"))
    unknown = set(labels["joints"]) - set(POSETRACK_15.joints)
    if unknown:
        raise SystemExit(f"{given.input}: unknown joints {sorted(unknown)}")
    for clip in labels["clips"]:
        name = Path(clip["file"]).stem
        count, size = write_images(given.input / clip["file"], given.output / "images" / name)
        people = list(PEOPLE[given.kind](clip, size))
        if len(people) != count:
            raise SystemExit(f"{clip['file']}: {count} frames, {len(people)} of them labelled")
        every = given.every if clip["split"] == "train" else 1
        path = given.output / "annotations" / clip["split"] / f"{name}.json"
        content = posetrack18(name, people, labels["joints"], every)
        write_json(path, content, indent=None)
    print(f"{len(labels['clips'])} clips in {given.output}")


if __name__ == "__main__":
    main()
