"""The estate's bill, as a Cost and Usage Report 2.0."""
