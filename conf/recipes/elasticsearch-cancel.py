#!/usr/bin/env python3
"""Cancels the tasks of Elasticsearch or OpenSearch that carry an X-Opaque-Id; beside elasticsearch.yaml.

Usage: ELASTICSEARCH=http://127.0.0.1:9200 elasticsearch-cancel.py 127.0.0.1:9201

POST /cancel/ID is answered with 204 when tasks with that id have been cancelled, with 503 when there is none (yet), and
with 502 when Elasticsearch does not do what it is asked. ELASTICSEARCH_AUTHORIZATION, if set, is the Authorization header
for Elasticsearch; its account needs the cluster privilege `manage`. Whoever reaches the port can cancel work: keep it on
loopback.
"""
import http.server
import json
import os
import re
import sys
import urllib.request

ACTIONS = "indices:data/write/reindex,indices:data/write/update/byquery,indices:data/write/delete/byquery"
SERVER = os.environ.get("ELASTICSEARCH", "http://127.0.0.1:9200")


def ask(method, path):
    request = urllib.request.Request(SERVER + path, method=method)
    if authorization := os.environ.get("ELASTICSEARCH_AUTHORIZATION"):
        request.add_header("Authorization", authorization)
    with urllib.request.urlopen(request, timeout=4) as response:
        return json.load(response)


def cancel(opaque_id):
    """Returns how many tasks were cancelled. Their parts on other nodes, which have parents, go with them."""
    nodes = ask("GET", "/_tasks?actions=" + ACTIONS)["nodes"]
    found = [
        name
        for node in nodes.values()
        for name, task in node["tasks"].items()
        if task.get("headers", {}).get("X-Opaque-Id") == opaque_id and "parent_task_id" not in task
    ]
    for name in found:
        ask("POST", "/_tasks/" + name + "/_cancel")
    return len(found)


class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        wanted = re.fullmatch(r"/cancel/([A-Za-z0-9-]+)", self.path)
        try:
            status = 404 if not wanted else 204 if cancel(wanted[1]) else 503
        except (OSError, ValueError, KeyError) as error:
            self.log_error("%s: %s", SERVER, error)
            status = 502
        self.send_response(status)
        if status != 204:
            self.send_header("Content-Length", "0")
        self.end_headers()


def main():
    host, _, port = sys.argv[1].rpartition(":") if len(sys.argv) == 2 else ("", "", "")
    if not host or not port.isdigit():
        sys.exit(__doc__)
    http.server.ThreadingHTTPServer((host, int(port)), Handler).serve_forever()


main()
