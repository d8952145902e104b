"""``python -m emkernels``."""

import sys

from emkernels.cli import main

if __name__ == "__main__":
    sys.exit(main())
