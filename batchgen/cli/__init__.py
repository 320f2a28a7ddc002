"""Parse, call, print: no logic and no SQL. Heavy libraries load inside the command that needs them, so that ``--help`` is quick."""
