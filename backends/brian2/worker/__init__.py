"""What runs in an interpreter that has Brian2; it imports nothing of the project."""
