"""API keys, OAuth and the authentication of requests."""
