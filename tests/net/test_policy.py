import base64
import os
import ssl
from pathlib import Path

import pytest

from codex_proxy.net import policy
from codex_proxy.net.policy import OutgoingProxy, Trust

from ..places import ROOT

HTTPS, HTTP = ("https", "chatgpt.com", 443), ("http", "texts.example", 8080)
SOCKS = "socks5://127.0.0.1:7891"


def proxy(env: dict[str, str], target: tuple[str, str, int] = HTTPS) -> str | None:
    found = policy.outgoing_proxy(*target, env)
    return found and found.url


@pytest.mark.parametrize(
    "env, url",
    [
        ({}, None),
        ({"HTTPS_PROXY": ""}, None),
        ({"HTTPS_PROXY": "  "}, None),
        ({"HTTP_PROXY": "http://proxy:3128"}, None),
        ({"HTTPS_PROXY": "http://proxy:3128"}, "http://proxy:3128"),
        ({"https_proxy": "http://proxy:3128"}, "http://proxy:3128"),
        ({"HTTPS_PROXY": " http://proxy:3128\n"}, "http://proxy:3128"),
        # Lower case before upper; an empty one says nothing.
        ({"HTTPS_PROXY": "http://upper:1", "https_proxy": "http://lower:2"}, "http://lower:2"),
        ({"HTTPS_PROXY": "http://upper:1", "https_proxy": ""}, "http://upper:1"),
        ({"HTTPS_PROXY": "proxy:3128"}, "http://proxy:3128"),
        ({"HTTPS_PROXY": "proxy.corp.example:8080/"}, "http://proxy.corp.example:8080"),
        ({"HTTPS_PROXY": "me:word@proxy:3128"}, "http://proxy:3128"),
        ({"HTTPS_PROXY": "http://proxy/"}, "http://proxy:80"),
        ({"HTTPS_PROXY": "HTTP://Proxy:1"}, "http://proxy:1"),
        ({"HTTPS_PROXY": "https://proxy"}, "https://proxy:443"),
        ({"HTTPS_PROXY": "http://[::1]:3128"}, "http://[::1]:3128"),
        ({"HTTPS_PROXY": "http://10.0.0.1:3128"}, "http://10.0.0.1:3128"),
        # Its own variable before that for all.
        ({"ALL_PROXY": "http://proxy:1"}, "http://proxy:1"),
        ({"all_proxy": "http://all:1", "HTTPS_PROXY": "http://own:2"}, "http://own:2"),
        # SOCKS beside an http proxy, on either side.
        ({"https_proxy": "http://own:1", "all_proxy": SOCKS}, "http://own:1"),
        ({"https_proxy": "http://own:1", "all_proxy": "socks://127.0.0.1:1/"}, "http://own:1"),
        ({"https_proxy": "socks5h://127.0.0.1:1", "all_proxy": "http://all:1"}, "http://all:1"),
        # What is reached straight needs no proxy that could be used.
        ({"ALL_PROXY": SOCKS, "NO_PROXY": "chatgpt.com"}, None),
        ({"HTTPS_PROXY": "http://proxy:1", "no_proxy": "chatgpt.com", "NO_PROXY": ""}, None),
        ({"HTTPS_PROXY": "http://proxy:1", "no_proxy": "", "NO_PROXY": "chatgpt.com"}, None),
        ({"HTTPS_PROXY": "http://proxy:1", "NO_PROXY": "gpt.com"}, "http://proxy:1"),
    ],
)
def test_the_outgoing_proxy_is_what_the_environment_says(env: dict[str, str], url: str | None) -> None:
    assert proxy(env) == url


@pytest.mark.parametrize(
    "env, url",
    [
        ({"HTTPS_PROXY": "http://proxy:1"}, None),
        ({"HTTP_PROXY": "http://proxy:1"}, "http://proxy:1"),
        ({"HTTP_PROXY": "http://proxy:1", "HTTPS_PROXY": "tcp://not:1", "ALL_PROXY": SOCKS}, "http://proxy:1"),
        ({"HTTP_PROXY": "http://proxy:1", "NO_PROXY": "texts.example"}, None),
    ],
)
def test_an_address_without_tls_goes_by_the_other_variable(env: dict[str, str], url: str | None) -> None:
    assert proxy(env, HTTP) == url


