"""`python -m realtime_azure` is the command `realtime-azure`."""

from __future__ import annotations

import sys

from .cli import main

sys.exit(main())
