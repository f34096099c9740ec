"""The recipes of configs/: each loads, builds, and trains a step where it expects its data."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from tiny_ablation import overrides
from tiny_datasets import tiny_changes, write_data_sets
from tiny_training import quiet

from tarvitpose.ablation.table import load_table
from tarvitpose.config import SIZES, ModelConfig
from tarvitpose.inference.cost import parameters
from tarvitpose.model.tarvitpose import TARViTPose
from tarvitpose.training.config import (
    DataConfig,
    OptimConfig,
    RunConfig,
    TrainConfig,
    load_train_config,
    model_config,
)
from tarvitpose.training.facts import renamed_facts
from tarvitpose.utils.config_files import read_yaml

pytest.importorskip("lightning_fabric", reason="the train extra is not installed")
from tarvitpose.training import loop
from tarvitpose.training.batches import read_source

ROOT = Path(__file__).parents[2]
CONFIGS = sorted((ROOT / "configs").rglob("*.yaml"))
POSETRACK = ("posetrack17", "posetrack18", "posetrack21")
VITPOSE_SIZES = [size for size in SIZES if size != "tiny"]  # which is not the paper's
PAPERS = [ROOT / "configs" / name / f"{size}.yaml" for name in POSETRACK for size in VITPOSE_SIZES]
COCO = [ROOT / "configs" / "coco" / f"{size}.yaml" for size in VITPOSE_SIZES]
BASES = [ROOT / "configs" / "ablation" / f"{name}.yaml" for name in ("jhmdb", "generated")]
JHMDB = ROOT / "configs" / "jhmdb" / "split1.yaml"
# Million parameters at 17 joints (method section 3), and channels of a token.
KNOWN = {"s": (35.551, 384), "b": (134.929, 768), "l": (388.381, 1024), "h": (761.908, 1280)}
LAYER_DECAY = {"s": 0.8, "b": 0.75, "l": 0.8, "h": 0.85}  # method section 1.1
DROP_PATH = {"s": 0.1, "b": 0.3, "l": 0.5, "h": 0.55}


def name_of(path: Path) -> str:
    return f"{path.parent.name}/{path.stem}"


def start(folder: Path, size: str) -> str:
    """Write the config of a converted ViTPose, beside weights that nobody reads."""
    folder.mkdir(parents=True, exist_ok=True)
    config = SIZES[size](offsets=(), joint_set="coco17", drop_path=0)
    (folder / "config.json").write_text(config.model_dump_json())
    save_file({"nothing": torch.zeros(1)}, folder / "model.safetensors")
    return str(folder)


def loaded(path: Path, folder: Path) -> tuple[TrainConfig, ModelConfig]:
    size = path.stem
    changes = (f"init={start(folder / size, size)}",) if path in PAPERS else ()
    config = load_train_config(path, changes)
    return config, model_config(config)


def test_every_file_is_a_recipe_or_a_table(tmp_path: Path) -> None:
    others = set(CONFIGS) - set(PAPERS) - set(COCO)
    for path in others:
        if "rows" in read_yaml(path):
            load_table(path)
        else:  # those that start from weights which are not here yet start from others
            init = start(tmp_path / path.stem, "s")
            load_train_config(path, (f"init={init}", "run.warm_start=false"))


@pytest.mark.parametrize("path", PAPERS, ids=name_of)
def test_posetrack_is_the_papers_recipe(path: Path, tmp_path: Path) -> None:
    config, model = loaded(path, tmp_path)
    assert config.optim == OptimConfig(
        lr=5e-6,
        weight_decay=0.1,
        betas=(0.9, 0.999),
        schedule="step",
        decay_every=5,
        decay_factor=0.5,
    )
    run, augment = config.run, config.data.augment
    assert run.epochs == 30
    assert run.batch_size * run.accumulate * run.devices == 16
    assert run.frozen == ()
    assert not run.warm_start
    assert (run.monitor, run.ema, run.coarse_loss_weight) == ("", 0, 0)
    assert run.accelerator == "auto"
    # What the paper's text leaves out, as the authors' code has it.
    assert (run.validate_epochs, run.patience, run.keep) == (1, 8, "best")
    assert run.precision == "16-mixed"
    assert config.new_joints == "eyes"
    assert augment.joint_weights
    assert (augment.half_body, augment.rotate, augment.flip) == (0.3, 0.6, 0.5)
    assert (augment.scale, augment.scale_sigma) == (0.35, 0.35)
    assert (augment.rotation, augment.rotation_sigma) == (90, 45)
    assert (augment.colour, augment.shift, augment.box_jitter, augment.reverse) == (0, 0, 0, 0)
    assert (augment.degrade.current, augment.degrade.auxiliary) == (0, 0)
    assert not config.data.cached
    expected = SIZES[path.stem](
        input_size=(384, 288),
        joint_set="posetrack15",
        offsets=(-2, -1, 1, 2),
        drop_path=DROP_PATH[path.stem],
        norm_averages="own",
    )
    assert model == expected
    assert (model.jta_layers, model.gra_layers, model.mask_threshold) == (6, 1, 0.2)
    (train,), (held_out,) = config.data.train, config.data.validation
    assert train.box_scale == (1.2 if path.parent.name == "posetrack17" else None)
    assert train.annotations.name == "train"
    assert held_out.annotations.name == "val"


def test_recipes_of_posetrack_differ_in_nothing_else() -> None:
    """In the size's drop path and batches, in where the data lies, and in names."""
    rest = set()
    for path in PAPERS:
        values = read_yaml(path)
        folder = f"{path.parent.name}/"
        assert values["output"] == f"runs/{folder}{path.stem}"
        assert values["init"] == f"weights/vitpose-{path.stem}"
        assert values["model"].pop("drop_path") == DROP_PATH[path.stem]
        for source in (*values["data"]["train"], *values["data"]["validation"]):
            layout = "posetrack17" if folder == "posetrack17/" else "posetrack18"
            assert source.pop("format") == layout
            labels = "posetrack_data" if folder == "posetrack21/" else "annotations"
            assert source["images"] == f"data/{folder}".rstrip("/")
            assert source["annotations"].startswith(f"data/{folder}{labels}/")
            source.clear()
        values["run"].pop("batch_size"), values["run"].pop("accumulate", 1)
        rest.add(json.dumps({**values, "output": "", "init": ""}, sort_keys=True))
    assert len(rest) == 1


