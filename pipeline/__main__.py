"""`python -m pipeline` is `chargeback`."""

from pipeline.cli import main

main()
