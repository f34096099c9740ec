"""`tarvitpose models`: what ships with the package, or any weights. Reads headers, never torch."""

import math
from contextlib import suppress
from itertools import chain, repeat
from pathlib import Path
from typing import Annotated, Any

import typer

import tarvitpose
from tarvitpose.cli import console
from tarvitpose.errors import OutputError, UserError, WeightsError
from tarvitpose.weights.hub import HubOptions
from tarvitpose.weights.named import BY_HAND, BY_HAND_SOURCE, NAMED, NamedWeights

WEIGHTS, DETECTOR = "default", "nanodet_person_416.onnx"
SHIPPED = (WEIGHTS, "tiny")
FILES = ("config.json", "model.safetensors")
WEIGHTS_LICENCE = "Apache-2.0, for research: some of the training data are for research only"
DETECTOR_LICENCE = "Apache-2.0"
ORIGIN = "DINOv2-small's encoder (Meta, Apache-2.0)"
TRAINING_DATA = (  # docs/model-card.md has the details
    "COCO train2017: labels CC BY 4.0, photographs under their Flickr terms",
    "JHMDB: clips from films and the web, for research",
    "LSPET: Flickr photographs, no licence stated, for research",
    "people in everyday scenes: CC BY 4.0 and Apache-2.0",
    "ten video clips: BSD-3-Clause, Apache-2.0 and CC BY 4.0",
    "rendered clips: bodies CC0; some on photographs of LSPET, for research",
)
NOT_STATED = "not stated in the folder"
GET = "get it with: tarvitpose models {} --download"
BY_NAME = "by name (--weights NAME): fetched and converted when first used, then offline"
MUCH = 10**9  # bytes of weights: reading them takes seconds
CHECKSUMS = "checksums.json"  # in the cache: size, dates and SHA-256 of files, by path
STATISTICS = ("running_mean", "running_var", "num_batches_tracked")
Facts = dict[str, Any]


