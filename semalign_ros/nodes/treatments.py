"""The stream that tells what was done to each frame."""

from __future__ import annotations

from diagnostic_msgs.msg import DiagnosticArray

from semalign_ros.corruption import CLEAN
from semalign_ros.nodes.conditions import Treatment, decode_treatment
from semalign_ros.nodes.inputs import Source
from semalign_ros.nodes.messages import read_values, single_status
from semalign_ros.nodes.stage import Job, Stream

CONDITION = "condition"


def condition_stream() -> Stream:
    """Input with the messages of corruption_node."""
    return Stream(CONDITION, (Source("~/input/condition", (DiagnosticArray,)),))


def treatment_of(job: Job) -> Treatment:
    """What was done to a job's frame; nothing, where the job has no such input.

    Raises:
        ConfigError: The message is no condition.
    """
    message = job.messages.get(CONDITION)
    if message is None:
        return Treatment(job.index, 0, CLEAN)
    return decode_treatment(read_values(single_status(message, CONDITION)))
