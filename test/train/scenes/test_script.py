from __future__ import annotations

import pytest

from semalign_ros.errors import ConfigError
from semalign_ros.train.scenes.events import Event
from semalign_ros.train.scenes.script import load_drive, parse_drive


def test_the_shipped_drive_has_day_dusk_a_light_and_events():
    takes = load_drive("demo")
    assert {"day", "dusk"} <= {take.script.light for take in takes}
    assert any(take.script.red_until for take in takes)
    events = {event.name for take in takes for event in take.script.events}
    assert {"pedestrian", "cyclist"} <= events
    assert 60 <= sum(take.frames for take in takes) <= 90


def test_values_reach_the_script():
    (take,) = parse_drive(
        {
            "schema_version": 1,
            "scenes": [
                {
                    "frames": 7,
                    "every": 3,
                    "street": "avenue",
                    "speed": 8.5,
                    "bend": -0.2,
                    "crossing": 30.0,
                    "red_until": 4.0,
                    "events": [{"event": "lead", "distance": 12.0, "delay": 1.0}],
                }
            ],
        }
    )
    assert (take.frames, take.every) == (7, 3)
    script = take.script
    assert (script.street, script.speed, script.crossing) == ("avenue", 8.5, 30.0)
    assert script.red_until == 4.0
    assert script.bend == -0.2
    assert script.events == (Event("lead", 12.0, 1.0),)
    assert script.light is None


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ([], "expected a mapping"),
        ({"schema_version": 2, "scenes": [{"frames": 1}]}, "schema_version"),
        ({"schema_version": 1, "scenes": []}, "scenes"),
        ({"schema_version": 1, "scenes": [{"frames": "3"}]}, r"scenes\[0\]\.frames"),
        ({"schema_version": 1, "scenes": [{"frames": 1, "speed": -1.0}]}, "speed"),
        ({"schema_version": 1, "scenes": [{"frames": 1, "weather": "snow"}]}, "weather"),
        (
            {
                "schema_version": 1,
                "scenes": [{"frames": 1, "events": [{"event": "ufo", "distance": 9.0}]}],
            },
            "unknown event ufo; valid: lead, queue",
        ),
    ],
)
def test_a_bad_drive_is_refused_by_name(data, expected):
    with pytest.raises(ConfigError, match=expected):
        parse_drive(data)


def test_all_problems_come_at_once():
    data = {"schema_version": 1, "scenes": [{"frames": 0, "light": "night"}]}
    with pytest.raises(ConfigError, match=r"frames.*light"):
        parse_drive(data)


def test_a_file_that_is_no_yaml_is_named(tmp_path):
    path = tmp_path / "drive.yaml"
    path.write_text("scenes: [")
    with pytest.raises(ConfigError, match="no YAML"):
        load_drive(str(path))


def test_an_unknown_drive_lists_the_shipped_ones():
    with pytest.raises(ConfigError, match=r"demo\.yaml"):
        load_drive("domo")
