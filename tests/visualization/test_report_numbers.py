"""The numbers of a report, on poses whose answers are known by hand."""

import base64
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from jitter_poses import LINE, ZIGZAG, poses, poses_along
from posed_people import filmed, seen_from_the_front, seen_from_the_side
from video_files import level, make_video, marker, write_image

from tarvitpose.drawing import shown_time
from tarvitpose.evaluation.video_jitter import compare_jitter
from tarvitpose.results import FramePoses
from tarvitpose.utils.arrays import UInt8
from tarvitpose.video.sources import VideoSource, open_source
from tarvitpose.visualization.flagged_frames import MAX_FLAGGED, flagged_frames
from tarvitpose.visualization.report_angles import angles_of_longest, doubts, people_angles
from tarvitpose.visualization.thumbnails import (
    CUTOUT_SCALE,
    MIN_CUTOUT,
    Subject,
    cut_out,
    thumbnails,
)
from tarvitpose.visualization.tracks import known_parts, tracks_of, with_unwritten


def test_jitter_is_that_of_the_comparison_of_runs() -> None:
    single, temporal = poses_along(ZIGZAG), poses_along(LINE)
    seen = {
        frame.index: replace(frame, single_keypoints=frame.keypoints, single_scores=frame.scores)
        for frame in single
    }
    both = with_unwritten(temporal, seen)
    (track,) = tracks_of(both)
    expected = compare_jitter(single, temporal)
    assert track.jitter["single frame"] == pytest.approx(expected.jitter_single[1])
    assert track.jitter["raw"] == pytest.approx(expected.jitter_temporal[1], abs=1e-6)


def test_smoothed_and_raw_joints_have_their_own_jitter() -> None:
    raw = poses_along(ZIGZAG)
    frames = [
        replace(frame, raw_keypoints=other.keypoints)
        for frame, other in zip(poses_along(LINE), raw, strict=True)
    ]
    (track,) = tracks_of(frames)
    assert [*track.jitter] == ["smoothed", "raw"]
    assert track.jitter["smoothed"] == pytest.approx(0, abs=1e-6)
    assert track.jitter["raw"] == pytest.approx(4 / 50)


def test_a_gap_ends_a_stretch_and_no_jitter_reaches_over_it() -> None:
    frames = [frame for frame in poses_along(LINE) if frame.index not in (5, 6)]
    frames[5:] = [replace(frame, keypoints=frame.keypoints + 40) for frame in frames[5:]]
    (track,) = tracks_of(frames)
    assert track.frames.tolist() == [0, 1, 2, 3, 4, 7, 8, 9, 10, 11]
    assert track.stretches == [(0, 4), (5, 9)]
    assert track.jitter["raw"] == pytest.approx(0, abs=1e-6)
    assert track.score == pytest.approx(0.9)


def test_unsure_joints_have_no_jitter_and_no_jumps() -> None:
    (track,) = tracks_of(poses_along(ZIGZAG, score=0.2))
    assert np.isnan(track.jitter["raw"])
    assert np.isnan(track.jumps).all()


