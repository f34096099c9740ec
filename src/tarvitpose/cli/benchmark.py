"""`tarvitpose benchmark`: how fast it is on this machine."""

from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from tarvitpose.benchmark.plan import MEDIAPIPE, BenchmarkPlan
from tarvitpose.cli import checks, console
from tarvitpose.cli.demo import demo_clip
from tarvitpose.cli.options import JsonFile, with_options
from tarvitpose.utils.config_base import MOST, MOST_PROCESSES
from tarvitpose.utils.config_messages import option_name

INPUT = (256, 192)  # height, width of crops for sizes alone
TINY = "tiny"
OPTIONS = (
    *("sizes", "inputs", "modes", "backends", "batches", "against", "weights", "offsets"),
    *("device", "precision", "cuda_graphs", "rounds", "seconds", "video", "det_every"),
    *("stages", "memory", "mediapipe_python"),
)
OF_SOAK = ("backends", "device", "precision")

Threads = Annotated[
    int | None,
    typer.Option(min=1, max=MOST_PROCESSES, help="Processor cores to use; all by default."),
]
SoakFrames = Annotated[
    int | None,
    typer.Option(
        "--soak",
        min=100,
        max=MOST,
        metavar="FRAMES",
        help="Only measure how memory grows over a generated video of two people.",
        show_default=False,
    ),
]
SoakNetwork = Annotated[
    str, typer.Option(metavar="WEIGHTS", help="For --soak: tiny, default, a folder or a hub id.")
]
PlotFile = Annotated[
    Path | None, typer.Option("--plot", metavar="FILE", help="Also draw the speeds (PNG).")
]


@with_options(BenchmarkPlan, *OPTIONS)
def run(
    *,
    config: BenchmarkPlan,
    threads: Threads = None,
    soak: SoakFrames = None,
    soak_network: SoakNetwork = TINY,
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
    refuse_pairs(config, soak is not None, soak_network != TINY, plot_file is not None)
    if config.video:
        checks.existing_source(config.video)
    checks.writable_files(json_file, plot_file)
    checks.local_weights(config.weights)
    from tarvitpose.benchmark.run import limited_threads

    with limited_threads(threads):
        if soak is not None:
            facts = watch_memory(soak, soak_network, config)
        else:
            facts = measure_all(config, plot_file)
    checks.save_json(json_file, facts)


def refuse_pairs(plan: BenchmarkPlan, soak: bool, soak_network: bool, plot: bool) -> None:
    """Raise ConfigError for options that nothing would read."""
    fields = {
        name: getattr(plan, name) != BenchmarkPlan.model_fields[name].default for name in OPTIONS
    }
    if soak:
        others = {
            option_name(f"no_{name}" if name in ("stages", "memory") else name): is_given
            for name, is_given in fields.items()
            if name not in OF_SOAK
        }
        several = {"--backends": len(plan.backends) > 1}
        checks.refuse_unused({**others, "--plot": plot}, "not for --soak, which measures memory")
        checks.refuse_unused(several, "--soak takes one backend")
        return
    checks.refuse_unused({"--soak-network": soak_network}, "only for --soak FRAMES")
    needs_sizes = "needs --sizes, because weights have an input size of their own"
    checks.refuse_unused({"--inputs": bool(plan.inputs and not plan.sizes)}, needs_sizes)
    unread = fields["det_every"] and not plan.stages and not plan.against
    checks.refuse_unused({"--det-every": unread}, "only the stages read it, and --no-stages is on")
    unread = fields["mediapipe_python"] and MEDIAPIPE not in plan.against
    checks.refuse_unused({"--mediapipe-python": unread}, "only for --against mediapipe")
    unread = bool(plan.against) and plan.modes == ("windowed",)
    checks.refuse_unused({"--against": unread}, "needs single or streaming among the --modes")
    unread = fields["offsets"] and plan.modes == ("single",) and not plan.stages
    checks.refuse_unused({"--offsets": unread}, "single frames have none")


def measure_all(plan: BenchmarkPlan, plot_file: Path | None) -> list[dict[str, Any]]:
    """Time every network, print its tables, and return all numbers for JSON. Raises UserError."""
    from tarvitpose.benchmark.model_under_test import find_models
    from tarvitpose.benchmark.pipelines import other_versions
    from tarvitpose.benchmark.plot import plot
    from tarvitpose.benchmark.run import measure
    from tarvitpose.cli import benchmark_tables as tables
    from tarvitpose.utils.optional import check_installed

    if plot_file is not None:
        check_installed("matplotlib", "--plot", "plot")
    others = other_versions(plan)
    rounds = plan.rounds * (2 if others else 1)
    plan = plan.model_copy(update={"video": plan.video or str(demo_clip())})
    results = []
    for model in find_models(plan.sizes, plan.inputs or (INPUT,), plan.weights):
        with console.count_bar(f"{model.title}, rounds") as show:
            count = partial(lambda show, done: show(done, rounds), show)
            results.append(measure(model, plan, others, warn=console.warn, on_round=count))
        console.say(model.title, style="bold")
        console.say(f"{tables.report(results[-1])}\n")
    paper = tables.paper_table(results)
    if paper:
        console.say(paper)
    if plot_file is not None:
        plot(plot_file, results)
    return [fact for result in results for fact in result.facts()]


def watch_memory(frames: int, network: str, plan: BenchmarkPlan) -> list[dict[str, Any]]:
    """Stream a long generated video, say what the memory did, and return it for JSON."""
    from tarvitpose.benchmark.memory import in_child
    from tarvitpose.benchmark.soak import soak
    from tarvitpose.cli.benchmark_tables import soak_line

    done = in_child(soak, frames, network, plan.backends[0], plan.device, plan.precision)
    console.say(soak_line(done))
    return [done.facts()]
