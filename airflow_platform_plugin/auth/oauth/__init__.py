"""OAuth 2.0: programs that act for a user who has agreed, or as a user of their own."""
