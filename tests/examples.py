#!/usr/bin/env python3
"""The examples in conf/ and the JSON Schema that the program prints, held against each other and the program.

    tests/examples.py HANGUP

Every example satisfies the schema and `hangup check`; so does the configuration in conf/kubernetes, whose manifests
refer to each other as they should. What the program refuses for a key, a type or a name that there is not, the schema
refuses as well.
"""
import json
import pathlib
import re
import subprocess
import sys
import tempfile

import jsonschema
import yaml

CONF = pathlib.Path(__file__).resolve().parent.parent / "conf"
failures = []


class Loader(yaml.SafeLoader):
    """YAML 1.2, as editors and hangup read it: `off` is a text, and so is 12:30."""


Loader.yaml_implicit_resolvers = {}
for tag, pattern, first in (
    ("bool", r"^(true|false)$", "tf"),
    ("int", r"^[-+]?[0-9]+$", "-+0123456789"),
    ("float", r"^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$", "-+.0123456789"),
    ("null", r"^(~|null|)$", ["~", "n", ""]),
):
    Loader.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(pattern), list(first))
Loader.add_constructor("tag:yaml.org,2002:int", lambda loader, node: int(node.value))

BASE = """\
listeners: [{address: "127.0.0.1:0"}]
upstreams: {app: {servers: ["http://127.0.0.1:9000"]}}
cleanups: {stop: {url: "http://127.0.0.1:9001/stop"}}
"""
ROUTE = "routes: [{upstream: app}]\n"


def route(text):
    return BASE + "routes:\n  - upstream: app\n    " + text + "\n"


def listener(text):
    return BASE.replace('"127.0.0.1:0"', '"127.0.0.1:0", ' + text) + ROUTE


def upstream(text):
    return BASE.replace('"http://127.0.0.1:9000"]', '"http://127.0.0.1:9000"], ' + text) + ROUTE


def cleanup(text):
    return BASE.replace('9001/stop"', '9001/stop", ' + text) + ROUTE


