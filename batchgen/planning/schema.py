"""The JSON Schema of a manifest, for editors."""

from typing import Final

from batchgen.planning.manifest import Manifest

SCHEMA_ID: Final = "manifest.v1.schema.json"


def manifest_schema() -> dict[str, object]:
    """Build the JSON Schema (draft 2020-12) from the model."""
    schema = Manifest.model_json_schema(mode="validation")
    _write_defaults(schema)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": SCHEMA_ID, **schema}


def _write_defaults(schema: object) -> None:
    """Write defaults as a user would, durations with their unit; leave out those that are whole sections or nothing."""
    if isinstance(schema, dict):
        default = schema.get("default")
        if isinstance(default, float):
            schema["default"] = _duration(default)
        elif isinstance(default, dict) or default in (None, []):
            schema.pop("default", None)
        for part in schema.values():
            _write_defaults(part)
    elif isinstance(schema, list):
        for part in schema:
            _write_defaults(part)


def _duration(seconds: float) -> str:
    """Write whole seconds in the largest unit that they fill."""
    return next(f"{seconds / size:g}{unit}" for unit, size in (("h", 3600), ("m", 60), ("s", 1)) if seconds % size == 0)
