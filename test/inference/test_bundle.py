from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from semalign_ros.errors import BundleError, OutputError
from semalign_ros.inference.bundle import (
    Bundle,
    dump_manifest,
    load_bundle,
    parse_manifest,
    write_bundle,
)

MINIMAL: dict[str, Any] = {
    "kind": "segmenter",
    "name": "x",
    "source": {"checkpoint": "c", "licence": "MIT"},
    "net_size": [8, 8],
}


def edit(bundle: Bundle, change: Callable[[dict[str, Any]], None]) -> Path:
    path = bundle.folder / "bundle.yaml"
    fields = yaml.safe_load(path.read_text())
    change(fields)
    path.write_text(yaml.safe_dump(fields))
    return bundle.folder


def test_a_written_bundle_loads_and_describes_its_graph(own_segmenter: Bundle) -> None:
    bundle = load_bundle(own_segmenter.folder)
    graph = bundle.manifest.graphs.segmenter
    assert [(t.name, t.dtype, t.shape) for t in graph.inputs] == [
        ("image", "uint8", ("N", "H", "W", 3))
    ]
    assert [t.name for t in graph.outputs] == ["labels", "confidence"]
    assert bundle.manifest.opset == 17
    assert re.fullmatch(r"small@[0-9a-f]{12}", bundle.bundle_id)


def test_the_manifest_survives_yaml(own_segmenter: Bundle) -> None:
    text = dump_manifest(own_segmenter.manifest)
    assert parse_manifest(yaml.safe_load(text)) == own_segmenter.manifest


def test_the_identity_changes_with_the_manifest(own_segmenter: Bundle) -> None:
    # Thresholds and class maps live in the manifest: results of another one are another model's.
    folder = edit(own_segmenter, lambda f: f.update(notes=["changed"]))
    assert load_bundle(folder).bundle_id != own_segmenter.bundle_id


def test_every_problem_is_told_at_once(own_segmenter: Bundle) -> None:
    folder = own_segmenter.folder

    def spoil(fields: dict[str, Any]) -> None:
        fields["files"]["gone.bin"] = {"sha256": "0" * 64, "size": 3}
        fields["files"]["../escape.bin"] = {"sha256": "0" * 64, "size": 3}
        fields["files"]["short.bin"] = {"sha256": "0" * 64, "size": 3}
        fields["opset"] = 13

    edit(own_segmenter, spoil)
    (folder / "short.bin").write_bytes(b"x")
    (folder / "stray.onnx").write_bytes(b"x")
    with pytest.raises(BundleError) as caught:
        load_bundle(folder)
    message = str(caught.value)
    assert "5 problems" in message
    assert "gone.bin: listed and missing" in message
    assert "'../escape.bin' is refused" in message
    assert "short.bin: has 1 bytes, the manifest says 3" in message
    assert "stray.onnx: not listed" in message
    assert "opset 17, the manifest says 13" in message


def test_one_changed_byte_is_found(own_segmenter: Bundle) -> None:
    path = own_segmenter.folder / "segmenter.onnx"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(BundleError, match=r"segmenter\.onnx: altered"):
        load_bundle(own_segmenter.folder)


