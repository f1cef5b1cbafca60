"""Backfills: runs for a range of dates, created a few at a time."""
