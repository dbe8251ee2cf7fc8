"""STS at its public addresses, by an unmodified boto3 through the proxy; everything else passes it untouched."""

from __future__ import annotations

import http.client
import socket
import ssl
import stat
import threading
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from sagelocal import config, server
from sagelocal.api import local
from sagelocal.config import Settings
from sagelocal.sts_proxy import access


@pytest.fixture(scope="module")
def shell(laptop: Settings) -> dict[str, str]:
    """What `mlops env --sts-proxy` adds to a shell without settings of its own."""
    added = access.variables(laptop, {})
    local.start_sts_proxy(laptop)
    return added


def caller(laptop: Settings, shell: dict[str, str], region: str, key: str = "") -> str:
    client = boto3.client(
        "sts",
        region_name=region,
        endpoint_url=f"https://sts.{region}.amazonaws.com",
        aws_access_key_id=key or laptop.access_key,
        aws_secret_access_key=laptop.secret_key,
        verify=shell["AWS_CA_BUNDLE"],
        config=Config(proxies={"https": shell["HTTPS_PROXY"]}, retries={"total_max_attempts": 1}),
    )
    return str(client.get_caller_identity()["Arn"])


@pytest.mark.parametrize("region", ["us-east-1", "eu-central-1"])
def test_sts_says_who_the_laptop_is(laptop: Settings, shell: dict[str, str], region: str) -> None:
    assert caller(laptop, shell, region) == f"arn:aws:sts::{laptop.account}:assumed-role/sagelocal-execution/laptop"


def test_another_key_is_refused_as_everywhere(laptop: Settings, shell: dict[str, str]) -> None:
    with pytest.raises(ClientError, match="is not of this sagelocal"):
        caller(laptop, shell, "us-east-1", key="AKIAEXAMPLE")


def connection(shell: dict[str, str], password: str | None = None) -> http.client.HTTPConnection:
    proxy = urlsplit(shell["HTTPS_PROXY"])
    made = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=10)
    given = f"{proxy.username}:{proxy.password if password is None else password}"
    made._proxy_headers = {"Proxy-Authorization": f"Basic {b64encode(given.encode()).decode()}"}  # type: ignore[attr-defined]
    return made


@pytest.fixture
def elsewhere() -> Iterator[int]:
    """A server of neither HTTP nor TLS, which sends back what it gets."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def echo() -> None:
            there, _address = listener.accept()
            with there:
                while data := there.recv(4096):
                    there.sendall(data)

        threading.Thread(target=echo, daemon=True).start()
        yield listener.getsockname()[1]


def tunnel(shell: dict[str, str], host: str, port: int, password: str | None = None) -> socket.socket:
    made = connection(shell, password)
    made.set_tunnel(host, port, made._proxy_headers)  # type: ignore[attr-defined]
    made.connect()
    return made.sock


def test_other_addresses_are_tunnelled_byte_by_byte(shell: dict[str, str], elsewhere: int) -> None:
    with tunnel(shell, "127.0.0.1", elsewhere) as there:
        there.sendall(b"\x00\xffany bytes")
        assert there.recv(100) == b"\x00\xffany bytes"
        there.shutdown(socket.SHUT_WR)
        assert there.recv(100) == b""


def test_who_lacks_the_password_goes_nowhere(shell: dict[str, str], elsewhere: int) -> None:
    with pytest.raises(OSError, match="407"):
        tunnel(shell, "127.0.0.1", elsewhere, password="guess")


def test_it_is_a_proxy_for_https_only(shell: dict[str, str]) -> None:
    made = connection(shell)
    made.request("GET", "http://example.com/", headers=made._proxy_headers)  # type: ignore[attr-defined]
    assert made.getresponse().status == 405


@pytest.mark.parametrize(("port", "status"), [("0x50", 405), ("²", 405), ("65536", 400)])
def test_a_port_that_cannot_be_is_said(shell: dict[str, str], port: str, status: int) -> None:
    made = connection(shell)
    made.connect()
    headers = "".join(f"{name}: {value}\r\n" for name, value in made._proxy_headers.items())  # type: ignore[attr-defined]
    made.sock.sendall(f"CONNECT example.com:{port} HTTP/1.1\r\n{headers}\r\n".encode("latin-1"))
    assert made.sock.recv(12).decode() == f"HTTP/1.1 {status}"


def test_an_address_that_does_not_answer_is_said(shell: dict[str, str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    with pytest.raises(OSError, match="502"):
        tunnel(shell, "127.0.0.1", port)


def test_the_certificate_stands_for_sts_alone(shell: dict[str, str]) -> None:
    trusting = ssl.create_default_context(cafile=shell["AWS_CA_BUNDLE"])
    trusting.verify_flags |= ssl.VERIFY_X509_STRICT  # as Python 3.13 does by default
    with trusting.wrap_socket(tunnel(shell, "sts.amazonaws.com", 443), server_hostname="sts.amazonaws.com"):
        pass
    other = tunnel(shell, "sts.amazonaws.com", 443)
    with pytest.raises(ssl.SSLCertVerificationError, match="mismatch"):
        trusting.wrap_socket(other, server_hostname="s3.amazonaws.com")
    other.close()


def test_the_key_is_the_users_own_and_the_authoritys_is_nowhere(laptop: Settings, shell: dict[str, str]) -> None:
    home = access.folder(laptop)
    keys = [file for file in home.iterdir() if b"PRIVATE KEY" in file.read_bytes()]
    assert [file.name for file in keys] == ["key.pem"]
    for file in (home / "key.pem", home / "access.json"):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_it_lives_and_dies_with_sagelocal_and_comes_back_with_it(tmp_path: Path) -> None:
    settings = config.load(tmp_path / "state")
    server.up(settings)
    try:
        shell = access.variables(settings, {})
        local.start_sts_proxy(settings)
        local.start_sts_proxy(settings)  # a second shell asks
        server.down(settings)
        with pytest.raises(ConnectionRefusedError):
            tunnel(shell, "sts.amazonaws.com", 443)
        server.up(settings)
        assert caller(settings, shell, "us-east-1").endswith("/laptop")
    finally:
        server.down(settings)


def test_the_internal_path_wants_the_token(laptop: Settings) -> None:
    made = http.client.HTTPConnection("127.0.0.1", laptop.port, timeout=10)
    made.request("POST", local.STS_PROXY)
    assert made.getresponse().status == 403
    made.close()
