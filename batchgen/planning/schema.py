"""The JSON Schema of a manifest, for editors."""

from batchgen.planning.manifest import Manifest

SCHEMA_ID = "manifest.v1.schema.json"


def manifest_schema() -> dict[str, object]:
    """Build the JSON Schema (draft 2020-12) from the model."""
    schema = Manifest.model_json_schema(mode="validation")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": SCHEMA_ID, **schema}
