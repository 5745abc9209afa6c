"""What other terms would have made of a history: `replay simulate`. Source: docs/replay.md."""