@pytest.mark.parametrize("here", ["127.0.0.1", "127.9.9.9", "localhost", "LocalHost.", "::1"])
def test_what_has_no_tls_does_not_leave_this_machine_to_come_back_to_it(here: str) -> None:
    there = {"http_proxy": "http://proxy:1", "https_proxy": "http://proxy:1"}
    assert proxy(there, ("http", here, 8080)) is None
    assert proxy(there, ("https", here, 8443)) == "http://proxy:1"
    for host in ("127.0.0.1", "localhost", "[::1]"):
        assert proxy({"ALL_PROXY": f"http://{host}:1"}, ("http", here, 8080)) == f"http://{host}:1"


@pytest.mark.parametrize(
    "who, pair",
    [
        ("me:word", b"me:word"),
        ("me", b"me:"),
        ("me:", b"me:"),
        (":word", b":word"),
        ("m%40e:w%3Ao%2Frd", b"m@e:w:o/rd"),
        ("me:w@rd", b"me:w@rd"),
        ("me:w\u00e9", "me:wé".encode()),
        ("me:w%E9", "me:w\ufffd".encode()),
        ("me:%0d%0aX: y", b"me:\r\nX: y"),
    ],
)
def test_name_and_password_of_the_proxy_become_its_authorization(who: str, pair: bytes) -> None:
    found = policy.outgoing_proxy(*HTTPS, {"HTTPS_PROXY": f"http://{who}@proxy:3128"})
    assert found is not None and found.url == "http://proxy:3128"
    scheme, _, value = found.authorization.partition(" ")
    assert scheme == "Basic" and base64.b64decode(value) == pair
    assert policy.outgoing_proxy(*HTTPS, {"HTTPS_PROXY": "http://proxy"}) == OutgoingProxy("http", "proxy", 80, "", "HTTPS_PROXY")  # fmt: skip


@pytest.mark.parametrize(
    "env, words",
    [
        ({"ALL_PROXY": SOCKS}, "ALL_PROXY names a proxy of the kind socks5://"),
        ({"all_proxy": "socks://127.0.0.1:1/"}, "all_proxy names a proxy of the kind socks://"),
        ({"https_proxy": "SOCKS5H://x:1"}, "https_proxy names a proxy of the kind socks5h://"),
        ({"https_proxy": "socks4a://x:1", "all_proxy": SOCKS}, "https_proxy names"),
        ({"http_proxy": "http://plain:1", "all_proxy": SOCKS}, "set HTTPS_PROXY=http://HOST:PORT"),
        (
            {"HTTPS_PROXY": "tcp://proxy:1"},
            "HTTPS_PROXY names an outgoing proxy of a kind that is not supported (tcp://)",
        ),
        ({"HTTPS_PROXY": "http://"}, "not the address of a proxy"),
        ({"HTTPS_PROXY": "http://proxy:0"}, "not the address of a proxy"),
        ({"HTTPS_PROXY": "http://proxy:99999"}, "not the address of a proxy"),
        ({"HTTPS_PROXY": "http://proxy:port"}, "not the address of a proxy"),
        ({"HTTPS_PROXY": "http://pro xy:1"}, "not the address of a proxy"),
        ({"HTTPS_PROXY": "http://[::1:3128"}, "not the address of a proxy"),
        ({"HTTPS_PROXY": '"http://proxy:1"'}, "is not supported"),
        ({"HTTPS_PROXY": "http://proxy:port", "ALL_PROXY": "http://good:1"}, "HTTPS_PROXY is not the address"),
    ],
)
def test_a_proxy_that_can_not_be_used_is_told_by_its_variable(env: dict[str, str], words: str) -> None:
    with pytest.raises(ValueError) as e:
        proxy(env)
    assert words in str(e.value)


@pytest.mark.parametrize(
    "address",
    ["http://me:s3cr#t@proxy:1", "http://me:s3/cr@proxy:1", "tcp://me:s3cr@proxy:1", "http://me:s3cr@proxy:s3crx", "me:s3cr@:1",
     "socks5://me:s3cr@proxy:1", "http://me:s3cr@[proxy:1", "http://me:s3cr?x@proxy:1"],
)  # fmt: skip
def test_the_password_of_a_proxy_is_in_no_message(address: str) -> None:
    with pytest.raises(ValueError) as e:
        proxy({"HTTPS_PROXY": address})
    assert "s3" not in str(e.value) and "cr" not in str(e.value).replace("credentials", "")
    assert e.value.__cause__ is None and (e.value.__context__ is None or e.value.__suppress_context__)


