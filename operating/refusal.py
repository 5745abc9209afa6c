"""How an action ends that can't be done as things are."""


class ActionRefusedError(Exception):
    """Nothing was changed: the message says what was expected, what was found, and what to do instead."""
