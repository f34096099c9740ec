"""What is wrong with arguments is said at once: nothing that loads slowly is imported for it."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tiny_models import tiny_model
from video_files import make_video

SLOW = (
    *("torch", "torchvision", "scipy", "openvino", "onnxruntime", "transformers", "ray"),
    *("lightning_fabric", "matplotlib", "pandas", "pyarrow", "gradio", "huggingface_hub"),
)
DECODERS = ("av", "cv2", "numpy")  # a file has to be opened before they can be needed
# Runs commands, one in each line of stdin, and prints how each ended and what it had imported.
RUN_ALL = """
import contextlib, io, json, shlex, sys
from tarvitpose.cli import app
slow = sys.argv[1].split(",")
for line in sys.stdin:
    said = io.StringIO()
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
        try:
            app(shlex.split(line), prog_name="tarvitpose")
        except SystemExit as end:
            code = end.code
        except Exception as bug:
            code = repr(bug)
    print(json.dumps([line.strip(), code, said.getvalue(), sorted({*slow} & {*sys.modules})]))
"""
WRONG = {
    "predict nosuch.mp4": "nosuch.mp4: no such file or folder",
    "attention nosuch.mp4 --time 1": "nosuch.mp4: no such file or folder",
    "report nosuch.mp4": "nosuch.mp4: no such file or folder",
    "report clip.mp4 --poses nosuch.json": "nosuch.json: no such file or folder",
    "plot nosuch.coco.json": "nosuch.coco.json: no such file or folder",
    "evaluate --weights default --annotations nosuch": "nosuch: no such file or folder",
    "evaluate --predictions nosuch --annotations nosuch": "nosuch: no such file or folder",
    "evaluate --weights default --videos nosuch.mp4": "nosuch.mp4: no such file or folder",
    "export graphs --check nosuch.mp4": "nosuch.mp4: no such file or folder",
    "predict clip.mp4 --end 0": "--end must be above 0, got 0",
    "predict clip.mp4 --format cocoa": "--format cocoa: unknown name 'cocoa'; did you mean coco?",
    "predict clip.mp4 --device gpu": "--device 'gpu': expected auto, cpu, cuda, cuda:0 or mps",
    "predict clip.mp4 --output clip.mp4": "clip.mp4: cannot be written (Not a directory)",
    "predict clip.mp4 --workers 2": "--workers is for several workers: add --engine ray",
    "predict none*.png": "none*.png: no image matches this pattern",
    "predict empty.mp4": "empty.mp4: the file is empty",
    "predict clip.mp4 -o there": "there/clip.coco.json: there already; pass --overwrite or",
    "predict clip.mp4 --weights nosuch": 'nosuch: expected "default", "tiny"',
    "predict clip.mp4 --weights fast": 'fast: since version 0.18 the faster weights are "tiny"',
    "predict clip.mp4 --weights empty": "empty: no config.json; expected config.json",
    "predict clip.mp4 --weights single --compare": "--compare sets single frames beside",
    "predict clip.mp4 --no-render --blur-faces": "leave one out, or add --contact-sheet",
    "predict clip.mp4 --temporal none --offsets=1": "temporal none uses none: give one",
    "predict clip.mp4 --temporal none --compare": "and --temporal none has none: give one",
    "predict clip.mp4 --boxes nosuch.json --detector yolo": "give --boxes or --detector, not both",
    "report clip.mp4 --poses there/clip.coco.json --no-render": "--no-render is for a new run",
    "reformat there/clip.coco.json --format mot --height 1.8": "--height is for trc, bvh, not for",
    "reformat there/clip.coco.json --format trc --images x": "--images is for label-studio, not",
    "evaluate --weights default --annotations x --motion --reliability x": "combined with --motion",
    "evaluate --weights default --annotations there --tracks": "--tracks is for --predictions",
    "predict clip.mp4 --boxes nosuch.json": "nosuch.json: no such file",
    "predict clip.mp4 --detector yolo": "'yolo': no such detector; expected nanodet",
    "predict nosuch.mp4 nosuch2.mp4": "2 of 2 videos failed, see",
    "demo --output clip.mp4": "clip.mp4: cannot be written (Not a directory)",
    "attention clip.mp4 --time 1 --joints left_wirst": "did you mean left_wrist?",
    "attention clip.mp4 --time 1 --layer 99": "--layer 99: these weights have the layers 1 to",
    "attention clip.mp4 --time 1 --weights nosuch": 'nosuch: expected "default", "tiny"',
    "attention clip.mp4 --time 1 --weights single": "single: no temporal part",
    "attention clip.mp4 --time 1 -o there": "there/clip.attention.png: there already",
    "report clip.mp4 -o there": "there/clip.report.html: there already",
    "report clip.mp4 --poses there/clip.coco.json -o clip.mp4": "Not a directory",
    "plot there/clip.coco.json --joints left_wirst": "did you mean left_wrist?",
    "plot there/clip.coco.json --joints left_wrist -o x.gif": "or a name that ends in .png",
    "evaluate --weights nosuch --annotations there": 'nosuch: expected "default", "tiny"',
    "evaluate --weights default --annotations there --degradations fog": "expected all or some",
    "evaluate --weights default --annotations there --degradations dark": "expected annotations",
    "evaluate --weights default --annotations there --json clip.mp4/x": "Not a directory",
    "evaluate --weights default --annotations there --boxes nosuch.json": "nosuch.json: no such",
    "train nosuch.yaml": "nosuch.yaml: no such configuration file",
    "train lost.yaml": "lost.json: no such file or folder",
    "train lost.yaml optim.lr=0": "lost.yaml: optim.lr: must be above 0, got 0",
    "train lost.yaml 'data.train=[{format: coco, annotations: empty}]' init=nosuch": "nosuch: ex",
    "train lost.yaml init=default model.size=h": "model.size=h: init default has another; leave",
    "train lost.yaml data.features=x": "data.features would change nothing: no source has cached",
    "train lost.yaml optim.schedule=cosine optim.decay_every=3": "optim.decay_every would change",
    "train lost.yaml run.frozen=[encoder] optim.layer_decay=0.8": "run.frozen names the encoder",
    "ablate table.yaml --show --costs": "--costs: give it or --show, not both",
    "ablate table.yaml --show --row a": "--row: chooses what is trained",
    "ablate table.yaml --costs --pck 0.1": "--pck: --costs scores nothing",
    "convert vitpose-h out --size b": "--size b: vitpose-h has size h",
    "convert vitpose-b out --dataset-index 1": "--dataset-index: vitpose-b has no experts",
    "benchmark --soak 100 --no-memory": "--no-memory: not for --soak, which measures memory",
    "benchmark --soak 100 --backends torch,openvino": "--backends: --soak takes one backend",
    "benchmark --soak-network default": "--soak-network: only for --soak FRAMES",
    "benchmark --no-stages --det-every 5": "--det-every: only the stages read it",
    "benchmark --no-stages --modes single --offsets=-1": "--offsets: single frames have none",
    "benchmark --inputs 256x192": "--inputs: needs --sizes",
    "ablate nosuch.yaml": "nosuch.yaml: no such configuration file",
    "ablate odd.yaml": "odd.yaml: unknown key rows.0.chnge",
    "ablate table.yaml --row none": "--row none: the rows are a",
    "ablate table.yaml --base lost.yaml": "lost.json: no such file or folder",
    "export there": "there: there already, and holds no graphs; choose another folder",
    "export graphs --weights nosuch": 'nosuch: expected "default", "tiny"',
    "convert nosuch.pth out": "nosuch.pth: no such file or folder",
    "convert nosuch out": 'nosuch: expected "default", "tiny"',
    "convert clip.mp4 clip.mp4": "clip.mp4: cannot be written (Not a directory)",
    "benchmark --video nosuch.mp4": "nosuch.mp4: no such file or folder",
    "benchmark --weights nosuch": 'nosuch: expected "default", "tiny"',
    "benchmark --plot clip.mp4/x.png": "Not a directory",
    "web --weights nosuch": 'nosuch: expected "default", "tiny"',
    "models nosuch": 'nosuch: expected "default", "tiny"',
    "data check nosuch": "nosuch: no such file or folder of annotations",
    "data check there --preview clip.mp4/x.png": "Not a directory",
    "data prepare nosuch out": "nosuch: no such file or folder of annotations",
    "data prepare there clip.mp4": "clip.mp4: cannot be written (Not a directory)",
    "data pack nosuch out": "nosuch: no such file or folder of annotations",
    "data generate clip.mp4": "clip.mp4",
}


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a video, its results, weights and configurations."""
    folder = tmp_path_factory.mktemp("workspace")
    make_video(folder / "clip.mp4", 2)
    (folder / "empty.mp4").touch()
    (folder / "empty").mkdir()
    tiny_model(offsets=()).save_pretrained(folder / "single")
    existing = folder / "there"
    existing.mkdir()
    joints = [0, 0, 0] * 17
    people = [{"image_id": 0, "category_id": 1, "keypoints": joints, "score": 0.5}]
    (existing / "clip.coco.json").write_text(json.dumps(people))
    for name in ("clip.mp4", "clip.attention.png", "clip.report.html"):
        shutil.copy(folder / "clip.mp4", existing / name)
    data = "{train: [{format: coco, annotations: lost.json}]}"
    (folder / "lost.yaml").write_text(f"output: out\nmodel: {{size: s}}\ndata: {data}\n")
    (folder / "odd.yaml").write_text("title: t\npaper: p\nrows: [{name: a, chnge: {}}]\n")
    (folder / "table.yaml").write_text("title: t\npaper: p\nrows: [{name: a}]\n")
    return folder


def end_of_each(workspace: Path, lines: list[str], slow: tuple[str, ...]) -> list[list[object]]:
    command = [sys.executable, "-c", RUN_ALL, ",".join(slow)]
    arguments = "".join(f"{line}\n" for line in lines)
    done = subprocess.run(
        command, input=arguments, capture_output=True, text=True, cwd=workspace, check=True
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_a_wrong_argument_loads_nothing_slow(workspace: Path) -> None:
    ends = end_of_each(workspace, list(WRONG), SLOW)
    assert [line for line, *_ in ends] == list(WRONG)
    for line, code, said, loaded in ends:
        assert code == 2, (line, code, said)
        assert WRONG[str(line)] in str(said), (line, said)
        assert not loaded, (line, loaded)


def test_what_is_not_there_needs_no_decoder(workspace: Path) -> None:
    [[_, code, _, loaded]] = end_of_each(workspace, ["predict nosuch.mp4"], (*SLOW, *DECODERS))
    assert code == 2
    assert not loaded
