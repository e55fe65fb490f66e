"""The monitor over a bag, optionally recorded; ends with the bag.

ros2 launch semalign_ros replay.launch.py bag:=rosbags/street_demo rviz:=true record:=out/drive
"""

from launch import LaunchContext, LaunchDescription
from launch.actions import (
    DeclareLaunchArgument,
    EmitEvent,
    IncludeLaunchDescription,
    OpaqueFunction,
    RegisterEventHandler,
    TimerAction,
)
from launch.event_handlers import OnProcessExit
from launch.events import Shutdown
from launch.launch_description_entity import LaunchDescriptionEntity
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from semalign_ros.nodes.launching import is_true, node_path
from semalign_ros.resources import resource

ARGUMENTS = (
    ("rate", "1.0", "Bag seconds per second."),
    ("loop", "false", "Play the bag again and again."),
    ("start", "0.0", "Seconds of the bag to skip."),
    ("record", "", "Folder of a bag to record inputs and verdicts to; empty for none."),
    ("linger", "3.0", "Seconds between the end of the bag and the end of the launch."),
    ("image", "/camera/front/image_raw", "Camera image in the bag."),
    ("segmentation", "", "Label maps in the bag that are the reference; empty for none."),
    ("depth", "", "Depth image in the bag; empty for none."),
    ("twist", "", "Motion of the vehicle in the bag; empty for none."),
    ("name", "monitor", "Name of the monitor node."),
    ("namespace", "", "Its namespace."),
)
# Everything else goes to monitor.launch.py as it is given.


def start(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    """Player, and recorder if asked for."""
    names = ["bag", *(name for name, _, _ in ARGUMENTS)]
    given = {name: LaunchConfiguration(name).perform(context) for name in names}
    monitor = node_path(given["namespace"], given["name"])
    # The recorder reads the images too.
    needed = [given["image"]] * (2 if given["record"] else 1)
    inputs = [given[name] for name in ("image", "segmentation", "depth", "twist") if given[name]]
    inputs.append(f"{given['image']}/compressed")
    loop = is_true(given["loop"])
    if loop and given["record"]:
        raise RuntimeError("loop:=true repeats the stamps of the bag: do not record it")
    actions: list[LaunchDescriptionEntity] = []
    if given["record"]:
        # Play when it listens, else the first verdicts would be missing.
        needed.append(f"{monitor}/output/judgment")
        recorder = Node(
            package="semalign_ros",
            executable="recorder_node",
            parameters=[
                {
                    "output": given["record"],
                    "topics": [
                        "/camera/*",
                        "/ground_truth/*",
                        "/vehicle/*",
                        *inputs,
                        "/diagnostics",
                        f"{monitor}/output/judgment",
                        f"{monitor}/metrics",
                    ],
                    "use_sim_time": True,
                }
            ],
            output="screen",
        )
        # The player waits for it: without a recorder it would wait for ever.
        stop = EmitEvent(event=Shutdown(reason="the recorder has ended"))
        actions.append(recorder)
        actions.append(RegisterEventHandler(OnProcessExit(target_action=recorder, on_exit=[stop])))
    player = Node(
        package="semalign_ros",
        executable="player_node",
        parameters=[
            {
                "bag": given["bag"],
                "rate": float(given["rate"]),
                "loop": loop,
                "start": float(given["start"]),
                "clock": 100.0,
                "wait_for": needed,
            }
        ],
        output="screen",
    )
    finish = TimerAction(
        period=float(given["linger"]),
        actions=[EmitEvent(event=Shutdown(reason="the bag has been played"))],
    )
    actions.append(player)
    actions.append(RegisterEventHandler(OnProcessExit(target_action=player, on_exit=[finish])))
    return actions


def generate_launch_description() -> LaunchDescription:
    monitor = PythonLaunchDescriptionSource(str(resource("launch", "monitor.launch.py")))
    return LaunchDescription(
        [
            DeclareLaunchArgument("bag", description="Bag to play: a folder, .mcap or .db3 file."),
            *(
                DeclareLaunchArgument(name, default_value=default, description=text)
                for name, default, text in ARGUMENTS
            ),
            IncludeLaunchDescription(monitor, launch_arguments={"use_sim_time": "true"}.items()),
            OpaqueFunction(function=start),
        ]
    )
