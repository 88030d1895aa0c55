"""What is installed, pinned, and a look at the pins."""
