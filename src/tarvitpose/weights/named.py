"""Weights of other projects that `--weights` takes by name, and where they are from.

The sources are documented by MMPose (`vitpose_coco.yml`), by the transformers project (the
organisation usyd-community on the hub) and by easy_ViTPose. ViTPose and its weights are Apache-2.0.
"""

import re
from dataclasses import dataclass
from difflib import get_close_matches

from tarvitpose.config import ViTPoseSize

APACHE = "Apache-2.0"
MMPOSE = "https://download.openmmlab.com/mmpose/v1/body_2d_keypoint/topdown_heatmap/coco"
TRANSFORMERS, EASY = "usyd-community", "JunkyByte/easy_ViTPose"
MEGABYTES: dict[ViTPoseSize, int] = {"s": 97, "b": 360, "l": 1230, "h": 2550}  # by size
COMMITS = {  # of the hub, where they are known
    "vitpose-base": "95be2991424e646950d656bb7fc15ec9be119700",
    "vitpose-plus-base": "92be54d7a29e42fad47b6e2ca01dd9e685a61e0d",
}
HUB_FILES = ("model.safetensors", "config.json")


@dataclass(frozen=True)
class NamedWeights:
    """Weights that are fetched and converted when they are first used."""

    name: str
    size: ViTPoseSize
    joint_set: str
    megabytes: int  # of the download
    hub_id: str = ""  # a repository of the hub, or
    file: str = ""  # a file in it; without a hub_id an address
    sha256: str = ""  # how it begins, where the source says so
    revision: str | None = None  # a commit of the hub, where it is known
    expert: int | None = None  # of a ViTPose+
    licence: str = APACHE

    @property
    def source(self) -> str:
        """The address that people look at."""
        if not self.hub_id:
            return self.file
        inside = f"/blob/main/{self.file}" if self.file else ""
        return f"https://huggingface.co/{self.hub_id}{inside}"


def _mmpose(size: ViTPoseSize, name: str, sha256: str) -> NamedWeights:
    file = f"{MMPOSE}/td-hm_ViTPose-{name}_8xb64-210e_coco-256x192-{sha256}_20230314.pth"
    return NamedWeights(
        f"vitpose-{size}", size, "coco17", MEGABYTES[size], file=file, sha256=sha256
    )


def _transformers(name: str, size: ViTPoseSize, repository: str, megabytes: int) -> NamedWeights:
    return NamedWeights(
        name,
        size,
        "coco17",
        megabytes,
        hub_id=f"{TRANSFORMERS}/{repository}",
        revision=COMMITS.get(repository),
        expert=0 if "plus" in name else None,  # COCO's, which the repositories' head belongs to
    )


def _easy(size: ViTPoseSize, folder: str, joint_set: str) -> NamedWeights:
    name, file = f"vitpose-{size}-{folder}", f"torch/{folder}/vitpose-{size}-{folder}.pth"
    name = name.replace("_", "")
    return NamedWeights(name, size, joint_set, MEGABYTES[size], hub_id=EASY, file=file)


_ALL = (
    _mmpose("s", "small", "62d7a712"),
    _transformers("vitpose-b", "b", "vitpose-base", 360),
    _mmpose("l", "large", "53609f55"),
    _mmpose("h", "huge", "e32adcd4"),
    _transformers("vitpose-b-simple", "b", "vitpose-base-simple", 344),
    _transformers("vitpose-plus-s", "s", "vitpose-plus-small", 133),
    _transformers("vitpose-plus-b", "b", "vitpose-plus-base", 502),
    _transformers("vitpose-plus-l", "l", "vitpose-plus-large", 1740),
    _transformers("vitpose-plus-h", "h", "vitpose-plus-huge", 3600),
    *(_easy(size, "coco_25", "coco25") for size in MEGABYTES),
    *(_easy(size, "wholebody", "wholebody133") for size in MEGABYTES),
)
NAMED = {weights.name: weights for weights in _ALL}

# The authors' weights lie in a shared folder that browsers alone can read, without a licence.
BY_HAND = "tar-vitpose"
BY_HAND_SOURCE = "https://github.com/zgspose/TARViTPose"
BY_HAND_HOW = (
    f"its authors state no licence, so it is not fetched: download the file by hand from the "
    f"folder that {BY_HAND_SOURCE} links, then run 'tarvitpose convert FILE weights/{BY_HAND}'"
)


LETTERS = {"small": "s", "base": "b", "large": "l", "huge": "h"}


def nearest(name: str) -> str:
    """Return a hint at the names that are like this one, empty if there is none.

    >>> nearest("vitpose-plus-base"), nearest("vitpose-sh"), nearest("resnet")
    ('; did you mean vitpose-plus-b?', '; did you mean vitpose-s or vitpose-h?', '')
    """
    letters = "-".join(LETTERS.get(word, word) for word in re.split("[-_+ ]+", name.lower()))
    known = (*NAMED, BY_HAND, "default", "tiny")
    close = [letters] if letters in known else get_close_matches(letters, known, 2, 0.7)
    return f"; did you mean {' or '.join(close)}?" if close else ""
