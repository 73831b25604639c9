"""btcql: bitcoin's price, its averages and its forecast by GraphQL."""

__version__ = "0.1.0"
