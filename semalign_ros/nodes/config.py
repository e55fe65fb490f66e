"""Parameters of the nodes: one table for each, built from shared groups."""

from __future__ import annotations

from dataclasses import dataclass, fields

from semalign_ros.alignment.thresholds import HealthThresholds, threshold_parameters
from semalign_ros.bags.vocabulary import find_vocabulary
from semalign_ros.bags.writer import COMPRESSIONS, STORAGES
from semalign_ros.corruption.parameters import MAX_SEVERITY
from semalign_ros.inference.providers import DEVICES, GpuOptions
from semalign_ros.inference.query import VLM_INPUTS
from semalign_ros.nodes.schema import group, parameter
from semalign_ros.scene.reference import ReferenceRule
from semalign_ros.scene.taxonomy import CRITICAL

RELIABILITIES = ("auto", "reliable", "best_effort")
TRANSPORTS = ("auto", "raw", "compressed")
REFERENCES = ("segmenter", "topic")

_RULE = ReferenceRule()


def _share(field: str, description: str) -> float:
    value: float = parameter(getattr(_RULE, field), description, minimum=0.0, maximum=1.0)
    return value


@dataclass(frozen=True, slots=True)
class NodeConfig:
    """What every managed node has."""

    autostart: bool = parameter(
        True,
        "Configure and activate at start; false waits for a lifecycle manager.",
        read_only=True,
    )
    camera: str = parameter(
        "camera", "Name of the camera in diagnostics and results.", read_only=True
    )


@dataclass(frozen=True, slots=True)
class StageConfig(NodeConfig):
    """What every node that works on frames has."""

    qos_reliability: str = parameter(
        "auto",
        "Reliability of the image subscriptions; auto takes what the publishers offer.",
        choices=RELIABILITIES,
        read_only=True,
    )
    max_age: float = parameter(
        0.0,
        "Frames older than this when their turn comes are dropped as stale, seconds of the node's "
        "clock; 0 never drops. Replay a bag with /clock and use_sim_time, or leave it at 0.",
        minimum=0.0,
        maximum=3600.0,
    )
    pair_capacity: int = parameter(
        10,
        "Stamps that may wait for their counterparts on the other inputs; more for a slow model "
        "behind a fast camera.",
        minimum=1,
        maximum=1000,
        read_only=True,
    )


@dataclass(frozen=True, slots=True)
class CameraInput:
    """What is subscribed beside the image."""

    transport: str = parameter(
        "auto",
        "Image transport: raw, compressed (~/input/image/compressed), or whichever is published.",
        choices=TRANSPORTS,
        read_only=True,
    )
    depth: bool = parameter(
        False, "Subscribe to ~/input/depth, which depth-aware corruptions use.", read_only=True
    )
    twist: bool = parameter(
        False, "Subscribe to ~/input/twist, which motion-aware corruptions use.", read_only=True
    )


_GPU: dict[str, dict[str, object]] = {
    "fp16": {
        "description": "TensorRT computes in half precision where that is faster; scores change "
        "a little. Needs device tensorrt.",
        "read_only": True,
    },
    "cuda_graph": {
        "description": "Capture the graph that sees the image once, and replay it as one launch. "
        "Needs warm_up, whose size every frame must then have, and a GPU that can run every node.",
        "read_only": True,
    },
    "memory_mb": {
        "description": "Most GPU memory for the arena of each graph, MB; 0 for all.",
        "minimum": 0,
        "maximum": 1_000_000,
        "read_only": True,
    },
    "engine_cache": {
        "description": "Folder in which TensorRT's engines are kept, by the model's digest; empty "
        "for ~/.cache/semalign_ros/tensorrt. Needs device tensorrt.",
        "read_only": True,
    },
}


@dataclass(frozen=True, slots=True)
class GpuConfig:
    """Options of a GPU where no node is, as on the command line."""

    gpu: GpuOptions = group(GpuOptions, _GPU)


def _warm_up() -> str:
    value: str = parameter(
        "",
        "Size of the camera's frames, WIDTHxHEIGHT in pixels, at which every model runs once "
        "before the first of them; empty for the size that its network works at.",
        read_only=True,
    )
    return value


@dataclass(frozen=True, slots=True)
class SegmenterModel:
    """Which segmenter runs where."""

    bundle: str = parameter(
        "street_segmenter",
        "Folder of the segmenter bundle, or the name of a shipped one; empty for none.",
        read_only=True,
    )
    device: str = parameter(
        "auto",
        "Device of the segmenter; a named one must load, auto says what it got.",
        choices=DEVICES,
        read_only=True,
    )
    threads: int = parameter(
        0, "Threads of one run on the CPU; 0 for as many as there are cores.",
        minimum=0, maximum=256, read_only=True,
    )  # fmt: skip
    gpu: GpuOptions = group(GpuOptions, _GPU)


