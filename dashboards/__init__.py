"""The dashboards of the product, shipped as package data; `importlib.resources.files("dashboards")` finds them."""
