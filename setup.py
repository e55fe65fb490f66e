from __future__ import annotations

import re
from pathlib import Path

from setuptools import find_packages, setup

NAME = "semalign_ros"
ROOT = Path(__file__).parent
VERSION = re.search(
    r'__version__ = "(.+)"', (ROOT / NAME / "__init__.py").read_text(encoding="utf-8")
).group(1)

NODES = ("monitor", "corruption", "segmenter", "vlm", "alignment", "player", "recorder")

# Bounds: the lower one is the oldest that has what we use, the upper one keeps out a release
# that is known or announced to break us. Exact versions are in requirements/*.txt.
CORE = [
    "numpy>=1.23",  # NDArray types; 1.26 is what Ubuntu 24.04 (Jazzy) has
    "opencv-python-headless>=4.6",  # headless: a vehicle computer has no libGL
    "pyyaml>=6.0",  # profiles, prompts, bundles
    "pydantic>=2.5,<3",  # bundle manifests; discriminated unions
    "onnxruntime>=1.18",  # opset 20 graphs; onnxruntime-gpu takes its place on a GPU
    "onnx>=1.17",  # looks into graphs before they are loaded: external data, io, opset
    "tokenizers>=0.19,<1",  # tokenizer.json of language models, without transformers
    "rosbags>=0.11,<0.12",  # bags without ROS; its writer's signature changes between minors
    "lz4>=4",  # chunks of damaged MCAP files, read where rosbags gives up
    'backports.zstd>=1; python_version < "3.14"',  # the same; later Pythons have it built in
    "pyarrow>=14",  # Parquet shards of an evaluation
    "scipy>=1.9",  # exact binomial test, rank correlations
    "jinja2>=3.1",  # the HTML report
    "matplotlib>=3.7",  # curves in the report, as SVG that works offline
    "av>=11",  # video files; rate and order of their frames
    "rich>=13",  # progress and tables
]
EXTRAS = {
    # Where no ROS 2 is installed: its client library as wheels (Jazzy).
    "ros": ["ros-rclpy[fastrtps]>=7.1,<8", "ros-common-interfaces>=5.3,<5.4"],
    # torch 2.13 and transformers 5.23 are the pair whose exporter was measured; the latter has
    # no release for Python 3.10, where only `semalign train` and `export` are missing.
    "train": [
        'torch>=2.13,<3; python_version >= "3.11"',
        'transformers>=5.23,<6; python_version >= "3.11"',
        'huggingface_hub>=1.31; python_version >= "3.11"',  # checkpoints by their name on the hub
        'onnxscript>=0.5; python_version >= "3.11"',  # torch.onnx needs it
        'safetensors>=0.4; python_version >= "3.11"',  # checkpoints of transformers
        'sentencepiece>=0.2; python_version >= "3.11"',  # SigLIP's checkpoints hold their words so
    ],
    "test": [
        "pytest>=8",
        "pytest-timeout>=2.3",  # a node that hangs must fail, not block
        "pytest-xdist>=3.8",  # halves the minutes of `make test`; older ones reorder the files
        "hypothesis>=6.100",
        "scikit-learn>=1.3",  # independent implementations of the metrics
        "statsmodels>=0.14",
        'torchmetrics>=1.4; python_version >= "3.11"',  # brings torch along
    ],
}


def shared_files() -> list[tuple[str, list[str]]]:
    """Every shipped file, below share/semalign_ros as in the repository."""
    files: dict[str, list[str]] = {
        f"share/{NAME}": ["package.xml"],
        "share/ament_index/resource_index/packages": [f"resource/{NAME}"],
    }
    for top in ("config", "launch", "models", "rosbags"):
        for path in sorted((ROOT / top).rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                relative = path.relative_to(ROOT)
                files.setdefault(f"share/{NAME}/{relative.parent.as_posix()}", []).append(
                    relative.as_posix()
                )
    return list(files.items())


setup(
    name=NAME,
    version=VERSION,
    packages=find_packages(include=[NAME, f"{NAME}.*"]),
    package_data={NAME: ["py.typed", "**/*.j2", "**/*.css"]},
    data_files=shared_files(),
    python_requires=">=3.10",
    install_requires=["setuptools", *CORE],
    extras_require=EXTRAS,
    zip_safe=False,
    maintainer="semalign_ros maintainers",
    maintainer_email="maintainers@semalign.example",
    description="Does the vision-language model in the car still mean what the camera sees?",
    license="Apache-2.0",
    entry_points={
        "console_scripts": [
            "semalign = semalign_ros.cli:main",
            *(f"{node}_node = semalign_ros.nodes.{node}_node:main" for node in NODES),
        ]
    },
)
