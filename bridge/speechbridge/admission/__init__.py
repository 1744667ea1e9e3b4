"""Who gets in, how many at once, and when the rest should come back."""
