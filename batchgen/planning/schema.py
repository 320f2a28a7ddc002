"""The JSON Schema of a manifest, for editors."""

from typing import Final

from batchgen.planning.manifest import Manifest

SCHEMA_ID: Final = "manifest.v1.schema.json"


def manifest_schema() -> dict[str, object]:
    """Build the JSON Schema (draft 2020-12) from the model."""
    schema = Manifest.model_json_schema(mode="validation")
    _leave_out_defaults(schema)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": SCHEMA_ID, **schema}


def _leave_out_defaults(schema: object) -> None:
    """Remove defaults that are not written as a user would write them: durations in seconds, whole sections, nothing."""
    if isinstance(schema, dict):
        if "default" in schema and not isinstance(schema["default"], str | int):
            del schema["default"]
        for part in schema.values():
            _leave_out_defaults(part)
    elif isinstance(schema, list):
        for part in schema:
            _leave_out_defaults(part)
