"""What would run, and what it would cost: time, memory, room on the disk."""
