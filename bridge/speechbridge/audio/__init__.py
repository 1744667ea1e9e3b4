"""What a recording is: its bytes, its container, its duration."""
