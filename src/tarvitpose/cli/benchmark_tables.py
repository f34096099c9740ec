"""What `tarvitpose benchmark` prints."""

from collections.abc import Iterable, Mapping

from tarvitpose.benchmark.pipelines import Pipelines
from tarvitpose.benchmark.result import BenchmarkResult
from tarvitpose.benchmark.soak import Soak
from tarvitpose.benchmark.stages import Pipeline
from tarvitpose.cli.tables import drawn, plain_table
from tarvitpose.config import DetEvery
from tarvitpose.utils.interleaved import Spread, spread

PAPER = {"s": (35.6, 413), "b": (101.1, 186), "h": (672.5, 28)}  # M parameters, frames/s
ABOUT_OTHERS = {
    "mediapipe": "mediapipe: model complexity 1; it detects where it has nobody to follow.",
    "transformers": "transformers: VitPose of the same size in float32 with random weights, in "
    "boxes of our detector.",
}
PAPER_TITLE = (
    "The paper's Table 3 (an A6000 GPU, batch 16, two auxiliary frames) beside streaming here"
)


def report(result: BenchmarkResult) -> str:
    """Return all tables about one network."""
    parts = [costs(result)] if result.costs else []
    parts += [speeds(result)]
    parts += [times(result)] if result.comparisons() else []
    parts += [stages(result)] if result.stages else []
    parts += [pipelines(result.pipelines, result.plan.det_every)] if result.pipelines else []
    return "\n\n".join(parts)


def costs(result: BenchmarkResult) -> str:
    """Return what was counted, and the speed of the machine, a line each."""
    cost, frames = result.costs, len(result.offsets) + 1
    single, encoder, decoder, streaming, windowed = (
        number(cost[name].gmacs)
        for name in ("single_frame", "encoder", "decoder", "streaming", "total")
    )
    products = (
        f"{name} {number(spread(rates).median)} GFLOP/s" for name, rates in result.products.items()
    )
    return "\n".join(
        (
            f"  parameters       {cost['total'].parameters / 1e6:.1f} M",
            f"  GMAC of a pose   single {single} (encoder {encoder}, decoder {decoder})",
            f"                   streaming {streaming}, windowed {windowed}, of {frames} frames",
            f"  matrix products  {', '.join(products)}",
        )
    )


def speeds(result: BenchmarkResult) -> str:
    """Return the table of crops per second."""
    # A rate as a share of the large matrix product's.
    peak = f"of {result.peak}" if result.costs else ""
    rows = plain_table(["", "backend", "batch", "crops/s", "quartiles", "GMAC", peak, "MB"], 2)
    for key in result.rates:
        middle = spread(result.rates[key])
        memory = result.memory.get(key)
        rows.add_row(
            key.mode,
            key.backend,
            str(key.batch),
            number(middle.median),
            interval(middle),
            number(result.gmacs(key)) if result.costs else "",
            f"{result.peak_share(key, result.peak).median:.0%}" if result.costs else "",
            "" if memory is None else f"{memory:.0f}",
        )
    return drawn(rows)


def times(result: BenchmarkResult) -> str:
    """Return how many times as fast streaming is as other modes, and as transformers."""
    rows = plain_table(["", "batch", "is as fast as", "times", "quartiles", "by count"], 1)
    for ratio in result.comparisons():
        rows.add_row(
            f"{ratio.first.mode}, {ratio.first.backend}",
            str(ratio.first.batch),
            f"{ratio.second.mode}, {ratio.second.backend}",
            f"{ratio.times.median:.2f}",
            interval(ratio.times),
            "" if ratio.counted is None else f"{ratio.counted:.2f}",
        )
    return drawn(rows)


def stages(result: BenchmarkResult) -> str:
    """Return where the time of the whole pipeline goes, in milliseconds for each frame."""
    names = list(next(iter(result.stages.values())).milliseconds)
    rows = plain_table(["ms per frame", *names, "frames/s"])
    for (mode, backend), spent in result.stages.items():
        cells = (number(spent.milliseconds[name]) for name in names)
        rows.add_row(f"{mode}, {backend}", *cells, number(spent.frame_rate))
    return (
        f"{drawn(rows)}\n"
        f"One person, people detected {often(result.plan.det_every)}. "
        "Decoding and writing run in threads beside the rest."
    )


