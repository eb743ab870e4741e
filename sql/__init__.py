"""The SQL of the product, shipped as package data; `importlib.resources.files("sql")` finds it."""
