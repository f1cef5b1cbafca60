"""The HTTP edge: endpoints, bodies, responses, the audit log. It imports no feature."""
