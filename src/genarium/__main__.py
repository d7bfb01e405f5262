"""`python -m genarium`, for launchers that start modules."""

import sys

from genarium.cli import main

sys.exit(main())
