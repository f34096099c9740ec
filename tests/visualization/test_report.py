"""The report: a page that stands alone, whose numbers are those of the poses."""

import base64
import json
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import cv2
import numpy as np
import pytest
from invoke import run
from some_poses import some_poses
from tiny_models import modest_model
from video_files import make_folder, make_video

from tarvitpose import load_poses
from tarvitpose.benchmark import stages
from tarvitpose.cli import console
from tarvitpose.formats.table import CsvWriter
from tarvitpose.results import FramePoses
from tarvitpose.runs.pipeline import RunProgress
from tarvitpose.visualization.report_tables import MAX_ROWS, STAGES
from tarvitpose.visualization.tracks import tracks_of

FRAMES, SIZE = 8, (90, 120)
VOID_TAGS = {"img", "meta"}  # that have no end
HOSTILE = "<script>alert('&')<b>\".mp4"


class Page(HTMLParser):
    """A page taken apart; tags that are not closed in order fail."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.open: list[str] = []
        self.texts: dict[str, str] = {}  # by section
        self.section = ""
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: Sequence[tuple[str, str | None]]) -> None:
        values = {key: value or "" for key, value in attrs}
        self.tags.append((tag, values))
        self.section = values["id"] if tag == "section" else self.section
        if tag not in VOID_TAGS:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open and data.strip():
            words = " ".join(data.split())
            self.texts[self.section] = self.texts.get(self.section, "") + f"{words} "

    def all(self, tag: str) -> list[dict[str, str]]:
        return [values for name, values in self.tags if name == tag]

    def pictures(self) -> list[np.ndarray[tuple[int, ...], np.dtype[np.uint8]]]:
        images = []
        for attributes in self.all("img"):
            head, _, data = attributes["src"].partition(",")
            assert head == "data:image/jpeg;base64"
            assert attributes["alt"]
            image = cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), 1)
            assert image.shape[:2] == (int(attributes["height"]), int(attributes["width"]))
            images.append(image)
        return images


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a folder with a video, boxes of two people, one of them with a gap, and weights."""
    monkeypatch.chdir(tmp_path)
    modest_model().save_pretrained(tmp_path / "weights")
    make_video(tmp_path / "clip.mp4", FRAMES, size=SIZE)
    first = [{"image_id": n, "bbox": [8 + n, 10, 30, 60], "score": 0.9} for n in range(FRAMES)]
    second = [{"image_id": n, "bbox": [70, 20, 30, 50], "score": 0.8} for n in (0, 1, 2, 3, 6, 7)]
    (tmp_path / "boxes.json").write_text(json.dumps([*first, *second]))
    return tmp_path


def call(*words: object, fails: str = "") -> str:
    """Run the command and return what it printed; where it fails, it says so in one line."""
    result = run("report", *words)
    assert result.exit_code == (2 if fails else 0), result.output
    if fails:
        assert fails in result.output
        assert result.output.count("\n") == 1
    return result.output


def anew(video: str | Path = "clip.mp4", *more: object) -> tuple[object, ...]:
    return (video, "--weights", "weights", "--backend", "torch", "--boxes", "boxes.json", *more)


def page(path: str | Path = "results/clip.report.html") -> Page:
    return Page(Path(path).read_text(encoding="utf-8"))


def timeless(text: str) -> str:
    """Return a page without what differs from run to run: dates, and how fast it was."""
    text = re.sub(r'<section id="speed-by-stage">.*?</section>', "", text, flags=re.DOTALL)
    return re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d", "now", text)


# ----------------------------------------------------------------------------- the page


def test_a_new_run_leaves_a_page_that_stands_alone(here: Path) -> None:
    printed = call(*anew())
    assert "results/clip.report.html" in printed
    names = {path.name for path in (here / "results").iterdir()}
    assert names == {"clip.coco.json", "clip.mp4", "clip.report.html", "clip.run.json"}
    text = Path("results/clip.report.html").read_text()
    parsed = Page(text)
    assert text.startswith("<!doctype html>")
    assert parsed.all("html") == [{"lang": "en"}]
    links = [attributes["href"][1:] for attributes in parsed.all("a")]
    folded = [attributes["id"] for attributes in parsed.all("details")]
    assert links == [*parsed.texts][1:-3] + folded  # the last three sections are for developers
    assert not re.search(
        r"https?:|file:|//|url\(|@import", re.sub(r'(src|poster)="data:[^"]*"', "", text)
    )
    assert not {"script", "link", "iframe", "object"} & {tag for tag, _ in parsed.tags}
    assert len(parsed.pictures()) > FRAMES  # all of them on the contact sheet, and the worst


def test_the_drawn_video_stands_at_the_top_and_is_beside_the_page(here: Path) -> None:
    (here / "clip.mp4").rename(here / "my clip #1.mp4")
    call(*anew("my clip #1.mp4"))
    shown = page("results/my clip #1.report.html")
    assert [video["src"] for video in shown.all("video")] == ["my%20clip%20%231.mp4"]
    assert [*shown.texts][1:3] == ["video", "people"]
    call("my clip #1.mp4", "--poses", "results/my clip #1.coco.json", "--output", "again")
    Path("results/my clip #1.mp4").unlink()
    call("my clip #1.mp4", "--poses", "results/my clip #1.coco.json", "--output", "third")
    assert not page("third/my clip #1.report.html").all("video")


