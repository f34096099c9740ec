"""The cache of converted weights: other projects' checkpoints are converted when first used.

Each is a weights folder with a card and `about.json`, which says what it was made of.
"""

import logging
import shutil
from pathlib import Path
from typing import Any

from tarvitpose import __version__
from tarvitpose.errors import UserError, WeightsError
from tarvitpose.utils.atomic import atomic_folder
from tarvitpose.utils.caches import cache_root
from tarvitpose.utils.hashing import file_digest, files_digest
from tarvitpose.utils.json_file import SMALL, read_json, write_json
from tarvitpose.utils.optional import check_installed
from tarvitpose.weights.fetch import fetched, progress
from tarvitpose.weights.files import CONFIG_FILE, WEIGHTS_FILE
from tarvitpose.weights.hub import CARD_FILE
from tarvitpose.weights.named import NamedWeights

log = logging.getLogger(__name__)

ABOUT = "about.json"
CONVERSION = 1  # one more whenever what earlier versions converted must not be used again
STEPS = 3  # hash, read, write


def weights_cache() -> Path:
    """Return the folder of converted weights in the system's cache."""
    return cache_root() / "weights"


def named_cache(named: NamedWeights) -> Path:
    """Return the folder in which named weights are cached."""
    return weights_cache() / named.name


def is_converted(folder: Path) -> bool:
    """Tell whether a folder of the cache is complete, and of today's conversion."""
    try:
        about = read_json(folder / ABOUT, WeightsError, SMALL)
    except UserError:
        return False
    is_current = isinstance(about, dict) and about.get("conversion") == CONVERSION
    return is_current and all((folder / name).is_file() for name in (CONFIG_FILE, WEIGHTS_FILE))


def named_folder(named: NamedWeights) -> Path:
    """Return the weights folder of a name, fetched and converted once. Raises UserError."""
    folder = named_cache(named)
    if not is_converted(folder):
        check_installed("torch", f"converting {named.name}", "torch")
        with fetched(named, weights_cache()) as source:
            facts = {"name": named.name, "source": named.source, "licence": named.licence}
            _convert(source, folder, facts, named.expert)
    return folder


def converted_folder(source: Path) -> Path:
    """Return the weights folder of a checkpoint or of transformers' folder, converted once.

    It is known again by its content. Raises UserError.
    """
    folder = weights_cache() / _digest(source)[:20]
    if not is_converted(folder):
        check_installed("torch", f"converting {source}", "torch")
        card = source / CARD_FILE if source.is_dir() else None
        _convert(source, folder, {"name": source.name, "source": str(source)}, None, card)
    return folder


def _digest(source: Path) -> str:
    if source.is_dir():
        return files_digest((source / CONFIG_FILE, source / WEIGHTS_FILE), WeightsError)
    return file_digest(source, WeightsError)


def _convert(
    source: Path, folder: Path, facts: dict[str, Any], expert: int | None, card: Path | None = None
) -> None:
    """Write a converted checkpoint into the cache, whole or not at all. Raises UserError."""
    log.info("%s: converting it once into %s", facts["name"], folder)
    with (
        progress(f"converting {facts['name']}", STEPS, in_bytes=False) as on_step,
        atomic_folder(folder, keep=is_converted) as new,
    ):
        digest = _digest(source)
        on_step(1)
        from tarvitpose.weights.convert import convert  # noqa: PLC0415 - slow

        on_step(1)
        convert(source, new, dataset_index=expert)
        if card is not None and card.is_file():
            shutil.copy(card, new / CARD_FILE)
        elif "licence" in facts:
            (new / CARD_FILE).write_text(
                f"---\nlicense: {facts['licence']}\n---\nConverted from {facts['source']}\n",
                encoding="utf-8",
            )
        about = {**facts, "source_sha256": digest, "conversion": CONVERSION}
        write_json(new / ABOUT, {**about, "tarvitpose": __version__})
        on_step(1)
