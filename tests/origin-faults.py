#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""origin-faults DIR: an HTTPS server that misbehaves by script.

The first part of a path names the fault, the rest a file below DIR/www:
https://localhost:PORT/503-once/manifest.json. Signatures (*.minisig) are served properly unless
the fault's name ends with "-all". The port is written to DIR/faults.port, requests go to
DIR/faults.log.
"""
import collections
import http.server
import os
import socketserver
import ssl
import sys
import threading
import time

DIR = sys.argv[1]
WWW = os.path.join(DIR, "www")
seen = collections.Counter()
lock = threading.Lock()


class Plain(http.server.BaseHTTPRequestHandler):
    """Where a redirect to http ends up: being asked at all is the failure."""

    def do_GET(self):
        with open(os.path.join(DIR, "plain.log"), "a", encoding="utf-8") as f:
            f.write(self.path + "\n")
        self.send_error(500)

    def log_message(self, *args):
        pass


class Faults(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def reply(self, status, body=b"", **headers):
        self.send_response(status)
        headers.setdefault("Content_Length", str(len(body)))
        for name, value in headers.items():
            if value is not None:
                self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def chunk(self, data):
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))

    def do_GET(self):
        try:
            self.answer()
        except (BrokenPipeError, ConnectionResetError, ssl.SSLError):
            self.close_connection = True

    def answer(self):
        path = self.path.partition("?")[0]
        _, fault, rest = path.split("/", 2)
        with lock:
            seen[path] += 1
            count = seen[path]
            with open(os.path.join(DIR, "faults.log"), "a", encoding="utf-8") as f:
                f.write(f"{path} {count} {self.headers.get('Authorization', '-')}"
                        f" {self.headers.get('If-None-Match', '-')}\n")
        name = os.path.join(WWW, rest)
        body = b""
        if os.path.isfile(name):
            with open(name, "rb") as f:
                body = f.read()
        elif fault not in ("portal-all", "307-loop"):
            return self.reply(404, b"not there\n")
        if rest.endswith(".minisig") and not fault.endswith("-all"):
            return self.reply(200, body)
        again = count > 1
        here = f"https://localhost:{self.server.server_port}"
        if fault == "ok":
            return self.reply(200, body)
        if fault == "307-loop":
            return self.reply(307, Location=f"{here}{path}")
        if fault.startswith("hops-"):  # hops-3: three redirects, then the file
            n = int(fault[5:])
            if n:
                return self.reply(302, Location=f"{here}/hops-{n - 1}/{rest}")
            return self.reply(200, body)
        if fault == "to-http":
            return self.reply(301, Location=f"http://localhost:{plain_port}/{rest}")
        if fault == "to-file":
            return self.reply(301, Location=f"file://{name}")
        if fault == "endless":  # no length, no end
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            while True:
                self.chunk(b"x" * 65536)
        if fault == "endless-headers":
            self.wfile.write(b"HTTP/1.1 200 OK\r\n")
            while True:
                self.wfile.write(b"X-Padding: " + b"x" * 4000 + b"\r\n")
        if fault == "huge":
            return self.reply(200, b"x", Content_Length=str(1 << 40))
        if fault == "drip":  # a byte now and then: never idle, never done
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            for i in range(len(body)):
                self.wfile.write(body[i:i + 1])
                self.wfile.flush()
                time.sleep(0.2)
            return None
        if fault == "silent":
            time.sleep(60)
            self.close_connection = True
            return None
        if fault == "short":  # less than was promised
            self.reply(200, body[:-10], Content_Length=str(len(body)))
            self.close_connection = True
            return None
        if fault == "truncated":  # a chunked body that just stops
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.chunk(body[: len(body) // 2])
            self.close_connection = True
            return None
        if fault == "cut":  # whole for HTTP, half of the file
            return self.reply(200, body[: len(body) // 2])
        if fault == "portal-all":
            return self.reply(200, b"<html><body>Please log in</body></html>\n",
                              Content_Type="text/html")
        if fault == "gzip":
            return self.reply(200, b"\x1f\x8b" + body, Content_Encoding="gzip")
        if fault == "304":
            return self.reply(304, Content_Length=None)
        if fault == "304-known":
            if "If-None-Match" in self.headers:
                return self.reply(304, Content_Length=None)
            return self.reply(200, body, ETag='"v1"')
        if fault == "etag-evil":
            return self.reply(200, body, ETag='"a\x01b"')
        if fault == "other-then-ok":
            return self.reply(200, body if again else b"{}\n")
        if fault.endswith("-once"):
            if again:
                return self.reply(200, body)
            status = int(fault[:3])
            return self.reply(status, b"wait\n", Retry_After="1")
        if fault == "429-long":
            return self.reply(429, b"wait\n", Retry_After="86400")
        return self.reply(int(fault[:3]), b"no\n")


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True

    def handle_error(self, *args):
        pass


plain = Server(("127.0.0.1", 0), Plain)
plain_port = plain.server_port
threading.Thread(target=plain.serve_forever, daemon=True).start()
server = Server(("127.0.0.1", 0), Faults)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(os.path.join(DIR, "server.pem"), os.path.join(DIR, "server.key"))
server.socket = context.wrap_socket(server.socket, server_side=True,
                                    do_handshake_on_connect=False)
with open(os.path.join(DIR, "faults.port-t"), "w", encoding="utf-8") as port_file:
    port_file.write(str(server.server_port))
os.rename(os.path.join(DIR, "faults.port-t"), os.path.join(DIR, "faults.port"))
server.serve_forever()
