"""Configurations: presets, and errors that name the field."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import Field, ValidationError

from tarvitpose.config import (
    SCORING,
    SIZES,
    Config,
    ModelConfig,
    check_offsets,
    vit_base,
    vit_small,
    window_offsets,
)
from tarvitpose.errors import ConfigError
from tarvitpose.training.config import RunConfig, load_train_config, model_config
from tarvitpose.utils.config_files import parse_config, read_yaml

TINY = {"width": 24, "depth": 1, "heads": 3}


class Schedule(Config):
    """A section."""

    lr_step: int = 5
    rate: float = Field(default=0.1, gt=0)


class Whole(Config):
    """A file with a section."""

    model: ModelConfig
    train: Schedule = Schedule()


def refused(values: dict[str, Any], kind: type[Config] = ModelConfig) -> str:
    with pytest.raises(ConfigError) as caught:
        parse_config(kind, values, "train.yaml")
    assert "\n" not in str(caught.value)
    return str(caught.value)


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "train.yaml"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ("s", (384, 12, 12, 0.1)),
        ("b", (768, 12, 12, 0.3)),
        ("l", (1024, 24, 16, 0.5)),
        ("h", (1280, 32, 16, 0.55)),
    ],
)
def test_presets(size: str, expected: tuple[float, ...]) -> None:
    config = SIZES[size]()
    assert (config.width, config.depth, config.heads, config.drop_path) == expected
    assert config.layer_norm_eps == 1e-6
    assert (config.jta_layers, config.temporal_heads, config.gra_layers) == (6, 4, 1)
    assert (config.mask_rule, config.mask_threshold, config.layout) == ("paper", 0.2, "paper")


def test_presets_take_changes() -> None:
    config = vit_base(heads=6, offsets=(-1,), input_size=(384, 288))
    assert (config.heads, config.offsets, config.input_size) == (6, (-1,), (384, 288))
    assert config.position_grid == (16, 12)
    assert config.temporal
    assert not vit_small(offsets=()).temporal
    assert config.joints.name == "posetrack15"
    assert len(config.joints) == 15


def test_configs_are_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        vit_small().width = 3  # type: ignore[misc]


def test_a_config_survives_its_json() -> None:
    config = vit_small(offsets=(-3, 1), joint_set="coco17", mask_rule="released")
    assert ModelConfig.model_validate_json(config.model_dump_json()) == config


def test_a_new_key_leaves_stored_results_good() -> None:
    """A key that is added to `ModelConfig` belongs into LATER, or no training can be resumed."""
    of_version_0_9 = {
        *("width", "depth", "heads", "drop_path", "layer_norm_eps", "position_grid", "input_size"),
        *("joint_set", "decoder", "decoder_width", "codec", "offsets", "aggregation", "layout"),
        *("jta_layers", "temporal_heads", "mask_rule", "mask_threshold", "gra_layers"),
        "norm_averages",
    }
    assert set(vit_small().facts(SCORING)) == of_version_0_9
    changed = vit_small(fine_cells=4).facts()
    assert (changed["fine_cells"], "merge_after" in changed) == (4, False)


def test_an_unknown_key_is_named_with_a_hint() -> None:
    assert refused({**TINY, "joint_sets": "coco17"}) == (
        "train.yaml: unknown key joint_sets; did you mean joint_set?"
    )
    assert refused({**TINY, "zzz": 1}) == "train.yaml: unknown key zzz"


def test_an_unknown_key_of_a_section_is_named_with_a_hint() -> None:
    assert refused({"model": TINY, "train": {"lr_stpe": 3}}, Whole) == (
        "train.yaml: unknown key train.lr_stpe; did you mean lr_step?"
    )


def test_a_key_may_have_its_name_of_an_earlier_version() -> None:
    old = {"place_loss_weight": 0.5, "unspoilt_loss_weight": 2.0}
    run = parse_config(RunConfig, old, "train.yaml")
    assert (run.position_loss_weight, run.clean_loss_weight) == (0.5, 2.0)
    twice = refused({**old, "clean_loss_weight": 1.0}, RunConfig)
    assert twice == (
        "train.yaml: unspoilt_loss_weight is called clean_loss_weight now: give one of them"
    )


def test_a_wrong_value_is_named() -> None:
    message = refused({"model": TINY, "train": {"rate": -1}}, Whole)
    assert message == "train.yaml: train.rate: must be above 0, got -1"
    assert refused({**TINY, "decoder": "fancy"}).startswith("train.yaml: decoder: ")
    assert refused({"width": 24, "depth": 1}) == "train.yaml: heads: is missing"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"heads": 5}, "width 24 cannot be divided by heads 5"),
        ({"temporal_heads": 7}, "width 24 cannot be divided by temporal_heads 7"),
        ({"input_size": (250, 192)}, "input_size.0: must be a multiple of 16, got 250"),
        ({"input_size": (256, 16)}, "input_size.1: must be 32 or more, got 16"),
        ({"position_grid": (0, 12)}, "position_grid.0: must be 1 or more, got 0"),
        ({"offsets": (1, -1)}, "offsets (1, -1) must be sorted, distinct and without 0"),
        ({"offsets": (-1, 0)}, "offsets (-1, 0) must be sorted, distinct and without 0"),
        ({"offsets": (-1, -1)}, "offsets (-1, -1) must be sorted, distinct and without 0"),
        ({"offsets": (-999,)}, "offsets.0: must be -300 or more, got -999"),
        ({"depth": 1_000_000}, "depth: must be 64 or less, got 1000000"),
        ({"width": 10**400}, "width: must be 2048 or less, got 1000"),
        ({"input_size": (160_000, 192)}, "input_size.0: must be 1024 or less, got 160000"),
        ({"position_grid": (16, 9999)}, "position_grid.1: must be 64 or less, got 9999"),
        ({"layer_norm_eps": float("inf")}, "layer_norm_eps: must be a number, got inf"),
        ({"gra_layers": 5}, "gra_layers: must be 4 or less, got 5"),
        ({"mask_threshold": 1.5}, "mask_threshold: must be 1 or less, got 1.5"),
    ],
)
def test_what_does_not_fit_together(change: dict[str, Any], message: str) -> None:
    assert message in refused({**TINY, **change})


def test_lists_of_a_file_become_tuples() -> None:
    config = parse_config(ModelConfig, {**TINY, "offsets": [-1, 1], "input_size": [64, 96]}, "x")
    assert (config.offsets, config.input_size) == ((-1, 1), (64, 96))


@pytest.mark.parametrize(
    ("offsets", "frames", "current"),
    [
        ((-1,), (-1, 0), 1),
        ((1,), (0, 1), 0),
        ((-1, 1), (-1, 0, 1), 1),
        ((-9, -2, 4), (-9, -2, 0, 4), 2),
        ((), (0,), 0),
    ],
)
def test_windows(offsets: tuple[int, ...], frames: tuple[int, ...], current: int) -> None:
    check_offsets(offsets)
    assert window_offsets(offsets) == (frames, current)


def test_overrides_reach_into_sections(tmp_path: Path) -> None:
    path = written(tmp_path, "train: {rate: 0.5}\nname: x\n")
    values = read_yaml(path, ("train.rate=5e-6", "train.lr_step=7", "model.offsets=[-1, 1]"))
    assert values == {
        "train": {"rate": "5e-6", "lr_step": 7},
        "name": "x",
        "model": {"offsets": [-1, 1]},
    }
    assert parse_config(Schedule, values["train"], "x").rate == 5e-6


def test_an_empty_file_has_no_keys(tmp_path: Path) -> None:
    assert read_yaml(written(tmp_path, "# nothing\n")) == {}


def test_an_empty_section_can_be_filled(tmp_path: Path) -> None:
    assert read_yaml(written(tmp_path, "train:\n"), ("train.rate=1",)) == {"train": {"rate": 1}}


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("train.rate", "'train.rate': expected key=value"),
        ("=3", "'=3': expected key=value"),
        ("name.rate=3", "name.rate: name is a value, it has no keys"),
        ("train.rate=[1, 2", "'train.rate=[1, 2': not readable YAML"),
    ],
)
def test_bad_overrides(tmp_path: Path, override: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_yaml(written(tmp_path, "name: x\n"), (override,))
    assert str(caught.value).startswith(message)


def test_bad_files(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"gone\.yaml: no such configuration file"):
        read_yaml(tmp_path / "gone.yaml")
    with pytest.raises(ConfigError, match=r"train\.yaml: not readable YAML"):
        read_yaml(written(tmp_path, "a: [1\nb"))
    with pytest.raises(ConfigError, match="expected sections with keys, found a list"):
        read_yaml(written(tmp_path, "- 1\n"))
    with pytest.raises(ConfigError, match="is a folder, expected a file"):
        read_yaml(tmp_path)


LAUGHS = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 19))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a: &a [*a]", "sections within sections, more than 20 deep"),
        ("[" * 5000, "recursion"),
        (LAUGHS, "more than 20000 values"),
        ("a: !!python/object:os.system {}", "could not determine a constructor for the tag"),
        ("a: !!binary aGk=", "a value of the type bytes"),
        ("a: !!set {b}", "a value of the type set"),
        ("2: 3", "the key 2 is no text; write it in quotes"),
        ("? [1, 2]\n: 3", "while constructing a mapping"),
        ('a: "\\0"', "a text with a NUL"),
        ("a: " + "9" * 5000, "Exceeds the limit"),
        ("#" * 1_000_001, "larger than 1000 kB"),
        ("a: \ud800", ""),
    ],
)
def test_odd_yaml_is_refused_in_a_line(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "train.yaml"
    path.write_bytes(text.encode(errors="surrogatepass"))
    with pytest.raises(ConfigError) as caught:
        read_yaml(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert reason in message
    assert "\n" not in message
    assert len(message) < len(str(path)) + 120


@pytest.mark.parametrize("override", ["init=!!timestamp x", "run=&a [*a]", "model.size=[s]"])
def test_odd_overrides_are_refused_in_a_line(override: str) -> None:
    path = Path(__file__).parents[2] / "configs/coco/s.yaml"
    with pytest.raises(ConfigError) as caught:
        model_config(load_train_config(path, (override,)))
    assert "\n" not in str(caught.value)


def test_a_date_is_a_text(tmp_path: Path) -> None:
    assert read_yaml(written(tmp_path, "a: 2024-01-31\n")) == {"a": "2024-01-31"}
