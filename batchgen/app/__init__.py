"""Build the parts and introduce them to each other: one module a task of the command line."""
