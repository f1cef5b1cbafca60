"""Connection tests."""
