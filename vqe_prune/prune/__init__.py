"""Prune plans and the rules that make them."""
