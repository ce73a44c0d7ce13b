"""A module whose import does not end within a test."""

import time

time.sleep(60)
