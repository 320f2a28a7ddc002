"""Read the form of an edit: text fields, 1 to 16 source images and an optional mask, all real files."""

import hashlib
from collections.abc import Mapping

from batchgen.sim.multipart import Part, parse
from batchgen.sim.order import Form
from batchgen.sim.references import LARGEST_BYTES, is_image, preview

MOST_IMAGES = 16


def read(content_type: str, raw: bytes, part_names: Mapping[str, str]) -> Form | str:
    """Return the form, each file in it as its name, size and hash, or the name of the field that is missing or wrong.

    '' means that the body is no form at all.
    `part_names` maps each accepted name of a file part to the field it fills, `image` or `mask`.
    """
    parts = parse(content_type, raw)
    if parts is None:
        return ""
    texts: dict[str, object] = {part.name: part.text for part in parts if part.filename is None}
    files: dict[str, list[Part]] = {"image": [], "mask": []}
    for part in parts:
        if part.filename is not None and part.name in part_names:
            files[part_names[part.name]].append(part)
    if wrong := _misfit(texts, files):
        return wrong
    sent: dict[str, object] = {"image": [_described(part) for part in files["image"]]}
    if files["mask"]:
        sent["mask"] = _described(files["mask"][0])
    return Form(fields=texts | sent, raw=raw, preview=preview(files["image"][0].body))


def _misfit(texts: Mapping[str, object], files: Mapping[str, list[Part]]) -> str | None:
    for field, least, most in (("image", 1, MOST_IMAGES), ("mask", 0, 1)):
        parts = files[field]
        if field in texts or not least <= len(parts) <= most:
            return field
        if any(len(part.body) > LARGEST_BYTES or not is_image(part.body) for part in parts):
            return field
    return None


def _described(part: Part) -> dict[str, object]:
    return {"name": part.filename, "size": len(part.body), "sha256": hashlib.sha256(part.body).hexdigest()}
