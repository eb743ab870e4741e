import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from ipaddress import ip_address
from pathlib import Path
from threading import Thread

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from urllib3.util import Retry

from pipeline.errors import ConfigurationError
from pipeline.kubecost import KUBECOST, Kubecost
from pipeline.window import Window, parse_instant

TEN = Window.hour(parse_instant("2026-11-19T10:00Z"))
NO_RETRY = Retry(0, raise_on_status=False)

_SIGNS_CERTIFICATES = x509.KeyUsage(
    digital_signature=False,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=True,
    crl_sign=True,
    encipher_only=False,
    decipher_only=False,
)


@dataclass(frozen=True)
class Authority:
    """A certificate authority that no system trusts: its certificate as a file, and its key."""

    bundle: Path
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    def sign(self, folder: Path) -> Path:
        """Make a server's key and certificate for 127.0.0.1, in one file."""
        key = ec.generate_private_key(ec.SECP256R1())
        names = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
        signer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
        builder = _certificate("kubecost", self.certificate.subject).public_key(key.public_key())
        builder = builder.add_extension(names, critical=False).add_extension(signer, critical=False)
        signed = builder.sign(self.key, SHA256())
        secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        file = folder / "server.pem"
        file.write_bytes(secret + signed.public_bytes(Encoding.PEM))
        return file


def _certificate(name: str, issuer: x509.Name | None = None) -> x509.CertificateBuilder:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder(subject_name=subject, issuer_name=issuer or subject)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
    )


def authority(folder: Path, name: str) -> Authority:
    """A CA that passes the strict rules of Python 3.13, too: it says what its key is for, and which key it is."""
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = (
        _certificate(name)
        .public_key(key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_SIGNS_CERTIFICATES, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, SHA256())
    )
    bundle = folder / f"{name}.pem"
    bundle.write_bytes(certificate.public_bytes(Encoding.PEM))
    return Authority(bundle, certificate, key)


class Empty(BaseHTTPRequestHandler):
    """Kubecost before its first hour: it has answers, but nothing in them."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(b'{"code": 200, "data": []}')

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


@contextmanager
def serving_with(certificate: Path) -> Iterator[str]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with HTTPServer(("127.0.0.1", 0), Empty) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield f"https://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def ours(tmp_path: Path) -> Authority:
    return authority(tmp_path, "our-ca")


@pytest.fixture
def server(ours: Authority, tmp_path: Path) -> Iterator[str]:
    with serving_with(ours.sign(tmp_path)) as url:
        yield url


def test_a_certificate_of_the_private_ca_in_the_bundle_is_trusted(server: str, ours: Authority) -> None:
    assert Kubecost(server, ca_bundle=str(ours.bundle)).detect(TEN) == KUBECOST


def test_the_bundle_of_the_setting_comes_before_one_of_the_environment(
    server: str, ours: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority(tmp_path, "another-ca").bundle))
    assert Kubecost(server, ca_bundle=str(ours.bundle)).detect(TEN) == KUBECOST


def test_without_the_setting_the_bundle_of_the_environment_counts(
    server: str, ours: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(ours.bundle))
    assert Kubecost(server).detect(TEN) == KUBECOST


@pytest.mark.parametrize("bundle", ["none", "another CA's", "no certificates"])
def test_a_certificate_that_nobody_vouches_for_is_a_setting_to_correct(
    server: str, bundle: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    monkeypatch.delenv("CURL_CA_BUNDLE", raising=False)
    garbage = tmp_path / "garbage.pem"
    garbage.write_text("not a certificate\n")
    bundles = {"none": None, "another CA's": authority(tmp_path, "another-ca").bundle, "no certificates": garbage}
    file = bundles[bundle]
    kubecost = Kubecost(
        server.replace("//", "//finops:hunter2@"), ca_bundle=str(file) if file else None, retry=NO_RETRY
    )
    with pytest.raises(ConfigurationError, match=rf"{server}/model/assets cannot be trusted") as refused:
        kubecost.detect(TEN)
    assert "CHARGEBACK_KUBECOST_CA_BUNDLE" in str(refused.value)
    assert "hunter2" not in str(refused.value)


def test_a_server_without_tls_behind_an_https_address_is_a_setting_to_correct() -> None:
    with HTTPServer(("127.0.0.1", 0), Empty) as plain:
        thread = Thread(target=plain.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            with pytest.raises(ConfigurationError, match="cannot be trusted"):
                Kubecost(f"https://127.0.0.1:{plain.server_port}", retry=NO_RETRY).detect(TEN)
        finally:
            plain.shutdown()
            thread.join()
