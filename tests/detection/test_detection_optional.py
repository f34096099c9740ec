"""Detectors of optional packages, on a tiny or a stand-in model with outputs set by hand."""

import json
import math
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from tarvitpose.detection import load_detector
from tarvitpose.errors import BoxesError, MissingDependencyError
from tarvitpose.results import Frame


def frame(image: NDArray[np.uint8]) -> Frame:
    return Frame(0, 0.0, image)


LABELS = {0: "N/A", 1: "Person", 2: "dog"}


def save_yolos(folder: Path, labels: dict[int, str], likely: int) -> None:
    """Save a tiny detector that sees class `likely` with score 0.7 in the middle of any image."""
    transformers = pytest.importorskip("transformers")
    config = transformers.YolosConfig(
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        image_size=[32, 48],
        patch_size=16,
        num_detection_tokens=2,
        id2label=labels,
        label2id={name: number for number, name in labels.items()},
    )
    model = transformers.YolosForObjectDetection(config)
    head, corners = model.class_labels_classifier.layers[-1], model.bbox_predictor.layers[-1]
    with torch.no_grad():
        for layer in (head, corners):
            layer.weight.zero_()
            layer.bias.zero_()
        head.bias[likely] = math.log(0.7 / 0.3 * len(labels))  # against "nothing" and the others
        corners.bias[2] = math.log(3)  # width 0.75 of the image, all else 0.5
    model.save_pretrained(folder)
    processor = {"image_processor_type": "YolosImageProcessor", "do_pad": False}
    size = {"size": {"height": 32, "width": 48}}
    (folder / "preprocessor_config.json").write_text(json.dumps({**processor, **size}))


@pytest.fixture(scope="module")
def yolos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("yolos")
    save_yolos(folder, LABELS, likely=1)
    return folder


IMAGE = np.random.default_rng(0).integers(0, 255, (40, 80, 3), np.uint8)


def test_a_folder_with_a_transformers_detector(yolos: Path) -> None:
    people = load_detector(str(yolos), threshold=0.69).detect(frame(IMAGE))
    np.testing.assert_allclose(people.boxes, [[10, 10, 70, 30]] * 2, atol=1e-3)
    np.testing.assert_allclose(people.scores, [0.7, 0.7], atol=1e-5)
    assert people.boxes.dtype == people.scores.dtype == np.float32


def test_the_threshold_reaches_the_transformers_detector(yolos: Path) -> None:
    people = load_detector(str(yolos), threshold=0.71).detect(frame(IMAGE))
    assert people.boxes.shape == (0, 4)


def test_other_classes_than_people_are_left_out(tmp_path: Path) -> None:
    save_yolos(tmp_path, LABELS, likely=2)
    assert len(load_detector(str(tmp_path), threshold=0.0).detect(frame(IMAGE))) == 0


def test_a_detector_without_people_is_turned_down(tmp_path: Path) -> None:
    save_yolos(tmp_path, {0: "cat", 1: "dog"}, likely=0)
    with pytest.raises(BoxesError) as error:
        load_detector(str(tmp_path))
    assert str(error.value) == (
        f"{tmp_path}: none of its 2 classes (cat, dog) is one of human, pedestrian, person"
    )


@pytest.mark.parametrize("config", [None, {"model_type": "vit"}, {"model_type": "yolos"}, {}])
def test_a_folder_of_something_else_is_turned_down(tmp_path: Path, config: Any) -> None:
    pytest.importorskip("transformers")
    if config is not None:
        (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(BoxesError, match="not a usable transformers object detector") as error:
        load_detector(str(tmp_path))
    assert str(error.value).startswith(str(tmp_path))
    assert "\n" not in str(error.value)


def test_a_broken_weights_file_is_turned_down(yolos: Path, tmp_path: Path) -> None:
    for name in ("config.json", "preprocessor_config.json"):
        (tmp_path / name).write_bytes((yolos / name).read_bytes())
    (tmp_path / "model.safetensors").write_bytes(b"not weights")
    with pytest.raises(BoxesError, match="not a usable transformers object detector"):
        load_detector(str(tmp_path))


def test_without_transformers_the_extra_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'tarvitpose\[huggingface\]'"):
        load_detector(str(tmp_path))


# --- torchvision, with a stand-in for what cannot be installed everywhere ---


class StandInModel:
    """See a dog and three people, one of whom is out of the picture, wherever one looks."""

    def to(self, device: str) -> "StandInModel":
        assert device == "cpu"
        return self

    def eval(self) -> "StandInModel":
        return self

    def __call__(self, images: list[torch.Tensor]) -> list[dict[str, torch.Tensor]]:
        (image,) = images
        assert image.shape == (3, *IMAGE.shape[:2])
        torch.testing.assert_close(image[2, 5, 7].item() * 255, float(IMAGE[5, 7, 2]))
        boxes = [[1, 2, 3, 4], [0, 0, 9, 9], [-5, 1, 90, 39], [1, 1, 2, 2]]
        scores = torch.tensor([0.95, 0.5, 0.9, 0.3])
        return [
            {"boxes": torch.tensor(boxes), "scores": scores, "labels": torch.tensor([2, 1, 1, 1])}
        ]


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    weights = SimpleNamespace(meta={"categories": ["__background__", "person", "dog"]})
    detection: Any = ModuleType("torchvision.models.detection")
    detection.FasterRCNN_ResNet50_FPN_V2_Weights = SimpleNamespace(DEFAULT=weights)
    detection.fasterrcnn_resnet50_fpn_v2 = lambda **_: StandInModel()
    models: Any = ModuleType("torchvision.models")
    models.detection = detection
    monkeypatch.setitem(sys.modules, "torchvision", ModuleType("torchvision"))
    monkeypatch.setitem(sys.modules, "torchvision.models", models)
    monkeypatch.setitem(sys.modules, "torchvision.models.detection", detection)
    return detection


def test_faster_rcnn_keeps_the_people(stand_in: Any) -> None:
    people = load_detector("torchvision", threshold=0.4).detect(frame(IMAGE))
    assert people.boxes.tolist() == [[0, 1, 80, 39], [0, 0, 9, 9]]
    assert people.scores.tolist() == pytest.approx([0.9, 0.5])


def test_weights_that_cannot_be_fetched_are_one_line(stand_in: Any) -> None:
    def offline(**_: Any) -> None:
        raise OSError("no route to host")

    stand_in.fasterrcnn_resnet50_fpn_v2 = offline
    with pytest.raises(BoxesError, match=r"cannot fetch the weights \(no route to host\)"):
        load_detector("torchvision")


def test_without_torchvision_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torchvision", None)
    monkeypatch.setitem(sys.modules, "torchvision.models", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'tarvitpose\[torchvision\]'"):
        load_detector("torchvision")