def test_it_says_what_was_done(here: Path) -> None:
    call(*anew("clip.mp4", "--no-render", "--det-every", 2, "--end", 0.24))
    texts = page().texts
    for fact in (
        *("clip.mp4", "120 × 90 pixels, 25 frames/s", "6 frames, 0.24 s", "0:00.00 to 0:00.24"),
        *("at most 2 in a frame", "2 tracks", "frames −1, +1", "anchored", "model.safetensors"),
        *("--det-every 2", "--end 0.24", "--backend torch", "TAR-ViTPose"),
    ):
        assert fact in texts["overview"]
    assert all(name in texts["speed-by-stage"] for name in STAGES)
    assert "frames/s" in texts["speed-by-stage"]
    assert not Path("results/clip.mp4").exists()


def test_blurred_faces_are_hidden_in_the_pictures_and_in_no_video_shown(here: Path) -> None:
    call(*anew("clip.mp4", "--blur-faces", "--end", 0.16))
    hidden = page()
    assert hidden.all("video")
    poses = "results/clip.coco.json"
    call("clip.mp4", "--poses", poses, "--output", "again")
    again = page("again/clip.report.html")
    assert pictures_are_like(again, hidden)  # as the run had it
    assert again.all("video")
    call(*anew("clip.mp4", "--end", 0.16, "--overwrite"))
    assert not pictures_are_like(page(), hidden)
    printed = call("clip.mp4", "--poses", poses, "--blur-faces", "--output", "third")
    third = page("third/clip.report.html")
    assert pictures_are_like(third, hidden)
    assert not third.all("video")
    assert "clip.mp4 may show faces" in printed


def test_a_report_without_a_video_can_hide_faces(here: Path) -> None:
    call(*anew("clip.mp4", "--end", 0.16))
    plain = page()
    call(*anew("clip.mp4", "--no-render", "--blur-faces", "--end", 0.16, "--overwrite"))
    assert not pictures_are_like(page(), plain)
    assert not page().all("video")  # of the run before


def pictures_are_like(first: Page, other: Page) -> bool:
    pairs = zip(first.pictures(), other.pictures(), strict=True)
    return all((np.abs(a.astype(int) - b) <= 8).all() for a, b in pairs)


def test_every_stage_is_explained() -> None:
    assert set(STAGES) == {*stages.STAGES, "rest"}


def page_note(text: str) -> str:
    """Return what a page says of where its video is."""
    return text.split('<p class="note">')[1].split("</p>", maxsplit=1)[0]


def test_results_that_are_there_give_the_same_page(here: Path) -> None:
    call(*anew("clip.mp4", "--smooth", "savgol"))
    computed = Path("results/clip.report.html").read_text()
    call("clip.mp4", "--poses", "results/clip.coco.json", "--output", "again")
    shown = Path("again/clip.report.html").read_text()
    assert 'src="../results/clip.mp4"' in shown
    beside, elsewhere = (page_note(text) for text in (computed, shown))
    assert "send both files together" in beside
    assert "sent alone, this page does not show it" in elsewhere
    shown = shown.replace("../results/", "").replace(elsewhere, beside)
    assert timeless(shown) == timeless(computed).replace("frames −1, +1", "the weights&#39; own")
    assert {path.name for path in Path("again").iterdir()} == {"clip.report.html"}
    assert "Not measured" in page("again/clip.report.html").texts["speed-by-stage"]
    assert "Time taken" in page("again/clip.report.html").texts["overview"]
    for section in ("people", "jitter", "angles", "pictures"):
        assert part(shown, section) == part(computed, section)


def part(text: str, section: str) -> str:
    match = re.search(rf'<section id="{section}">.*?</section>', text, re.DOTALL)
    assert match
    return match[0]


def test_names_cannot_break_the_page(here: Path) -> None:
    (here / "clip.mp4").rename(here / HOSTILE)
    call(*anew(HOSTILE, "--no-render"))
    shown = page(f"results/{HOSTILE[:-4]}.report.html")
    assert "script" not in {tag for tag, _ in shown.tags}
    assert HOSTILE in shown.texts[""]
    assert f"{HOSTILE}, " in shown.texts["overview"]


@pytest.mark.parametrize("kind", ["csv", "npz", "openpose", "mmpose.json", "posetrack.json"])
def test_every_format_can_be_shown(here: Path, kind: str) -> None:
    name = kind.partition(".")[0]
    words = ["predict", *map(str, anew()), "--format", f"{name},coco", "--no-render"]
    assert run(*words).exit_code == 0
    call("clip.mp4", "--poses", f"results/clip.{kind}")
    texts = page().texts
    assert "8 frames, 0.32 s" in texts["overview"]
    if name in ("csv", "npz", "posetrack"):
        assert "8 0 " in texts["people"]  # frames and gaps of the first
        assert "6 1 " in texts["people"]  # and the second


