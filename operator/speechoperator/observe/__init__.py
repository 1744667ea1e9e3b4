"""Collects everything a plan is made from into one frozen snapshot."""
