"""Rate limits: how often a key, a user or an address may call, by class of request."""