@dataclass(frozen=True, slots=True)
class VlmModel:
    """Which vision-language model runs where, and how it is asked."""

    bundle: str = parameter(
        "street_contrastive",
        "Folder of the VLM bundle, name of a shipped one, or a .jsonl file of recorded answers.",
        read_only=True,
    )
    device: str = parameter(
        "auto",
        "Device of the VLM; a named one must load, auto says what it got.",
        choices=DEVICES,
        read_only=True,
    )
    threads: int = parameter(
        0, "Threads of one run on the CPU; 0 for as many as there are cores.",
        minimum=0, maximum=256, read_only=True,
    )  # fmt: skip
    gpu: GpuOptions = group(GpuOptions, _GPU)
    prompts: str = parameter(
        "default", "Prompt set: a YAML file, or the name of a shipped one.", read_only=True
    )
    protocol: str = parameter(
        "",
        "How the model is asked: questions, top_k (contrastive) or description (generative); "
        "empty for the model's default.",
        read_only=True,
    )
    describe: bool = parameter(
        False,
        "Generative models also describe the scene in words; costs a generation a frame.",
        read_only=True,
    )


@dataclass(frozen=True, slots=True)
class CorruptionConfig:
    """What is done to the frames of the degraded branch."""

    profile: str = parameter(
        "paper", "Corruption profile: a YAML file, or the name of a shipped one."
    )
    condition: str = parameter(
        "motion_blur",
        "clean, cycle (the profile's conditions in turn, one a frame), a condition of the profile, "
        "or any corruption.",
    )
    severity: float = parameter(
        2.0,
        "Severity of the condition; one that comes from the profile must have it there.",
        minimum=0.0,
        maximum=float(MAX_SEVERITY),
    )
    seed: int = parameter(0, "Seed of every random draw.", minimum=0, maximum=2**31 - 1)


@dataclass(frozen=True, slots=True)
class RuleConfig:
    """How the reference is derived from a label map."""

    min_fraction: float = _share("min_fraction", "Area share from which a class is present.")
    critical: tuple[str, ...] = parameter(CRITICAL, "Classes that must not be overlooked.")
    label_map: str = parameter(
        "",
        "Classes that the train ids on ~/input/segmentation tell apart: of a label map, such as "
        "camvid or a YAML file, or of a bag that semalign convert made; empty: all 19.",
    )
    corridor_top: float = _share("corridor_top", "Far edge of the corridor, share of the height.")
    corridor_bottom: float = _share("corridor_bottom", "Near edge, share of the height.")
    corridor_top_width: float = _share("corridor_top_width", "Width of the far edge, share.")
    corridor_bottom_width: float = _share("corridor_bottom_width", "Width of the near edge, share.")
    max_object_fraction: float = _share(
        "max_object_fraction", "Share of the corridor from which objects make it unsafe."
    )
    min_road_fraction: float = _share(
        "min_road_fraction", "Share of road in the corridor below which it is unsafe."
    )

    def rule(self) -> ReferenceRule:
        """Build the rule.

        Raises:
            ConfigError: A class is unknown, the corridor upside down, or there is no such
                label map or it is damaged.
        """
        values = {item.name: getattr(self, item.name) for item in fields(self)}
        label_map = values.pop("label_map")
        if label_map:
            values["vocabulary"] = find_vocabulary(label_map)
        return ReferenceRule(**{**values, "critical": frozenset(self.critical)})


_THRESHOLDS = {
    p.name: {"description": p.description, "minimum": p.low, "maximum": p.high}
    for p in threshold_parameters()
}


