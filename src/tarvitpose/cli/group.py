"""What all verbs have in common: how errors end them, and the options that each takes."""

from collections.abc import Callable
from contextlib import nullcontext
from typing import Annotated, Any, cast

import typer
from typer.core import TyperGroup
from typer.main import get_command

from tarvitpose.cli import console, defect
from tarvitpose.errors import MissingDependencyError, UserError
from tarvitpose.utils import config_messages as config_words
from tarvitpose.utils.offline import is_offline, offline

LOG_JSON, OFFLINE = "--log-json", "--offline"
EXTRAS = {
    "torch": "torch",
    "scipy": "evaluate",
    "onnx": "export",
}  # which brings a package that a verb imports
EXTRAS_OF_VERBS = {"train": "train", "ablate": "train", "export": "export"}
FORMER = {  # options under the name of an earlier version
    "--kinds": "--degradations",
    "--single-frame": "--temporal=none",
}
UsageError: Any = typer.BadParameter.__base__  # Typer shows no other name for it


class Verbs(TyperGroup):
    """Say what the user can put right in one line, without a traceback, and end with a code."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        _add_options(self)

    def parse_args(self, ctx: Any, args: list[str]) -> Any:
        """Look for the common options first: they also hold for what is wrong with the others."""
        args = [_renamed(argument) for argument in args]
        console.log_json(LOG_JSON in args)
        ctx.with_resource(offline() if OFFLINE in args or is_offline() else nullcontext())
        if not args:
            return super().parse_args(ctx, args)  # which shows the help
        return self._ending(ctx, lambda: super(Verbs, self).parse_args(ctx, args))

    def invoke(self, ctx: Any) -> Any:
        """Run the verb; exits with 2 after bad input, 70 after a defect, and 130 after Ctrl-C."""
        result = self._ending(ctx, lambda: super(Verbs, self).invoke(ctx))
        console.end(0)
        return result

    def _ending(self, ctx: Any, work: Callable[[], Any]) -> Any:
        """Return what the work returns, or print one line and exit with a code."""
        code: Any
        try:
            with console.stoppable("stopped; nothing half-written was left"):
                return work()
        except typer.Exit as end:
            code = end.exit_code
        except SystemExit as end:
            code = end.code or 0
        except UserError as error:
            console.fail(error)
            code = console.BAD_INPUT
        except UsageError as error:
            if type(error).__name__ == "NoArgsIsHelpError":  # a group alone: its help, as it stands
                raise
            command = error.ctx.command_path if error.ctx else "tarvitpose"
            console.fail(f"{in_words(error)}; see {command} --help", kind="UsageError")
            code = console.BAD_INPUT
        except ModuleNotFoundError as error:
            missing = _missing(error, str(ctx.invoked_subcommand))
            code = defect.report(error) if missing is None else console.BAD_INPUT
            if missing is not None:
                console.fail(missing)
        except BrokenPipeError:  # nobody reads the output any more: not worth a word
            raise
        except Exception as error:
            code = defect.report(error)
        console.end(code)
        raise typer.Exit(code) from None


def _missing(error: ModuleNotFoundError, verb: str) -> MissingDependencyError | None:
    """Return which extra a verb needs, None for a module that no extra brings."""
    package = str(error.name).partition(".")[0]
    if package not in EXTRAS:
        return None
    extra = EXTRAS_OF_VERBS.get(verb, EXTRAS[package])
    return MissingDependencyError(package, f"tarvitpose {verb}", extra)


def in_words(error: Any) -> str:
    """Return what is wrong with an argument; limits are told as "--end must be above 0, got -1"."""
    message = str(error.format_message()).replace("Value error, ", "").rstrip(".")
    if not isinstance(error, typer.BadParameter) or error.param is None:
        return message
    reason, cause = error.message, cast(Any, error.__cause__)
    if hasattr(cause, "errors"):  # of pydantic, which Typer checks values with
        reason = config_words.in_words(cause.errors()[0])
    return f"{error.param.opts[-1]} {reason}" if reason.startswith("must be ") else message


def _renamed(argument: str) -> str:
    """Return an argument with its option under the name of today.

    >>> _renamed("--kinds=clean"), _renamed("--json"), _renamed("--single-frame")
    ('--degradations=clean', '--json', '--temporal=none')
    """
    flag, equals, value = argument.partition("=")
    return f"{FORMER.get(flag, flag)}{equals}{value}"


def _common(
    log_json: Annotated[
        bool,
        typer.Option(
            LOG_JSON, expose_value=False, help="Print one JSON object per line instead of text."
        ),
    ] = False,
    offline: Annotated[
        bool,
        typer.Option(
            OFFLINE,
            expose_value=False,
            help="Use no network: download nothing, and send no usage statistics.",
        ),
    ] = False,
) -> None:
    """Hold the options of every verb; `Verbs.parse_args` reads them."""


def _add_options(group: Any) -> None:
    holder = typer.Typer(add_completion=False)
    holder.command()(_common)
    common: Any = get_command(holder)
    for command in group.commands.values():
        if hasattr(command, "commands"):
            _add_options(command)
        else:
            command.params += common.params
