"""Upstream pods: which there are, which one is next, and one HTTP exchange with one of them."""
