"""What goes wrong on this side of the connection."""


class CommandError(Exception):
    """A command cannot do what it is asked; the message is for the user."""
