"""Run batches of paid image-generation tasks: planned from YAML, recorded in a database, resumable, never bought twice.

The folders are the architecture: ``cli`` calls ``app``, ``app`` builds ``worker``, ``store``, ``api``, ``planning``, ``files``, ``report``,
``sim``, ``logs`` and ``settings`` and introduces them to each other; all of them rest on ``core``, which is pure.
"""

from typing import Final

__version__: Final = "0.1.0"