def run(
    weights: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="WEIGHTS",
            help="Names, weights folders or hub ids to list, instead of the models in the package.",
            show_default=False,
        ),
    ] = None,
    *,
    download: Annotated[
        bool,
        typer.Option("--download", help="Download names and hub ids that are not here yet."),
    ] = False,
    revision: Annotated[
        str | None, typer.Option(help="Branch, tag or commit of the hub ids.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List models: size, joints, input, licences of weights and training data, checksum and path.

    Without WEIGHTS, the models that come with the package, and those that --weights fetches by
    name. The exit code is 2 if a model of the package, or one that was named, is not here.
    """
    if download and not weights:
        raise UserError("--download: name the weights to get, such as vitpose-b or owner/name")
    models = [given(name, revision, download=download) for name in weights or ()] or shipped()
    if as_json:
        console.document(models if weights else [*models, *map(named_facts, NAMED.values())])
    for index, facts in enumerate([] if as_json else models):
        if index:
            console.say("")
        console.facts(f"{facts['name']}: {facts['for']} ({facts['option']})", lines(facts))
    if not (weights or as_json):
        console.say("")
        console.facts(BY_NAME, named_lines())
    absent = [f"{facts['name']}: not here, {facts['how']}" for facts in models if not facts["here"]]
    if absent:
        raise WeightsError("; ".join(absent))


def shipped() -> list[Facts]:
    """Return the facts of the models in the package."""
    return [*map(shipped_weights, SHIPPED), detector_facts(assets_folder() / DETECTOR)]


def shipped_weights(name: str) -> Facts:
    """Return the facts of weights in the package."""
    from tarvitpose.weights.tiny import ABOUT, TINY, tiny_folder

    assets = assets_folder()
    folder = assets / name
    if name == TINY and (folder / ABOUT).is_file():
        try:
            folder = tiny_folder(folder, assets / WEIGHTS)
        except OutputError as error:
            return missing(name, "poses", None, f"put together when first used: {error}")
    facts = weights_facts(name, folder)
    if facts["here"]:
        facts |= {"licence": WEIGHTS_LICENCE, "origin": ORIGIN}
        facts["training_data"] = list(TRAINING_DATA)
    return facts


def given(name: str, revision: str | None, *, download: bool) -> Facts:
    """Return the facts of "default", "tiny", a folder or a hub id. Raises WeightsError."""
    if name in SHIPPED:
        return shipped_weights(name)
    from tarvitpose.weights.folder import find_folder, is_remote

    is_elsewhere = is_remote(name) and not download
    if name in NAMED and is_elsewhere:
        return named_facts(NAMED[name])
    try:
        with console.notes_shown():
            options: HubOptions = {"revision": revision, "local_files_only": not download}
            return weights_facts(name, find_folder(name, **options))
    except WeightsError:
        if not is_elsewhere:
            raise
    return missing(name, "poses", None, GET.format(name))


def named_facts(named: NamedWeights) -> Facts:
    """Return the facts of weights that have a name: what the list says, and what is here."""
    from tarvitpose.weights.converted import is_converted, named_cache

    folder = named_cache(named)
    is_here = is_converted(folder)
    facts = missing(named.name, "poses", folder if is_here else None, GET.format(named.name))
    return facts | {
        "here": is_here,
        "size": f"ViTPose-{named.size.upper()}",
        "download_megabytes": named.megabytes,
        "joint_set": named.joint_set,
        "licence": named.licence,
        "source": named.source,
    }


def named_lines() -> list[tuple[str, str]]:
    """Return the names that --weights takes, as people read them."""
    shown = []
    for named in NAMED.values():
        facts = named_facts(named)
        size = "here" if facts["here"] else f"{named.megabytes} MB"
        publisher = f"{named.hub_id} on the hub" if named.hub_id else "MMPose"
        what = (facts["size"], named.joint_set, size, named.licence, publisher)
        shown.append((named.name, ", ".join(what)))
    return [*shown, (BY_HAND, f"no licence stated: download it by hand from {BY_HAND_SOURCE}")]


def assets_folder() -> Path:
    """Return the folder of what ships inside the package."""
    return Path(tarvitpose.__file__).parent / "assets"


def is_whole(folder: Path) -> bool:
    """Tell whether a weights folder has both of its files."""
    return all((folder / name).is_file() for name in FILES)


def missing(name: str, purpose: str, path: Path | None, how: str) -> Facts:
    """Return the facts of a model that is not here, and how to get it."""
    location = None if path is None else str(path)
    option = {"poses": f"--weights {name}", "people": f"--detector {name}"}[purpose]
    facts = {"name": name, "for": purpose, "option": option, "here": False}
    return facts | {"path": location, "how": how}


def weights_facts(name: str, folder: Path) -> Facts:
    """Return what a weights folder holds. Raises UserError for what cannot be read."""
    if not is_whole(folder):
        expected = f"expected a folder with {' and '.join(FILES)}"
        again = "install the package again" if name in SHIPPED else expected
        return missing(name, "poses", folder, again)
    from tarvitpose.config import ModelConfig, size_name
    from tarvitpose.utils.config_files import parse_config
    from tarvitpose.utils.json_file import SMALL, read_json

    path, file = (folder / name for name in FILES)
    config = parse_config(ModelConfig, read_json(path, WeightsError, SMALL), str(path))
    parameters, numbers = parameter_count(file)
    parts = " with temporal part" if config.temporal else ""
    parts += ", background merged" if config.fine_cells else ""
    known = size_name(config)
    return {
        "name": name,
        "for": "poses",
        "option": f"--weights {name}",
        "here": True,
        "size": f"ViTPose-{known.upper() if len(known) == 1 else known}{parts}",
        "parameters": parameters,
        "numbers": numbers,
        "bytes": file.stat().st_size,
        "input": list(config.input_size),
        "joint_set": config.joints.name,
        "joints": list(config.joints.joints),
        "heatmaps": config.codec,
        "offsets": list(config.offsets),
        "licence": licence(folder / "README.md"),
        "sha256": checksum(name, file),
        **converted_from(folder),
        "path": str(folder),
    }


def checksum(name: str, file: Path) -> str:
    """Return the SHA-256 of a file, read again only where its size or its dates are others.

    Raises WeightsError if it cannot be read.
    """
    from tarvitpose.utils.caches import cache_root
    from tarvitpose.utils.hashing import file_digest
    from tarvitpose.utils.json_file import write_json
    from tarvitpose.utils.provenance import read_facts

    store, state = cache_root() / CHECKSUMS, file.stat()
    stamp = [state.st_size, state.st_mtime_ns, state.st_ctime_ns]
    known: Facts = {}
    with suppress(UserError):  # a cache that cannot be read or written is done without
        known = read_facts(store) or {}
    before = known.get(str(file.absolute()))
    if isinstance(before, list) and before[:-1] == stamp:
        return str(before[-1])
    if state.st_size > MUCH:
        console.note(f"{name}: reading {state.st_size / 1e9:.1f} GB for the checksum")
    digest = file_digest(file, WeightsError)
    with suppress(UserError):
        write_json(store, {**known, str(file.absolute()): [*stamp, digest]})
    return digest


def converted_from(folder: Path) -> Facts:
    """Return where converted weights are from, nothing for others."""
    from tarvitpose.weights.converted import ABOUT, is_converted

    if not is_converted(folder):
        return {}
    from tarvitpose.utils.json_file import SMALL, read_json

    about = read_json(folder / ABOUT, WeightsError, SMALL)
    return {name: str(about[name]) for name in ("source", "source_sha256") if name in about}


def licence(card: Path) -> str:
    """Return what the head of a model card says of the licence."""
    if not card.is_file():
        return NOT_STATED
    _, dashes, rest = card.read_text(encoding="utf-8", errors="replace").partition("---\n")
    fields = [line for line in rest.partition("\n---")[0].splitlines() if line[:8] == "license:"]
    return fields[0][8:].strip(" '\"") if dashes and fields else NOT_STATED


def detector_facts(file: Path) -> Facts:
    """Return what the detector in the package is."""
    if not file.is_file():
        return missing("nanodet", "people", file, "install the package again")
    return {
        "name": "nanodet",
        "for": "people",
        "option": "--detector nanodet",
        "here": True,
        "size": "NanoDet, people only",
        "bytes": file.stat().st_size,
        "input": [512, 288],
        "licence": DETECTOR_LICENCE,
        "sha256": checksum("nanodet", file),
        "path": str(file),
    }


def lines(facts: Facts) -> list[tuple[str, str]]:
    """Return the facts of a model as people read them."""
    if not facts["here"]:
        keys = [key for key in ("size", "joint_set", "licence", "source") if key in facts]
        known = [(key, str(facts[key])) for key in keys]
        return [("missing", facts["how"]), *known, ("path", facts["path"] or "nowhere")]
    shown = {"size": facts["size"], "file": f"{facts['bytes'] / 1e6:.1f} MB"}
    if "parameters" in facts:
        offsets = ",".join(map(str, facts["offsets"]))
        shown["file"] += f", {facts['parameters'] / 1e6:.1f} M parameters, {facts['numbers']}"
        shown["joints"] = (
            f"{facts['joint_set']} ({len(facts['joints'])}), {facts['heatmaps']} heatmaps"
        )
        shown["frames"] = f"offsets {offsets}" if offsets else "the current one only"
    shown["input"] = "x".join(map(str, facts["input"]))
    shown["licence"] = facts["licence"]
    if "origin" in facts:
        shown["origin"] = facts["origin"]
    for key in ("source", "source_sha256"):
        if key in facts:
            shown[key.replace("_", " ")] = facts[key]
    names = chain(["data"], repeat(""))  # one name for all lines of training data
    data = list(zip(names, facts.get("training_data", ()), strict=False))
    return [*shown.items(), *data, ("sha256", facts["sha256"]), ("path", facts["path"])]


def parameter_count(file: Path) -> tuple[int, str]:
    """Return how many parameters a safetensors file holds, and their kind of number.

    Raises WeightsError if its header cannot be read.
    """
    from tarvitpose.weights.files import tensor_bytes

    learnt = [part for name, part in tensor_bytes(file).items() if not name.endswith(STATISTICS)]
    kinds = " and ".join(sorted({part.kind for part in learnt}))
    return sum(math.prod(part.shape) for part in learnt), kinds
