"""How data/ is made from pinned packages: one module a set, run by tools/data/build_data.py."""
