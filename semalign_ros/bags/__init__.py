"""Bags without ROS: data sets to bags, bags to frames."""

from semalign_ros.bags.digest import bag_digest
from semalign_ros.bags.reader import bag_info, count_frames, has_labels, read_frames, read_raw
from semalign_ros.bags.topics import BagTopics
from semalign_ros.bags.vocabulary import read_vocabulary
from semalign_ros.bags.writer import BagWriter

__all__ = [
    "BagTopics",
    "BagWriter",
    "bag_digest",
    "bag_info",
    "count_frames",
    "has_labels",
    "read_frames",
    "read_raw",
    "read_vocabulary",
]
