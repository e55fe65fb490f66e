from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

pytestmark = pytest.mark.torch
torch = pytest.importorskip("torch")

from semalign_ros.errors import BundleError  # noqa: E402
from semalign_ros.export.graph import export_graph  # noqa: E402
from semalign_ros.export.image_side import one_view  # noqa: E402
from semalign_ros.export.pixels import (  # noqa: E402
    EXAMPLE,
    FREE,
    Pixels,
    load_image_processor,
    read_recipe,
    require_equal_pixels,
    squashing,
)
from semalign_ros.inference.runtime import OnnxSession  # noqa: E402

PROCESSORS = {
    "cut, bicubic": ("CLIPImageProcessor", {}),
    "squashed, bicubic": ("SiglipImageProcessor", {}),
    "squashed, bilinear": ("SegformerImageProcessor", {"size": {"height": 96, "width": 160}}),
    "squashed, lanczos": ("SiglipImageProcessor", {"resample": 1}),
    "other scale": ("SegformerImageProcessor", {"rescale_factor": 1 / 127.5}),
    "neither scaled nor normalised": (
        "SegformerImageProcessor",
        {"do_rescale": False, "do_normalize": False},
    ),
    "blue first": (
        "MobileViTImageProcessor",
        {"size": {"shortest_edge": 100}, "crop_size": {"height": 90, "width": 96}},
    ),
}


def write(folder, kind, **values):
    content = {"image_processor_type": kind, **values}
    (folder / "preprocessor_config.json").write_text(json.dumps(content))
    (folder / "config.json").write_text("{}")
    return folder


@pytest.mark.parametrize("name", PROCESSORS)
@pytest.mark.parametrize("size", [(360, 640), (257, 411), (150, 160), (360, 280), (350, 150)])
def test_a_network_sees_what_the_processor_makes(name, size, frame, tmp_path):
    kind, values = PROCESSORS[name]
    folder = write(tmp_path, kind, **values)
    processor = load_image_processor(folder)
    recipe = read_recipe(processor)
    frame = np.ascontiguousarray(frame[: size[0], : size[1]])
    wanted = processor(images=frame, return_tensors="pt")["pixel_values"]
    pixels = Pixels(recipe)
    found = pixels(torch.from_numpy(frame[None]))
    assert found.shape == wanted.shape == (1, 3, *recipe.size)
    assert ((found - wanted).abs() / pixels.gain).max() < 1e-3  # no level off


@pytest.mark.parametrize(
    "name", ["cut, bicubic", "squashed, bilinear", "squashed, lanczos", "blue first"]
)
def test_the_graph_does_what_the_processor_does(name, frame, tmp_path):
    kind, values = PROCESSORS[name]
    folder = write(tmp_path, kind, **values)
    processor = load_image_processor(folder)
    pixels, graph = Pixels(read_recipe(processor)), tmp_path / "pixels.onnx"
    export_graph(pixels, {"image": EXAMPLE}, ["pixels"], {"image": FREE}, graph)
    session = OnnxSession(graph, "cpu")
    for part in (frame, frame[:200, :411], frame[:, :150]):  # of the last the height first
        part = np.ascontiguousarray(part)
        (found,) = session.run({"image": np.stack([part, part])}, ["pixels"])
        wanted = processor(images=part, return_tensors="np")["pixel_values"]
        levels = np.abs(found - np.concatenate([wanted, wanted])) / pixels.gain.numpy()
        assert levels.max() < 1e-3  # no level off


