"""Import and export of connections."""
