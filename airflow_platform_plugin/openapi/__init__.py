"""The OpenAPI document of the platform's own endpoints, and its page."""
