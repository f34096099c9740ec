"""Frozen, validated configurations; every field has one sentence."""

from tarvitpose.config.choices import *  # noqa: F403
from tarvitpose.config.network import *  # noqa: F403
from tarvitpose.config.options import *  # noqa: F403
