"""What the tests of training share."""

from pathlib import Path

import pytest
from tiny_training import write_stills


@pytest.fixture
def stills(tmp_path: Path) -> Path:
    """Return a COCO file of a few generated stills."""
    return write_stills(tmp_path)
