"""The rows of one of the paper's tables, as a YAML file lists them."""

from pathlib import Path
from typing import Any

from pydantic import Field

from tarvitpose.config import RowMode
from tarvitpose.utils.config_base import MOST, Config
from tarvitpose.utils.config_files import parse_config, read_yaml


class TableRow(Config):
    """One line of a table."""

    name: str
    mode: RowMode = "tar"  # what is made of its network: all but "tar" learn no more
    change: dict[str, Any] = Field(default_factory=dict)  # keys of the training configuration
    paper: float | None = Field(default=None, ge=0, le=100)  # the paper's mean AP
    # of the temporal part alone, as the paper prints them
    paper_gflops: float | None = Field(default=None, ge=0, le=MOST)


class Table(Config):
    """One table of the paper."""

    title: str
    paper: str  # what the paper's numbers were measured on
    against: str = ""  # the name of a row that all are compared with, beside the first
    rows: tuple[TableRow, ...] = Field(min_length=1)


def load_table(path: Path) -> Table:
    """Read a table's YAML file. Raises ConfigError."""
    return parse_config(Table, read_yaml(path), str(path))
