"""What the application carries, by typed key."""

from aiohttp import web

from speechwhisper.jobs import Jobs
from speechwhisper.settings import Settings
from speechwhisper.telemetry.metrics import Metrics

SETTINGS = web.AppKey("settings", Settings)
JOBS = web.AppKey("jobs", Jobs)
METRICS = web.AppKey("metrics", Metrics)
REQUEST_ID = web.RequestKey("request_id", str)
OUTCOME = web.ResponseKey("outcome", str)
"""What a streamed answer came to, where its status, already sent, cannot tell."""