def pipelines(measured: Pipelines, det_every: DetEvery) -> str:
    """Return what whole pipelines take, ours beside other programs', and what they are."""
    names = {
        key: f"{key[1]} {version}" if (version := measured.versions.get(key[1])) else ", ".join(key)
        for key in measured.times
    }
    rows = plain_table(["", "is as fast as", "times", "quartiles", "clock", "one frame"], 2)
    for ratio in measured.comparisons():
        middle = (f"{ratio.processor.median:.2f}", interval(ratio.processor))
        by_clock = (f"{each.median:.2f}" for each in (ratio.clock, ratio.first))
        rows.add_row(names[ratio.ours], names[ratio.other], *middle, *by_clock)
    lines = [
        f"Each is a command that draws one person into a video of {measured.frames} frames, start",
        f"included; ours also writes COCO JSON and sound, people detected {often(det_every)}.",
        "Times as fast by the time of the processor; clock, and one frame alone, by the clock.",
        *(ABOUT_OTHERS[name] for name in measured.versions),
    ]
    return "\n".join([f"{_seconds(measured, names)}\n", drawn(rows), *lines])


def _seconds(measured: Pipelines, names: Mapping[Pipeline, str]) -> str:
    """Return the table of what each pipeline takes, and in how many frames it finds somebody."""
    timings = ("processor s", "clock s", "ms a frame", "one frame s", "clock s")
    rows = plain_table(["whole command", "poses in", *timings])
    for key, times in measured.times.items():
        whole, first = (
            [spread(seconds).median for seconds in (times.processor(first=f), times.clock(first=f))]
            for f in (False, True)
        )
        cells = map(number, (*whole, times.a_frame(measured.frames), *first))
        rows.add_row(names[key], str(times.poses), *cells)
    return drawn(rows)


def often(det_every: DetEvery) -> str:
    """Return in which frames people are detected, in words."""
    if det_every == "auto":
        return "where needed"
    return "in every frame" if det_every == 1 else f"every {det_every} frames"


def paper_table(results: Iterable[BenchmarkResult]) -> str:
    """Return the paper's speeds beside ours, where sizes match."""
    rows = plain_table(["", "paper M", "ours M", "paper frames/s", "crops/s here", "how"], 1)
    for result in results:
        rates = {key: rates for key, rates in result.rates.items() if key.mode == "streaming"}
        streamed = {key: spread(each).median for key, each in rates.items()}
        if result.model.size not in PAPER or not streamed or not result.costs:
            continue
        most = max(key.batch for key in streamed)
        best = max((key for key in streamed if key.batch == most), key=lambda key: streamed[key])
        millions, frames = PAPER[result.model.size]
        rows.add_row(
            f"{result.model.name} {result.model.input}",
            str(millions),
            f"{result.costs['total'].parameters / 1e6:.1f}",
            str(frames),
            number(streamed[best]),
            f"{best.backend}, batch {most}, {len(result.offsets)} auxiliary",
        )
    return f"{PAPER_TITLE}\n{drawn(rows)}" if rows.row_count else ""


def soak_line(soak: Soak) -> str:
    """Return what a long video did to the memory."""
    (first, before), (last, after) = soak.memory[0], soak.memory[-1]
    return (
        f"{soak.network} network on {soak.backend}, {soak.frames} generated frames, "
        f"{soak.people} poses, {soak.seconds:.0f} s: {before:.0f} MB after frame {first}, "
        f"{after:.0f} MB after frame {last}, growth {soak.growth:+.1f} MB"
    )


def number(value: float) -> str:
    """Return a number with three digits that count.

    >>> number(1234.5), number(12.345), number(0.5)
    ('1234', '12.3', '0.50')
    """
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def interval(middle: Spread) -> str:
    """Return the quartiles as a cell."""
    return f"{number(middle.low)}..{number(middle.high)}"