@pytest.mark.parametrize("path", COCO, ids=name_of)
def test_coco_is_vitposes_recipe(path: Path, tmp_path: Path) -> None:
    config, model = loaded(path, tmp_path)
    assert config.optim.layer_decay == LAYER_DECAY[path.stem]
    assert config.optim.lr == 5e-4
    assert config.run.batch_size * config.run.accumulate == 512
    assert not model.temporal
    expected = {"offsets": (), "drop_path": DROP_PATH[path.stem], "joint_set": "coco17"}
    assert model == SIZES[path.stem](**expected)
    augment = config.data.augment
    assert not augment.joint_weights
    assert (augment.scale, augment.scale_sigma) == (0.5, 0.5)
    assert (augment.rotation, augment.rotation_sigma) == (80, 40)
    other = read_yaml(COCO[0])
    values = read_yaml(path)
    for recipe in (values, other):
        recipe["output"], recipe["model"]["size"], recipe["model"]["drop_path"] = "", "", 0
        recipe["optim"]["layer_decay"] = 0
    assert values == other


@pytest.mark.parametrize("size", VITPOSE_SIZES)
def test_each_size_builds(size: str, tmp_path: Path) -> None:
    model = loaded(ROOT / "configs" / "posetrack17" / f"{size}.yaml", tmp_path)[1]
    with torch.device("meta"):
        network = TARViTPose(model)
    millions, width = KNOWN[size]
    of_two_joints = 2 * (2 * width + 256 + 1)  # two queries, and their channel of the head
    assert parameters(network) == pytest.approx(millions * 1e6 - of_two_joints, abs=500)


