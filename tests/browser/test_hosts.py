"""Requests with a foreign Host header are refused on every route of a real server."""

from __future__ import annotations

import http.client
from urllib.parse import urlparse

import pytest
from visiting import Server, Visitor

ROUTES = ("/", "/live", "/_stcore/health", "/_stcore/host-config", "/_stcore/stream", "/static/nothing.js")
PICTURE = "img[alt^='A hundred pictures drawn by mnist-gan']"


def status(server: Server, path: str, host: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    try:
        connection.request("GET", path, headers={"Host": host})
        return connection.getresponse().status
    finally:
        connection.close()


@pytest.mark.parametrize("path", ROUTES)
@pytest.mark.parametrize("host", ["attacker.example", "attacker.example:8501", "127.0.0.1.attacker.example"])
def test_a_foreign_host_is_refused_on_every_route(server: Server, path: str, host: str) -> None:
    assert status(server, path, host) == 400


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "localhost:8501"])
def test_the_own_hosts_are_served(server: Server, host: str) -> None:
    assert status(server, "/", host) == status(server, "/_stcore/health", host) == 200


def test_a_picture_is_refused_to_a_foreign_host(visitor: Visitor, server: Server) -> None:
    visitor.visit("/live?run=mnist-gan")
    source = visitor.see(PICTURE).get_attribute("src")
    path = urlparse(source).path
    assert path.startswith("/media/")
    assert status(server, path, f"127.0.0.1:{server.port}") == 200
    assert status(server, path, "attacker.example") == 400
