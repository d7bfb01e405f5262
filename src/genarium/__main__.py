"""`python -m genarium`, for launchers that start modules."""

import sys

try:
    from genarium.cli import main

    status = main()
except KeyboardInterrupt:  # before `main` could say so itself
    status = 130
sys.exit(status)
