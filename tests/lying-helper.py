#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""lying-helper: stands where xenblacklist-fetch should be and does what it never does.

The file "lie" beside it names the lie. Its layout of messages is that of sync/fetch-wire.h.
"""
import os
import signal
import socket
import struct
import sys

HELLO, DATA, FORGET, PROGRESS, RESULT = range(5)
GOT, NOT_MODIFIED, NOT_THERE, TOO_BIG, SCHEME, MANY, FAILED, NO_HEADER = range(8)
SETUP, REQUEST = 8 + 512, 24 + 512 + 4096

here = os.path.dirname(os.path.abspath(sys.argv[0]))
with open(os.path.join(here, "lie"), encoding="utf-8") as f:
    lie = f.read().strip()
sock = socket.socket(fileno=3)


def frame(kind, body=b"", n=None):
    sock.sendall(struct.pack("=II", kind, len(body) if n is None else n) + body)


def hello(wire=2, library=b"lies", trouble=b""):
    return struct.pack("=I512s512s", wire, library, trouble)


def result(outcome, status=200, etag=b"", text=b""):
    frame(RESULT, struct.pack("=II256s256s512s", outcome, status, etag, b"", text))


def row(number, name, comment=b"", name_n=None):
    return struct.pack("=III", number, len(name) if name_n is None else name_n,
                       len(comment)) + name + comment


def receive(n):
    while n:
        got = sock.recv(n)
        if not got:
            sys.exit(0)
        n -= len(got)


if lie == "mute":
    signal.pause()
if lie == "dies-first":
    sys.exit(3)
if lie == "garbage":
    sock.sendall(os.urandom(100000))
if lie == "hello-long":
    frame(HELLO, hello(), n=0xffffffff)
if lie == "other-version":
    frame(HELLO, hello(wire=3))
if lie == "trouble":
    frame(HELLO, hello(trouble=b"cannot\x1b[31m\xff" + b"x" * 600))
if lie == "flood":
    while True:
        frame(HELLO, hello())
frame(HELLO, hello())
if lie == "deaf":
    signal.pause()
receive(SETUP)
while True:
    receive(REQUEST)
    if lie == "silent":
        signal.pause()
    elif lie == "dies":
        sys.exit(3)
    elif lie == "too-much":
        frame(DATA, b"x" * 65536)
        frame(DATA, b"x" * 65536)
        signal.pause()
    elif lie == "long-frame":
        frame(DATA, b"", n=0x7fffffff)
    elif lie == "endless":
        while True:
            frame(FORGET)
            frame(DATA, b"x" * 1000)
            frame(PROGRESS, b"\xff" * 16)
    elif lie == "bad-type":
        frame(77, b"xxxx")
    elif lie == "bad-progress":
        frame(PROGRESS, b"x")
    elif lie == "bad-outcome":
        result(99)
    elif lie == "not-asked":
        result(NOT_MODIFIED)
    elif lie == "evil-etag":
        frame(DATA, b"{}")
        result(GOT, etag=b'"a\r\nX-Evil: 1"')
    elif lie == "unended-etag":
        result(GOT, etag=b"e" * 256)
    elif lie == "terminal":
        result(FAILED, text=b"\x1b[31mred\xff\n" + b"x" * 600)
    elif lie == "no-header":
        result(NO_HEADER, text=b"\x1b[31mred")
    elif lie == "half-a-row":
        frame(DATA, b"xxxx")
        result(GOT)
    elif lie == "long-name":
        frame(DATA, row(7, b"seven", name_n=0xffffffff))
        result(GOT)
    elif lie == "big-number":
        frame(DATA, row(65536, b"seven"))
        result(GOT)
    elif lie == "no-text":
        frame(DATA, row(7, b"sev\xff"))
        result(GOT)
    elif lie == "rows":  # that no header has: none of them, twice the same, names that are none
        frame(DATA, row(7, b"seven", b"V") + row(7, b"again") + row(8, b"") + row(9, b"\x1b[31m"))
        result(GOT)
    elif lie == "unsigned":
        frame(DATA, b"{}")
        result(GOT)
