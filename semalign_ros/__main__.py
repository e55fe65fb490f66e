"""``python -m semalign_ros`` is ``semalign``."""

import sys

from semalign_ros.cli import main

sys.exit(main())