def test_the_fast_way_misses_a_level_here_and_there(frame, tmp_path):
    processor = load_image_processor(write(tmp_path, "SiglipImageProcessor"))
    pixels = Pixels(read_recipe(processor, exact=False))
    assert not pixels.recipe.exact
    assert 0 < require_equal_pixels(processor, pixels, [frame]) < 0.05


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("CLIPImageProcessor", {}),
        ("SegformerImageProcessor", {"do_resize": False}),
        ("DPTImageProcessor", {"keep_aspect_ratio": True, "ensure_multiple_of": 32}),
        ("DPTImageProcessor", {"do_pad": True, "size_divisor": 64}),
        ("Mask2FormerImageProcessor", {"size_divisor": 32}),
        ("MobileViTImageProcessor", {"size": {"shortest_edge": 300}}),
    ],
)
def test_a_size_of_ones_own_squashes_the_frame(kind, values, frame, tmp_path):
    processor = load_image_processor(write(tmp_path, kind, **values))
    before = dict(vars(processor))
    changed = squashing(processor, (100, 250))
    recipe = read_recipe(changed)
    assert (recipe.size, recipe.shortest_edge) == ((100, 250), None)
    assert require_equal_pixels(changed, Pixels(recipe), [frame]) < 1e-4
    assert dict(vars(processor)) == before


@pytest.mark.parametrize(
    "change",
    [{"filter": "bilinear"}, {"shortest_edge": 230}, {"std": (0.25, 0.25, 0.25)}, {"bgr": True}],
)
def test_another_way_is_noticed(change, frame, tmp_path):
    folder = write(tmp_path, "CLIPImageProcessor")
    wrong = replace(read_recipe(load_image_processor(folder)), **change)
    with pytest.raises(BundleError, match=r"pixels that differ by \d"):
        require_equal_pixels(load_image_processor(folder), Pixels(wrong), [frame])


@pytest.mark.parametrize("size", [(200, 331), (301, 200), (160, 160)])
def test_a_frame_is_framed_to_a_square(size, frame, tmp_path):
    cut = {"size": {"shortest_edge": 90}, "crop_size": {"height": 64, "width": 80}}
    processor = load_image_processor(write(tmp_path, "LlavaImageProcessor", do_pad=True, **cut))
    pixels, graph = one_view(processor, None, size).pixels, tmp_path / "pixels.onnx"
    frame = np.ascontiguousarray(frame[: size[0], : size[1]])
    assert require_equal_pixels(processor, pixels, [frame]) < 1e-4
    free = {"image": {1: "height", 2: "width"}}
    export_graph(pixels, {"image": EXAMPLE[:1]}, ["pixels"], free, graph)
    (found,) = OnnxSession(graph, "cpu").run({"image": frame[None]}, ["pixels"])
    wanted = processor(images=frame, return_tensors="np")["pixel_values"]
    assert (np.abs(found - wanted) / pixels.gain.numpy()).max() < 1e-3  # no level off


def test_another_size_is_noticed(frame, tmp_path):
    folder = write(tmp_path, "CLIPImageProcessor")
    wrong = replace(read_recipe(load_image_processor(folder)), size=(200, 200))
    with pytest.raises(BundleError, match=r"makes \[1, 3, 224, 224\]"):
        require_equal_pixels(load_image_processor(folder), Pixels(wrong), [frame])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("no json", "not loadable as an image processor"),
        ('{"image_processor_type": "NoSuchProcessor"}', "not loadable as an image processor"),
        (
            '{"image_processor_type": "SegformerImageProcessor", "size": {"shortest_edge": 512}}',
            "a segmenter takes --size WIDTHxHEIGHT",
        ),
        (
            '{"image_processor_type": "SegformerImageProcessor", "image_mean": [1]}',
            "expected three numbers",
        ),
        ('{"image_processor_type": "CLIPImageProcessor", "resample": 0}', "filter"),
    ],
)
def test_refuses_what_it_cannot_follow(content, message, tmp_path):
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "preprocessor_config.json").write_text(content)
    with pytest.raises(BundleError, match=message):
        read_recipe(load_image_processor(tmp_path))


def test_a_checkpoint_without_a_processor(tmp_path):
    with pytest.raises(BundleError, match="the image processor is needed"):
        read_recipe(load_image_processor(tmp_path))
