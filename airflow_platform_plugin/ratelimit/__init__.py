"""Rate limits: how often a key, a user or an address may call, by the kind of request."""
