"""Devices as their users see them: names and units in, names and units out."""
