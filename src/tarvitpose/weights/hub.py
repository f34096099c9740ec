"""Download weights from the Hugging Face hub, and upload them.

huggingface_hub's PyTorchModelHubMixin is not used, because it imports the hub's library with every
model, removes an old `config.json` before the new weights are complete, and writes a README into
every folder. Here the library is imported only when it is needed.
"""

import os
from pathlib import Path
from typing import Any, TypedDict

from tarvitpose.config import ModelConfig
from tarvitpose.errors import OutputError, WeightsError
from tarvitpose.utils.offline import is_offline
from tarvitpose.utils.optional import require

CARD_FILE = "README.md"
TAGS = ["pose-estimation", "human-pose-estimation", "video", "vitpose", "tar-vitpose"]
CARD = """---
{{ card_data }}
---
# {{ repo_id }}
2D poses of people in videos: weights of TAR-ViTPose for the Python package `tarvitpose`.

| | |
|--|--|
| encoder | width {{ config.width }}, {{ config.depth }} blocks, {{ config.heads }} heads |
| frames | {{ frames }} |
| crops | {{ config.input_size[0] }} x {{ config.input_size[1] }} (height, width) |
| joints | {{ config.joint_set }}: {{ config.joints.joints | join(", ") }} |
| heatmaps | {{ config.codec }} |

```python
from tarvitpose import PoseEstimator

estimator = PoseEstimator.from_pretrained("{{ repo_id }}")
for frame in estimator.stream("dance.mp4"):
    print(frame.index, frame.keypoints.shape, frame.scores.shape)
```
On the command line: `tarvitpose predict dance.mp4 --weights {{ repo_id }}`

## To be completed by the uploader
The training data and their licences, the accuracy on which data, and the limits.
"""


class HubOptions(TypedDict, total=False):
    """Options of a download, named as in huggingface_hub."""

    revision: str | None  # a branch, tag or commit; the newest by default
    cache_dir: str | Path | None
    local_files_only: bool  # use the cache only, without connecting to the hub
    force_download: bool
    token: str | bool | None


class UploadOptions(TypedDict, total=False):
    """Options of an upload, named as in huggingface_hub."""

    commit_message: str
    private: bool | None  # for a new repository
    token: str | None
    branch: str | None
    create_pr: bool


def is_hub_id(source: str) -> bool:
    """Return whether a text has the form owner/name.

    >>> is_hub_id("owner/name"), is_hub_id("./folder"), is_hub_id("a/b/c")
    (True, False, False)
    """
    parts = source.split("/")
    return len(parts) == 2 and all(parts) and not source.startswith((".", "~"))


def download(hub_id: str, files: list[str], options: HubOptions) -> Path:
    """Return the folder of a hub id in the hub's cache, with these files and the model card.

    Missing files are downloaded. Raises WeightsError, also if they are missing offline, and
    MissingDependencyError.
    """
    hub = _library(f"{hub_id}: no such folder here, and fetching it from the hub")
    from huggingface_hub import errors  # noqa: PLC0415 - slow, rarely needed

    local = options.get("local_files_only", False) or is_offline()
    settings: dict[str, Any] = {**options, "local_files_only": local}
    if endpoint := os.environ.get("HF_ENDPOINT"):  # a mirror, also one that is set later
        settings["endpoint"] = endpoint
    try:
        return Path(hub.snapshot_download(hub_id, allow_patterns=[*files, CARD_FILE], **settings))
    except errors.GatedRepoError:
        reason = (
            f"its licence must be accepted first at https://huggingface.co/{hub_id}, then log in "
            "with 'hf auth login'"
        )
    except errors.RevisionNotFoundError:
        reason = f"it has no revision {options.get('revision')} on the hub"
    except errors.RepositoryNotFoundError:
        reason = "the hub has none that you may read; log in with 'hf auth login' for private ones"
    except Exception as error:  # the hub's errors share no base class
        reason = f"the hub did not deliver it ({_first_line(error)})"
        if local:
            reason = (
                "offline it is not in the hub's cache either; "
                f"run 'tarvitpose models {hub_id} --download' once with a network, or copy a "
                "weights folder here"
            )
    raise WeightsError(f"{hub_id}: no such folder here, and {reason}")


def upload(
    folder: Path, repo_id: str, config: ModelConfig, licence: str, options: UploadOptions
) -> str:
    """Upload a weights folder to the hub, and return the address of the commit.

    A repository without a README.md gets a model card. Raises OutputError and
    MissingDependencyError.
    """
    if is_offline():
        raise OutputError(f"{repo_id}: offline mode uploads nothing; unset TARVITPOSE_OFFLINE")
    hub, branch = _library(f"uploading {repo_id}"), options.get("branch")
    api = hub.HfApi(token=options.get("token"))
    try:
        name = api.create_repo(repo_id, private=options.get("private"), exist_ok=True).repo_id
        if not api.file_exists(name, CARD_FILE, revision=branch):
            card = model_card(name, config, licence)
            (folder / CARD_FILE).write_text(card, encoding="utf-8")
        commit = api.upload_folder(
            repo_id=name,
            folder_path=folder,
            commit_message=options.get("commit_message", "Upload weights of tarvitpose"),
            revision=branch,
            create_pr=options.get("create_pr", False),
        )
    except Exception as error:  # as above
        raise OutputError(
            f"{repo_id}: the hub did not accept it ({_first_line(error)}); "
            "check that the name is owner/name, and log in with 'hf auth login'"
        ) from None
    return str(commit)


def model_card(repo_id: str, config: ModelConfig, licence: str) -> str:
    """Return the README.md of weights on the hub, with the metadata for the hub."""
    hub = _library("a model card")
    data = hub.ModelCardData(
        license=licence, library_name="tarvitpose", pipeline_tag="keypoint-detection", tags=TAGS
    )
    offsets = ", ".join(map(str, config.offsets))
    frames = f"the current one and those at {offsets}" if offsets else "the current one alone"
    card = hub.ModelCard.from_template(
        data, template_str=CARD, repo_id=repo_id, config=config, frames=frames
    )
    return str(card)


def _library(purpose: str) -> Any:
    """Import huggingface_hub, slow and rarely needed. Raises MissingDependencyError.

    The extra is that of torch, because weights of the hub have no graphs to run without it.
    """
    return require("huggingface_hub", purpose, "torch")


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0].rstrip(".") if lines else type(error).__name__
