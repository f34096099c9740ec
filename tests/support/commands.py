"""The commands in documents, and how the command line parses them."""

import re
import shlex
from typing import Any

import typer.main

from tarvitpose.cli import app


def shown_commands(text: str) -> list[str]:
    """Return the lines of a document's shell blocks, without comments."""
    blocks = re.findall(r"```bash\n(.*?)```", text, flags=re.DOTALL)
    lines = [line.partition("  #")[0].strip() for block in blocks for line in block.splitlines()]
    return [line for line in lines if line and not line.startswith("#")]


def understand(line: str) -> dict[str, Any]:
    """Return the parameters of a `tarvitpose ...` line; wrong usage raises."""
    command: Any = typer.main.get_command(app)
    _, verb, *arguments = shlex.split(line)
    while True:
        command = command.commands[verb]
        if not hasattr(command, "commands"):
            break
        verb, *arguments = arguments
    with command.make_context(verb, arguments) as context:
        return dict(context.params)
