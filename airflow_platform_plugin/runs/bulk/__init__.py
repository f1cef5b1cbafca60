"""Bulk operations: trigger many runs, or clear many tasks, in one request."""
