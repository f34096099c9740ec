"""The paper's kind of detector: Faster R-CNN, out of torchvision."""

from pathlib import Path
from typing import Any

from tarvitpose.detection.protocol import Detections, clip_to_frame, ranked
from tarvitpose.errors import BoxesError
from tarvitpose.results import Frame
from tarvitpose.utils.offline import is_offline
from tarvitpose.utils.optional import require


class FasterRCNN:
    """Find people with torchvision's `fasterrcnn_resnet50_fpn_v2`, trained on COCO.

    The first use downloads its weights (170 MB). `threshold` is the lowest score that counts.
    Raises MissingDependencyError without torchvision, and BoxesError where the installed one
    does not fit torch or the weights cannot be fetched.
    """

    def __init__(self, threshold: float = 0.4, device: str = "cpu") -> None:
        self.threshold = threshold
        self.device = device
        models = _detection_models()
        weights = models.FasterRCNN_ResNet50_FPN_V2_Weights.DEFAULT
        self._person = weights.meta["categories"].index("person")
        if is_offline():
            _refuse_download(weights.url)
        try:
            model = models.fasterrcnn_resnet50_fpn_v2(weights=weights, box_score_thresh=threshold)
        except OSError as error:
            raise BoxesError(f"torchvision: cannot fetch the weights ({error})") from None
        self._model = model.to(device).eval()

    def detect(self, frame: Frame) -> Detections:
        """Return the people of one frame, best first, their boxes cut off at the frame's border."""
        import torch  # noqa: PLC0415

        image = torch.tensor(frame.image, device=self.device)  # (H, W, 3)
        with torch.inference_mode():
            output = self._model([image.permute(2, 0, 1) / 255])[0]  # (3, H, W)
        people = output["labels"] == self._person
        boxes = clip_to_frame(output["boxes"][people].cpu().numpy(), frame.image.shape[:2])
        return ranked(boxes, output["scores"][people].cpu().numpy(), self.threshold)


def _refuse_download(url: str) -> None:
    """Raise BoxesError if the weights of an address were never downloaded."""
    import torch  # noqa: PLC0415

    file = Path(torch.hub.get_dir()) / "checkpoints" / url.rpartition("/")[2]
    if not file.is_file():
        raise BoxesError(
            f"torchvision: offline, and its weights are not in {file}; use it once with a network, "
            "or take --detector nanodet"
        )


def _detection_models() -> Any:
    """Import the part of torchvision that holds detectors."""
    try:
        return require("torchvision.models.detection", "the Faster R-CNN detector", "torchvision")
    except RuntimeError as error:  # its compiled part was built for another torch
        reason = str(error).splitlines()[0]
        raise BoxesError(f"torchvision: does not fit the installed torch ({reason})") from None
