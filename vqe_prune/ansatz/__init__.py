"""Ansätze as lists of rotations, and what builds them."""
