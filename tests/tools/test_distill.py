"""Distillation: the student begins as the teacher without some blocks, and learns its answers."""

from pathlib import Path

import pytest
import torch
from tiny_models import B, H, W, tiny_config, tiny_model
from tiny_training import experiment, write_stills
from torch import Tensor

from tarvitpose.model.tarvitpose import TARViTPose
from tools.distill import (
    Distillation,
    cell_relevance,
    distil,
    relative_error,
    resized,
    without_blocks,
)

SMALL = (48, 80)


def test_a_student_is_the_teacher_without_some_blocks() -> None:
    teacher = tiny_model(depth=4)
    student = without_blocks(teacher, [1], tiny_config(input_size=SMALL)).eval()
    del teacher.encoder.blocks[1]
    clip = torch.randn(B, 3, 3, *SMALL)
    torch.testing.assert_close(student(clip), teacher(clip))
    assert (student.config.depth, student.config.input_size) == (3, SMALL)


def test_the_same_network_on_the_same_crops_has_no_error() -> None:
    teacher = tiny_model()
    step = Distillation(without_blocks(teacher, [], tiny_config()), teacher).eval()
    crops = torch.randint(0, 256, (B, 1, H, W, 3), dtype=torch.uint8)
    with torch.no_grad():
        assert float(step({"clip": crops, "clean": crops[:, 0]})) < 1e-8


def test_a_ramp_stays_where_it_is_on_a_smaller_grid() -> None:
    def ramp(width: int) -> Tensor:
        return torch.linspace(0, 1, width).expand(1, 1, 5, width)

    torch.testing.assert_close(resized(ramp(9), ramp(6), corners=True), ramp(6))


def test_errors_are_shares_of_the_target() -> None:
    target = torch.tensor([3.0, 4.0])
    assert float(relative_error(torch.zeros(2), target)) == 1
    assert float(relative_error(target + torch.tensor([0.0, 1.0]), target)) == pytest.approx(1 / 25)


def test_a_student_learns_and_the_temporal_part_stays_the_teachers(tmp_path: Path) -> None:
    changes = {"model": {"input_size": list(SMALL)}, "optim": {"lr": 3e-3}}
    config = experiment(write_stills(tmp_path), tmp_path / "run", **changes)
    teacher = TARViTPose.from_pretrained(str(config.init))
    begun = without_blocks(teacher, [1], tiny_config(input_size=SMALL))
    student = TARViTPose.from_pretrained(distil(config, begun, teacher, print))
    for name, value in student.state_dict().items():
        if name.startswith(("jta.", "gra.")):
            assert torch.equal(value, teacher.state_dict()[name])
    losses = [
        float(line.split('"loss": ')[1].split(",")[0])
        for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    ]
    assert losses[-1] < 0.9 * losses[0]


def test_a_cell_is_relevant_by_its_distance_from_a_peak() -> None:
    heatmaps = torch.zeros(1, 2, 16, 48)  # 4 x 12 tokens
    heatmaps[0, 1, 1, 2] = 0.8  # in the first token
    relevance = cell_relevance(heatmaps).reshape(2, 6)
    # 1 + 1/2 + 1/4 of 1.75 at the token, the quarter alone two tokens away.
    torch.testing.assert_close(relevance[0, 0], torch.tensor(0.8))
    torch.testing.assert_close(relevance[0, 1], torch.tensor(0.8 * 0.25 / 1.75))
    torch.testing.assert_close(relevance[1, 0], torch.tensor(0.8 * 0.25 / 1.75))
    assert relevance[:, 2:].sum() == 0


def test_a_student_learns_where_the_teacher_sees_joints(tmp_path: Path) -> None:
    changes = {"model": {"input_size": [64, 96], "fine_cells": 3, "merge_after": 1}}
    config = experiment(write_stills(tmp_path), tmp_path / "run", **changes, optim={"lr": 3e-3})
    teacher = TARViTPose.from_pretrained(str(config.init))
    begun = without_blocks(teacher, [], tiny_config(**changes["model"]))
    before = {name: value.clone() for name, value in begun.state_dict().items()}
    student = TARViTPose.from_pretrained(distil(config, begun, teacher, print)).state_dict()
    assert not torch.equal(
        student["encoder.merging.relevance.1.weight"], before["encoder.merging.relevance.1.weight"]
    )
    first = "encoder.blocks.0.fc1.weight"  # before the merging: stays the teacher's
    assert torch.equal(student[first], before[first])
