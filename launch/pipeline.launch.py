"""The same job as a graph of single nodes, for other segmenters or VLMs in between.

ros2 launch semalign_ros pipeline.launch.py image:=/camera/front/image_raw
"""

from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction, SetEnvironmentVariable
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from semalign_ros.nodes.environment import settings
from semalign_ros.nodes.launching import is_true, logger_name, node_path
from semalign_ros.resources import resource

ARGUMENTS = (
    ("image", "/camera/front/image_raw", "Camera image, raw; <image>/compressed is found too."),
    (
        "segmentation",
        "",
        "Label maps (mono8 train ids) that are the reference; empty for our segmenter's.",
    ),
    (
        "label_map",
        "",
        "Label map (camvid, ...) or bag whose classes the segmentation tells; empty for all 19.",
    ),
    ("params_file", str(resource("config", "pipeline.yaml")), "ROS parameter file."),
    ("segmenter", "", "Segmenter bundle, folder or shipped name; empty for the parameter file's."),
    ("vlm", "", "VLM bundle or recorded answers; empty for the parameter file's."),
    (
        "vlm_input",
        "",
        "What the VLM is shown: image, overlay, mask, scene_text; empty for the parameter file's.",
    ),
    ("condition", "", "Corruption condition; empty for the parameter file's."),
    ("severity", "", "Its severity, 0..5; empty for the parameter file's."),
    ("namespace", "", "Namespace of the nodes."),
    ("use_sim_time", "false", "Take the time from /clock."),
    ("log_level", "info", "debug, info, warn or error."),
    ("overlay", "false", "Bring the images to alignment_node too, so that it draws the overlay."),
    ("rviz", "false", "Also start RViz with the overlay (needs overlay:=true)."),
)
# What config/rviz/monitor.rviz shows of /monitor -> the node that publishes it here.
SHOWN = {
    "debug/overlay": "alignment_node",
    "debug/markers": "alignment_node",
    "output/corrupted/image": "corruption_node",
    "output/segmentation/degraded/color": "segmenter_node",
}
# Output of one node -> input of another, by node.
LINKS = {
    "segmenter_node": {
        "~/input/degraded/image": "corruption_node/output/corrupted/image",
        "~/input/condition": "corruption_node/output/condition",
    },
    "vlm_node": {
        "~/input/degraded/image": "corruption_node/output/corrupted/image",
        "~/input/condition": "corruption_node/output/condition",
        "~/input/segmentation/clean": "segmenter_node/output/segmentation/clean",
        "~/input/segmentation/degraded": "segmenter_node/output/segmentation/degraded",
    },
    "alignment_node": {
        "~/input/degraded/image": "corruption_node/output/corrupted/image",
        "~/input/condition": "corruption_node/output/condition",
        "~/input/segmentation/clean": "segmenter_node/output/segmentation/clean",
        "~/input/segmentation/degraded": "segmenter_node/output/segmentation/degraded",
        "~/input/answers": "vlm_node/output/answers",
    },
}


def start(context: LaunchContext) -> list[Node]:
    """RViz if asked for, and the four nodes, with what the arguments say."""
    given = {name: LaunchConfiguration(name).perform(context) for name, _, _ in ARGUMENTS}
    own: dict[str, dict[str, object]] = {
        "corruption_node": {
            "corruption.condition": given["condition"],
            "corruption.severity": float(given["severity"]) if given["severity"] else "",
        },
        "segmenter_node": {"segmenter.bundle": given["segmenter"]},
        "vlm_node": {"vlm.bundle": given["vlm"], "vlm_input": given["vlm_input"]},
        "alignment_node": {
            "reference": "topic" if given["segmentation"] else "",
            "rule.label_map": given["label_map"],
            "images": True if is_true(given["overlay"]) else "",
        },
    }
    nodes = []
    # RViz first: where it is not installed, the launch ends before a node has started.
    if is_true(given["rviz"]):
        nodes.append(
            Node(
                package="rviz2",
                executable="rviz2",
                arguments=["-d", str(resource("config", "rviz", "monitor.rviz"))],
                remappings=[
                    (f"/monitor/{topic}", f"{node_path(given['namespace'], name)}/{topic}")
                    for topic, name in SHOWN.items()
                ],
            )
        )
    for name, parameters in own.items():
        remappings = [("~/input/image", given["image"]), *LINKS.get(name, {}).items()]
        if name == "alignment_node" and given["segmentation"]:
            remappings.append(("~/input/segmentation", given["segmentation"]))
        chosen = {key: value for key, value in parameters.items() if value != ""}
        nodes.append(
            Node(
                package="semalign_ros",
                executable=name,
                name=name,
                namespace=given["namespace"],
                parameters=[
                    given["params_file"],
                    {**chosen, "use_sim_time": is_true(given["use_sim_time"])},
                ],
                remappings=remappings,
                ros_arguments=[
                    "--log-level",
                    f"{logger_name(given['namespace'], name)}:={given['log_level']}",
                ],
                output="screen",
            )
        )
    return nodes


def generate_launch_description() -> LaunchDescription:
    return LaunchDescription(
        [
            # Both must stand before the processes start; see docs/ros.md.
            *(SetEnvironmentVariable(name, value) for name, value in settings().items()),
            *(
                DeclareLaunchArgument(name, default_value=default, description=text)
                for name, default, text in ARGUMENTS
            ),
            OpaqueFunction(function=start),
        ]
    )
