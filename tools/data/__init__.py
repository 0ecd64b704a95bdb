"""How data/ is made from pinned packages: one module a set, run by tools/build_data.py."""
