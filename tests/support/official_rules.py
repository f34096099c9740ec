"""How the official evaluators pair frames, written from their rules. They ignore file names.

poseval (PoseTrack17 and 18) requires as many frames as are annotated, and pairs them by position.
PoseTrack21's kit requires the same images in the same order, and also pairs them by position.
"""

import json
from pathlib import Path
from typing import Any

Frame = tuple[dict[str, Any], list[dict[str, Any]]]  # the entry and its people


def poseval(truth: Path, made: Path) -> list[tuple[Frame, Frame]]:
    """Return the frames that poseval scores; raises ValueError if it rejects the file."""
    annotated, predicted = _frames(truth), _frames(made)
    if len(predicted) != len(annotated):
        raise ValueError(f"# prediction frames {len(predicted)} <> # GT frames {len(annotated)}")
    return [pair for pair in zip(annotated, predicted, strict=True) if pair[0][1]]


def posetrack21(truth: Path, made: Path) -> list[tuple[Frame, Frame]]:
    """Return the frames that the kit scores; raises IndexError or ValueError if it rejects them."""
    annotated, predicted = _frames(truth), _frames(made)
    pairs = [(frame, predicted[at]) for at, frame in enumerate(annotated)]
    for frame, other in pairs:
        if frame[0]["id"] != other[0]["id"]:
            raise ValueError(f"image {other[0]['id']} instead of {frame[0]['id']}")
    return [(frame, other) for frame, other in pairs if frame[0]["is_labeled"]]


def _frames(path: Path) -> list[Frame]:
    content = json.loads(path.read_text(encoding="utf-8"))
    if "annolist" in content:
        return [(frame, frame["annorect"]) for frame in content["annolist"]]
    people: dict[Any, list[dict[str, Any]]] = {image["id"]: [] for image in content["images"]}
    for person in content["annotations"]:
        people[person["image_id"]].append(person)
    return [(image, people[image["id"]]) for image in content["images"]]
