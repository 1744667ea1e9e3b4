"""How a change reaches running components without losing requests."""
