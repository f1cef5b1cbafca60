"""The kernel: database, settings, errors, events, scopes. It imports no HTTP code and no feature."""
