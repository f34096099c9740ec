"""The server of the page: bound to one address, closed to everything but the page's own needs."""

import os
import socket
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from tarvitpose.config import POSE_FORMATS, PredictConfig
from tarvitpose.errors import ConfigError
from tarvitpose.utils.optional import check_installed, is_installed
from tarvitpose.web.limits import Limits
from tarvitpose.web.request_filter import LOCAL
from tarvitpose.weights.folder import load_config

# By Gradio in its first event, and by the first attention map: meanwhile nobody would be answered.
LOADED_LATE = ("matplotlib", "torch")


def serve(
    config: PredictConfig,
    limits: Limits,
    *,
    host: str,
    port: int,
    minutes: float,
    example: Path,
    on_ready: Callable[[str], None],
) -> None:
    """Serve the page until it is interrupted; `on_ready` is called with its address.

    Files are removed so many minutes after they were last used. Raises UserError for missing
    weights, a port that is taken, and without Gradio.
    """
    check_installed("gradio", "tarvitpose web", "web")
    network = load_config(config.weights)
    refuse_taken(host, port)
    from tarvitpose.web.service import Service  # noqa: PLC0415 - slow
    from tarvitpose.web.sessions import Sessions  # noqa: PLC0415

    service = Service(config, limits, Sessions(60 * minutes))
    _set_up_gradio(service.sessions.files)
    # What follows imports Gradio, which reads the variables just set.
    from tarvitpose.web.launch import launch  # noqa: PLC0415
    from tarvitpose.web.page import Features, Page  # noqa: PLC0415

    formats = (name for name in POSE_FORMATS if name != "parquet" or is_installed("pyarrow"))
    page = Page(service, Features(network, tuple(formats), example))
    try:
        for name in filter(is_installed, LOADED_LATE):
            import_module(name)
        service.warm_up(example)
        launch(page, host, port)
        service.sessions.start_sweeping()
        on_ready(f"http://{host}:{port}")
        while True:
            time.sleep(1)
    finally:
        page.blocks.close(verbose=False)
        service.close()


def refuse_taken(host: str, port: int) -> None:
    """Raise ConfigError where the address cannot be listened on."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except (OSError, OverflowError) as error:
            raise ConfigError(
                f"{host}:{port}: cannot listen on it ({error}); choose another --host or --port"
            ) from None


def _set_up_gradio(files: Path) -> None:
    """Set the variables that Gradio reads: all its files in one folder, nothing sent anywhere."""
    variables = {
        "GRADIO_TEMP_DIR": str(files),
        "GRADIO_EXAMPLES_CACHE": str(files),
        "GRADIO_ANALYTICS_ENABLED": "False",
        "GRADIO_ALLOWED_PATHS": "",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "MPLBACKEND": "agg",
    }
    os.environ.update(variables)
    for name in ("NO_PROXY", "no_proxy"):  # Gradio sends itself a request when it starts
        os.environ[name] = ",".join(filter(None, [os.environ.get(name), *LOCAL]))
