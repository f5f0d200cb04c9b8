"""TLS to the backend and to an outgoing proxy: always verified, whatever an option says, and without a client certificate."""

import ipaddress
from functools import lru_cache

from mitmproxy import connection
from mitmproxy.addons import tlsconfig
from mitmproxy.net import tls as net_tls
from OpenSSL import SSL
from OpenSSL.crypto import X509StoreFlags

from .. import daemon_threads
from ..net import policy

HTTP1 = b"http/1.1"


@lru_cache(4)
def context(trust: policy.Trust) -> SSL.Context:
    """As mitmproxy makes them for its own options (net/tls.py), with ours; kept, since reading the CAs takes long. Raises SSL.Error."""
    made = SSL.Context(net_tls.Method.TLS_CLIENT_METHOD.value)
    made.set_options(net_tls.DEFAULT_OPTIONS)
    made.set_min_proto_version(SSL.TLS1_2_VERSION)
    made.set_cipher_list(":".join(tlsconfig._DEFAULT_CIPHERS).encode())
    made.set_verify(SSL.VERIFY_PEER)
    made.load_verify_locations(trust.file, trust.folder)
    store = made.get_cert_store()
    assert store
    # A certificate that is named is trusted, though another has signed it; as for our own requests (policy.py).
    store.set_flags(X509StoreFlags.PARTIAL_CHAIN)
    if net_tls.log_master_secret:
        made.set_keylog_callback(net_tls.log_master_secret)
    return made


def connect(server: connection.Server) -> SSL.Connection:
    """A connection that completes only with a trusted certificate for the name (or address) that is dialled.

    Raises ValueError, SSL.Error where the CAs can't be read.
    """
    assert server.address
    name = server.address[0]
    server.sni = name
    # Hidden headers are written on HTTP/1.1 only.
    server.alpn_offers = [HTTP1]
    trust = policy.trust()
    try:
        made = SSL.Connection(
            daemon_threads.call("certificates of TLS", lambda: context(trust), policy.CERTIFICATES_TIME)
        )
    except OSError as e:
        raise ValueError(f"the certificates in {trust.file or trust.folder} can't be read: {e.strerror}") from None
    # pyOpenSSL has no public names for these (tlsconfig.py does the same).
    lib = SSL._lib  # type: ignore[attr-defined]
    param = lib.SSL_get0_param(made._ssl)
    lib.X509_VERIFY_PARAM_set_hostflags(param, tlsconfig.DEFAULT_HOSTFLAGS)
    try:
        ip = ipaddress.ip_address(name).packed
    except ValueError:
        host = name.encode("idna")
        made.set_tlsext_host_name(host)
        done = lib.X509_VERIFY_PARAM_set1_host(param, host, len(host))
    else:
        done = lib.X509_VERIFY_PARAM_set1_ip(param, ip, len(ip))
    if done != 1:
        raise ValueError(f"OpenSSL can't verify {name}")
    made.set_alpn_protos(list(server.alpn_offers))
    made.set_connect_state()
    return made
