"""What a notebook shows: plots, diagram, controls."""
