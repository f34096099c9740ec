"""The command line: one file for each verb, heavy imports inside the commands."""

import _thread
import signal
import sys
from typing import Annotated, Any

import typer

from tarvitpose import __version__
from tarvitpose.cli import (
    ablate,
    angles,
    attention,
    benchmark,
    console,
    convert,
    data,
    demo,
    doctor,
    evaluate,
    export,
    models,
    plot,
    predict,
    reformat,
    report,
    train,
    web,
)
from tarvitpose.cli.group import Verbs

__all__ = ["app", "main"]

app = typer.Typer(
    name="tarvitpose",
    cls=Verbs,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # rich's help screens take a fifth of a second more
    context_settings={"help_option_names": ["-h", "--help"]},
)
for verb in (
    *(demo, predict, train, evaluate, benchmark, ablate, export, attention, angles, plot),
    *(reformat, report, web, convert, models, doctor),
):
    app.command(verb.__name__.rpartition(".")[2])(verb.run)
app.add_typer(data.app, name="data")


def _show_version(requested: bool) -> None:
    if requested:
        console.say(f"tarvitpose {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """2D poses of people in videos, with TAR-ViTPose.

    Start with: tarvitpose demo
    """


def main() -> None:
    """Run the command line."""
    console.print_anything()
    sys.unraisablehook = _unraisable
    for number in (signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)):
        if signal.getsignal(number) != signal.SIG_IGN:  # which nohup asks for
            signal.signal(number, _terminate)
    app(prog_name="tarvitpose")


def _terminate(number: int, frame: object) -> None:
    """End as after an error, so that unfinished files are removed; a second time ends at once."""
    signal.signal(number, signal.SIG_DFL)
    raise SystemExit(128 + number)


def _unraisable(event: Any) -> None:
    """Ask again to stop where Ctrl-C fell into code that cannot raise, such as an import's lock."""
    if isinstance(event.exc_value, KeyboardInterrupt):
        _thread.interrupt_main()
    else:
        sys.__unraisablehook__(event)
