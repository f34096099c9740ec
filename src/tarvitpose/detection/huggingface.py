"""Any object detector of the `transformers` library that knows people."""

from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from tarvitpose.detection.protocol import Detections, clip_to_frame, ranked
from tarvitpose.errors import BoxesError
from tarvitpose.results import Frame
from tarvitpose.skeleton import PERSON_NAMES
from tarvitpose.utils.offline import is_offline
from tarvitpose.utils.optional import require

UNLOADABLE = (OSError, ValueError, KeyError, RuntimeError, ImportError, SafetensorError)


class HuggingFaceDetector:
    """Find people with a detector from a folder or the hub (DETR, RT-DETR, YOLOS, D-FINE, ...).

    A folder, as `save_pretrained` writes it, is read without the network. `threshold` is the
    lowest score that counts. These detectors are trained to name each person once, so there is
    no suppression of overlapping boxes. Raises BoxesError in one line for what is not a detector,
    cannot be loaded or has no class for people, and MissingDependencyError.
    """

    def __init__(self, spec: str, threshold: float = 0.4, device: str = "cpu") -> None:
        self.threshold = threshold
        self.device = device
        self._processor, model = _load(spec)
        self._people = _person_classes(spec, model.config.id2label)
        self._model = model.to(device).eval()

    def detect(self, frame: Frame) -> Detections:
        """Return the people of one frame, best first, their boxes cut off at the frame's border."""
        import torch  # noqa: PLC0415

        size = frame.image.shape[:2]
        inputs = self._processor(
            images=frame.image, input_data_format="channels_last", return_tensors="pt"
        )
        with torch.inference_mode():
            outputs = self._model(**inputs.to(self.device))
        result = self._processor.post_process_object_detection(
            outputs, threshold=self.threshold, target_sizes=[size]
        )[0]
        people = torch.isin(result["labels"].cpu(), torch.tensor(self._people))
        boxes = result["boxes"].float().cpu()[people].numpy()
        scores = result["scores"].float().cpu()[people].numpy()
        return ranked(clip_to_frame(boxes, size), scores, self.threshold)


def _load(spec: str) -> tuple[Any, Any]:
    """Return the image processor and the model."""
    transformers = require("transformers", f"the detector {spec}", "huggingface")
    is_folder = Path(spec).is_dir()
    options = {"local_files_only": is_folder or is_offline(), "trust_remote_code": False}
    try:
        model = transformers.AutoModelForObjectDetection.from_pretrained(spec, **options)
        processor = transformers.AutoImageProcessor.from_pretrained(spec, **options)
    except UNLOADABLE as error:
        if isinstance(error, OSError) and is_offline() and not is_folder:
            raise BoxesError(
                f"{spec}: offline, and this detector is not whole in the hub's cache; use it once "
                "with a network, give a folder, or take --detector nanodet"
            ) from None
        reason = " ".join(str(error).split())[:200]
        raise BoxesError(f"{spec}: not a usable transformers object detector ({reason})") from None
    if not hasattr(processor, "post_process_object_detection"):
        raise BoxesError(f"{spec}: its {type(processor).__name__} cannot turn outputs into boxes")
    return processor, model


def _person_classes(spec: str, names: dict[int, str]) -> list[int]:
    """Return the numbers of the classes that mean people."""
    people = [number for number, name in names.items() if name.lower() in PERSON_NAMES]
    if not people:
        some = ", ".join(list(names.values())[:5]) + (", ..." if len(names) > 5 else "")
        expected = ", ".join(sorted(PERSON_NAMES))
        raise BoxesError(f"{spec}: none of its {len(names)} classes ({some}) is one of {expected}")
    return people
