"""From what is wanted to what is chosen, and why."""