PAST = [
    ("*", "chatgpt.com", 443, True),
    ("a, *", "chatgpt.com", 443, True),
    ("", "chatgpt.com", 443, False),
    (" , ,", "chatgpt.com", 443, False),
    # Names: itself and all below, with a dot in front or without.
    ("chatgpt.com", "chatgpt.com", 443, True),
    ("ChatGPT.com", "chatgpt.COM", 443, True),
    ("chatgpt.com.", "chatgpt.com", 443, True),
    ("chatgpt.com", "chatgpt.com.", 443, True),
    ("openai.com", "auth.openai.com", 443, True),
    (".openai.com", "auth.openai.com", 443, True),
    (".openai.com", "openai.com", 443, True),
    ("gpt.com", "chatgpt.com", 443, False),
    ("chatgpt.com", "chatgpt.com.example", 443, False),
    ("auth.openai.com", "openai.com", 443, False),
    (".", "chatgpt.com", 443, False),
    ("bücher.example", "xn--bcher-kva.example", 443, True),
    # Patterns, as a shell has them.
    ("*.openai.com", "auth.openai.com", 443, True),
    ("*.openai.com", "openai.com", 443, False),
    ("*openai.com", "openai.com", 443, True),
    ("127.*", "127.0.0.1", 80, True),
    ("10.*", "127.0.0.1", 80, False),
    ("chat*", "chatgpt.com", 443, True),
    # Between commas, semicolons, blanks.
    ("a,chatgpt.com,b", "chatgpt.com", 443, True),
    ("a, chatgpt.com , b", "chatgpt.com", 443, True),
    ("a chatgpt.com\tb", "chatgpt.com", 443, True),
    ("a;chatgpt.com", "chatgpt.com", 443, True),
    # Ports.
    ("chatgpt.com:443", "chatgpt.com", 443, True),
    ("chatgpt.com:8443", "chatgpt.com", 443, False),
    ("*:443", "chatgpt.com", 443, True),
    ("127.0.0.1:8080", "127.0.0.1", 8080, True),
    ("127.0.0.1:8080", "127.0.0.1", 80, False),
    ("[::1]:8080", "::1", 8080, True),
    ("[::1]:8080", "::1", 80, False),
    # Addresses, in whatever writing.
    ("127.0.0.1", "127.0.0.1", 80, True),
    ("0.0.1", "127.0.0.1", 80, False),
    ("127.0.0.1", "127.0.0.11", 80, False),
    ("::1", "::1", 80, True),
    ("[::1]", "::1", 80, True),
    ("::1", "[::1]", 80, True),
    ("0:0:0:0:0:0:0:1", "::1", 80, True),
    ("FD00::A", "fd00::a", 80, True),
    ("127.0.0.1", "::ffff:127.0.0.1", 80, True),
    ("::ffff:127.0.0.1", "127.0.0.1", 80, True),
    ("::1", "127.0.0.1", 80, False),
    # Ranges.
    ("127.0.0.0/8", "127.9.9.9", 80, True),
    ("127.0.0.1/8", "127.9.9.9", 80, True),
    ("10.0.0.0/8", "127.0.0.1", 80, False),
    ("0.0.0.0/0", "127.0.0.1", 80, True),
    ("::/0", "::1", 80, True),
    ("fd00::/8", "fd12::1", 80, True),
    ("[fd00::]/8", "fd12::1", 80, True),
    ("[fd00::/8]", "fd12::1", 80, True),
    ("fd00::/8", "127.0.0.1", 80, False),
    ("127.0.0.0/8", "::ffff:127.0.0.1", 80, True),
    ("127.0.0.0/99", "127.0.0.1", 80, False),
    ("127.0.0.0/8:8080", "127.0.0.1", 8080, True),
    ("127.0.0.0/8", "localhost", 80, False),
    ("104.0.0.0/8", "chatgpt.com", 443, False),
    # What Windows writes.
    ("<local>", "printer", 80, True),
    ("<local>", "localhost", 80, True),
    ("<local>", "chatgpt.com", 443, False),
    ("<local>", "::1", 80, False),
    # What nobody can mean.
    ("http://chatgpt.com", "chatgpt.com", 443, False),
    ("[::1", "127.0.0.1", 80, False),
    ("chatgpt.com:port", "chatgpt.com", 443, False),
]  # fmt: skip


