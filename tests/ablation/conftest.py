"""What the tests of ablations share."""

from functools import partial

import pytest

from tarvitpose.evaluation.degraded import ap_score


@pytest.fixture(autouse=True)
def few_bootstrap_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw few samples for intervals: they are tested with the scores, and take long here."""
    monkeypatch.setattr("tarvitpose.ablation.rows.ap_score", partial(ap_score, samples=10))
