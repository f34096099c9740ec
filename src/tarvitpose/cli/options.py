"""The options of the verbs: fields of a configuration, and those that several verbs share."""

import functools
import inspect
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated, Any, get_args

import typer

from tarvitpose.config import POSE_FORMATS, Backend, Baseline, MeasuredMode, Size
from tarvitpose.utils.config_base import MOST, Config
from tarvitpose.utils.config_files import OPTIONS, parse_config
from tarvitpose.utils.config_messages import option_name
from tarvitpose.utils.lists import parse_choices, parse_size, parse_sizes, parse_whole_numbers
from tarvitpose.weights.named import NAMED

Verb = Callable[..., None]
FIELDS_WITHOUT_OPTION = {"anchor"}


def completing(*values: str) -> Callable[[str], list[str]]:
    """Return what a shell asks for the values that begin as typed."""
    return lambda incomplete: [value for value in values if value.startswith(incomplete)]


def complete_formats(incomplete: str) -> list[str]:
    """Return the lists with commas that go on from what was typed.

    >>> complete_formats("csv,co"), complete_formats("csv,cs")
    (['csv,coco'], [])
    """
    before, comma, begun = incomplete.rpartition(",")
    rest = [name for name in POSE_FORMATS if name not in before.split(",")]
    return [f"{before}{comma}{name}" for name in rest if name.startswith(begun)]


LISTS: dict[str, Callable[[str], tuple[Any, ...]]] = {  # how fields are read that are lists
    "formats": lambda text: parse_choices("--format", text, POSE_FORMATS),
    "offsets": lambda text: parse_whole_numbers("--offsets", text, "-2,-1,1,2"),
    "person": lambda text: tuple(sorted({*parse_whole_numbers("--person", text, "1,3", 0)})),
    "sizes": lambda text: parse_choices("--sizes", text.lower(), get_args(Size)),
    "inputs": lambda text: tuple(parse_sizes("--inputs", text)),
    "input_size": lambda text: parse_size("--input-size", text),
    "modes": lambda text: parse_choices("--modes", text, get_args(MeasuredMode)),
    "backends": lambda text: parse_choices("--backends", text, get_args(Backend)),
    "batches": lambda text: tuple(sorted({*parse_whole_numbers("--batch", text, "1,16", 1)})),
    "against": lambda text: parse_choices("--against", text, get_args(Baseline)),
}
FLAGS = {  # spellings that do not follow from the name of the field
    "output": ("--output", "-o"),
    "render": ("--render/--no-render",),
    "live": ("--live/--not-live",),
    "stages": ("--stages/--no-stages",),
    "memory": ("--memory/--no-memory",),
}
DETAILS: dict[str, dict[str, Any]] = {  # what only a command line has
    "weights": {"autocompletion": completing("default", "tiny", *NAMED)},
    "device": {"autocompletion": completing("auto", "cpu", "cuda", "mps")},
    "detector": {"autocompletion": completing("nanodet", "torchvision")},
    "formats": {"metavar": "NAME,...", "autocompletion": complete_formats},
    "offsets": {"metavar": "N,N,..."},
    "person": {"metavar": "ID,..."},
    "det_every": {"metavar": "N"},
    "start": {"metavar": "SECONDS"},
    "end": {"metavar": "SECONDS"},
    "smooth_min_cutoff": {"metavar": "HZ"},
    "smooth_window": {"metavar": "SECONDS"},
    "predictions": {"metavar": "DIR|FILE"},
    "annotations": {"metavar": "DIR|FILE"},
    "images": {"metavar": "DIR"},
    "degradations": {"metavar": "NAME,..."},
    "videos": {"metavar": "VIDEO"},
    "sizes": {"metavar": "SIZE,..."},
    "inputs": {"metavar": "HxW,..."},
    "input_size": {"metavar": "HxW"},
    "joint_set": {"metavar": "NAME|FILE"},
    "source_joints": {"metavar": "NAME|FILE"},
    "modes": {"metavar": "MODE,..."},
    "backends": {"metavar": "NAME,..."},
    "batches": {"metavar": "N,..."},
    "against": {"metavar": "NAME,..."},
    "mediapipe_python": {"metavar": "FILE", "show_default": False},
    "video": {"show_default": False},
    "every": {"metavar": "N"},
    "limit": {"metavar": "N"},
    "samples": {"metavar": "N"},
    "reliability": {"metavar": "FILE"},
    "json_file": {"metavar": "FILE"},
    "set_name": {"metavar": "NAME"},
    "live": {"show_default": False},
}


