"""Exact states, energies and gradients."""
