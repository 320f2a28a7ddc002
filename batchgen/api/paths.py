"""Steps of a path: what a vendor's id or a model's name becomes in an address. Pure; knows no vendor."""

from urllib.parse import quote


def step(text: str) -> str:
    """Quote a text so that it is one step of a path, whatever it holds; one of dots alone, which would mean another step, twice."""
    quoted = quote(text, safe="", errors="replace")
    return quoted if quoted.strip(".") else quoted.replace(".", "%252E")