@pytest.mark.parametrize("how", ["truncated", "text", "empty"])
def test_a_corrupt_graph_with_a_right_hash_is_refused(
    tmp_path: Path, own_segmenter: Bundle, how: str
) -> None:
    content = (own_segmenter.folder / "segmenter.onnx").read_bytes()
    content = {"truncated": content[: len(content) // 2], "text": b"no model", "empty": b""}[how]
    with pytest.raises(BundleError, match="no ONNX model"):
        write_bundle(tmp_path / "bad", own_segmenter.manifest, {"segmenter.onnx": content})
    assert not (tmp_path / "bad").exists()
    assert not list(tmp_path.glob(".bad*"))


def test_a_link_out_of_the_bundle_is_refused(tmp_path: Path, own_segmenter: Bundle) -> None:
    path = own_segmenter.folder / "segmenter.onnx"
    outside = tmp_path / "elsewhere.onnx"
    path.rename(outside)
    path.symlink_to(outside)
    with pytest.raises(BundleError, match="leads out of the bundle"):
        load_bundle(own_segmenter.folder)


def test_a_linked_folder_out_of_the_bundle_is_refused(
    tmp_path: Path, own_segmenter: Bundle
) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "data.bin").write_bytes(b"abc")
    (own_segmenter.folder / "sub").symlink_to(tmp_path / "outside")

    def list_it(fields: dict[str, Any]) -> None:
        fields["files"]["sub/data.bin"] = {"sha256": "0" * 64, "size": 3}

    with pytest.raises(BundleError, match=r"sub/data\.bin: leads out of the bundle"):
        load_bundle(edit(own_segmenter, list_it))


def test_a_bundle_whose_every_file_is_linked_loads(tmp_path: Path, own_segmenter: Bundle) -> None:
    # What `colcon build --symlink-install` makes of the shipped bundles.
    share = tmp_path / "share"
    share.mkdir()
    for path in own_segmenter.folder.iterdir():
        (share / path.name).symlink_to(path)
    bundle = load_bundle(share)
    assert bundle.folder == own_segmenter.folder.resolve()


@pytest.mark.parametrize(
    "name", ["/etc/passwd", "../x.onnx", "a/../../x", "a\\b", "C:x", "", ".", "a//b", "./a", "a\0b"]
)
def test_paths_that_are_not_plain_are_refused(
    tmp_path: Path, own_segmenter: Bundle, name: str
) -> None:
    with pytest.raises(BundleError, match="refused"):
        write_bundle(tmp_path / "bad", own_segmenter.manifest, {name: b"x"})
    assert not (tmp_path / "bad").exists()


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(parts=st.lists(st.sampled_from(["..", ".", "a", "", "sub", "/"]), min_size=1, max_size=5))
def test_no_listed_path_is_read_outside(own_segmenter: Bundle, parts: list[str]) -> None:
    name = "/".join(parts)
    inside = (own_segmenter.folder / name).resolve().is_relative_to(own_segmenter.folder.resolve())
    folder = own_segmenter.folder
    before = (folder / "bundle.yaml").read_text()
    try:
        edit(own_segmenter, lambda f: f["files"].update({name: {"sha256": "0" * 64, "size": 0}}))
        with pytest.raises(BundleError) as caught:
            load_bundle(folder)
        if not inside:
            assert "refused" in str(caught.value)
    finally:
        (folder / "bundle.yaml").write_text(before)


def external_model(path: Path, location: str, *, where: str = "initializer") -> Path:
    """A graph whose weights lie in another file, named in one of the places ONNX has for it."""
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[2])
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=location)
    value = helper.make_tensor_value_info("y", TensorProto.FLOAT, [2])
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [2])
    if where == "initializer":
        nodes, weights = [helper.make_node("Add", ["x", "w"], ["y"])], [tensor]
    elif where == "constant":
        nodes = [
            helper.make_node("Constant", [], ["w"], value=tensor),
            helper.make_node("Add", ["x", "w"], ["y"]),
        ]
        weights = []
    else:
        branch = helper.make_graph(
            [helper.make_node("Add", ["x", "w"], ["z"])],
            "branch",
            [],
            [helper.make_tensor_value_info("z", TensorProto.FLOAT, [2])],
            [tensor],
        )
        condition = helper.make_tensor("c", TensorProto.BOOL, [], [True])
        nodes = [
            helper.make_node("Constant", [], ["c"], value=condition),
            helper.make_node("If", ["c"], ["y"], then_branch=branch, else_branch=branch),
        ]
        weights = []
    graph = helper.make_graph(nodes, "g", [x], [value], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path.write_bytes(model.SerializeToString())
    return path


@pytest.mark.parametrize("where", ["initializer", "constant", "subgraph"])
@pytest.mark.parametrize("location", ["../secret.bin", "/etc/hostname", "unlisted.bin"])
def test_external_weights_must_be_listed_files(
    tmp_path: Path, own_segmenter: Bundle, where: str, location: str
) -> None:
    (tmp_path / "secret.bin").write_bytes(bytes(8))
    graph = external_model(tmp_path / "m.onnx", location, where=where)
    with pytest.raises(BundleError, match="external data"):
        write_bundle(tmp_path / "bad", own_segmenter.manifest, {"segmenter.onnx": graph})


def test_external_weights_beside_the_graph_are_hashed(
    tmp_path: Path, own_segmenter: Bundle
) -> None:
    graph = external_model(tmp_path / "m.onnx", "weights.bin")
    manifest = own_segmenter.manifest.model_copy(
        update={"graphs": type(own_segmenter.manifest.graphs)(segmenter={"file": "nets/m.onnx"})}
    )
    files = {"nets/m.onnx": graph, "nets/weights.bin": np.ones(2, np.float32).tobytes()}
    bundle = write_bundle(tmp_path / "good", manifest, files)
    (bundle.folder / "nets" / "weights.bin").write_bytes(bytes(8))
    with pytest.raises(BundleError, match=r"nets/weights\.bin: altered"):
        load_bundle(bundle.folder)


def test_stated_inputs_must_be_those_of_the_graph(own_segmenter: Bundle) -> None:
    def rename(fields: dict[str, Any]) -> None:
        fields["graphs"]["segmenter"]["inputs"][0]["name"] = "picture"

    with pytest.raises(BundleError, match=r"inputs: the file has image uint8.*stated picture"):
        load_bundle(edit(own_segmenter, rename))


def test_files_for_people_need_no_hash(own_segmenter: Bundle) -> None:
    (own_segmenter.folder / "README.md").write_text("words")
    (own_segmenter.folder / "LICENSE").write_text("words")
    load_bundle(own_segmenter.folder)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- a\n- b\n", "expected a mapping"),
        ("a: [1, 2", "not valid YAML"),
        ("a: &x [1]\nb: *x\n", "aliases are not accepted"),
        ("!!python/object/apply:os.system ['true']", "not valid YAML"),
        ('a: !!int ""\n', "not valid YAML: IndexError"),
        ("a: !!timestamp x\n", "not valid YAML: AttributeError"),
        ("a: 1\nb: 2\na: 3\n", "key 'a' is there twice"),
        ("kind: detector\n", "does not match any of the expected tags"),
        ("schema_version: 2\nkind: segmenter\n", "schema_version is 2, this version .* reads 1"),
    ],
)
def test_malformed_manifests(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "bundle.yaml").write_text(text)
    with pytest.raises(BundleError, match=message):
        load_bundle(tmp_path)


