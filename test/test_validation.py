from __future__ import annotations

from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from semalign_ros.validation import problems


class Round(BaseModel, extra="forbid"):
    kind: Literal["round"]
    radius: float


class Square(BaseModel, extra="forbid"):
    kind: Literal["square"]
    side: float | list[int]


SHAPES = TypeAdapter(dict[str, list[Annotated[Round | Square, Field(discriminator="kind")]]])


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        # What pydantic calls the members of a union is no part of the place.
        ({"a": [{"kind": "round", "radus": 1, "radius": 1}]}, "a[0].radus: unknown field 'radus'; "
         "did you mean 'radius'? valid: kind, radius"),
        ({"a": [{"kind": "square", "side": [1, "x"]}]}, "a[0].side[1]: Input should be a valid "
         "integer, unable to parse string as an integer, found 'x'"),
        ({"a": [{"kind": "round"}]}, "a[0].radius: Field required"),
        ([1], "Input should be a valid dictionary, found [1]"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_place_in_the_file(content, expected):
    with pytest.raises(ValidationError) as error:
        SHAPES.validate_python(content)
    assert expected in problems(error.value, SHAPES)
