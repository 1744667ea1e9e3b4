"""A small client-go: API client, objects, drift, work queue, leader election. It knows no pipeline."""