def test_binary_and_endless_manifests(tmp_path: Path) -> None:
    path = tmp_path / "bundle.yaml"
    path.write_bytes(b"\x80\x81")
    with pytest.raises(BundleError, match="not valid YAML"):
        load_bundle(tmp_path)
    path.write_bytes(b"#" * (5 << 20))
    with pytest.raises(BundleError, match="longer than"):
        load_bundle(tmp_path)


def test_no_bundle_at_all(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"bundle\.yaml was not found in it; `semalign export`"):
        load_bundle(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"typo": 1}, "typo: unknown field 'typo'"),
        ({"opsett": 17}, "did you mean 'opset'"),
        ({"normalisation": {"men": [0, 0, 0]}}, "did you mean 'mean'"),
        ({"class_map": ["raod"]}, "did you mean 'road'"),
        ({"class_map": {}}, "expected channel numbers"),
        ({"class_map": {0: "ignore"}}, "no channel has a class"),
        ({"class_map": {-1: "road"}}, "expected channel numbers"),
        ({"net_size": [0, 8]}, "net_size[0]"),
        ({"net_size": [8, 10**24]}, "net_size[1]"),
        ({"normalisation": {"std": [1, 1, 0]}}, "normalisation.std[2]"),
        ({"normalisation": {"scale": float("nan")}}, "normalisation.scale"),
        ({"output": {"content": "logits"}}, "logits need the layout"),
        ({"output": {"confidence": "softmax"}}, "need content: logits"),
        ({"name": "../x"}, "name: String should match"),
        ({"source": {"checkpoint": "c"}}, "source.licence: Field required"),
    ],
)
def test_wrong_fields_are_named(change: dict[str, Any], message: str) -> None:
    with pytest.raises(BundleError, match=re.escape(message)):
        parse_manifest({**MINIMAL, **change})


def test_a_sparse_class_map_ignores_the_holes() -> None:
    manifest = parse_manifest({**MINIMAL, "class_map": {1: "road", 3: "car"}})
    assert manifest.class_map == ("ignore", "road", "ignore", "car")


def test_nothing_is_overwritten_unasked(tmp_path: Path, own_segmenter: Bundle) -> None:
    files = {"segmenter.onnx": own_segmenter.folder / "segmenter.onnx"}
    with pytest.raises(OutputError, match="exists already"):
        write_bundle(own_segmenter.folder, own_segmenter.manifest, files)
    # Replacing a bundle by one made of its own file works, and a failure keeps the old one.
    write_bundle(own_segmenter.folder, own_segmenter.manifest, files, overwrite=True)
    with pytest.raises(BundleError, match=r"gone\.onnx: cannot be read"):
        write_bundle(
            own_segmenter.folder,
            own_segmenter.manifest,
            {"segmenter.onnx": tmp_path / "gone.onnx"},
            overwrite=True,
        )
    load_bundle(own_segmenter.folder)


def test_a_tokenizer_must_be_listed(tmp_path: Path, tiny_clip: Any) -> None:
    bundle = tiny_clip.write(tmp_path / "clip")
    onnx.load(bundle.path("text.onnx"))
    (bundle.folder / "tokenizer.json").unlink()
    edit(bundle, lambda f: f["files"].pop("tokenizer.json"))
    with pytest.raises(BundleError, match=r"tokenizer: 'tokenizer\.json' is not listed"):
        load_bundle(bundle.folder)
