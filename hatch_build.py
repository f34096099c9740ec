"""The long description of the package: README with links that work elsewhere."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

LINK = re.compile(r"(!?)\[([^\]]*)\]\((?!https?:|#|mailto:)([^)\s]+)\)")


def absolute_links(text: str, repository: str) -> str:
    """Return Markdown whose links to files of the project lead into its repository.

    Without an address, a link becomes its text and a picture goes: a package index shows the text
    without the files.

    >>> absolute_links("[a](docs/a.md#b), ![p](p.png)", "https://example.org/x")
    '[a](https://example.org/x/blob/main/docs/a.md#b), ![p](https://example.org/x/raw/main/p.png)'
    >>> absolute_links("[a](docs/a.md), ![p](p.png)[b](https://b.org)", "")
    'a, [b](https://b.org)'
    """

    def absolute(link: re.Match[str]) -> str:
        is_picture, label, target = link.groups()
        if not repository:
            return "" if is_picture else label
        kind = "raw" if is_picture else "blob"
        return f"{is_picture}[{label}]({repository}/{kind}/main/{target})"

    return LINK.sub(absolute, text)


class CustomMetadataHook(MetadataHookInterface):
    """Fills in the dynamic fields `readme` and `urls` of pyproject.toml."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Set both fields, by the `repository` of the hook's table."""
        repository = str(self.config.get("repository", "")).rstrip("/")
        readme = (Path(self.root) / "README.md").read_text(encoding="utf-8")
        metadata["readme"] = {
            "content-type": "text/markdown",
            "text": absolute_links(readme, repository),
        }
        metadata["urls"] = {"Code of the paper's authors": self.config["paper"]}
        if repository:
            metadata["urls"] |= {
                "Source": repository,
                "Documentation": f"{repository}/blob/main/docs/index.md",
                "Changes": f"{repository}/blob/main/CHANGELOG.md",
                "Issues": f"{repository}/issues",
            }