@pytest.mark.parametrize(("exceptions", "host", "port", "past"), PAST)
def test_no_proxy_is_read_in_one_way(exceptions: str, host: str, port: int, past: bool) -> None:
    assert policy.is_past(host, port, exceptions) is past


# Certificates.


CERTIFICATE = Path(__import__("certifi").where())


def test_what_the_variables_name_is_trusted_and_nothing_else(tmp_path: Path) -> None:
    (folder := tmp_path / "certs").mkdir()
    (folder / "0a1b2c3d.0").write_bytes(b"")
    assert policy.trust({"SSL_CERT_FILE": str(CERTIFICATE)}) == Trust(str(CERTIFICATE), None)
    assert policy.trust({"SSL_CERT_DIR": str(folder)}) == Trust(None, str(folder))
    both = {"SSL_CERT_FILE": str(CERTIFICATE), "SSL_CERT_DIR": f"{folder}{os.pathsep}{folder}"}
    assert policy.trust(both) == Trust(str(CERTIFICATE), both["SSL_CERT_DIR"])


@pytest.mark.parametrize(
    "env", [{}, {"SSL_CERT_FILE": ""}, {"SSL_CERT_DIR": ""}, {"SSL_CERT_FILE": "", "SSL_CERT_DIR": ""}]
)
def test_without_a_variable_it_is_certifis_list_and_the_systems(env: dict[str, str]) -> None:
    trust = policy.trust(env)
    assert trust.file and Path(trust.file).is_file()
    assert len(policy.context(trust).get_ca_certs()) > 100


@pytest.mark.parametrize(
    "variable, make, words",
    [
        ("SSL_CERT_FILE", lambda path: None, "there is no such file"),
        ("SSL_CERT_FILE", lambda path: path.mkdir(), "is a folder"),
        ("SSL_CERT_FILE", lambda path: os.mkfifo(path), "not a regular file"),
        ("SSL_CERT_FILE", lambda path: path.write_text("-----BEGIN NONSENSE-----"), "holds no certificate in PEM"),
        ("SSL_CERT_FILE", lambda path: path.write_bytes(b""), "holds no certificate in PEM"),
        ("SSL_CERT_FILE", lambda path: path.write_bytes(ssl.PEM_cert_to_DER_cert(first(CERTIFICATE))), "holds no certificate in PEM"),
        ("SSL_CERT_DIR", lambda path: None, "can't be read"),
        ("SSL_CERT_DIR", lambda path: path.write_text(""), "can't be read"),
        ("SSL_CERT_DIR", lambda path: path.mkdir(), "openssl rehash"),
    ],
)  # fmt: skip
def test_a_variable_that_names_nothing_to_trust_is_told(
    variable: str, make: object, words: str, tmp_path: Path
) -> None:
    assert callable(make)
    make(path := tmp_path / "named")
    with pytest.raises(ValueError, match=words) as e:
        policy.trust({variable: str(path)})
    assert f"{variable}={path}" in str(e.value)


def first(bundle: Path) -> str:
    text = bundle.read_text()
    return text[text.index("-----BEGIN") : text.index("-----END CERTIFICATE-----") + len("-----END CERTIFICATE-----")]


def test_certificates_and_names_are_verified_and_no_more_strictly_than_openssl_does() -> None:
    context = policy.context(policy.trust({}))
    assert context.verify_mode == ssl.CERT_REQUIRED and context.check_hostname
    assert not context.verify_flags & ssl.VERIFY_X509_STRICT
    assert context.verify_flags & ssl.VERIFY_X509_PARTIAL_CHAIN
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2
    assert policy.context(policy.trust({})) is context


def test_no_other_module_asks_the_environment_for_the_way_out() -> None:
    """And none makes a client that reads it by itself."""
    for path in sorted([*(ROOT / "addon").rglob("*.py"), *(ROOT / "scripts").glob("*.py")]):
        text = path.read_text()
        if path != Path(policy.__file__):
            assert "getproxies" not in text and "proxy_bypass" not in text and "trust_env=True" not in text, path
        assert text.count("httpx2.AsyncClient(") + text.count("httpx2.Client(") == text.count("trust_env=False"), path
