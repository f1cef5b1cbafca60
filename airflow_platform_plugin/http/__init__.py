"""The HTTP edge: endpoints, bodies, answers, the audit log. It imports no feature."""
