"""`tarvitpose web`: the same as `predict`, on a page."""

import signal
from types import FrameType
from typing import Annotated

import typer

from tarvitpose.cli import console
from tarvitpose.cli.demo import demo_clip
from tarvitpose.cli.options import with_options
from tarvitpose.config import PredictConfig
from tarvitpose.utils.config_base import MOST


@with_options(PredictConfig, "weights", "device")
def run(
    *,
    host: Annotated[
        str, typer.Option(help="Address to listen on; 0.0.0.0 lets other machines in.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 7860,
    config: PredictConfig,
    max_mb: Annotated[
        float,
        typer.Option(
            "--max-mb", min=1, max=MOST, metavar="MB", help="Largest video that is accepted."
        ),
    ] = 500,
    max_seconds: Annotated[
        float,
        typer.Option(min=1, max=MOST, metavar="SECONDS", help="Longest video that is accepted."),
    ] = 300,
    keep_minutes: Annotated[
        float,
        typer.Option(min=1, max=MOST, metavar="MINUTES", help="When unused files are removed."),
    ] = 60,
) -> None:
    """Serve a page that draws poses on uploaded videos.

    Only this machine can reach the page unless --host allows others; nothing leaves the machine.
    One video is processed at a time. Ctrl-C ends it and removes all files.
    """
    from tarvitpose.web.limits import Limits
    from tarvitpose.web.request_filter import LOCAL
    from tarvitpose.web.serve import serve

    if host not in LOCAL:
        console.warn(
            f"--host {host}: whoever reaches this machine can use the page, without a password "
            "and without encryption"
        )
    for number in (signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)):
        if signal.getsignal(number) != signal.SIG_IGN:  # which nohup asks for
            signal.signal(number, _interrupt)
    try:
        serve(
            config,
            Limits(max_mb, max_seconds),
            host=host,
            port=port,
            minutes=keep_minutes,
            example=demo_clip(),
            on_ready=lambda address: console.say(f"The page is at {address} (Ctrl-C ends it)"),
        )
    except KeyboardInterrupt:
        console.say("The page is closed, and its files are removed")


def _interrupt(number: int, frame: FrameType | None) -> None:
    """End as after Ctrl-C, so that no file is left."""
    raise KeyboardInterrupt
