"""What all detectors share, the embedded one on real frames, and which one a name means."""

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from tarvitpose.detection import Detections, keep_best, load_detector
from tarvitpose.detection.nanodet import (
    Letterbox,
    NanoDet,
    anchors,
    joined,
    picture_within,
    suppress,
    without_holders,
)
from tarvitpose.detection.protocol import clip_to_frame, ranked
from tarvitpose.errors import BoxesError
from tarvitpose.results import Frame

CLIPS = Path(__file__).parents[3] / "shared" / "data" / "clips"
needs_clips = pytest.mark.skipif(not CLIPS.is_dir(), reason=f"{CLIPS} is not there")
TWO_PEOPLE = [[157, 480, 666, 1416], [649, 405, 953, 932]]  # read off the picture


def frame(image: NDArray[np.uint8]) -> Frame:
    return Frame(0, 0.0, image)


def first_image(clip: str) -> NDArray[np.uint8]:
    """Decode the first frame of a clip, RGB."""
    capture = cv2.VideoCapture(str(CLIPS / clip))
    is_read, bgr = capture.read()
    capture.release()
    assert is_read
    return np.ascontiguousarray(bgr[:, :, ::-1], np.uint8)


@pytest.fixture(scope="module")
def nanodet() -> NanoDet:
    return NanoDet()


# --- what all detectors share ---


def test_ranked_drops_low_scores_and_sorts() -> None:
    boxes = np.arange(16).reshape(4, 4)
    detections = ranked(boxes, [0.4, 0.1, 0.9, 0.4], 0.4)
    assert detections.boxes[:, 0].tolist() == [8, 0, 12]  # equal scores keep their order
    assert detections.scores.tolist() == pytest.approx([0.9, 0.4, 0.4])
    assert detections.boxes.dtype == detections.scores.dtype == np.float32


def test_ranked_of_nothing_is_nothing() -> None:
    detections = ranked([], [], 0.5)
    assert len(detections) == 0
    assert detections.boxes.shape == (0, 4)


def test_boxes_are_cut_off_at_the_border() -> None:
    boxes = clip_to_frame([[-5, -6, 50, 40], [1, 2, 3, 4]], (20, 30))
    assert boxes.tolist() == [[0, 0, 30, 20], [1, 2, 3, 4]]


@pytest.mark.parametrize(("most", "expected"), [(None, 3), (1, 1), (2, 2), (9, 3)])
def test_the_surest_people_are_kept(most: int | None, expected: int) -> None:
    boxes = np.array([[0, 0, 1, 1], [0, 0, 2, 2], [0, 0, 900, 900]], np.float32)
    people = Detections(boxes, np.array([0.9, 0.8, 0.7], np.float32))
    best = keep_best(people, most)
    assert best.boxes[:, 2].tolist() == [1, 2, 900][:expected]
    assert len(best.scores) == expected


def test_the_surest_people_are_found_in_any_order() -> None:
    boxes = np.arange(12, dtype=np.float32).reshape(3, 4)
    people = Detections(boxes, np.array([0.2, 0.9, 0.5], np.float32))
    assert keep_best(people, 2).scores.tolist() == pytest.approx([0.9, 0.5])


def test_the_largest_people_are_kept_if_asked() -> None:
    boxes = np.array([[0, 0, 9, 9], [0, 0, 90, 30], [0, 0, 30, 60]], np.float32)
    ids = np.array([5, 6, 7])
    people = Detections(boxes, np.array([0.9, 0.4, 0.7], np.float32), ids)
    best = keep_best(people, 2, largest_first=True)
    assert best.track_ids is not None
    assert best.track_ids.tolist() == [6, 7]
    assert best.scores.tolist() == pytest.approx([0.4, 0.7])


def test_keeping_nobody_is_a_mistake() -> None:
    people = ranked([[0, 0, 1, 1]], [0.5], 0)
    with pytest.raises(ValueError, match="max_people must be at least 1, not 0"):
        keep_best(people, 0)


# --- NanoDet ---


