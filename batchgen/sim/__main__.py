"""Run the simulator alone: `python -m batchgen.sim --port 0 --profile rough --seed 7`."""

import sys

from batchgen.sim.options import options
from batchgen.sim.server import serve

if __name__ == "__main__":
    serve(options(sys.argv[1:]))
