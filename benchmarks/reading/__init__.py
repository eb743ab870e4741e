"""What the SQL reads of the lake and of the bill, against the least that could answer it."""
