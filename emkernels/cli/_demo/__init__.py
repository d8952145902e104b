"""What the demo shows: one file a section."""
