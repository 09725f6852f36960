"""Is what ``restated`` says what the gateway's schema says? Only where ``JEONGGI_SWAGGER_FILE`` names the file."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.contract.gateway.restated import ANSWERS, CALLS, Field

SCHEMA: dict[str, Any] = json.loads(Path(os.environ["JEONGGI_SWAGGER_FILE"]).read_text(encoding="utf-8"))
WHERE = {"formData": "body", "query": "query", "path": "path", "body": "body"}


def field(name: str, told: dict[str, Any], *, is_required: bool) -> Field:
    """A field as the file tells it; numbers stand in it as texts, now and then."""
    most, least, greatest = (told.get(key) for key in ("maxLength", "minimum", "maximum"))
    return Field(
        name=name,
        kind=told.get("type", "object"),
        is_required=is_required,
        most=None if most is None else int(most),
        bounds=None if greatest is None else (int(least or 0), int(greatest)),
        choices=tuple(told.get("enum", ())),
    )


@pytest.mark.parametrize("name", CALLS)
def test_a_call_is_restated_as_the_schema_tells_it(name: str) -> None:
    method, path = name.split(" ")
    parameters = SCHEMA["paths"][path][method.lower()].get("parameters", [])
    told: dict[str, set[Field]] = {}
    for each in parameters:
        one = field(each["name"], each.get("schema", each), is_required=each.get("required", False))
        told.setdefault(WHERE[each["in"]], set()).add(one)
    assert {where: set(fields) for where, fields in CALLS[name].fields.items()} == told


@pytest.mark.parametrize("name", ANSWERS)
def test_an_answer_is_restated_as_the_schema_tells_it(name: str) -> None:
    definition = SCHEMA["definitions"][name]
    required = definition.get("required", [])
    told = {field(key, each, is_required=key in required) for key, each in definition["properties"].items()}
    assert set(ANSWERS[name]) == told


@pytest.mark.parametrize("name", CALLS)
def test_what_a_call_answers_is_restated_as_the_schema_tells_it(name: str) -> None:
    method, path = name.split(" ")
    answered = json.dumps(_whole(SCHEMA["paths"][path][method.lower()]["responses"]["200"]["schema"]))
    assert f'#/definitions/{CALLS[name].answer.strip("[]")}"' in answered


def _whole(schema: dict[str, Any], *, depth: int = 4) -> object:
    """A schema with what it refers to behind each reference."""
    if not depth or not isinstance(schema, dict):
        return schema
    found: dict[str, object] = {
        key: [_whole(each, depth=depth - 1) for each in value] if isinstance(value, list) else value
        for key, value in schema.items()
    }
    if "$ref" in schema:
        found["behind"] = _whole(SCHEMA["definitions"][schema["$ref"].rpartition("/")[2]], depth=depth - 1)
    if "properties" in schema:
        found["properties"] = {key: _whole(each, depth=depth - 1) for key, each in schema["properties"].items()}
    return found
