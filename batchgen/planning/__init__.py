"""From YAML text to a typed manifest, and from the manifest to a stream of job specs. Pure but for reading files."""
