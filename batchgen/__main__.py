"""``python -m batchgen`` is the command ``batchgen``.

Python puts the working directory first on the path of a module that is run. It is taken away, so that no file there is imported and no
plugin there is found: a manifest may lie in a folder that somebody else has filled.
"""

import sys

if not sys.flags.safe_path:
    del sys.path[0]

from batchgen.cli.main import main

if __name__ == "__main__":
    main()