@pytest.mark.parametrize(
    ("height", "width", "input_size", "inside", "corner"),
    [
        (720, 1280, (512, 288), (512, 288), (0, 0)),
        (1920, 1080, (256, 416), (234, 416), (11, 0)),
        (480, 640, (416, 320), (416, 312), (0, 4)),
        (500, 500, (416, 416), (416, 416), (0, 0)),
        (100, 256, (512, 224), (512, 200), (0, 12)),  # enlarged
        (1, 5000, (512, 32), (512, 1), (0, 15)),  # at least one pixel
    ],
)
def test_the_letterbox_is_centred_in_whole_cells(
    height: int,
    width: int,
    input_size: tuple[int, int],
    inside: tuple[int, int],
    corner: tuple[int, int],
) -> None:
    letterbox = Letterbox.of(height, width)
    assert letterbox == ((width, height), input_size, inside, corner)
    (x, y), (w, h) = corner, inside
    whole = letterbox.to_frame([[x, y, x + w, y + h]])
    np.testing.assert_allclose(whole, [[0, 0, width, height]], atol=1e-3)


@pytest.mark.parametrize(("height", "width"), [(300, 200), (211, 397), (64, 64)])
def test_a_patch_is_mapped_back_to_where_it_was(height: int, width: int) -> None:
    image = np.zeros((height, width, 3), np.uint8)
    image[20:50, 10:40] = 255
    letterbox = Letterbox.of(height, width)
    ys, xs = np.nonzero(letterbox.fill(image)[:, :, 0] > 127)
    box = [[xs.min(), ys.min(), xs.max() + 1, ys.max() + 1]]
    pixel = max(1, max(height, width) / 416)
    np.testing.assert_allclose(letterbox.to_frame(box), [[10, 20, 40, 50]], atol=pixel)


def test_what_surrounds_the_frame_is_black() -> None:
    filled = Letterbox.of(240, 512).fill(np.full((240, 512, 3), 200, np.uint8))
    assert filled.shape == (256, 512, 3)
    assert (filled[:8] == 0).all()
    assert (filled[8:248] == 200).all()
    assert (filled[248:] == 0).all()


