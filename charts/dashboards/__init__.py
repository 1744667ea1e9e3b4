"""The Grafana dashboards of the chart, as code; `make docs` writes their JSON into the chart."""
