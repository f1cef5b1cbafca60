"""OAuth 2.0: programs that act for a user with consent, or as their acting user."""
