#!/usr/bin/env python3
"""The end of a pod of conf/kubernetes/sidecar.yaml, as the kubelet brings it about.

    tests/sidecar.py HANGUP

The program runs with the configuration in the file's ConfigMap; then the file's preStop command is run, as it stands
there but for ports that are free here and a sleep that only notes for how long. With a request in flight hangup becomes
unready, takes no new connections, ends nothing by the SIGTERM that follows, finishes the request and ends with status 0;
with nothing to do it ends at once, and the hook succeeds all the same. The grace period is long enough for all of it.
"""
import contextlib
import http.client
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time

import yaml

FILE = pathlib.Path(__file__).resolve().parent.parent / "conf" / "kubernetes" / "sidecar.yaml"
LAST_CLEANUPS = 5  # seconds that hangup has for them behind its drain, as hangup(1) says
PATIENCE = 30  # seconds, for what takes none


def listening():
    return socket.create_server(("127.0.0.1", 0))


def free_ports():
    """Two of them."""
    with listening() as one, listening() as other:
        return one.getsockname()[1], other.getsockname()[1]


def eventually(what, condition):
    until = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < until, f"not within {PATIENCE} s: {what}"
        time.sleep(0.02)


def read_head(connection):
    head = b""
    while b"\r\n\r\n" not in head:
        more = connection.recv(4096)
        assert more, f"closed after {head!r}"
        head += more
    return head


def read_all(connection):
    return b"".join(iter(lambda: connection.recv(4096), b""))


class Pod:
    """hangup with the file's configuration, and the backend beside it. Everything is in `directory`."""

    def __init__(self, hangup, directory):
        self.directory = directory
        self.backend = listening()
        self.backend.settimeout(PATIENCE)
        self.port, self.admin_port = free_ports()
        here = {
            "8080": str(self.port),
            "9000": str(self.backend.getsockname()[1]),
            "9901": str(self.admin_port),
            "/var/lib/hangup/outbox.db": str(directory / "outbox.db"),
        }
        text = re.sub("|".join(map(re.escape, here)), lambda found: here[found[0]], FILE.read_text())
        documents = {document["kind"]: document for document in yaml.safe_load_all(text)}
        self.spec = documents["Deployment"]["spec"]["template"]["spec"]
        self.containers = {container["name"]: container for container in self.spec["containers"]}
        self.configuration = documents["ConfigMap"]["data"]["hangup.yaml"]
        (directory / "hangup.yaml").write_text(self.configuration)
        self.slept = directory / "slept"
        sleep = directory / "bin" / "sleep"
        sleep.parent.mkdir()
        sleep.write_text(f'#!/bin/sh\necho "$1" >>{self.slept}\n')
        sleep.chmod(0o755)
        self.log = open(directory / "log", "w+")
        self.process = subprocess.Popen([hangup, "run", "-c", directory / "hangup.yaml"], stdout=self.log, stderr=self.log)

    def ask_admin(self, path):
        """Status and JSON of an admin page; None while nobody listens there."""
        connection = http.client.HTTPConnection("127.0.0.1", self.admin_port, timeout=PATIENCE)
        with contextlib.closing(connection):
            try:
                connection.request("GET", path)
            except ConnectionRefusedError:
                return None
            response = connection.getresponse()
            return response.status, json.loads(response.read())

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE)

    def refuses_connections(self):
        try:
            self.connect().close()
        except ConnectionError:
            return True
        return False

    def stop_hook(self):
        """Runs the preStop command of hangup's container, and says how many seconds it slept."""
        command = self.containers["hangup"]["lifecycle"]["preStop"]["exec"]["command"]
        self.slept.unlink(missing_ok=True)
        environment = {**os.environ, "PATH": f"{self.directory / 'bin'}:{os.environ['PATH']}"}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=PATIENCE)
        assert done.returncode == 0, f"the hook failed: {done}"
        assert done.stdout.startswith("HTTP/1.1 202 "), f"asked for the drain, and was answered: {done.stdout}"
        return sum(int(seconds) for seconds in self.slept.read_text().split())

    def ended(self):
        status = self.process.wait(PATIENCE)
        assert status == 0, f"ended with status {status}"

    def close(self):
        self.process.kill()
        self.process.wait()
        self.backend.close()
        self.log.close()


@contextlib.contextmanager
def running(hangup):
    with tempfile.TemporaryDirectory() as directory:
        pod = Pod(hangup, pathlib.Path(directory))
        try:
            eventually("hangup is ready", lambda: pod.ask_admin("/ready") == (200, {"status": "ready", "reasons": []}))
            yield pod
        except BaseException:
            pod.log.seek(0)
            print(pod.log.read(), file=sys.stderr)
            raise
        finally:
            pod.close()


def with_a_request_in_flight(hangup):
    with running(hangup) as pod:
        with pod.connect() as client:
            client.sendall(b"GET /reports/7 HTTP/1.1\r\nHost: reports\r\nConnection: close\r\n\r\n")
            work, _ = pod.backend.accept()
            with work:
                read_head(work)
                slept = pod.stop_hook()
                status, said = pod.ask_admin("/ready")
                assert (status, said["reasons"]) == (503, ["draining"]), f"/ready: {status} {said}"
                eventually("no new connections", pod.refuses_connections)
                pod.process.send_signal(signal.SIGTERM)  # the kubelet's, behind its hook
                assert pod.ask_admin("/live")[0] == 200
                work.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone")
                response = read_all(client)
        assert response.startswith(b"HTTP/1.1 200 ") and response.endswith(b"\r\n\r\ndone"), response
        pod.ended()
        grace_is_enough(pod, slept)


def with_nothing_to_do(hangup):
    with running(hangup) as pod:
        pod.stop_hook()
        pod.ended()


def grace_is_enough(pod, slept):
    """The kubelet counts from before the hooks, and kills both containers at the end of it."""
    drain = yaml.safe_load(pod.configuration)["shutdown"]["drain"]
    assert re.fullmatch("[0-9]+s", drain), f"shutdown.drain is in no seconds: {drain}"
    needed = slept + int(drain[:-1]) + LAST_CLEANUPS
    grace = pod.spec["terminationGracePeriodSeconds"]
    assert grace > needed, f"terminationGracePeriodSeconds is {grace}, and hangup may take {needed}"
    name, backend_stays = pod.containers["app"]["lifecycle"]["preStop"]["exec"]["command"]
    assert name == "sleep" and needed <= int(backend_stays) < grace, f"the backend stays for {backend_stays} s of {needed}"


def main():
    hangup = sys.argv[1]
    with_a_request_in_flight(hangup)
    with_nothing_to_do(hangup)
    print("the sidecar's preStop: unready and drained, with a request in flight and without; the grace period is enough")


if __name__ == "__main__":
    main()
