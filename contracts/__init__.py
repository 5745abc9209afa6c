"""Messages in and out: strict wire models, topics, and their translation to domain values."""
