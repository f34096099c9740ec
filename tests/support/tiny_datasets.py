"""Tiny versions of the data sets in configs/, in the folders that it names."""

import json
from pathlib import Path
from typing import Any

from jhmdb_release import write_release
from label_files import frame17, keypoints, person17, person18, save, save_images, video18
from tiny_models import H, W, h, tiny_config, w

from tarvitpose.formats.posetrack_layout import POINT_IDS
from tarvitpose.model.tarvitpose import TARViTPose
from tarvitpose.skeleton import COCO_17, POSETRACK_15

PLACES = {  # a person who fills most of an image of 60 x 80, with joints on a grid
    name: (20.0 + 7 * (number % 5), 8.0 + 16 * (number // 5))
    for number, name in enumerate(POSETRACK_15.joints)
}
BOX = [14, 4, 42, 50]
VIDEOS = ("one", "two")


def write_data_sets(root: Path) -> None:
    """Write PoseTrack17, 18 and 21, COCO and JHMDB to the folder `data` below a root."""
    write_release(root / "data" / "jhmdb")
    for part in ("train", "val"):
        write_posetrack17(root / "data" / "posetrack17", part)
        write_posetrack18(root / "data" / "posetrack18", part, "annotations")
        write_posetrack18(root / "data" / "posetrack21", part, "posetrack_data")
        write_coco(root / "data" / "coco", part)


def write_posetrack17(root: Path, part: str) -> None:
    """Write videos of five frames, the third one labelled; frames are counted from 1."""
    for video in VIDEOS:
        folder = f"images/{part}/{video}"
        save_images(root, [f"{folder}/{at:08d}.jpg" for at in range(1, 6)])
        people = {3: [person17(0, {name: PLACES[name] for name in POINT_IDS})]}
        frames = [frame17(at, *people.get(at, []), folder=folder) for at in range(1, 6)]
        save(root / "annotations" / part / f"{video}.json", {"annolist": frames})


def write_posetrack18(root: Path, part: str, labels: str) -> None:
    """Write videos of five frames, the third one labelled; frames are counted from 0."""
    for video in VIDEOS:
        folder = f"images/{part}/{video}"
        content = video18([someone18(88)], range(5), [2], folder)
        save_images(root, [image["file_name"] for image in content["images"]])
        save(root / labels / part / f"{video}.json", content)


def someone18(image_id: int) -> dict[str, Any]:
    """Return a person of PoseTrack18 with all joints."""
    head = [18, 6, 14, 10]
    return person18(image_id, 0, bbox=BOX, bbox_head=head, keypoints=keypoints(PLACES))


def write_coco(root: Path, part: str) -> None:
    """Write stills of one person each."""
    names = [f"{number:012d}.jpg" for number in range(3)]
    save_images(root / f"{part}2017", names)
    images = [{"id": at, "file_name": name} for at, name in enumerate(names)]
    people = [
        {
            "id": at,
            "image_id": at,
            "category_id": 1,
            "bbox": BOX,
            "keypoints": keypoints(PLACES, COCO_17.joints),
        }
        for at in range(len(names))
    ]
    categories = [{"id": 1, "name": "person", "keypoints": list(COCO_17.joints)}]
    content = {"images": images, "annotations": people, "categories": categories}
    save(root / "annotations" / f"person_keypoints_{part}2017.json", content)


def tiny_changes(start: Path | None, **changes: Any) -> tuple[str, ...]:
    """Return changes that make a recipe tiny: one step of two clips, from weights in `start`."""
    values: dict[str, Any] = {
        "model.input_size": [H, W],
        "data.workers": 0,
        "data.validation_workers": 0,
        "run.epochs": 0.01,
        "run.batch_size": 2,
        "run.accelerator": "cpu",
        "run.precision": "32-true",
    }
    if start is None:
        values |= {"model.width": 24, "model.depth": 1, "model.heads": 3}
        values["model.position_grid"] = [h, w]
    else:
        TARViTPose(tiny_config(depth=1, offsets=())).save_pretrained(start)
        values["init"] = str(start)
    return tuple(f"{key}={json.dumps(value)}" for key, value in {**values, **changes}.items())
