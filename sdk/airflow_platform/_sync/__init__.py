# Written by scripts/unasync from the file of this name in _async; change that one.
"""The synchronous client."""
