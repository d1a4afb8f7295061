"""gunicorn's settings: threaded workers, since the plain sync worker knows no keep-alive."""

import os

bind = os.environ.get("LISTEN", "127.0.0.1:8080")
worker_class = "gthread"
workers = int(os.environ.get("WORKERS", "4"))
threads = int(os.environ.get("THREADS", "16"))
keepalive = 75
worker_connections = 1000
loglevel = "warning"
