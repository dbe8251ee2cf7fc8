"""A private network: holds its namespace, relays from inside it to this machine, and is the door to a port inside.

`python -I -S network_relay.py <"1" to relay> <door> <door's port> <port>…` forks a child that lives in a new network
namespace with loopback only, prints the child's process id, and ends when its stdin closes. To relay, it listens inside
at the given ports of 127.0.0.1 (sagelocal's and MiniStack's, so that their addresses hold inside too) and at PROXY_PORT
as an HTTP proxy. The listening sockets belong to the namespace and the connections beyond to this machine: a socket
stays in the namespace that it was made in.

The door, where one is given, is a Unix socket outside: who connects to it is handed a socket that is connected to the
door's port of 127.0.0.1 inside (SCM_RIGHTS), or a "!" where nothing listens there. From then on nobody is in between.

It imports only the standard library, and little of that: it starts with each job of several hosts.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import signal
import socket
import struct
import sys
import threading

PROXY_PORT = 3128
_CLONE_NEWNET = 0x40000000
_SIOCSIFFLAGS, _UP_LOOPBACK_RUNNING = 0x8914, 0x49
_HEAD_BYTES = 65536
_CHUNK = 2**18
_CONNECT_SECONDS = 1.5  # where a server's backlog is full, the kernel asks again after a second


def main(relay: bool, door: str, door_port: int, ports: list[int]) -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    child = os.fork()
    if child == 0:
        _hold(theirs, [*ports, PROXY_PORT] if relay else [], door, door_port)
    theirs.close()
    listeners = _received(ours)
    for listener in listeners:
        port = listener.getsockname()[1]
        threading.Thread(target=_accept, args=(listener, None if port == PROXY_PORT else port), daemon=True).start()
    print(child, flush=True)
    sys.stdin.read()
    os.kill(child, signal.SIGKILL)


def _hold(to: socket.socket, ports: list[int], door: str, door_port: int) -> None:
    """Makes the namespace and its listening sockets, hands these over, and stays until stdin closes."""
    if ctypes.CDLL(None, use_errno=True).unshare(_CLONE_NEWNET):
        sys.exit(f"no network namespace: {os.strerror(ctypes.get_errno())}")
    with socket.socket() as any_socket:
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sh", b"lo", _UP_LOOPBACK_RUNNING) + bytes(22))
    listeners = [socket.create_server(("127.0.0.1", port), backlog=128) for port in ports]
    if door:
        threading.Thread(target=_hand_out, args=(_unix_listener(door), door_port), daemon=True).start()
    socket.send_fds(to, [b"."], [listener.fileno() for listener in listeners])
    os.close(1)  # the reader of our stdout sees its end when the relaying process is gone
    sys.stdin.read()
    os._exit(0)


def _unix_listener(path: str) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(1024)
    return listener


def _hand_out(door: socket.socket, port: int) -> None:
    while True:
        caller, _address = door.accept()
        threading.Thread(target=_let_in, args=(caller, port), daemon=True).start()


def _let_in(caller: socket.socket, port: int) -> None:
    with caller, contextlib.suppress(OSError), socket.socket() as inside:
        inside.settimeout(_CONNECT_SECONDS)
        if inside.connect_ex(("127.0.0.1", port)):
            caller.sendall(b"!")
            return
        inside.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        socket.send_fds(caller, [b"."], [inside.fileno()])


def _received(source: socket.socket) -> list[socket.socket]:
    said, descriptors, _flags, _address = socket.recv_fds(source, 1, 16)
    if not said:
        sys.exit(1)  # the child said why
    return [socket.socket(fileno=descriptor) for descriptor in descriptors]


def _accept(listener: socket.socket, port: int | None) -> None:
    while True:
        connection, _address = listener.accept()
        threading.Thread(target=_serve, args=(connection, port), daemon=True).start()


def _serve(inside: socket.socket, port: int | None) -> None:
    with inside:
        try:
            if port is None:
                outside, first = _proxied(inside)
            else:
                outside, first = socket.create_connection(("127.0.0.1", port)), b""
        except (OSError, ValueError) as error:
            with contextlib.suppress(OSError):
                inside.sendall(f"HTTP/1.1 502 Bad Gateway\r\nConnection: close\r\n\r\n{error}\n".encode())
            return
        with outside, contextlib.suppress(OSError):
            outside.sendall(first)
            for end in (inside, outside):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            back = threading.Thread(target=_copy, args=(outside, inside), daemon=True)
            back.start()
            _copy(inside, outside)
            back.join()


def _proxied(inside: socket.socket) -> tuple[socket.socket, bytes]:
    """The connection that a proxy request asks for, and what to send on it. Raises OSError, ValueError."""
    head = b""
    while b"\r\n\r\n" not in head:
        data = inside.recv(_HEAD_BYTES)
        head += data
        if not data or len(head) > _HEAD_BYTES:
            raise ValueError("this is no HTTP proxy request")
    line, rest = head.split(b"\r\n", 1)
    method, target = line.decode("latin-1").split(" ")[:2]
    if method == "CONNECT":
        outside = socket.create_connection(_host_and_port(target, 443))
        inside.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        return outside, rest.split(b"\r\n\r\n", 1)[1] if b"\r\n\r\n" in rest else b""
    if not target.startswith("http://"):
        raise ValueError(f"the proxy of this job takes CONNECT and http:// addresses, not {target}")
    # Servers must take the absolute form of a target; the next request of the connection may be for another one.
    address = _host_and_port(target.removeprefix("http://").split("/")[0], 80)
    return socket.create_connection(address), line + b"\r\nConnection: close\r\n" + rest


def _host_and_port(text: str, default: int) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    return (host.strip("[]"), int(port)) if colon and port.isdigit() else (text.strip("[]"), default)


def _copy(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(_CHUNK):
            target.sendall(data)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)


if __name__ == "__main__":
    main(sys.argv[1] == "1", sys.argv[2], int(sys.argv[3]), [int(port) for port in sys.argv[4:]])
