"""The errors of the command line itself."""


class CommandError(Exception):
    """A command failed; the message is for the user."""
