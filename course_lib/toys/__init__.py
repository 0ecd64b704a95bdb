"""Small worlds made for one lesson each."""
