"""Many runs triggered, or many tasks cleared, in one request."""
