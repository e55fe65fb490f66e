"""What is wrong with a file of settings: the place of each mistake, and the way out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pydantic import BaseModel, TypeAdapter, ValidationError

from semalign_ros.errors import unknown_name

_Schema = Mapping[str, Any]


def problems(error: ValidationError, model: type[BaseModel] | TypeAdapter[Any]) -> list[str]:
    """Tell the mistakes that pydantic found, one line each: place, what is wrong, what was found.

    Args:
        error: What the check of `model` raised.
        model: Knows which fields there are, for the nearest valid name of an unknown one.

    Example:
        >>> class Drive(BaseModel, extra="forbid"):
        ...     seconds: list[float]
        >>> try:
        ...     Drive.model_validate({"second": 1, "seconds": [0, "?"]})
        ... except ValidationError as error:
        ...     print(*problems(error, Drive), sep=chr(10))
        seconds[1]: Input should be a valid number, unable to parse string as a number, found '?'
        second: unknown field 'second'; did you mean 'seconds'? valid: seconds
    """
    adapter = model if isinstance(model, TypeAdapter) else TypeAdapter(model)
    schema = adapter.json_schema()
    return [_problem(detail, schema) for detail in error.errors(include_url=False)]


def _problem(detail: Any, schema: _Schema) -> str:
    place, valid = _locate(detail["loc"], schema)
    place = f"{place}: " if place else ""
    if detail["type"] == "extra_forbidden":
        return f"{place}{unknown_name('field', str(detail['loc'][-1]), valid)}"
    if detail["type"] == "value_error":
        return f"{place}{detail['ctx']['error']}"
    found = "" if detail["type"] == "missing" else f", found {detail['input']!r:.60}"
    # Pydantic names the class that it wanted to make of the mapping, which no user knows.
    mapping = detail["type"] in {"model_type", "dataclass_type", "model_attributes_type"}
    message = "Expected a mapping of fields" if mapping else detail["msg"]
    return f"{place}{message}{found}"


def _locate(path: Iterable[int | str], schema: _Schema) -> tuple[str, list[str]]:
    """Words for a place, and the fields that are valid beside its last part.

    Pydantic's path also holds the members of unions, which are no part of the file.
    """
    place, here, fields = "", [schema], dict[str, _Schema]()
    parts = tuple(path)
    for k, part in enumerate(parts):
        nodes = [node for item in here for node in _alternatives(item, schema)]
        fields = {name: sub for node in nodes for name, sub in node.get("properties", {}).items()}
        tagged = [ref for node in here if (ref := _tagged(node, part)) is not None]
        if isinstance(part, int):
            place += f"[{part}]"
            here = [node["items"] for node in nodes if "items" in node]
        elif tagged:
            here = tagged
        else:
            open_ended = [n["additionalProperties"] for n in nodes if n.get("additionalProperties")]
            if part in fields or open_ended or k == len(parts) - 1:
                place += f".{part}" if place else part
                here = [fields[part]] if part in fields else open_ended
    return place, list(fields)


def _alternatives(node: Any, root: _Schema) -> Iterator[_Schema]:
    """Resolve references and unions."""
    if not isinstance(node, Mapping):
        return
    if "$ref" in node:
        yield from _alternatives(root["$defs"][node["$ref"].rsplit("/", 1)[-1]], root)
    for union in ("anyOf", "oneOf", "allOf"):
        for member in node.get(union, ()):
            yield from _alternatives(member, root)
    yield node


def _tagged(node: Any, part: int | str) -> _Schema | None:
    """Member of a union that a field such as ``kind`` chose."""
    chosen = node.get("discriminator", {}).get("mapping", {}) if isinstance(node, Mapping) else {}
    return {"$ref": chosen[part]} if part in chosen else None
