"""Every ViTPose of every published size converts: names and shapes alone, without numbers.

The networks are on PyTorch's meta device. Numbers are compared in tests/model on small ones.
"""

from pathlib import Path
from typing import Any

import pytest
import torch
from foreign_checkpoints import Tensors, mmpose, vitae, vitae_plus

from tarvitpose.config import SIZES, ModelConfig
from tarvitpose.model.tarvitpose import TARViTPose
from tarvitpose.weights import convert as module
from tarvitpose.weights.convert_read import ForeignCheckpoint
from tarvitpose.weights.named import NAMED

# Hidden size, blocks and heads of the repositories usyd-community/vitpose-* of the hub.
PUBLISHED = {"s": (384, 12, 12), "b": (768, 12, 12), "l": (1024, 24, 16), "h": (1280, 32, 16)}
EXPERTS = 6  # of a ViTPose+, each a quarter of the outputs


def converted(
    monkeypatch: pytest.MonkeyPatch, tensors: Tensors, settings: dict[str, Any], **options: Any
) -> tuple[ModelConfig, dict[str, torch.Size]]:
    """Return the config and the shapes that `convert` would write."""
    written: list[Any] = []
    checkpoint = ForeignCheckpoint(tensors=tensors, settings=settings, origin="theirs")
    monkeypatch.setattr(module, "read_checkpoint", lambda _: checkpoint)
    monkeypatch.setattr(module, "save_checkpoint", lambda *content: written.append(content[2]))
    config = module.convert("theirs", Path("nowhere"), **options)
    return config, shapes(written[0])


def shapes(tensors: Tensors) -> dict[str, torch.Size]:
    return {name: tensor.shape for name, tensor in tensors.items()}


def network(config: ModelConfig) -> Tensors:
    """Return the tensors of one of our networks, without numbers."""
    with torch.device("meta"):
        return TARViTPose(config).state_dict()


@pytest.mark.parametrize("kind", ["classic", "simple", "plus"])
@pytest.mark.parametrize("size", PUBLISHED)
def test_transformers_classes(monkeypatch: pytest.MonkeyPatch, size: str, kind: str) -> None:
    transformers = pytest.importorskip("transformers")
    width, depth, heads = PUBLISHED[size]
    experts = {"num_experts": EXPERTS, "part_features": width // 4} if kind == "plus" else {}
    config = transformers.VitPoseConfig(
        backbone_config=transformers.VitPoseBackboneConfig(
            hidden_size=width,
            num_hidden_layers=depth,
            num_attention_heads=heads,
            out_indices=[depth],
            **experts,
        ),
        use_simple_decoder=kind == "simple",
        num_labels=17,
    )
    with torch.device("meta"):
        theirs = transformers.VitPoseForPoseEstimation(config)
    ours, written = converted(monkeypatch, theirs.state_dict(), config.to_dict(), size=size)
    assert written == shapes(network(ours))
    assert (ours.width, ours.depth, ours.heads) == (width, depth, heads)
    assert (ours.joint_set, ours.input_size, ours.codec) == ("coco17", (256, 192), "udp")
    assert ours.decoder == ("simple" if kind == "simple" else "classic")
    name = f"vitpose-plus-{size}" if kind == "plus" else f"vitpose-{size}"
    if kind == "plus":
        megabytes = sum(value.nbytes for value in theirs.state_dict().values()) / 1e6
        assert NAMED[name].megabytes == pytest.approx(megabytes, rel=0.05)


@pytest.mark.parametrize("joints", ["coco17", "coco25", "wholebody133"])
@pytest.mark.parametrize("size", PUBLISHED)
def test_pth_files_of_vitpose_easy_vitpose_and_mmpose(
    monkeypatch: pytest.MonkeyPatch, size: str, joints: str
) -> None:
    config = SIZES[size]().model_copy(update={"offsets": (), "joint_set": joints})
    state = network(config)
    renamings = {"vitae": vitae, "mmpose": mmpose}
    if joints == "coco17":
        part = config.width // 4
        renamings["plus"] = lambda tensors: vitae_plus(tensors, 1, EXPERTS, part)
    for name, rename in renamings.items():
        expert = {"dataset_index": 1} if name == "plus" else {}
        with torch.device("meta"):
            theirs = rename(state)
        ours, written = converted(monkeypatch, theirs, {}, size=size, **expert)
        assert written == shapes(state), name
        assert ours.joint_set == joints
        assert ours.heads == config.heads
