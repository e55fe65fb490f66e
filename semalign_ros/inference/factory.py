"""Opens a VLM of any kind."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from semalign_ros.errors import BundleError
from semalign_ros.inference.bundle import MANIFEST_NAME, load_bundle
from semalign_ros.inference.contrastive import ContrastiveVlm
from semalign_ros.inference.generative import GenerativeVlm
from semalign_ros.inference.manifest import ContrastiveManifest, GenerativeManifest
from semalign_ros.inference.providers import GpuOptions
from semalign_ros.inference.recorded import RecordedVlm
from semalign_ros.inference.vlm import Vlm, check_protocol
from semalign_ros.language import PromptSet
from semalign_ros.scene.taxonomy import CLASSES


def open_vlm(
    path: Path | str,
    device: str = "auto",
    *,
    prompts: PromptSet | None = None,
    classes: Iterable[str] = CLASSES,
    protocol: str | None = None,
    describe: bool = False,
    top_k: int | None = None,
    threads: int | None = None,
    gpu: GpuOptions | None = None,
) -> Vlm:
    """Load a vision-language model.

    Args:
        path: Bundle folder, or a ``.jsonl`` file of recorded answers.
        device: ``cpu``, ``cuda``, ``tensorrt`` or ``auto``.
        prompts: What to ask; None for the set that ships.
        classes: Classes whose presence is asked for.
        protocol: One of :data:`~semalign_ros.inference.vlm.PROTOCOLS` for the kind;
            None for its default.
        describe: Generative models also describe the scene in `VlmAnswer.raw_text`,
            for people to read; costs a generation per frame.
        top_k: Classes claimed with the protocol ``top_k``; None for the bundle's number.
        threads: Threads of one run on the CPU; None for as many as there are cores.
        gpu: How the graphs run on a GPU; None for the defaults. Recorded answers run nowhere.

    Raises:
        BundleError: The bundle is missing, altered, unsafe or no VLM.
        ConfigError: The kind knows no such protocol, a class is unknown, or the device would
            not heed an option.
        DeviceError: `device` was named and did not load.
    """
    path = Path(path)
    prompts = prompts or PromptSet.load()
    if path.suffix == ".jsonl":
        protocol = check_protocol("recorded", protocol)
        return RecordedVlm(path, prompts, classes, protocol=protocol)
    if path.is_file():
        raise BundleError(
            f"{path}: a file; expected a bundle folder with {MANIFEST_NAME}, or a .jsonl file of "
            "recorded answers"
        )
    bundle = load_bundle(path)
    protocol = check_protocol(bundle.manifest.kind, protocol)
    if isinstance(bundle.manifest, ContrastiveManifest):
        return ContrastiveVlm(
            bundle,
            device,
            prompts=prompts,
            classes=classes,
            protocol=protocol,
            top_k=top_k,
            threads=threads,
            gpu=gpu,
        )
    if isinstance(bundle.manifest, GenerativeManifest):
        return GenerativeVlm(
            bundle,
            device,
            prompts=prompts,
            classes=classes,
            protocol=protocol,
            describe=describe,
            threads=threads,
            gpu=gpu,
        )
    raise BundleError(f"{path}: a bundle of kind {bundle.manifest.kind}, expected a VLM")
