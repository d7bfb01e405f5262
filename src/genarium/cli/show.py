"""What verbs print: JSON for programs."""

from __future__ import annotations

import json
from typing import Any


def as_json(value: Any) -> None:
    """One JSON document on stdout."""
    print(json.dumps(value, indent=1, default=str))
