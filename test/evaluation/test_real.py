"""The main job on real frames, through the command line."""

from __future__ import annotations

import csv

import pytest

from semalign_ros.cli import main

MANIFEST = """
name: deeplab
source: {checkpoint: google-coral/test_data, licence: Apache-2.0}
precision: int8
net_size: [513, 513]
input:
  name: MobilenetEdgeTPU/MobilenetEdgeTPU/input
  layout: NHWC
  dtype: uint8
  channel_order: RGB
  resize: bilinear
output: {name: ArgMax, content: labels, layout: NHW}
class_map: [road, sidewalk, building, wall, fence, pole, traffic light, traffic sign, vegetation,
            terrain, sky, person, rider, car, truck, bus, train, motorcycle, bicycle]
"""


@pytest.mark.real
def test_a_foreign_segmenter_reaches_its_known_figures(cityscapes_sample, real_segmenter, tmp_path):
    """Measured elsewhere: mIoU .522, pixel accuracy .931. Wrong resizing or ids would show."""
    fields, bundle, bag = (tmp_path / name for name in ("fields.yaml", "deeplab", "bag"))
    fields.write_text(MANIFEST)
    assert main(["models", "add", str(real_segmenter), str(bundle), "--manifest", str(fields)]) == 0
    assert (
        main(["convert", "cityscapes", str(cityscapes_sample), str(bag), "--split", "train"]) == 0
    )
    out = tmp_path / "out"
    arguments = ["--segmenter", str(bundle), "--profile", "clean", "--out", str(out)]
    assert main(["evaluate", str(bag), *arguments]) == 0
    with (out / "segmentation.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert int(row["frames"]) == 11
    assert float(row["mean_iou"]) == pytest.approx(0.522, abs=0.01)
    assert float(row["pixel_accuracy"]) == pytest.approx(0.931, abs=0.005)
