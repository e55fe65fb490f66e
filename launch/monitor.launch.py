"""The monitor on a camera topic: everything in one node.

ros2 launch semalign_ros monitor.launch.py image:=/camera/front/image_raw rviz:=true
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
    ("depth", "", "Depth image that depth-aware corruptions use; empty for none."),
    ("twist", "", "Motion of the vehicle that motion-aware corruptions use; empty for none."),
    ("params_file", str(resource("config", "monitor.yaml")), "ROS parameter file."),
    ("segmenter", "", "Segmenter bundle, folder or shipped name; empty for the parameter file's."),
    ("vlm", "", "VLM bundle or recorded answers; empty for the parameter file's."),
    ("condition", "", "Corruption condition; empty for the parameter file's."),
    ("severity", "", "Its severity, 0..5; empty for the parameter file's."),
    ("name", "monitor", "Name of the node."),
    ("namespace", "", "Namespace of the node."),
    ("use_sim_time", "false", "Take the time from /clock."),
    ("log_level", "info", "debug, info, warn or error."),
    ("rviz", "false", "Also start RViz with the overlay."),
)
# What config/rviz/monitor.rviz shows of a node that is called /monitor.
SHOWN = (
    "debug/overlay",
    "debug/markers",
    "output/corrupted/image",
    "output/segmentation/degraded/color",
)
# Launch argument -> parameter that it sets where it is not empty.
OVERRIDES = {
    "label_map": "rule.label_map",
    "segmenter": "segmenter.bundle",
    "vlm": "vlm.bundle",
    "condition": "corruption.condition",
    "severity": "corruption.severity",
}


def start(context: LaunchContext) -> list[Node]:
    """The node, with what the arguments say."""
    given = {name: LaunchConfiguration(name).perform(context) for name, _, _ in ARGUMENTS}
    parameters: dict[str, object] = {
        parameter: float(given[name]) if name == "severity" else given[name]
        for name, parameter in OVERRIDES.items()
        if given[name]
    }
    parameters["use_sim_time"] = is_true(given["use_sim_time"])
    remappings = [("~/input/image", given["image"])]
    if given["segmentation"]:
        parameters["reference"] = "topic"
        remappings.append(("~/input/segmentation", given["segmentation"]))
    for name in ("depth", "twist"):
        if given[name]:
            parameters[f"input.{name}"] = True
            remappings.append((f"~/input/{name}", given[name]))
    topic = node_path(given["namespace"], given["name"])
    logger = logger_name(given["namespace"], given["name"])
    shown = []
    if is_true(given["rviz"]):
        shown.append(
            Node(
                package="rviz2",
                executable="rviz2",
                arguments=["-d", str(resource("config", "rviz", "monitor.rviz"))],
                remappings=[(f"/monitor/{name}", f"{topic}/{name}") for name in SHOWN],
            )
        )
    # RViz first: where it is not installed, the launch ends before the node has started.
    return [
        *shown,
        Node(
            package="semalign_ros",
            executable="monitor_node",
            name=given["name"],
            namespace=given["namespace"],
            parameters=[given["params_file"], parameters],
            remappings=remappings,
            ros_arguments=["--log-level", f"{logger}:={given['log_level']}"],
            output="screen",
        ),
    ]


def generate_launch_description() -> LaunchDescription:
    return LaunchDescription(
        [
            # Both must stand before the process starts; see docs/ros.md.
            *(SetEnvironmentVariable(name, value) for name, value in settings().items()),
            *(
                DeclareLaunchArgument(name, default_value=default, description=text)
                for name, default, text in ARGUMENTS
            ),
            OpaqueFunction(function=start),
        ]
    )
