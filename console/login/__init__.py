"""Who looks: users, passwords, sessions."""
