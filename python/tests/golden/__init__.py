"""What releases have written, kept for those that come after; and how it was made."""
