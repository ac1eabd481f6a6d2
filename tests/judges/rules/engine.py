"""A search engine of other people's, OpenSearch, that runs for as long as it is used: documents in, the ids of those that a
query finds out. It compares by the letter, and a field has all the values that stand at its path."""

import contextlib
import json
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

VERSION = "2.19.6"
PATIENCE_SECONDS = 120
# The engine starts as whoever runs the tests, root too: without its native library it does not look.
JAVA = [
    "-Xms256m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Djava.security.manager=allow",
    "-Djna.nounpack=true", "-Djna.nosys=true", "-Dlog4j2.disable.jmx=true", "-Dopensearch.distribution.type=tar",
    "-Dopensearch.bundled_jdk=false",
]
DESCRIPTOR = f"""name=transport-netty4
description=HTTP
version={VERSION}
opensearch.version={VERSION}
classname=org.opensearch.transport.Netty4Plugin
java.version=11
has.native.controller=false
extended.plugins=
custom.foldername=
"""
LOGGING = """status = error
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %m%n
rootLogger.level = error
rootLogger.appenderRef.console.ref = console
"""
# Every text is one value, as in Elastic's own index; a date, a number or an address is looked for as it is written.
MAPPING = {
    "date_detection": False,
    "dynamic_templates": [
        {"text": {"match_mapping_type": "string", "mapping": {"type": "keyword", "ignore_above": 8000}}},
    ],
}
SETTINGS = {"index.mapping.total_fields.limit": 20000, "number_of_shards": 1, "number_of_replicas": 0}


class Engine:
    """A running engine."""

    def __init__(self, url):
        self.url = url

    def ask(self, method, path, body=None, kind="application/json"):
        data = body.encode() if isinstance(body, str) else json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(self.url + path, data=data, method=method, headers={"Content-Type": kind})
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS) as response:
                return json.load(response)
        except urllib.error.HTTPError as error:
            raise RuntimeError(f"{method} {path}: {error.read().decode()[:2000]}") from error

    def index(self, name, documents):
        """Makes an index of documents by id, and says which were refused and why."""
        self.ask("PUT", f"/{name}", {"mappings": MAPPING, "settings": SETTINGS})
        refused = {}
        lines = "".join(
            json.dumps({"index": {"_id": key}}) + "\n" + json.dumps(document) + "\n" for key, document in documents.items()
        )
        for item in self.ask("POST", f"/{name}/_bulk?refresh=true", lines, "application/x-ndjson")["items"]:
            if "error" in item["index"]:
                refused[item["index"]["_id"]] = item["index"]["error"]["reason"]
        return refused

    def find(self, name, query, keys):
        """Those of `keys` whose documents `query` finds."""
        both = {"bool": {"filter": [{"ids": {"values": list(keys)}}, query]}}
        found = self.ask("POST", f"/{name}/_search", {"size": 10000, "_source": False, "query": both})
        return {hit["_id"] for hit in found["hits"]["hits"]}


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def lay_out(home, jars):
    """What the engine expects to find: its libraries, and its HTTP server as a module of its own."""
    for folder in ["config", "lib", "plugins", "modules/transport-netty4"]:
        (home / folder).mkdir(parents=True)
    for jar in jars.glob("*.jar"):
        # The engine reads nothing of a module but what is inside of its home.
        if "netty" in jar.name:
            shutil.copy(jar, home / "modules/transport-netty4")
        else:
            (home / "lib" / jar.name).symlink_to(jar)
    module = home / "modules/transport-netty4"
    (module / "plugin-descriptor.properties").write_text(DESCRIPTOR)
    (module / "plugin-security.policy").write_text("grant { permission java.security.AllPermission; };\n")
    port = free_port()
    settings = {"cluster.name": "judge", "discovery.type": "single-node", "http.port": port, "transport.port": free_port()}
    settings["cluster.routing.allocation.disk.threshold_enabled"] = "false"
    (home / "config/opensearch.yml").write_text("".join(f"{name}: {value}\n" for name, value in settings.items()))
    (home / "config/log4j2.properties").write_text(LOGGING)
    return port


@contextlib.contextmanager
def running(jars):
    """A running engine made of `jars`, ended at the end."""
    with tempfile.TemporaryDirectory(prefix="oktabus-judge-") as folder:
        home = pathlib.Path(folder)
        port = lay_out(home, jars)
        paths = [f"-Dopensearch.path.home={home}", f"-Dopensearch.path.conf={home}/config"]
        command = ["java", *JAVA, *paths, "-cp", f"{home}/lib/*", "org.opensearch.bootstrap.OpenSearch"]
        with open(home / "log", "w") as log:
            process = subprocess.Popen(command, cwd=home, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            engine = Engine(f"http://127.0.0.1:{port}")
            wait(engine, process, home / "log")
            yield engine
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()


def wait(engine, process, log):
    start = time.monotonic()
    while time.monotonic() - start < PATIENCE_SECONDS and process.poll() is None:
        with contextlib.suppress(OSError, RuntimeError):
            engine.ask("GET", "/")
            return
        time.sleep(0.2)
    raise RuntimeError(f"the search engine does not start:\n{log.read_text()[-3000:]}")
