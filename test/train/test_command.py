from __future__ import annotations

from pathlib import Path

import pytest

pytestmark = pytest.mark.torch
pytest.importorskip("torch")

from semalign_ros.cli import build_parser, main  # noqa: E402
from semalign_ros.commands.train import chosen_settings  # noqa: E402
from semalign_ros.errors import ConfigError  # noqa: E402
from semalign_ros.resources import resource  # noqa: E402
from semalign_ros.train.plan import scaled  # noqa: E402
from semalign_ros.train.settings import load_settings  # noqa: E402


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--data", "nowhere"], "nowhere: no folder leftImg8bit/train"),
        (["--data", "{data}", "--size", "huge"], "huge"),
        (["--data", "{data}", "--data", "{data}=2"], "folders need different names"),
        (["--data", "{data}", "--limit", "0"], "--limit 0: too small"),
        (["--data", "{data}", "--threads", "0"], "--threads 0: too small"),
        (["--data", "{data}", "--seed", "-1"], "--seed -1: too small"),
        (["--data", "{data}", "--family", "deeplab"], "train the segmenter alone, --stage segm"),
        (["--data", "{data}", "--learning-rate", "5000"], "upernet.learning_rate: Input should"),
        (["--data", "{data}", "--start", "street_segmentr"], "did you mean 'street_segmenter'?"),
        (["--data", "{data}", "--behind", "street_segmentr"], "did you mean 'street_segmenter'?"),
        (
            ["--data", "{data}", "--behind", "street_segmenter", "--stage", "segmenter"],
            "leave out the stage segmenter",
        ),
        (
            ["--data", "{data}", "--behind", "street_segmenter", "--learning-rate", "0.1"],
            "--learning-rate: is the segmenter's",
        ),
    ],
)
def test_says_what_is_wrong(data_set, tmp_path, capsys, arguments, message):
    given = [a.replace("{data}", str(data_set)) for a in arguments]
    assert main(["train", *given, "--out", str(tmp_path / "out")]) == 1
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("text", "weights"),
    [("a/b", (1.0, 1.0)), ("a/b=0.5", (0.5, 0.5)), ("a/b=0.75:0.2", (0.75, 0.2))],
)
def test_a_data_set_has_a_weight_for_the_segmenter_and_one_for_language(text, weights):
    arguments = build_parser("train").parse_args(["--data", text, "--out", "out"])
    assert arguments.data == [(Path("a/b"), *weights)]


@pytest.mark.parametrize("value", ["x", "0", "-1", "nan", "inf", "1:", "1:0", ":1"])
def test_weights_must_be_positive_numbers(data_set, tmp_path, value):
    with pytest.raises(SystemExit) as error:
        main(["train", "--data", f"{data_set}={value}", "--out", str(tmp_path)])
    assert error.value.code == 2


def test_keeps_existing_bundles_before_any_work(data_set, tmp_path, capsys):
    (tmp_path / "street_generative").mkdir()
    assert main(["train", "--data", str(data_set), "--out", str(tmp_path)]) == 1
    assert "street_generative: exists already" in capsys.readouterr().err


def test_the_command_line_comes_before_the_settings():
    given = ["train", "--data", "a", "--out", "o", "--size", "base"]
    shipped = load_settings(resource("config", "train", "base.yaml"))
    assert chosen_settings(build_parser("train").parse_args(given[1:])) == shipped

    given += ["--seed", "0", "--threads", "3", "--precision", "bfloat16"]
    given += ["--family", "segformer", "--learning-rate", "0.01"]
    found = chosen_settings(build_parser("train").parse_args(given[1:]))
    assert (found.seed, found.threads) == (0, 3)
    stages = [found.segmenter.stage, found.contrastive.stage, found.generative.stage]
    assert [s.precision for s in stages] == ["bfloat16"] * 3
    assert found.segmenter.schedule.learning_rate == 0.01
    assert found.segmenter.networks.upernet == shipped.segmenter.networks.upernet
    given += ["--precision", "float32"]
    found = chosen_settings(build_parser("train").parse_args(given[1:]))
    assert found.generative.stage.precision == "float32"


@pytest.mark.parametrize("size", ["small", "base"])
def test_shipped_settings_are_valid_and_scale(size):
    settings = load_settings(resource("config", "train", f"{size}.yaml"))
    half = scaled(settings, 0.5)
    assert half.segmenter.stage.steps == round(settings.segmenter.stage.steps / 2)
    assert half.generative.stage.steps == round(settings.generative.stage.steps / 2)
    assert half.segmenter.stage.warmup == settings.segmenter.stage.warmup / 2
    assert scaled(settings, 2).segmenter.stage.warmup == settings.segmenter.stage.warmup
    assert half.segmenter.networks == settings.segmenter.networks
    with pytest.raises(ConfigError, match="more than 0"):
        scaled(settings, 0)


def test_a_family_has_a_learning_rate_of_its_own():
    small = load_settings(resource("config", "train", "small.yaml")).segmenter
    assert small.schedule.learning_rate == small.stage.learning_rate
    segformer = small.model_copy(update={"family": "segformer"})
    assert segformer.schedule.learning_rate == small.networks.segformer.learning_rate
    assert segformer.schedule.learning_rate < small.stage.learning_rate
    assert segformer.schedule.steps == small.stage.steps


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "segmenter: {networks: {segformer: {hidden: [8, 8, 8, 9], depths: [1, 1, 1, 1],"
            " heads: [1, 1, 1, 2], decoder: 8}}}",
            "segformer: .*9 channels are no multiple of 2 heads",
        ),
        ("segmenter: {networks: {upernet: {depths: [1, 1, 1, 0]}}}", "upernet.depths.3"),
        ("seed: -1", "seed"),
        ("threads: 2\nunknown: 3", "unknown"),
        ("a: [", "no YAML"),
        ("", "is empty"),
        ("segmenter: {net_size: 128, crop: 192}", "segmenter.crop: .*found 192, expected at most"),
        (
            "segmenter: {family: deeplab, net_size: 64,"
            " networks: {upernet: {embedding: 8, decoder: 8, hidden: [1, 1, 1, 1],"
            " depths: [1, 1, 1, 1]}}, stage: {steps: 1, batch: 2, learning_rate: 1}}",
            "segmenter: .*no network of family deeplab, found upernet",
        ),
    ],
)
def test_bad_settings_name_the_field(tmp_path, text, message):
    path = tmp_path / "s.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message):
        load_settings(path)
    with pytest.raises(ConfigError, match="cannot be read"):
        load_settings(tmp_path / "none.yaml")
