"""How Gradio is started: its theme, and everything that it offers beside the page switched off."""

from typing import Any

import gradio as gr
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware

from tarvitpose.web.page import Page
from tarvitpose.web.request_filter import LOCAL, RequestFilter

CSS = """
.gradio-container .fillable { max-width: 1180px !important; }
#video video { max-height: 280px; }
#downloads .label-clear-button { display: none; }
#overlay video, #comparison video { max-height: 70vh; }
#heading h1 { font-size: 1.6rem; margin: 0 0 .3rem; }
#heading p { max-width: 46rem; margin: 0 0 .4rem; }
#heading .quiet { opacity: .75; font-size: .9rem; }
.status { margin: .2rem 0; overflow-wrap: anywhere; }
.status.problem { color: #b42318; font-weight: 600; }
.dark .status.problem { color: #ff8a7a; }
#status { min-height: 6.5rem; }
#status [class*='meta-text'] { position: static; transform: none; align-self: flex-end; }
#status .pending { visibility: hidden; } /* Gradio shows its progress in the same place */
#status .wrap:has(.error) { display: none; } /* the line of status says it already */
"""


def launch(page: Page, host: str, port: int) -> None:
    """Start the server in a thread."""
    middleware = [Middleware(RequestFilter, files=page.service.sessions.files)]
    if host in LOCAL:  # other pages reach this machine by other names
        middleware.append(Middleware(TrustedHostMiddleware, allowed_hosts=[*LOCAL]))
    page.blocks.launch(
        server_name=host,
        server_port=port,
        prevent_thread_lock=True,
        quiet=True,
        share=False,
        inbrowser=False,
        footer_links=[],
        run_history=False,
        enable_monitoring=False,
        ssr_mode=False,
        mcp_server=False,
        pwa=False,
        max_file_size=round(page.service.limits.megabytes * 2**20),
        theme=theme(),
        css=CSS,
        app_kwargs={"middleware": middleware},
    )


def theme() -> Any:
    """Return colours and the fonts that every system has: none is fetched from elsewhere."""
    return gr.themes.Default(
        primary_hue="teal",
        neutral_hue="gray",
        font=["system-ui", "sans-serif"],
        font_mono=["ui-monospace", "monospace"],
    )
