"""What a pipeline needs, checked: `gather` reads from the cluster, the pure `checks` judge, `report` prints."""
