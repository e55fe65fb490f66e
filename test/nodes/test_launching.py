"""How launch files read their arguments and call their nodes."""

import pytest

from semalign_ros.nodes.launching import is_true, logger_name, node_path


@pytest.mark.parametrize("text", ["true", "True", " TRUE", "1", "yes", "on"])
def test_what_people_write_for_yes(text: str) -> None:
    assert is_true(text)


@pytest.mark.parametrize("text", ["false", "0", "no", "off", ""])
def test_everything_else_is_no(text: str) -> None:
    assert not is_true(text)


@pytest.mark.parametrize(
    ("namespace", "path", "logger"),
    [
        ("", "/monitor", "monitor"),
        ("/", "/monitor", "monitor"),
        ("front", "/front/monitor", "front.monitor"),
        ("/front/", "/front/monitor", "front.monitor"),
        ("/car//front", "/car/front/monitor", "car.front.monitor"),
    ],
)
def test_slashes_of_a_namespace_do_not_matter(namespace: str, path: str, logger: str) -> None:
    assert node_path(namespace, "monitor") == path
    assert logger_name(namespace, "monitor") == logger
