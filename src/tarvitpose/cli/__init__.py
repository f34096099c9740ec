"""The command line: one file for each verb, heavy imports inside the commands."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from tarvitpose import __version__
from tarvitpose.cli import (
    ablate,
    benchmark,
    console,
    convert,
    data,
    demo,
    doctor,
    evaluate,
    export,
    models,
    predict,
    train,
)
from tarvitpose.errors import UserError

__all__ = ["app", "main"]

BAD_INPUT, STOPPED = 2, 130
UsageError: Any = typer.BadParameter.__base__  # Typer shows no other name for it


class OneLineErrors(TyperGroup):
    """Say what the user can put right in one line, without a traceback."""

    def invoke(self, ctx: Any) -> Any:
        """Run the verb; exits with 2 after bad input and with 130 after Ctrl-C."""
        try:
            return super().invoke(ctx)
        except UserError as error:
            console.fail(error)
        except UsageError as error:
            command = error.ctx.command_path if error.ctx else "tarvitpose"
            message = error.format_message().replace("Value error, ", "").rstrip(".")
            console.fail(f"{message}; see {command} --help")
        except KeyboardInterrupt:
            console.stopped("stopped; nothing half-written was left")
            raise typer.Exit(STOPPED) from None
        raise typer.Exit(BAD_INPUT)


app = typer.Typer(
    name="tarvitpose",
    cls=OneLineErrors,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # rich's help screens take a fifth of a second more
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("demo")(demo.run)
app.command("predict")(predict.run)
app.command("train")(train.run)
app.add_typer(data.app, name="data")
app.command("evaluate")(evaluate.run)
app.command("benchmark")(benchmark.run)
app.command("ablate")(ablate.run)
app.command("export")(export.run)
app.command("convert")(convert.run)
app.command("models")(models.run)
app.command("doctor")(doctor.run)


def _show_version(wanted: bool) -> None:
    if wanted:
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
    app(prog_name="tarvitpose")
