"""`python -m partita_worker`: the same as `worker`."""

import sys

from partita_worker.cli import main

if __name__ == "__main__":
    sys.exit(main())
