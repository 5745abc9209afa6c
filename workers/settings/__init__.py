"""What can be set, and what is said of a wrong setting."""
