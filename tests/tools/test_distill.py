"""Distillation: the student begins as the teacher without some blocks, and learns its answers."""

from pathlib import Path

import pytest
import torch
from tiny_models import B, H, W, tiny_model
from tiny_training import experiment, write_stills

from tarvitpose.model.tarvitpose import TARViTPose
from tools.distill import Distillation, cell_relevance, distil, relative_error
from tools.prune import prune


def test_the_same_network_on_the_same_crops_has_no_error(tmp_path: Path) -> None:
    teacher = tiny_model()
    step = Distillation(tiny_model(), teacher, experiment(write_stills(tmp_path), tmp_path)).eval()
    crops = torch.randint(0, 256, (B, 1, H, W, 3), dtype=torch.uint8)
    with torch.no_grad():
        assert float(step({"clip": crops, "clean": crops[:, 0]})) < 1e-8


def test_errors_are_shares_of_the_target() -> None:
    target = torch.tensor([3.0, 4.0])
    assert float(relative_error(torch.zeros(2), target)) == 1
    assert float(relative_error(target + torch.tensor([0.0, 1.0]), target)) == pytest.approx(1 / 25)


def test_a_student_learns_and_the_temporal_part_stays_the_teachers(tmp_path: Path) -> None:
    config = experiment(write_stills(tmp_path), tmp_path / "run", optim={"lr": 3e-3})
    teacher = TARViTPose.from_pretrained(str(config.init))
    begun = prune(teacher, [1], torch.randn(B, 3, H, W))
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
    config = experiment(
        write_stills(tmp_path), tmp_path / "run", optim={"lr": 3e-3}, run={"frozen_blocks": 1}
    )
    teacher = tiny_model(input_size=(64, 96))
    teacher.save_pretrained(config.init)
    begun = prune(teacher, [], torch.randn(B, 3, 64, 96), fine_cells=3, merge_after=1)
    before = {name: value.clone() for name, value in begun.state_dict().items()}
    student = TARViTPose.from_pretrained(distil(config, begun, teacher, print)).state_dict()
    chooser, frozen = "encoder.merging.relevance.1.weight", "encoder.blocks.0.fc1.weight"
    assert not torch.equal(student[chooser], before[chooser])
    assert torch.equal(student[frozen], before[frozen])