def test_the_worst_frames_are_those_made_worst() -> None:
    frames = poses_along(np.tile([[50.0, 40]], (60, 1)))
    for at, joint in ((10, 0), (12, 1), (30, 1)):  # the second is too close to the first
        keypoints = frames[at].keypoints.copy()
        keypoints[0, joint, 0] += at
        frames[at] = replace(frames[at], keypoints=keypoints)
    low = frames[50].scores.copy()
    low[0] = (0.3, 0.6)
    frames[50] = replace(frames[50], scores=low)
    flagged = flagged_frames(frames, tracks_of(frames))
    assert [frame.position for frame in flagged] == sorted(frame.position for frame in flagged)
    gaps = np.diff([frame.position for frame in flagged])
    assert (gaps >= len(frames) // (2 * MAX_FLAGGED)).all()
    why = {frame.position: frame for frame in flagged}
    assert why[30].why == "head bottom jumps by 120% of the body's height"  # 60 px of 50
    assert why[30].joint == 1
    assert why[50].why == "low mean score of 0.45; lowest: nose 0.30, head bottom 0.60"
    assert len({10, 12} & {frame.position for frame in flagged if frame.joint is not None}) == 1


def doubts_of(frames: list[FramePoses]) -> list[str]:
    tracks = tracks_of(frames)
    return doubts(frames, tracks, 0.3, angles_of_longest(frames, tracks, 0.3))


def test_where_all_is_well_no_frame_is_flagged() -> None:
    frames = poses_along(LINE)
    assert not flagged_frames(frames, tracks_of(frames))
    inside = np.array([[5, 20, 30, 70]], np.float32)
    frames = [replace(frame, boxes=inside) for frame in frames]
    assert not doubts_of(frames)


def test_what_to_distrust_is_said_in_words() -> None:
    frames = [frame for frame in poses_along(LINE) if frame.index != 5]
    scores = np.array([[0.9, 0.1]], np.float32)
    frames = [
        replace(frame, scores=scores, boxes=np.array([[0, 20, 30, 70]], np.float32))
        for frame in frames
    ]
    said = " ".join(doubts_of(frames))
    assert "head bottom (0%)" in said
    assert "nose" not in said
    assert "border of the picture in 100%" in said
    assert "lost once" in said


def test_an_angle_that_jumps_is_to_be_looked_at() -> None:
    bends = np.full(30, 20.0)
    calm = filmed([seen_from_the_side(thigh=0, shank=-bend) for bend in bends])
    assert not [text for text in doubts_of(calm) if "look at" in text]
    bends[12:] = 130
    jumping = filmed([seen_from_the_side(thigh=0, shank=-bend) for bend in bends])
    said = " ".join(doubts_of(jumping))
    assert f"look at left knee flexion (110° at {shown_time(jumping[12].time)})" in said
    assert "hip flexion" not in said
    for bend, is_said in ((55, False), (65, True)):  # from 20 in 0.04 s: 40 is the limit
        bends[12:] = bend
        little = filmed([seen_from_the_side(thigh=0, shank=-each) for each in bends])
        assert ("look at left knee flexion" in " ".join(doubts_of(little))) == is_said


def test_angles_of_both_sides_stand_in_a_row() -> None:
    bends = np.linspace(0, 90, 50)
    frames = filmed([seen_from_the_side(thigh=0, shank=-bend) for bend in bends])
    (person,) = people_angles(angles_of_longest(frames, tracks_of(frames), 0.3), (0.0, 2.0))
    rows = {row.label: row for row in person.rows}
    assert person.faces == "right"
    knee = rows["knee flexion"]
    assert knee.left is not None
    assert knee.right is not None
    assert (knee.left.size, knee.right.size) == pytest.approx((81, 81), abs=0.1)
    assert not rows["trunk lean"].has_sides
    assert not person.repetitions


def test_curves_break_where_the_angle_is_not_known() -> None:
    bends = np.linspace(0, 60, 51)
    people = [seen_from_the_side(thigh=0, shank=-bend) for bend in bends]
    unsure = {frame: ["left_ankle"] for frame in range(20, 30)}
    frames = filmed(people, low=unsure)
    (person,) = people_angles(angles_of_longest(frames, tracks_of(frames), 0.3), (0.0, 2.0))
    knee = next(curve for curve in person.curves if curve.label == "knee flexion")
    assert (knee.low, knee.high) == (0, 60)
    ends = [(side, points.split()[0], points.split()[-1]) for side, points in knee.lines]
    assert ends == [
        ("left", "0.0,200.0", "380.0,124.0"),
        ("left", "600.0,80.0", "1000.0,0.0"),
        ("right", "0.0,200.0", "1000.0,0.0"),
    ]


def test_of_two_people_the_worse_one_is_named() -> None:
    frame = poses(0, [[10, 10], [60, 10]], ids=(4, 9))
    scores = np.float32([[0.9, 0.9], [0.1, 0.3]])
    (flagged,) = flagged_frames([replace(frame, scores=scores)], [])
    assert flagged.person == 1


def test_what_a_file_does_not_tell_follows_from_the_rest() -> None:
    frame = poses(50, [[10, 10], [60, 10]], ids=(1, 2))
    keypoints = frame.keypoints.copy()
    keypoints[1] = np.nan
    boxes = np.full((2, 4), np.nan, np.float32)
    (known,) = known_parts([replace(frame, time=np.nan, boxes=boxes, keypoints=keypoints)], 25)
    assert known.time == 2
    assert known.boxes.tolist() == [[10, 10, 10, 20]]
    assert known.track_ids.tolist() == [1]


def test_frames_are_taken_by_index_and_no_other_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[int] = []
    image = VideoSource._image

    def noting(self: VideoSource, frame: object) -> UInt8:
        picture = image(self, frame)
        made.append(marker(picture))
        return picture

    monkeypatch.setattr(VideoSource, "_image", noting)
    with open_source(make_video(tmp_path / "clip.mp4", 9)) as source:
        frames = [(frame.index, marker(frame.image)) for frame in source.at({6, 2, 40})]
        assert [index for index, _ in frames] == [2, 6]
        assert made == [brightness for _, brightness in frames]
        assert np.allclose(made, [level(2), level(6)], atol=4)
        assert [frame.index for frame in source.at({0})] == [0]  # from the beginning again
        assert not list(source.at(set()))


def test_a_picture_shows_one_person_at_the_right_place() -> None:
    whole = np.full((200, 300, 3), 128, np.uint8)
    frame = replace(poses(0, [[220, 100], [40, 100]], ids=(3, 4)), image_size=(200, 300))
    boxes = np.float32([[200, 80, 240, 140], [20, 80, 60, 140]])
    part, alone = cut_out(whole, replace(frame, boxes=boxes), 0)
    side = round(CUTOUT_SCALE * 60)
    assert part.shape == (max(side, MIN_CUTOUT), max(side, MIN_CUTOUT), 3)
    assert alone.track_ids.tolist() == [3]
    centre = alone.boxes.reshape(2, 2).mean(0)
    assert np.abs(centre - np.array(part.shape[:2]) / 2).max() <= 1
    assert (alone.keypoints[0] - alone.boxes[0, :2]).tolist() == [[20, 20], [20, 30]]


def test_heads_are_hidden_in_pictures_also_of_people_who_are_left_out(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (400, 400, 3), np.uint8)
    (tmp_path / "frames").mkdir()
    write_image(tmp_path / "frames" / "0.png", noise)
    (poses,) = filmed([seen_from_the_front()])
    poses = replace(poses, left_out=np.array([[300, 100, 380, 380]], np.float32))
    with open_source(str(tmp_path / "frames")) as source:
        pictures = [
            thumbnails(source, [Subject(poses, "all")], 0.3, hidden)[0] for hidden in ((), [poses])
        ]
    plain, blurred = (
        cv2.imdecode(np.frombuffer(base64.b64decode(p.address.partition(",")[2]), np.uint8), 1)
        for p in pictures
    )
    changed = np.abs(plain.astype(int) - blurred).max(-1) > 8
    scale = plain.shape[0] / 400

    def share(left: int, top: int, right: int, bottom: int) -> float:
        left, top, right, bottom = (round(scale * side) for side in (left, top, right, bottom))
        return float(changed[top:bottom, left:right].mean())

    assert share(185, 80, 195, 100) > 0.8  # the head
    assert share(310, 110, 370, 200) > 0.8  # the upper part of a box without a pose
    assert share(310, 260, 370, 370) == 0
