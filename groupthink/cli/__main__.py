"""`python -m groupthink.cli`."""

import sys

from groupthink.cli import main

if __name__ == "__main__":
    sys.exit(main())
