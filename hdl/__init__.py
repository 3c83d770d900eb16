"""The generated hardware core. Its register map, kept as plain data, will live here too."""
