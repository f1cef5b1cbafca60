"""Members of tenants: the users who have a role there."""
