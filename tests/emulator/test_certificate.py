"""The emulator's own certificate: who trusts it, for what names, and how long."""

from __future__ import annotations

import ssl
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from anyio import fail_after
from cryptography import x509

from realtime_azure import TlsError, connect
from realtime_azure.emulator import Turn, serve
from realtime_azure.emulator.certificate import server_context
from realtime_azure.events import ResponseDone, SessionCreated

pytestmark = pytest.mark.anyio


async def say(turn: Turn) -> str:
    return "All is well."


def trusting(certificate: bytes) -> ssl.SSLContext:
    return ssl.create_default_context(cadata=certificate.decode())


def opened(url: str, api_key: str, **options: Any) -> Any:
    return connect(url, deployment="any", api_version="v1", api_key=api_key, max_retries=0, **options)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_who_trusts_it_speaks_with_it(host: str) -> None:
    context, certificate = server_context("localhost", "127.0.0.1")
    with fail_after(10):
        async with serve(ssl_context=context, responder=say) as emulator:
            assert emulator.url.startswith("https://127.0.0.1:")
            url = emulator.url.replace("127.0.0.1", host)
            async with opened(url, emulator.api_key, ssl_context=trusting(certificate)) as connection:
                await connection.response.create({"output_modalities": ["text"]})
                assert (await connection.wait_for(ResponseDone)).response.status == "completed"


async def test_a_file_in_the_environment_is_trust_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    context, certificate = server_context("127.0.0.1")
    (tmp_path / "emulator.pem").write_bytes(certificate)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "emulator.pem"))
    with fail_after(10):
        async with serve(ssl_context=context) as emulator, opened(emulator.url, emulator.api_key) as connection:
            assert isinstance(await connection.receive(), SessionCreated)


@pytest.mark.parametrize("trust", [None, "another of the same name", "for another host"])
async def test_nobody_else_does(trust: str | None) -> None:
    context, certificate = server_context("elsewhere.example" if trust == "for another host" else "127.0.0.1")
    client: ssl.SSLContext | None = None
    if trust == "another of the same name":
        client = trusting(server_context("127.0.0.1")[1])
    elif trust is not None:
        client = trusting(certificate)
    with fail_after(10):
        async with serve(ssl_context=context) as emulator:
            with pytest.raises(TlsError):
                async with opened(emulator.url, emulator.api_key, ssl_context=client):
                    pass


async def test_a_client_without_tls_is_no_matter_to_others() -> None:
    context, certificate = server_context("127.0.0.1")
    with fail_after(10):
        async with serve(ssl_context=context) as emulator:
            with pytest.raises(ConnectionError):
                async with opened(emulator.url.replace("https:", "http:"), emulator.api_key):
                    pass
            async with opened(emulator.url, emulator.api_key, ssl_context=trusting(certificate)) as connection:
                await connection.receive()


async def test_faults_strike_behind_tls_as_well() -> None:
    context, certificate = server_context("127.0.0.1")
    with fail_after(10):
        async with (
            serve(ssl_context=context, faults=["cut@1"]) as emulator,
            opened(emulator.url, emulator.api_key, ssl_context=trusting(certificate)) as connection,
        ):
            with pytest.raises(ConnectionError):
                await connection.receive()


def test_it_is_for_its_hosts_for_a_day_and_new_each_time() -> None:
    made = [x509.load_pem_x509_certificate(server_context("localhost", "::1", "127.0.0.1")[1]) for _ in range(2)]
    names = made[0].extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["localhost"]
    assert [str(address) for address in names.get_values_for_type(x509.IPAddress)] == ["::1", "127.0.0.1"]
    now = datetime.now(UTC)
    assert made[0].not_valid_before_utc < now < made[0].not_valid_after_utc <= now + timedelta(days=1)
    assert made[0].serial_number != made[1].serial_number
    assert made[0].public_key() != made[1].public_key()


def test_its_key_is_nowhere_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    _, certificate = server_context("localhost")
    assert list(tmp_path.iterdir()) == []
    assert b"PRIVATE" not in certificate