@pytest.mark.parametrize("path", [*PAPERS, *COCO], ids=name_of)
def test_each_recipe_trains_a_step_on_data_in_its_layout(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # where the paths in the files start
    write_data_sets(tmp_path)
    where = None if path in COCO else tmp_path / "start"
    config = load_train_config(path, tiny_changes(where))
    before = loop.build_model(config).state_dict()
    lines: list[str] = []
    weights = loop.train(config, lines.append)
    assert weights == Path("runs") / path.parent.name / path.stem / "weights"
    assert any(line.startswith("step 1/1: loss 0.") for line in lines)
    modes = ("single",) if path in COCO else ("single", "temporal", "mask")
    assert [line.split()[2] for line in lines if line.startswith("step 1: val")] == [
        f"val/clean/{mode}" for mode in modes
    ]
    after = TARViTPose.from_pretrained(weights)
    assert len(after.config.joints) == (17 if path in COCO else 15)
    learned = {
        name.partition(".")[0]
        for name, value in after.named_parameters()
        if not torch.equal(value, before[name])
    }
    assert learned == {"encoder", "decoder"} | (set() if path in COCO else {"jta", "gra"})


@pytest.mark.parametrize("path", [*PAPERS, *COCO, JHMDB], ids=name_of)
def test_the_layout_of_a_source_need_not_be_named(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_data_sets(tmp_path)
    config = load_train_config(path, tiny_changes(None if path in COCO else tmp_path / "start"))
    joints = model_config(config).joints
    for source in config.data.train:
        unnamed = source.model_copy(update={"format": None})
        people = [read_source(each, joints) for each in (source, unnamed)]
        assert [person.name for person in people[0]] == [person.name for person in people[1]] != []


@pytest.mark.parametrize("path", BASES, ids=name_of)
def test_what_ablations_share_trains_a_step(path: Path, tmp_path: Path) -> None:
    changes: dict[str, Any] = {"data.validation": []}
    config = load_train_config(path, overrides(tmp_path, **changes))
    lines: list[str] = []
    loop.train(config, lines.append)
    assert any("step 1/1" in line for line in lines)


def test_the_recipe_of_jhmdb_trains_a_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_data_sets(tmp_path)
    config = load_train_config(JHMDB, tiny_changes(tmp_path / "start"))
    lines: list[str] = []
    assert loop.train(config, lines.append) == Path("runs/jhmdb/split1/weights")
    assert any(line.startswith("step 1/1: loss 0.") for line in lines)


def test_the_single_frame_baseline_is_one_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_data_sets(tmp_path)
    changes = (*tiny_changes(tmp_path / "start"), "model.offsets=[]", "output=runs/single")
    weights = loop.train(load_train_config(PAPERS[0], changes), quiet)
    assert not TARViTPose.from_pretrained(weights).config.temporal


def test_the_old_names_of_loss_weights_are_still_understood() -> None:
    old = RunConfig.model_validate({"place_loss_weight": 0.5, "unspoilt_loss_weight": 2.0})
    assert (old.position_loss_weight, old.clean_loss_weight) == (0.5, 2.0)


def test_a_state_of_older_keys_is_compared_by_the_new_ones() -> None:
    before = {"data": {"validation_kinds": ["clean"]}, "init": None}
    after = {"data": {"validation_degradations": ["clean"]}, "init": None}
    assert renamed_facts(Path(__file__), before) == after
    assert renamed_facts(Path(__file__), None) is None
    curves = {"score_curve": [[0, 0], [1, 1]], "default_temporal": "fused"}
    assert renamed_facts(Path(__file__), {"model": {"width": 24, **curves}}) == {
        "model": {"width": 24}
    }
    data = {"train": [{"format": "coco", "annotations": "a.json"}], "validation_kinds": ["dark"]}
    assert DataConfig.model_validate(data).validation_degradations == ("dark",)
