"""The engine: lanes from the claim to the relay."""