def with_options(
    kind: type[Config], *names: str, without: Iterable[str] = (), **helps: str
) -> Callable[[Verb], Verb]:
    """Give a verb an option for each field of a configuration, or only for those named.

    The verb receives them as one object, its parameter `config`. `helps` replace descriptions of
    fields that mean something more special in this verb. Raises ConfigError, when the verb runs,
    for values that are wrong or do not fit together.
    """
    skipped = {*without, *FIELDS_WITHOUT_OPTION}
    fields = [name for name in field_names(kind) if name in names or not names]
    fields = [name for name in fields if name not in skipped]

    def decorate(verb: Verb) -> Verb:
        @functools.wraps(verb)
        def command(**values: Any) -> None:
            chosen = {name: values.pop(name) for name in fields}
            verb(config=parse_config(kind, _read_lists(chosen), OPTIONS), **values)

        parameters: list[inspect.Parameter] = []
        for parameter in inspect.signature(verb, eval_str=True).parameters.values():
            if parameter.name == "config":
                parameters += [_parameter(kind, name, helps.get(name)) for name in fields]
            else:
                parameters.append(parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY))
        command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        return command

    return decorate


def field_names(kind: type[Config]) -> list[str]:
    """Return the fields of a configuration, its own before those that it inherits."""
    declared = [name for part in kind.__mro__ for name in inspect.get_annotations(part)]
    return [name for name in dict.fromkeys(declared) if name in kind.model_fields]


def _parameter(kind: type[Config], name: str, help_text: str | None) -> inspect.Parameter:
    """Return the parameter that Typer makes an option of."""
    field = kind.model_fields[name]
    limits = {
        bound: getattr(limit, key)
        for limit in field.metadata
        for bound, key in (("min", "ge"), ("max", "le"))
        if getattr(limit, key, MOST) != MOST  # which would only be read as a number in the help
    }
    settings = {"help": help_text or field.description, **limits, **DETAILS.get(name, {})}
    flags = FLAGS.get(name, (option_name(name),))
    default, annotation = field.get_default(), field.annotation
    if name in LISTS:
        default = ",".join(map(str, default)) if default else None
        annotation = str if default else str | None
    elif name == "det_every":
        default, annotation = str(default), str  # a number or a word
    return inspect.Parameter(
        name,
        inspect.Parameter.KEYWORD_ONLY,
        default=default,
        annotation=Annotated[annotation, typer.Option(*flags, **settings)],
    )


def _read_lists(values: dict[str, Any]) -> dict[str, Any]:
    """Return values with texts read as lists, and without lists that are not given."""
    texts = {name: values[name] for name in LISTS if values.get(name) is not None}
    rest = {name: value for name, value in values.items() if name not in LISTS}
    return rest | {name: LISTS[name](text) for name, text in texts.items()}


Video = Annotated[
    str, typer.Argument(metavar="VIDEO", help="A video file, or a folder or glob of frames.")
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print warnings and errors only.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace existing results.")]
Changes = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="KEY=VALUE",
        help="Changes to the configuration, such as run.epochs=2 optim.lr=1e-4.",
        show_default=False,
    ),
]
Tracks = Annotated[
    list[int] | None,
    typer.Option(help="Only this person; repeatable, all by default.", show_default=False),
]
Folder = Annotated[
    Path | None,
    typer.Option(
        "--output", "-o", help="Folder, by default that of the result.", show_default=False
    ),
]
JsonFile = Annotated[
    Path | None, typer.Option("--json", metavar="FILE", help="Also write the numbers here.")
]
