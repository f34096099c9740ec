"""Run `tarvitpose` in this process, as a user would in a shell."""

from typer.testing import CliRunner, Result

from tarvitpose.cli import app


def run(*arguments: object) -> Result:
    """Return the result of `tarvitpose ARGUMENTS`."""
    return CliRunner().invoke(app, [str(value) for value in arguments], prog_name="tarvitpose")


def refusal(*arguments: object) -> str:
    """Run a command that must fail because of what the user gave, and return its single line."""
    result = run(*arguments)
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1
    assert result.stderr.startswith("error: ")
    return result.stderr.removeprefix("error: ").strip()
