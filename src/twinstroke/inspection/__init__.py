"""Pictures by which a person trusts, or distrusts, what `decode` to `segment` did."""