@dataclass(frozen=True, slots=True)
class OverlayConfig:
    """The debug picture."""

    max_width: int = parameter(
        1600, "Width of the overlay picture, pixels; larger ones are scaled down.",
        minimum=320, maximum=8192,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class JudgingConfig(StageConfig):
    """What both nodes that judge have."""

    reference: str = parameter(
        "segmenter",
        "Label map of the reference: of our segmenter on the clean frame, or, with topic, of "
        "~/input/segmentation.",
        choices=REFERENCES,
        read_only=True,
    )
    safety_label: bool = parameter(
        False,
        "Subscribe to ~/input/safety_label (std_msgs/String, safe or unsafe), which replaces the "
        "rule's judgment until the next one.",
        read_only=True,
    )
    snapshot_folder: str = parameter(
        "semalign_snapshots", "Folder in which ~/snapshot makes a folder for each call."
    )
    rule: RuleConfig = group(RuleConfig)
    thresholds: HealthThresholds = group(HealthThresholds, _THRESHOLDS)
    overlay: OverlayConfig = group(OverlayConfig)


@dataclass(frozen=True, slots=True)
class MonitorConfig(JudgingConfig):
    """Parameters of `monitor_node`."""

    input: CameraInput = group(CameraInput)
    vlm_input: str = parameter(
        "image", "What the VLM is shown.", choices=VLM_INPUTS, read_only=True
    )
    warm_up: str = _warm_up()
    segmenter: SegmenterModel = group(SegmenterModel)
    vlm: VlmModel = group(VlmModel)
    corruption: CorruptionConfig = group(CorruptionConfig)


@dataclass(frozen=True, slots=True)
class CorruptionNodeConfig(StageConfig):
    """Parameters of `corruption_node`."""

    input: CameraInput = group(CameraInput)
    corruption: CorruptionConfig = group(CorruptionConfig)


@dataclass(frozen=True, slots=True)
class SegmenterNodeConfig(StageConfig):
    """Parameters of `segmenter_node`."""

    degraded: bool = parameter(
        True,
        "Also segment ~/input/degraded/image, and degrade its label map by the condition on "
        "~/input/condition.",
        read_only=True,
    )
    depth: bool = parameter(
        False, "Subscribe to ~/input/depth, which depth-aware corruptions use.", read_only=True
    )
    warm_up: str = _warm_up()
    segmenter: SegmenterModel = group(SegmenterModel)


@dataclass(frozen=True, slots=True)
class VlmNodeConfig(StageConfig):
    """Parameters of `vlm_node`."""

    degraded: bool = parameter(True, "Also ask about ~/input/degraded/image.", read_only=True)
    vlm_input: str = parameter(
        "image", "What the VLM is shown.", choices=VLM_INPUTS, read_only=True
    )
    warm_up: str = _warm_up()
    vlm: VlmModel = group(VlmModel)


@dataclass(frozen=True, slots=True)
class AlignmentNodeConfig(JudgingConfig):
    """Parameters of `alignment_node`."""

    segmentation: bool = parameter(
        True,
        "Subscribe to the label maps of segmenter_node; false where there is none and the "
        "reference is a topic.",
        read_only=True,
    )
    images: bool = parameter(
        False, "Subscribe to the images too, to draw the overlay on them.", read_only=True
    )
    prompts: str = parameter("default", "Prompt set that vlm_node asks with.", read_only=True)


@dataclass(frozen=True, slots=True)
class PlayerConfig:
    """Parameters of `player_node`."""

    bag: str = parameter("", "Folder of the bag, or a single .mcap or .db3 file.", read_only=True)
    rate: float = parameter(
        1.0, "Bag seconds per second.", minimum=1e-3, maximum=1e3, read_only=True
    )
    loop: bool = parameter(False, "Begin again at the end, for ever.", read_only=True)
    start: float = parameter(
        0.0, "Seconds of the bag to skip.", minimum=0.0, maximum=1e9, read_only=True
    )
    duration: float = parameter(
        0.0, "Seconds of the bag to play; 0 for all.", minimum=0.0, maximum=1e9, read_only=True
    )
    clock: float = parameter(
        0.0, "Rate of /clock, Hz; 0 for none.", minimum=0.0, maximum=1e4, read_only=True
    )
    topics: tuple[str, ...] = parameter(
        ("*",), "Topics to play; * and ? match as in file names.", read_only=True
    )
    wait_for: tuple[str, ...] = parameter(
        ("",),
        "Topics, of the bag or of others, that need a subscriber (or <topic>/compressed does) "
        "before the first message, two if named twice; an empty name for none.",
        read_only=True,
    )
    wait_timeout: float = parameter(
        60.0, "Give up waiting for them after so many seconds.",
        minimum=0.1, maximum=3600.0, read_only=True,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class RecorderConfig:
    """Parameters of `recorder_node`."""

    output: str = parameter("", "Folder of the bag to write; must not exist.", read_only=True)
    topics: tuple[str, ...] = parameter(
        ("*",), "Topics to record; * and ? match as in file names.", read_only=True
    )
    storage: str = parameter("mcap", "Format of the bag.", choices=STORAGES, read_only=True)
    compression: str = parameter(
        "none", "Compression of the bag.", choices=COMPRESSIONS, read_only=True
    )
    overwrite: bool = parameter(False, "Replace what is at the output.", read_only=True)