def test_a_folder_of_frames_can_be_shown(here: Path) -> None:
    make_folder(here / "frames", [f"{n}.png" for n in range(FRAMES)], SIZE)
    call(*anew("frames", "--no-render"))
    assert "frames, " in page("results/frames.report.html").texts["overview"]


def test_compared_single_frames_have_a_column(here: Path) -> None:
    call(*anew("clip.mp4", "--no-render", "--compare", "--smooth", "one-euro"))
    assert "Smoothed Raw Single frame" in page().texts["jitter"]


def test_nobody_and_a_single_frame(here: Path) -> None:
    make_video(here / "one.mp4", 1, size=SIZE)
    Path("boxes.json").write_text('[{"image_id": 99, "bbox": [1, 1, 5, 5], "score": 1}]')
    printed = call(*anew("one.mp4"))
    texts = page("results/one.report.html").texts
    assert "Nobody was followed" in texts["people"]
    assert "Nobody was seen" in texts["jitter"]
    assert "1 frame, 0.04 s" in texts["overview"]
    assert "no box matched" in texts["what-to-distrust"] + printed


# ----------------------------------------------------------------------------- what is refused


def test_existing_files_stay(here: Path) -> None:
    path = here / "results" / "clip.report.html"
    path.parent.mkdir()
    path.write_text("mine")
    call(*anew(), fails="clip.report.html: there already; pass --overwrite")
    assert path.read_text() == "mine"
    call(*anew("clip.mp4", "--overwrite", "--no-render"))
    path.unlink()
    call(*anew(), fails="pass --poses results/clip.coco.json to report on it, --overwrite or")
    assert not path.exists()


def test_bad_input_is_told_in_a_line_and_leaves_nothing(here: Path) -> None:
    results = Path("poses.json")
    call("no.mp4", fails="no.mp4: no such file")
    call("rtsp://nowhere", fails="rtsp://nowhere")
    call("clip.mp4", "--poses", "no.json", fails="no.json: no such file")
    results.write_text("{}")
    call("clip.mp4", "--poses", results, fails="poses.json")
    call("clip.mp4", "--poses", results, "--weights", "weights", fails="--weights is for a new run")
    call(*anew("clip.mp4", "--offsets=0"), fails="--offsets")
    call(*anew("clip.mp4", "--weights", "nowhere"), fails="nowhere")
    (here / "file").write_text("")
    call(*anew("clip.mp4", "--output", "file"), fails="file")
    assert not Path("results").exists()


def test_what_was_stopped_goes_on_with_predict(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def stopping(source: str, *, quiet: bool) -> Iterator[Callable[[RunProgress], None]]:
        def show(progress: RunProgress) -> None:
            if progress.frame == 3:
                raise KeyboardInterrupt

        yield show

    words = [*map(str, anew("clip.mp4", "--det-every", 2))]
    with monkeypatch.context() as patch:
        patch.setattr(console, "progress_bar", stopping)
        result = run("report", *words)
    assert result.exit_code == 130
    assert "predict with the same options and --resume goes on" in result.output
    assert not Path("results/clip.report.html").exists()
    resumed = run("predict", *words, "--resume")
    assert resumed.exit_code == 0, resumed.output
    assert "of them from before" in resumed.output
    call("clip.mp4", "--poses", "results/clip.coco.json")


def test_results_of_another_video_are_refused_or_told(here: Path) -> None:
    call(*anew("clip.mp4", "--no-render", "--smooth", "savgol"))
    results = "results/clip.coco.json"
    make_video(here / "small.mp4", FRAMES, size=(48, 64))
    call("small.mp4", "--poses", results, fails="frames of 120x90 pixels, small.mp4 has 64x48")
    make_video(here / "short.mp4", 3, size=SIZE)
    call("short.mp4", "--poses", results, fails="has no frame")
    make_video(here / "clip.mp4", FRAMES + 1, size=SIZE)
    printed = call("clip.mp4", "--poses", results, "--overwrite")
    assert "has changed since, or is another video" in printed
    text = Path(results).read_text()
    Path(results).write_text(f"{text} ")
    printed = call("clip.mp4", "--poses", results, "--overwrite")
    assert "clip.run.json is of other results" in printed
    assert "not known" in page().texts["overview"]


# ----------------------------------------------------------------------------- many people


def crowd(index: int, people: int) -> FramePoses:
    """Return people, each of them in one frame only but the first, on whom all can rely."""
    frame = some_poses(index, people, index / 25)
    ids = np.array([1, *range(2 + index * people, 1 + (index + 1) * people)])
    return replace(frame, track_ids=ids, image_size=SIZE)


def test_of_hundreds_of_tracks_some_are_shown(here: Path) -> None:
    frames = [crowd(index, 30) for index in range(FRAMES)]
    path = here / "crowd.csv"
    with CsvWriter(path) as writer:
        for frame in frames:
            writer.write(frame)
    call("clip.mp4", "--poses", path)
    text = page().texts["people"]
    left = 1 + 29 * FRAMES - MAX_ROWS
    assert f"{left} tracks of fewer frames left out" in text
    assert [len(track.frames) for track in tracks_of(load_poses(path))][:2] == [FRAMES, 1]
