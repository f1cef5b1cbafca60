"""Runs for a range of dates, made a few at a time."""