REFUSED = [
    "listeners: []\n" + BASE.split("\n", 1)[1] + ROUTE,
    BASE,  # no routes
    BASE + "routes: []\n",
    BASE + "routes: {upstream: app}\n",
    BASE + "routes: [{name: lost}]\n",
    BASE + ROUTE + "listener: x\n",
    BASE + ROUTE + "workers: many\n",
    BASE + ROUTE + "workers: 0\n",
    BASE + ROUTE + "workers: 257\n",
    BASE + ROUTE + "access_log: none\n",
    BASE + ROUTE + "access_log: {format: xml}\n",
    BASE + ROUTE + "log: {level: loud}\n",
    BASE + ROUTE + "log: {level: [info]}\n",
    BASE + ROUTE + "outbox: {store: redis}\n",
    BASE + ROUTE + "outbox: {path: outbox.db}\n",
    BASE + ROUTE + "outbox: {in_flight_journal: perhaps}\n",
    BASE + ROUTE + "outbox: {keep_delivered: always}\n",
    BASE + ROUTE + "admin: {address: 9901}\n",
    BASE + ROUTE + "admin: off\n",
    BASE + ROUTE + "auth: {}\n",
    BASE + ROUTE + "receivers: {allow: [everyone]}\n",
    BASE + ROUTE + "receivers: {deny: []}\n",
    BASE + ROUTE + "secrets: {allow_insecure_permissions: maybe}\n",
    BASE + ROUTE + "shutdown: {drain: 30}\n",
    BASE + ROUTE + "shutdown: {drain: -1s}\n",
    listener("adress: x"),
    listener("dead_peer: 30 s"),
    listener("dead_peer: 0"),
    listener("proxy_protocol: yes"),
    listener("trusted_proxies: localhost"),
    listener("trusted_proxies: []"),
    listener("trust_request_id: 1"),
    listener("tls: {}"),
    listener("tls: {certificates: []}"),
    listener("tls: {certificates: [{cert: x}]}"),
    listener("limits: {header_bytes: 32KB}"),
    listener("limits: {header_bytes: 255}"),
    listener("limits: {headers: 0}"),
    listener("limits: {when_full: drop}"),
    listener("timeouts: {header: 10sec}"),
    listener("timeouts: []"),
    upstream("balance: fair"),
    upstream("balance: hash(client.ip)"),
    upstream("slow_start: 30"),
    upstream("retries: {attempts: many}"),
    upstream("retries: {on: [timeout]}"),
    upstream("retries: {on: 500}"),
    upstream("retries: {budget: 20}"),
    upstream("retries: {budget: 101%}"),
    upstream("connections: {retry_after: 0}"),
    upstream("connections: {max: 0}"),
    upstream("connections: 64"),
    upstream("timeouts: {first: 1s}"),
    upstream("tls: {cert: x}"),
    upstream("resolve: never"),
    upstream("health: {path: healthz}"),
    upstream("health: {status: 200}"),
    upstream("health: {path: /, status: 2xx}"),
    upstream("health: {path: /, status: [200, 600]}"),
    upstream("health: {unhealthy: 0}"),
    upstream("health: on"),
    upstream("outlier: {max_ejected_percent: 101}"),
    upstream("outlier: {eject: 10}"),
    BASE + ROUTE + "resolver: dns.example\n",
    BASE.replace("http://", "h2c://", 1) + ROUTE,
    BASE.replace("9000", "9000/path") + ROUTE,
    BASE.replace('["http://127.0.0.1:9000"]', "[]") + ROUTE,
    BASE.replace('["http://127.0.0.1:9000"]', "[{weight: 1}]") + ROUTE,
    BASE.replace('"http://127.0.0.1:9000"', '{url: "http://127.0.0.1:9000", weight: 257}') + ROUTE,
    route("match: /path"),
    route("match: {path: path}"),
    route("match: {methods: []}"),
    route("auth: some"),
    route("upgrades: []"),
    route("ambiguous_paths: keep"),
    route("request: {set_header: [X-A]}"),
    route('request: {set_header: {"X A": 1}}'),
    route("request: {set_json: {a..b: 1}}"),
    route("request: {json_limit: 1MB}"),
    route("on_disconnect: abort"),
    route("on_disconnect: {half_close: maybe}"),
    route("on_disconnect: {cleanup: []}"),
    route("on_disconnect: {cleanup: {method: POST}}"),
    route("heartbeat: {kind: pulse}"),
    route("on_disconnect: {cleanup: stop}\n    cleanup_on: completed"),
    cleanup("to: nobody"),
    cleanup("method: 'GET /'"),
    cleanup("ok_status: 42"),
    cleanup("expire_after: forever"),
    cleanup("retry: {max_attempts: 0}"),
    cleanup("retry: {backoff: 1s}"),
    cleanup("signing_secret: hunter2"),
    cleanup("headers: {X-A: {path: /x}}"),
    BASE.replace("stop:", "none:") + ROUTE,
]
ACCEPTED = [
    BASE + ROUTE + "workers: 4\naccess_log: off\nadmin: {}\nshutdown: {drain: 0}\noutbox: {keep_delivered: forever}\n",
    BASE + ROUTE + "workers: ${WORKERS:-2}\nlog: {level: '${LEVEL:-info}'}\naccess_log: {format: '${FORMAT:-json}'}\n",
    listener("limits: {body_bytes: 1048576, header_bytes: 64KiB, connections: '${MOST:-100}'}, dead_peer: '${DEAD:-9s}'"),
    listener("trusted_proxies: [10.0.0.0/8, '::1', 'fd00::/8', unix], proxy_protocol: accept, trust_request_id: true"),
    listener("name: 7").replace("127.0.0.1:0", "[::1]:0"),
    upstream("host: server, balance: '${BALANCE:-round_robin}'").replace("http://127.0.0.1:9000", "unix:/run/app.sock"),
    BASE + ROUTE + "resolver: 127.0.0.1:5353\n",
    upstream("resolve: off, health: {}, outlier: {}"),
    upstream("resolve: 5s, health: {path: '/up?now', status: [200, 300-399], method: HEAD, host: app}, outlier: {eject: 1m}"),
    BASE.replace('"http://127.0.0.1:9000"', '{url: "HTTP://127.0.0.1"}') + ROUTE,
    BASE.replace('"http://127.0.0.1:9000"', '{url: "http://127.0.0.1", weight: "${W:-5}"}') + ROUTE,
    upstream("balance: 'hash({request.header.x-user|none}-{client.ip})', slow_start: 0"),
    upstream("retries: {attempts: 0, on: 503, budget: '${BUDGET:-5%}', min_per_second: 0}"),
    upstream("retries: {on: [connect, '${CAUSE:-502}', 503, 504]}"),
    route("upgrades: none"),
    route("allow: 127.0.0.1"),
    route("match: {methods: PURGE}"),
    route("request: {set_query: {n: 1, yes: true}, set_json: {a.b: 1.5}, remove_header: X-A}"),
    route("on_disconnect: {cleanup: [stop, {url: 'http://127.0.0.1:9001/x'}], grace: 0}\n    cleanup_on: rejected"),
    cleanup("expire_after: never, ok_status: [404, 409], body: none, delay: 1s"),
]


