"""Where files are: weights, paths, images, provenance."""