def test_every_cell_has_one_anchor_in_its_middle() -> None:
    grid = anchors(*Letterbox.of(200, 512).input)  # 512 x 224
    centres = np.stack([grid["cx"], grid["cy"]], 1)
    strides = grid["stride"][:, 0]
    for stride in (8, 16, 32):
        cells = (centres[strides == stride] - stride / 2) / stride
        expected = np.mgrid[: 512 // stride, : 224 // stride].reshape(2, -1).T
        assert sorted(map(tuple, cells)) == sorted(map(tuple, expected.tolist()))


def test_overlapping_boxes_leave_the_surest() -> None:
    boxes = [[0, 0, 10, 10], [0, 0, 10, 9], [5, 0, 15, 10], [50, 50, 60, 60]]
    detections = suppress(
        boxes, [0.6, 0.9, 0.5, 0.39], 0.4
    )  # IoU of the second and third: 45 / 145
    assert detections.boxes.tolist() == [boxes[1], boxes[2]]
    assert detections.scores.tolist() == pytest.approx([0.9, 0.5])


@pytest.mark.parametrize(
    ("box", "stays"),
    [
        ([0, 0, 90, 100], False),  # with a shadow: the person fills 4 of 9
        ([0, 0, 110, 100], True),  # 4 of 11, as a child in front of somebody
        ([9, 0, 59, 100], True),  # of the person only 31 of 40 are inside
        ([0, 0, 40, 50], True),  # a part of the person
    ],
)
def test_a_box_of_somebody_with_a_shadow_goes(box: list[float], *, stays: bool) -> None:
    person = [0, 0, 40, 100]
    surer = Detections(np.float32([person, box]), np.float32([0.6, 0.5]))
    assert without_holders(surer).boxes.tolist() == [person, box][: 1 + stays]
    better = Detections(np.float32([box, person]), np.float32([0.6, 0.5]))
    assert len(without_holders(better)) == (1 if box == [0, 0, 40, 50] else 2)


def test_no_box_survives_without_a_score() -> None:
    assert len(suppress(np.zeros((5, 4)), np.zeros(5), 0.4)) == 0


@pytest.mark.parametrize("colour", [0, 128, 255])
@pytest.mark.parametrize("shape", [(200, 300), (300, 200), (416, 416)])
def test_a_blank_image_shows_nobody(nanodet: NanoDet, shape: tuple[int, int], colour: int) -> None:
    people = nanodet.detect(frame(np.full((*shape, 3), colour, np.uint8)))
    assert len(people) == 0
    assert people.boxes.shape == (0, 4)


@needs_clips
def test_two_people_are_found(nanodet: NanoDet) -> None:
    image = first_image("two_people_cam04.mp4")
    before = image.copy()
    people = nanodet.detect(frame(image))
    from_the_left = people.boxes[people.boxes[:, 0].argsort()]
    np.testing.assert_allclose(from_the_left, TWO_PEOPLE, atol=20)
    assert people.scores[0] > people.scores[1] >= 0.4
    assert people.boxes.dtype == people.scores.dtype == np.float32
    assert (image == before).all()


@needs_clips
def test_the_channels_are_read_as_rgb(nanodet: NanoDet) -> None:
    image = first_image("two_people_cam04.mp4")
    swapped = np.ascontiguousarray(image[:, :, ::-1])
    right, wrong = (nanodet.detect(frame(i)).scores for i in (image, swapped))
    assert right[0] > (wrong[0] if len(wrong) else 0)


@needs_clips
@pytest.mark.parametrize("sides", [(0, 0, 80, 80), (80, 80, 0, 0), (11, 0, 0, 300)])
@pytest.mark.parametrize("clip", ["two_people_cam04.mp4", "juggle.mp4"])
def test_black_borders_move_the_boxes_and_change_nothing_else(
    nanodet: NanoDet, clip: str, sides: tuple[int, int, int, int]
) -> None:
    image = first_image(clip)
    padded = np.asarray(cv2.copyMakeBorder(image, *sides, cv2.BORDER_CONSTANT), np.uint8)
    padded |= np.random.default_rng(0).integers(0, 8, padded.shape, np.uint8) * (padded == 0)
    plain, moved = nanodet.detect(frame(image)), nanodet.detect(frame(padded))
    top, _, left, _ = sides
    assert len(plain) == len(moved) >= 1
    np.testing.assert_allclose(moved.boxes - [left, top, left, top], plain.boxes, atol=2)
    np.testing.assert_allclose(moved.scores, plain.scores, atol=0.01)


@needs_clips
def test_who_steps_into_the_dark_is_not_cut_off_as_a_black_border_is(nanodet: NanoDet) -> None:
    image = first_image("juggle.mp4")
    left, _, right, _ = nanodet.detect(frame(image)).boxes[0]
    fading = np.clip(((left + right) / 2 - np.arange(1280)) / (0.3 * (right - left)) + 0.5, 0, 1)
    dark = np.asarray(image * fading[:, None], np.uint8)  # half of the person, and all beyond
    assert picture_within(dark) == (slice(0, 720), slice(0, 1280))
    assert len(nanodet.detect(frame(dark))) == 1
    at_a_border = cv2.copyMakeBorder(dark, 40, 40, 0, 0, cv2.BORDER_CONSTANT)
    assert picture_within(np.asarray(at_a_border)) == (slice(40, 760), slice(0, 1280))


@needs_clips
def test_a_person_at_the_border_stays_within_the_frame(nanodet: NanoDet) -> None:
    image = first_image("juggle.mp4")
    left, top, right, bottom = nanodet.detect(frame(image)).boxes[0].astype(int)
    cut = np.ascontiguousarray(image[top + 20 : bottom - 20, left - 60 : right + 60])
    people = nanodet.detect(frame(cut))
    assert len(people) == 1
    assert people.boxes[0, 1] >= 0
    assert people.boxes[0, 3] <= len(cut)
    assert people.boxes[0, 3] - people.boxes[0, 1] > 0.9 * len(cut)


@needs_clips
def test_a_closer_look_tells_a_pole_from_people(nanodet: NanoDet) -> None:
    street = frame(first_image("street_above.mov"))
    people = [[651, 211, 727, 396], [574, 54, 619, 189], [705, 40, 759, 168]]  # off the picture
    looks = [nanodet.look_closer(street, np.float32(box)) for box in people]
    pole = nanodet.look_closer(street, np.float32([80, 350, 145, 509]))
    assert pole is not None
    assert all(look is not None and look > pole + 0.15 for look in looks)
    assert nanodet.look_closer(street, np.float32([2, 2, 60, 150])) == pytest.approx(0, abs=0.1)


def test_too_few_pixels_are_no_closer_look(nanodet: NanoDet) -> None:
    blank = frame(np.full((60, 80, 3), 128, np.uint8))
    assert nanodet.look_closer(blank, np.float32([10, 10, 20, 40])) is None
    assert nanodet.look_closer(blank, np.float32([-10, -10, 40, 90])) == pytest.approx(0, abs=0.1)


def test_a_picture_is_looked_at_in_three_sizes_mirrored_and_larger(
    nanodet: NanoDet, monkeypatch: pytest.MonkeyPatch
) -> None:
    def box(left: float) -> list[float]:
        return [left, 10, left + 20, 60]

    seen = {  # by size of the input, and whether mirrored: lefts and scores
        (320, False): {10: 0.9, 50: 0.6},
        (320, True): {10: 0.9},
        (416, False): {10: 0.9, 50: 0.6},
        (416, True): {13: 0.9, 50: 0.6},
        (512, False): {11: 0.9, 50: 0.6, 75: 0.9},
        (512, True): {10: 0.9, 75: 0.6},
        (640, False): {75: 0.7, 12: 0.9, 30: 0.59},
    }

    def people(_: NanoDet, picture: NDArray[np.uint8], least: float, longer: int) -> Detections:
        is_mirrored = bool(picture[0, 0, 0])
        lefts = seen[longer, is_mirrored]
        across = [100 - 20 - left if is_mirrored else left for left in lefts]
        return ranked([box(left) for left in across], list(lefts.values()), least)

    monkeypatch.setattr(NanoDet, "_people", people)
    picture = np.zeros((70, 100, 3), np.uint8)
    picture[:, -1] = 99
    monkeypatch.setattr(
        "tarvitpose.detection.nanodet.picture_within", lambda _: (slice(70), slice(0, 100))
    )
    shown = nanodet.of_pictures().detect(frame(picture))
    assert shown.boxes[:, 0].tolist() == pytest.approx([10 + 4 / 6, 75, 50])
    assert shown.scores.tolist() == pytest.approx([0.9, 0.7, 4 * 0.6 / 6])
    faint = nanodet.of_pictures()
    faint.threshold = 0.2
    assert len(faint.detect(frame(picture))) == 3  # at 75 somebody is found once


@needs_clips
def test_of_a_video_a_frame_is_looked_at_once(nanodet: NanoDet) -> None:
    image = frame(first_image("two_people_cam04.mp4"))
    once, often = (detector.detect(image).boxes for detector in (nanodet, nanodet.of_pictures()))
    once, often = (boxes[boxes[:, 0].argsort()] for boxes in (once, often))
    assert len(once) == len(often) == 2
    assert once.tolist() != often.tolist()
    np.testing.assert_allclose(once, often, atol=25)


def test_looks_at_one_picture_are_joined_by_their_means() -> None:
    person, shifted, other = [0, 0, 40, 100], [8, 0, 48, 100], [60, 0, 100, 100]
    looks = [
        ranked([person, other], [0.8, 0.4], 0),
        ranked([shifted], [0.4], 0),
        ranked([person, shifted], [0.6, 0.3], 0),  # the second is somebody else's
        ranked([], [], 0),
    ]
    people = joined(looks)
    order = people.scores.argsort()[::-1]
    assert people.scores[order].tolist() == pytest.approx([1.8 / 4, 0.4 / 4, 0.3 / 4])
    np.testing.assert_allclose(
        people.boxes[order],
        [[8 * 0.4 / 1.8, 0, 40 + 8 * 0.4 / 1.8, 100], other, shifted],
        atol=1e-4,
    )
    assert len(joined([ranked([], [], 0)] * 2)) == 0
    alone = joined([looks[0]])
    np.testing.assert_allclose(alone.boxes, looks[0].boxes)
    np.testing.assert_allclose(alone.scores, looks[0].scores)


@needs_clips
def test_a_higher_threshold_keeps_fewer(nanodet: NanoDet) -> None:
    image = frame(first_image("two_people_cam04.mp4"))
    everybody = nanodet.detect(image)
    sure = load_detector("nanodet", threshold=float(everybody.scores[1]) + 0.01).detect(image)
    assert sure.boxes.tolist() == everybody.boxes[:1].tolist()


# --- which detector a name means ---


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("yolo", "'yolo': no such detector; expected nanodet, torchvision, a folder"),
        ("", "'': no such detector; expected nanodet"),
        ("a/b/c", "'a/b/c': no such detector; expected nanodet"),
        ("/nowhere/detr", "/nowhere/detr: no such folder; expected nanodet"),
        ("./detr", "./detr: no such folder"),
        ("boxes.json", "boxes.json: a detector is expected, not a file; give boxes with --boxes"),
        (__file__, f"{__file__}: a detector is expected, not a file"),
    ],
)
def test_an_unknown_name_says_what_there_is(spec: str, message: str) -> None:
    with pytest.raises(BoxesError) as error:
        load_detector(spec)
    assert str(error.value).startswith(message)
    assert "\n" not in str(error.value)


def test_importing_the_package_imports_no_detector() -> None:
    code = (
        "import sys, tarvitpose.detection\n"
        "sys.exit(', '.join({'torch', 'onnxruntime', 'transformers'} & sys.modules.keys()) or 0)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
