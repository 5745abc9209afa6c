"""What operators do to a running postpay: each action once, for whoever asks for it, and each on record.

A command or a page is a thin face of these functions. Source: docs/operations.md, Repair.
"""
