"""Stories in words for people: sentences and tables. Knows what is told, and neither commands nor workers."""
