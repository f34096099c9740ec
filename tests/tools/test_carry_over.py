"""A student follows what its teacher has learned since, without training."""

from typing import Any

import torch
from tiny_models import tiny_model

from tools.carry_over import carried_over


def test_a_student_that_is_its_teacher_becomes_the_new_teacher() -> None:
    before, after = tiny_model(seed=0), tiny_model(seed=1)
    curve = ((0.0, 0.0), (1.0, 0.5))
    after.config = after.config.model_copy(update={"score_curve": curve, "box_padding": 1.1})
    student = carried_over(tiny_model(seed=0), before, after)
    for name, value in student.state_dict().items():
        torch.testing.assert_close(value, after.state_dict()[name])
    assert student.config == after.config


def test_what_a_student_changed_and_what_its_teacher_lacks_stay() -> None:
    size: dict[str, Any] = {"input_size": (64, 96), "position_grid": (4, 6)}
    before, after = tiny_model(seed=0, **size), tiny_model(seed=1, **size)
    student = tiny_model(seed=2, fine_cells=2, merge_after=1, **size)
    own = {name: value.clone() for name, value in student.state_dict().items()}
    followed = carried_over(student, before, after).state_dict()
    old, new = before.state_dict(), after.state_dict()
    for name, value in followed.items():
        if name not in new:
            assert "merging" in name
            assert torch.equal(value, own[name])
        elif value.is_floating_point():
            torch.testing.assert_close(value - new[name], own[name] - old[name])
