"""What collecting costs in time and memory, against a program that does no more than move the same data."""
