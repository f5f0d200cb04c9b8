"""Fixtures: a CA of the tests' own, and a stand-in behind TLS with a certificate by it."""

import datetime
import ipaddress
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from standin import Standin

# Where a backend is in a namespace of a test's own, and in one beside it (namespaces.py).
BACKENDS = ipaddress.IPv4Address("192.0.2.1"), ipaddress.IPv4Address("192.0.2.130")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    """A CA of our own, and a certificate for localhost, backend.test and BACKENDS by it: (CA, certificate, key)."""
    folder = tmp_path_factory.mktemp("ca")
    now = datetime.datetime.now(datetime.UTC)

    def certificate(
        name: str, key: ec.EllipticCurvePrivateKey, by: str, with_key: ec.EllipticCurvePrivateKey, ca: bool
    ) -> bytes:
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
            .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, by)]))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=2))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(with_key.public_key()), critical=False)
        )
        if ca:
            usage = {name: name in ("key_cert_sign", "crl_sign", "digital_signature") for name in (
                "digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
                "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
            )}  # fmt: skip
            builder = builder.add_extension(x509.KeyUsage(**usage), critical=True)
        else:
            builder = builder.add_extension(
                x509.SubjectAlternativeName(
                    [x509.DNSName("localhost"), x509.DNSName("backend.test"), *map(x509.IPAddress, BACKENDS)]
                ),
                critical=False,
            )
        return builder.sign(with_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    ca, cert, pem = folder / "ca.pem", folder / "cert.pem", folder / "key.pem"
    ca.write_bytes(certificate("Our CA", ca_key, "Our CA", ca_key, True))
    cert.write_bytes(certificate("localhost", key, "Our CA", ca_key, False))
    pem.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return ca, cert, pem


@pytest.fixture
async def over_tls(authority: tuple[Path, Path, Path]) -> AsyncIterator[Standin]:
    async with Standin(tls=(str(authority[1]), str(authority[2]))) as server:
        yield server
