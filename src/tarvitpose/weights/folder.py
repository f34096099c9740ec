"""Find and load weights: by name, as a folder, a file of another project, or a hub id."""

from importlib import resources
from pathlib import Path
from typing import Unpack

from tarvitpose.config import ModelConfig
from tarvitpose.errors import WeightsError
from tarvitpose.utils.config_files import parse_config
from tarvitpose.utils.hashing import file_digest
from tarvitpose.utils.json_file import SMALL, read_json
from tarvitpose.weights.converted import (
    converted_folder,
    is_converted,
    named_cache,
    named_folder,
)
from tarvitpose.weights.fetch import from_hub
from tarvitpose.weights.files import (
    CHECKPOINTS,
    CONFIG_FILE,
    FOREIGN_TYPE,
    WEIGHTS_FILE,
    read_config_values,
)
from tarvitpose.weights.hub import HubOptions, is_hub_id
from tarvitpose.weights.named import BY_HAND, BY_HAND_HOW, NAMED, nearest
from tarvitpose.weights.tiny import TINY, tiny_folder

DEFAULT = "default"


def default_folder() -> Path:
    """Return the folder of the weights that ship inside the package."""
    return Path(str(resources.files("tarvitpose") / "assets" / DEFAULT))


def find_folder(source: str | Path, **hub: Unpack[HubOptions]) -> Path:
    """Return the folder of "default", "tiny", a name of `NAMED`, a path or a hub id.

    What is not here is fetched once; checkpoints of other projects, files or folders, are converted
    once into the cache. `hub` is used for hub ids only. Raises UserError, WeightsError if there is
    no such folder.
    """
    text, path = str(source), Path(source).expanduser()
    if text == DEFAULT:
        return default_folder()
    if text == TINY:
        return tiny_folder(default_folder().with_name(TINY), default_folder())
    if path.is_dir():
        folder = path
    elif path.is_file() and path.suffix in CHECKPOINTS:
        return converted_folder(path)
    elif not path.exists() and text in NAMED:
        return named_folder(NAMED[text])
    elif not path.exists() and is_hub_id(text):
        folder = from_hub(text, "", hub)
    else:
        raise _not_weights(text)
    return converted_folder(folder) if is_foreign(folder) else folder


def _not_weights(source: str) -> WeightsError:
    if source == "fast":
        return WeightsError('fast: since version 0.18 the faster weights are "tiny"')
    if source == BY_HAND:
        return WeightsError(f"{source}: {BY_HAND_HOW}")
    if Path(source).suffix in CHECKPOINTS:
        return WeightsError(f"{source}: no such file")
    return WeightsError(
        f'{source}: expected "default", "tiny", a name that \'tarvitpose models\' lists, a '
        f"checkpoint of ViTPose, a folder with {WEIGHTS_FILE} and {CONFIG_FILE}, or a hub id such "
        f"as owner/name{nearest(source)}"
    )


def is_foreign(folder: Path) -> bool:
    """Tell whether a folder holds transformers' VitPose, by its config."""
    try:
        values = read_json(folder / CONFIG_FILE, WeightsError, SMALL)
    except WeightsError:  # whoever reads it says so
        return False
    return isinstance(values, dict) and values.get("model_type") == FOREIGN_TYPE


def is_remote(source: str | Path) -> bool:
    """Tell whether weights may have to be fetched: those of a hub id, or of a name at first."""
    text = str(source)
    if Path(text).expanduser().exists():
        return False
    return is_hub_id(text) or (text in NAMED and not is_converted(named_cache(NAMED[text])))


def load_config(source: str | Path) -> ModelConfig:
    """Return the config alone, without reading the tensors beside it. Raises WeightsError."""
    folder = find_folder(source)
    return parse_config(ModelConfig, read_config_values(folder), str(folder / CONFIG_FILE))


def weights_digests(source: str | Path) -> dict[str, str]:
    """Return the SHA-256 of each file of weights or exported graphs, by file name.

    Raises WeightsError if a file is missing or cannot be read.
    """
    folder = find_folder(source)
    has_weights = (folder / WEIGHTS_FILE).is_file()
    parts = [folder / CONFIG_FILE, folder / WEIGHTS_FILE] if has_weights else folder.iterdir()
    return {path.name: file_digest(path, WeightsError) for path in sorted(parts) if path.is_file()}
