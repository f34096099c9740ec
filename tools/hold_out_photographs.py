"""Split COCO annotations of photographs into a training and a validation part.

    python -m tools.hold_out_photographs data/coco_kpt/annotations.json \\
        configs/default/held_out_photographs.txt data/default

The text file has the ids of the images for validation, one per line. Writes
`OUTPUT/photographs_train.json` and `OUTPUT/photographs_val.json`.
"""

import argparse
import json
from pathlib import Path
from typing import Any

from tarvitpose.utils.json_file import write_json


def part(content: dict[str, Any], images: set[int]) -> dict[str, Any]:
    """Return the annotations of some images."""
    return {
        **content,
        "images": [image for image in content["images"] if image["id"] in images],
        "annotations": [
            person for person in content["annotations"] if person["image_id"] in images
        ],
    }


def read_held_out(path: Path) -> set[int]:
    """Read ids of photographs, one per line."""
    return {int(line) for line in path.read_text(encoding="utf-8").split()}


def without_held_out(content: dict[str, Any], held_out: set[int]) -> dict[str, Any]:
    """Return annotations without the pictures that were made of held-out photographs of COCO.

    Such a picture names its origin: its `source_file` ends with COCO's name, 000000000241.jpg.
    """
    names = tuple(f"{image:012d}.jpg" for image in held_out)
    images = content["images"]
    others = {i["id"] for i in images if not i.get("source_file", "").endswith(names)}
    return part(content, others)


def main() -> None:
    """Split one annotation file."""
    parser = argparse.ArgumentParser(description="Split COCO annotations by the ids of images.")
    parser.add_argument("annotations", type=Path)
    parser.add_argument("held_out", type=Path)
    parser.add_argument("output", type=Path)
    given = parser.parse_args()
    content = json.loads(given.annotations.read_text(encoding="utf-8"))
    held_out = read_held_out(given.held_out)
    everything = {image["id"] for image in content["images"]}
    if held_out - everything:
        raise SystemExit(f"{given.held_out}: not in {given.annotations}: {held_out - everything}")
    given.output.mkdir(parents=True, exist_ok=True)
    for name, images in (("train", everything - held_out), ("val", held_out)):
        path = given.output / f"photographs_{name}.json"
        chosen = part(content, images)
        write_json(path, chosen, indent=None)
        print(f"{path}: {len(images)} photographs, {len(chosen['annotations'])} people")


if __name__ == "__main__":
    main()
