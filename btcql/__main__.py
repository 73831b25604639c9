"""`python -m btcql`."""

from btcql.cli import main

main()
