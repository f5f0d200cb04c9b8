"""Requests of clients and requests of our own leave by the same way: trust, outgoing proxy, exceptions (network.py)."""

import asyncio
import datetime
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from standin import Standin

from .a_script import run
from .harness import QUESTION, Start, new_client, write_login

# What an inspecting proxy leaves out that RFC 5280 asks for and OpenSSL and curl do not.
LEFT_OUT = ["nothing", "criticality of the CA's constraints", "key identifiers of the leaf"]


def chain(folder: Path, left_out: str, days: int = 0) -> tuple[str, str, str]:
    """A company's CA, a certificate for localhost by it, and its key, in PEM files, good so many days from now on."""
    good = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=days)
    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())

    def builder(name: str, public: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        return x509.CertificateBuilder(
            issuer_name=x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Company Inspection CA")]),
            subject_name=x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]),
            public_key=public,
            serial_number=x509.random_serial_number(),
            not_valid_before=good - datetime.timedelta(days=1),
            not_valid_after=good + datetime.timedelta(days=2),
        )

    ca = builder("Company Inspection CA", ca_key.public_key()).add_extension(
        x509.BasicConstraints(ca=True, path_length=None), critical=left_out != LEFT_OUT[1]
    )
    ca = ca.add_extension(x509.SubjectKeyIdentifier.from_public_key(ca_key.public_key()), critical=False)
    leaf = builder("localhost", key.public_key()).add_extension(
        x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False
    )
    if left_out != LEFT_OUT[2]:
        of_ca = x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key())
        leaf = leaf.add_extension(of_ca, critical=False)
    paths = folder / "ca.pem", folder / "cert.pem", folder / "key.pem"
    for path, unsigned in zip(paths, (ca, leaf), strict=False):
        path.write_bytes(unsigned.sign(ca_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    pem, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    paths[2].write_bytes(key.private_bytes(pem, form, serialization.NoEncryption()))
    return str(paths[0]), str(paths[1]), str(paths[2])


def by_name(url: str) -> str:
    return url.replace("127.0.0.1", "localhost")


@pytest.mark.parametrize("left_out", LEFT_OUT)
async def test_a_companys_ca_that_openssl_takes_is_taken_by_all(left_out: str, start: Start, tmp_path: Path) -> None:
    ca, cert, key = chain(tmp_path, left_out)
    async with Standin(tls=(cert, key)) as standin:
        upstream, issuer = by_name(standin.upstream), by_name(standin.issuer)
        path = write_login(tmp_path / "auth.json", standin.login(expires_in=-10))
        proxy = await start(
            env={"SSL_CERT_FILE": ca}, codex_upstream=upstream, codex_issuer=issuer, codex_auth_file=path
        )
        async with new_client(proxy) as client:
            assert (await client.post("/responses", json=QUESTION)).status_code == 200
            assert (await client.get("/models")).status_code == 200
            standin.fail("unauthorized")  # which is repeated by a client of our own
            assert (await client.post("/responses", json=QUESTION)).status_code == 200
        assert len(standin.refresh_calls) == 2
        ended = await run(
            "status",
            tmp_path,
            "--auth-file",
            str(path),
            "--upstream",
            upstream,
            "--issuer",
            issuer,
            "--url",
            "http://127.0.0.1:1",
            SSL_CERT_FILE=ca,
        )
        assert ended.status == 0, ended


@pytest.mark.parametrize("days", [300, -300])
async def test_a_certificate_of_another_time_is_told_with_the_clock(days: int, start: Start, tmp_path: Path) -> None:
    ca, cert, key = chain(tmp_path, "nothing", days)
    async with Standin(tls=(cert, key)) as standin:
        upstream, issuer = by_name(standin.upstream), by_name(standin.issuer)
        path = write_login(tmp_path / "auth.json", standin.login())
        proxy = await start(
            env={"SSL_CERT_FILE": ca}, codex_upstream=upstream, codex_issuer=issuer, codex_auth_file=path
        )
        async with new_client(proxy) as client:
            answers = [await client.post("/responses", json=QUESTION), await client.get("/models")]
        write_login(path, standin.login(expires_in=-10))
        ended = await run(
            "status", tmp_path, "--auth-file", str(path), "--upstream", upstream, "--issuer", issuer,
            "--url", "http://127.0.0.1:1", SSL_CERT_FILE=ca,
        )  # fmt: skip
    assert [answer.json()["error"]["code"] for answer in answers] == ["backend_certificate"] * 2
    assert ended.status == 5
    for said in (*(answer.json()["error"]["message"] for answer in answers), ended.err):
        assert "By this machine's clock it is 20" in said


class Forwarder:
    """An HTTP proxy that takes CONNECT."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        method, target, *_ = (await reader.readuntil(b"\r\n\r\n")).decode().split()
        self.asked.append(f"{method} {target}")
        host, _, port = target.rpartition(":")
        far_reader, far_writer = await asyncio.open_connection(host, int(port))
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await asyncio.gather(self.copy(reader, far_writer), self.copy(far_reader, writer))

    async def copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        writer.close()


@pytest.fixture
async def forwarder() -> AsyncIterator[Forwarder]:
    proxy = Forwarder()
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    yield proxy
    server.close()


SOCKS = "socks5://127.0.0.1:1"


@pytest.mark.parametrize(
    "env, through",
    [
        ({"https_proxy": "http://127.0.0.1:{port}", "all_proxy": SOCKS}, True),
        ({"https_proxy": SOCKS, "ALL_PROXY": "http://127.0.0.1:{port}"}, True),
        ({"https_proxy": "http://127.0.0.1:1", "no_proxy": "10.0.0.0/8, localhost:*, .LocalHost, [::1]"}, False),
        ({"all_proxy": SOCKS, "NO_PROXY": "fd00::/8 localhost"}, False),
    ],
)
async def test_the_outgoing_proxy_is_the_same_for_all(
    env: dict[str, str], through: bool, start: Start, forwarder: Forwarder, tmp_path: Path
) -> None:
    ca, cert, key = chain(tmp_path, "nothing")
    environment = {name: value.format(port=forwarder.port) for name, value in env.items()} | {"SSL_CERT_FILE": ca}
    async with Standin(tls=(cert, key)) as standin:
        upstream, issuer = by_name(standin.upstream), by_name(standin.issuer)
        path = write_login(tmp_path / "auth.json", standin.login(expires_in=-10))
        proxy = await start(env=environment, codex_upstream=upstream, codex_issuer=issuer, codex_auth_file=path)
        async with new_client(proxy) as client:
            assert (await client.post("/responses", json=QUESTION)).status_code == 200
            assert (await client.get("/models")).status_code == 200
        where = ("--upstream", upstream, "--issuer", issuer, "--url", "http://127.0.0.1:1")
        assert (await run("status", tmp_path, "--auth-file", str(path), *where, **environment)).status == 0
        assert forwarder.asked == ([f"CONNECT localhost:{standin.port}"] * 4 if through else [])


WRONG = [
    ({"ALL_PROXY": SOCKS}, "ALL_PROXY names a proxy of the kind socks5://, which is not supported"),
    ({"all_proxy": "socks://127.0.0.1:1/"}, "all_proxy names a proxy of the kind socks://"),
    ({"HTTPS_PROXY": "http://me:s3cret@proxy:port"}, "HTTPS_PROXY is not the address of a proxy"),
    ({"SSL_CERT_FILE": "/not/there.pem"}, "SSL_CERT_FILE=/not/there.pem: there is no such file"),
    ({"SSL_CERT_FILE": "/"}, "SSL_CERT_FILE=/ is a folder"),
    ({"SSL_CERT_DIR": "/not/there"}, "SSL_CERT_DIR=/not/there: "),
]


@pytest.mark.parametrize(("env", "says"), WRONG)
async def test_an_environment_that_leads_nowhere_is_told_in_a_sentence(
    env: dict[str, str], says: str, start: Start, tmp_path: Path
) -> None:
    proxy = await start(env=env, wait=False)
    ended = await asyncio.gather(*(run(script, tmp_path, **env) for script in ("login", "logout", "status")))
    assert await proxy.ended() == 1
    for status, text in [(2, proxy.log), *((each.status, each.err) for each in ended)]:
        assert status == 2 and says in text and "Traceback" not in text and "s3cret" not in text


async def test_an_empty_ssl_cert_file_says_nothing(start: Start, login_file: Path, standin: Standin) -> None:
    options = {"codex_upstream": standin.upstream, "codex_issuer": standin.issuer, "codex_auth_file": login_file}
    proxy = await start(env={"SSL_CERT_FILE": "", "SSL_CERT_DIR": "", "HTTPS_PROXY": "", "all_proxy": ""}, **options)
    async with new_client(proxy) as client:
        assert (await client.post("/responses", json=QUESTION)).status_code == 200
        assert (await client.get("/models")).status_code == 200
