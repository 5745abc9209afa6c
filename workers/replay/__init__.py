"""The history of the lanes' topics, read again: from the brokers or from files, batch after batch as it was decided."""