def fail(what):
    failures.append(what)
    print(what, file=sys.stderr)


def check(hangup, text):
    """Whether the program takes the configuration, and what it said."""
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        file.write(text)
        file.flush()
        done = subprocess.run([hangup, "check", "-c", file.name], capture_output=True, text=True)
    return done.returncode == 0, done.stderr


def faults(validator, text):
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(yaml.load(text, Loader))]


def good(hangup, validator, name, text):
    taken, said = check(hangup, text)
    if not taken:
        fail(f"{name}: hangup refuses it: {said}")
    for fault in faults(validator, text):
        fail(f"{name}: the schema refuses it: {fault}")


def kubernetes(hangup, validator):
    """The configuration in the manifests, and what containers, probes and the service refer to."""
    text = (CONF / "kubernetes" / "sidecar.yaml").read_text()
    found = {document["kind"]: document for document in yaml.safe_load_all(text)}
    configuration = found["ConfigMap"]["data"]["hangup.yaml"]
    good(hangup, validator, "conf/kubernetes/sidecar.yaml", configuration)
    read = yaml.load(configuration, Loader)
    pod = found["Deployment"]["spec"]["template"]["spec"]
    sidecar = next(container for container in pod["containers"] if container["name"] == "hangup")
    ports = {port["name"]: port["containerPort"] for port in sidecar["ports"]}
    for name, address in (("http", read["listeners"][0]["address"]), ("admin", read["admin"]["address"])):
        if not address.endswith(f":{ports[name]}"):
            fail(f"conf/kubernetes/sidecar.yaml: port {name} is not that of {address}")
    for probe, page in (("livenessProbe", "/live"), ("readinessProbe", "/ready")):
        if sidecar[probe]["httpGet"] != {"path": page, "port": "admin"}:
            fail(f"conf/kubernetes/sidecar.yaml: {probe} does not ask for {page} of the admin listener")
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    mounts = {mount["mountPath"]: mount["name"] for mount in sidecar["volumeMounts"]}
    if "emptyDir" not in volumes[mounts[str(pathlib.Path(read["outbox"]["path"]).parent)]]:
        fail("conf/kubernetes/sidecar.yaml: the outbox is not on the emptyDir")
    if found["Service"]["spec"]["ports"][0]["targetPort"] != "http":
        fail("conf/kubernetes/sidecar.yaml: the service does not lead to hangup")


def described(schema, root=None, path="$"):
    """Defaults and examples are what their own key takes; hangup.yaml(5) shows them."""
    root = root or schema
    for key, each in {**schema.get("properties", {}), **schema.get("$defs", {})}.items():
        validator = jsonschema.Draft202012Validator({**each, "$defs": root["$defs"]})
        for value in ([each["default"]] if "default" in each else []) + each.get("examples", []):
            for error in validator.iter_errors(value):
                fail(f"the schema refuses its own default or example at {path}.{key}: {error.message}")
        described(each, root, f"{path}.{key}")


def main():
    hangup = sys.argv[1]
    schema = json.loads(subprocess.run([hangup, "schema"], capture_output=True, check=True).stdout)
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    described(schema)
    examples = sorted(CONF.glob("*.yaml")) + sorted(CONF.glob("recipes/*.yaml"))
    for path in examples:
        good(hangup, validator, path, path.read_text())
    kubernetes(hangup, validator)
    for number, text in enumerate(ACCEPTED):
        good(hangup, validator, f"ACCEPTED[{number}]\n{text}", text)
    for number, text in enumerate(REFUSED):
        taken, _ = check(hangup, text)
        if taken:
            fail(f"REFUSED[{number}]: hangup takes it:\n{text}")
        if not faults(validator, text):
            fail(f"REFUSED[{number}]: the schema takes it:\n{text}")
    print(f"{len(examples)} examples, {len(ACCEPTED)} accepted and {len(REFUSED)} refused configurations: "
          f"{len(failures)} failures")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
