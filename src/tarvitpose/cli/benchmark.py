"""`tarvitpose benchmark`: how fast it is on this machine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any, get_args

import typer

from tarvitpose.cli import benchmark_tables as tables
from tarvitpose.cli import checks, console
from tarvitpose.cli.demo import demo_clip
from tarvitpose.cli.options import with_options
from tarvitpose.config import Backend, PredictConfig, Size
from tarvitpose.errors import ConfigError
from tarvitpose.utils.atomic import check_writable
from tarvitpose.utils.lists import parse_choices, parse_sizes, parse_whole_numbers

MODES = ("single", "windowed", "streaming")
BACKENDS: tuple[Backend, ...] = get_args(Backend)
BASELINES = ("transformers",)
SIZES: tuple[Size, ...] = get_args(Size)

Sizes = Annotated[
    str | None,
    typer.Option(
        metavar="SIZE,...",
        help="Any of tiny, s, b, l, h; that of the weights by default.",
        show_default=False,
    ),
]
Inputs = Annotated[
    str | None,
    typer.Option(
        metavar="HxW,...",
        help="Crop sizes for each of --sizes; 256x192 by default.",
        show_default=False,
    ),
]
Modes = Annotated[str, typer.Option(metavar="MODE,...", help=f"Any of {', '.join(MODES)}.")]
Backends = Annotated[str, typer.Option(metavar="NAME,...", help=f"Any of {', '.join(BACKENDS)}.")]
Batches = Annotated[
    str, typer.Option(metavar="N,...", help="Crops that the network reads at once.")
]
Against = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="transformers: also time its VitPose of the same size, and every case at batch 8.",
        show_default=False,
    ),
]
Threads = Annotated[int | None, typer.Option(min=1, help="Processor cores to use; all by default.")]
Rounds = Annotated[int, typer.Option(min=1, help="How often each case is timed.")]
Seconds = Annotated[float, typer.Option(min=0, help="How long each case is timed at least.")]
Video = Annotated[
    str | None, typer.Option(help="Clip to take crops from; the demo clip by default.")
]
WithStages = Annotated[
    bool, typer.Option("--stages/--no-stages", help="Also time the stages of predict on the clip.")
]
WithMemory = Annotated[
    bool, typer.Option("--memory/--no-memory", help="Also measure the peak memory of each case.")
]
SoakFrames = Annotated[
    int | None,
    typer.Option(
        "--soak",
        min=100,
        metavar="FRAMES",
        help="Only measure how memory grows over a generated video of two people.",
        show_default=False,
    ),
]
SoakNetwork = Annotated[
    str, typer.Option(metavar="WEIGHTS", help="For --soak: tiny, default, a folder or a hub id.")
]
JsonFile = Annotated[
    Path | None, typer.Option("--json", metavar="FILE", help="Also write all numbers to this file.")
]
PlotFile = Annotated[
    Path | None, typer.Option("--plot", metavar="FILE", help="Also draw the speeds (PNG).")
]


@with_options(PredictConfig, "weights", "offsets", "device", "precision", "det_every")
def run(
    *,
    sizes: Sizes = None,
    inputs: Inputs = None,
    modes: Modes = "single,windowed,streaming",
    backends: Backends = "auto",
    batch: Batches = "1,16",
    against: Against = None,
    config: PredictConfig,
    threads: Threads = None,
    rounds: Rounds = 7,
    seconds: Seconds = 0.7,
    video: Video = None,
    stages: WithStages = True,
    memory: WithMemory = True,
    soak: SoakFrames = None,
    soak_network: SoakNetwork = "tiny",
    json_file: JsonFile = None,
    plot_file: PlotFile = None,
) -> None:
    """Time the network and the whole pipeline on this machine.

    One crop is one person's pose, from the RGB crop to the joints. In every round each case is
    timed once, in a random order, so that a busy machine slows all of them alike; ratios are taken
    within a round. The tables show medians and quartiles.

    Sizes other than that of the weights run on random weights, which is the slowest case: the mask
    then hides nothing.
    """
    values = {
        "modes": parse_choices("--modes", modes, MODES),
        "backends": parse_choices("--backends", backends, BACKENDS),
        "batches": tuple(sorted({*parse_whole_numbers("--batch", batch, "1,16", least=1)})),
        "offsets": config.offsets,
        "device": config.device,
        "precision": config.precision,
        "rounds": rounds,
        "seconds": seconds,
        "against_transformers": against is not None
        and bool(parse_choices("--against", against, BASELINES)),
        "video": video,
        "det_every": config.det_every,
        "stages": stages,
        "memory": memory,
    }
    names, crops = parse_networks(sizes, inputs)
    check_files(video, config.weights, [json_file, plot_file])
    from tarvitpose.benchmark.run import limited_threads

    with limited_threads(threads):
        if soak is not None:
            facts = watch_memory(soak, soak_network, values)
        else:
            facts = measure_all(names, crops, config.weights, values, plot_file)
    if json_file is not None:
        from tarvitpose.utils.json_file import write_json

        write_json(json_file, facts)


def check_files(video: str | None, weights: str, results: Sequence[Path | None]) -> None:
    """Refuse files that are not there or cannot be written, before PyTorch is loaded."""
    from tarvitpose.inference.graph_folder import local_config

    if video is not None:
        checks.existing_source(video)
    for path in filter(None, results):
        check_writable(path.parent)
    local_config(weights)


def measure_all(
    sizes: Sequence[str],
    inputs: Sequence[tuple[int, int]],
    weights: str,
    values: dict[str, Any],
    plot_file: Path | None,
) -> Any:
    """Time every network, print its tables, and return all numbers for JSON. Raises UserError."""
    from tarvitpose.benchmark.model_under_test import find_models
    from tarvitpose.benchmark.plot import plot
    from tarvitpose.benchmark.result import BenchmarkPlan
    from tarvitpose.benchmark.run import measure
    from tarvitpose.utils.optional import check_installed

    if plot_file is not None:
        check_installed("matplotlib", "--plot", "plot")
    plan = BenchmarkPlan(**{**values, "video": values["video"] or str(demo_clip())})
    results = []
    for model in find_models(sizes, inputs, weights):
        with console.count_bar(f"{model.title}, rounds") as show:
            count = partial(_show_round, show, plan.rounds)
            results.append(measure(model, plan, warn=console.warn, on_round=count))
        console.say(model.title, style="bold")
        console.say(f"{tables.report(results[-1])}\n")
    paper = tables.paper_table(results)
    if paper:
        console.say(paper)
    if plot_file is not None:
        plot(plot_file, results)
    return [fact for result in results for fact in result.facts()]


def _show_round(show: Callable[[int, int], None], rounds: int, done: int) -> None:
    show(done, rounds)


def watch_memory(frames: int, network: str, values: dict[str, Any]) -> Any:
    """Stream a long generated video, say what the memory did, and return it for JSON."""
    from tarvitpose.benchmark.memory import in_child
    from tarvitpose.benchmark.soak import soak

    backend, device, precision = values["backends"][0], values["device"], values["precision"]
    done = in_child(soak, frames, network, backend, device, precision)
    console.say(tables.soak_line(done))
    return [done.facts()]


def parse_networks(
    sizes: str | None, inputs: str | None
) -> tuple[tuple[str, ...], list[tuple[int, int]]]:
    """Return sizes, none for the weights' own, and inputs (height, width). Raises ConfigError."""
    if sizes is None and inputs is not None:
        raise ConfigError(
            "--inputs: needs --sizes, because weights have an input size of their own"
        )
    crops = parse_sizes("--inputs", inputs or "256x192")
    return () if sizes is None else parse_choices("--sizes", sizes.lower(), SIZES), crops
