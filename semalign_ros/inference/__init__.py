"""Models on ONNX Runtime: bundles, segmenters, vision-language models, recorded answers."""

from semalign_ros.inference.bundle import Bundle, load_bundle, write_bundle
from semalign_ros.inference.factory import open_vlm
from semalign_ros.inference.providers import GpuOptions
from semalign_ros.inference.query import VLM_INPUTS, VlmQuery, compose_query
from semalign_ros.inference.segmenter import Segmenter, open_segmenter
from semalign_ros.inference.vlm import Vlm
from semalign_ros.inference.warm_up import placements, warm_up

__all__ = [
    "VLM_INPUTS",
    "Bundle",
    "GpuOptions",
    "Segmenter",
    "Vlm",
    "VlmQuery",
    "compose_query",
    "load_bundle",
    "open_segmenter",
    "open_vlm",
    "placements",
    "warm_up",
    "write_bundle",
]
