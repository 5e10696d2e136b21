"""A small certificate authority for tests and demonstrations: roots, sub-CAs, server and station certificates, signing
requests, OCSP responses. Keys are EC P-256 unless asked otherwise. Nothing here is fit for production: keys lie in plain files.
"""

from __future__ import annotations

import hashlib
import ipaddress
import ssl
import subprocess
import tempfile
import warnings
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey

#: Under these names a CSMS of a test can be reached.
HOSTS = ("127.0.0.1", "localhost")


def new_key(kind: str = "ec") -> Key:
    """`ec` is P-256, `rsa2048` and the like RSA of that size."""
    if kind == "ec":
        return ec.generate_private_key(ec.SECP256R1())
    return rsa.generate_private_key(65537, int(kind.removeprefix("rsa")))


def pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(Encoding.PEM).decode()


def key_pem(key: Key) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


@dataclass
class Identity:
    """A certificate with its key, and the certificates between it and its root, its own issuer first."""

    key: Key
    certificate: x509.Certificate
    between: list[x509.Certificate] = field(default_factory=list)

    @property
    def chain(self) -> str:
        """PEM, leaf first, without the root."""
        return "".join(map(pem, [self.certificate, *self.between]))

    @property
    def key_pem(self) -> str:
        return key_pem(self.key)

    @classmethod
    def load(cls, path: Path) -> Identity:
        """From the chain in `path`.pem and the key in `path`.key."""
        leaf, *between = x509.load_pem_x509_certificates(path.with_suffix(".pem").read_bytes())
        return cls(_load_key(path.with_suffix(".key")), leaf, between)


def _load_key(path: Path) -> Key:
    key = load_pem_private_key(path.read_bytes(), None)
    assert isinstance(key, Key), f"{path}: neither EC nor RSA"
    return key


class Authority:
    """A certification authority: a root, or below `issuer`."""

    def __init__(
        self, name: str, issuer: Authority | None = None, *, kind: str = "ec", days: tuple[float, float] = (-1, 3650)
    ):
        self.key = new_key(kind)
        self.issuer = issuer
        extensions = [(x509.BasicConstraints(True, None), True), _CA_USAGE]
        self.certificate = _build(_name(name), self.key, issuer, (issuer or self).key, days, extensions)

    @classmethod
    def load(cls, path: Path, issuer: Authority | None = None) -> Authority:
        """From the certificate in `path`.pem and the key in `path`.key."""
        authority = cls.__new__(cls)
        authority.key, authority.issuer = _load_key(path.with_suffix(".key")), issuer
        authority.certificate = x509.load_pem_x509_certificate(path.with_suffix(".pem").read_bytes())
        return authority

    @property
    def key_pem(self) -> str:
        return key_pem(self.key)

    @property
    def name(self) -> x509.Name:
        return self.certificate.subject

    @property
    def pem(self) -> str:
        return pem(self.certificate)

    @property
    def between(self) -> list[x509.Certificate]:
        """What a certificate of this authority needs beside the root: this one and those above it."""
        return [self.certificate, *self.issuer.between] if self.issuer else []

    def issue(
        self,
        name: str = "localhost",
        *,
        hosts: tuple[str, ...] = HOSTS,
        kind: str = "ec",
        days: tuple[float, float] = (-1, 365),
        client: bool = False,
        sha1: bool = False,
        restricted: bool = True,
    ) -> Identity:
        """A server certificate for `hosts`, or with `client` a station's; `restricted` to that by extended key usage."""
        key = new_key(kind)
        usage = ExtendedKeyUsageOID.CLIENT_AUTH if client else ExtendedKeyUsageOID.SERVER_AUTH
        extensions = [
            (x509.BasicConstraints(False, None), True),
            (_usage(digital_signature=True, key_encipherment=not kind.startswith("ec")), True),
        ]
        if restricted:
            extensions.append((x509.ExtendedKeyUsage([usage]), False))
        if not client and hosts:
            extensions.append((x509.SubjectAlternativeName([_general_name(host) for host in hosts]), False))
        if sha1:
            return Identity(key, self._sign_with_sha1(_name(name), key, hosts), self.between)
        certificate = _build(_name(name), key, self, self.key, days, extensions)
        return Identity(key, certificate, self.between)

    def sign(self, request: str, *, days: tuple[float, float] = (-1, 365), name: str | None = None) -> str:
        """The chain (PEM, leaf first, without the root) for a signing request (PEM), with its subject or `name`."""
        csr = x509.load_pem_x509_csr(request.encode())
        return self.certify(csr.public_key(), _name(name) if name else csr.subject, days)

    def certify(self, key: object, name: x509.Name, days: tuple[float, float] = (-1, 365)) -> str:
        """The chain of a station certificate for this public key."""
        extensions = [
            (x509.BasicConstraints(False, None), True),
            (_usage(digital_signature=True), True),
            (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), False),
        ]
        leaf = _build(name, key, self, self.key, days, extensions)
        return "".join(map(pem, [leaf, *self.between]))

    def staple(self, certificate: x509.Certificate, *, revoked: bool = False) -> bytes:
        """A fresh OCSP response (DER) about a certificate of this authority."""
        now = datetime.now(UTC)
        builder = ocsp.OCSPResponseBuilder().add_response(
            cert=certificate,
            issuer=self.certificate,
            algorithm=hashes.SHA1(),
            cert_status=ocsp.OCSPCertStatus.REVOKED if revoked else ocsp.OCSPCertStatus.GOOD,
            this_update=now - timedelta(minutes=5),
            next_update=now + timedelta(days=1),
            revocation_time=now - timedelta(hours=1) if revoked else None,
            revocation_reason=x509.ReasonFlags.key_compromise if revoked else None,
        )
        builder = builder.responder_id(ocsp.OCSPResponderEncoding.HASH, self.certificate)
        return builder.sign(self.key, hashes.SHA256()).public_bytes(Encoding.DER)

    def _sign_with_sha1(self, name: x509.Name, key: Key, hosts: tuple[str, ...]) -> x509.Certificate:
        """`cryptography` does not sign with SHA-1; the openssl command does."""
        with tempfile.TemporaryDirectory() as folder:
            place = Path(folder)
            names = ",".join(("IP:" if _is_address(host) else "DNS:") + host for host in hosts)
            csr = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
            (place / "csr").write_bytes(csr.public_bytes(Encoding.PEM))
            (place / "ca").write_text(self.pem)
            (place / "key").write_text(key_pem(self.key))
            (place / "extensions").write_text(f"subjectAltName={names}\nbasicConstraints=critical,CA:FALSE\n")
            command = "openssl x509 -req -sha1 -days 365 -in csr -CA ca -CAkey key -CAcreateserial -extfile extensions"
            done = subprocess.run(command.split(), cwd=place, capture_output=True, check=True)
        return x509.load_pem_x509_certificate(done.stdout)


def self_signed(name: str = "localhost", hosts: tuple[str, ...] = HOSTS) -> Identity:
    """A server certificate that is its own issuer."""
    key = new_key()
    extensions = [
        (x509.BasicConstraints(False, None), True),
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False),
        (x509.SubjectAlternativeName([_general_name(host) for host in hosts]), False),
    ]
    return Identity(key, _build(_name(name), key, None, key, (-1, 365), extensions))


def _name(name: str) -> x509.Name:
    return x509.Name(
        [x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Example"), x509.NameAttribute(NameOID.COMMON_NAME, name)]
    )


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
        return True
    except ValueError:
        return False


def _general_name(host: str) -> x509.GeneralName:
    return x509.IPAddress(ipaddress.ip_address(host)) if _is_address(host) else x509.DNSName(host)


def _usage(**wanted: bool) -> x509.KeyUsage:
    names = """digital_signature content_commitment key_encipherment data_encipherment key_agreement key_cert_sign
        crl_sign encipher_only decipher_only"""
    return x509.KeyUsage(**{name: wanted.get(name, False) for name in names.split()})


_CA_USAGE = (_usage(key_cert_sign=True, crl_sign=True, digital_signature=True), True)


def _build(
    subject: x509.Name,
    key: object,
    issuer: Authority | None,
    signer: Key,
    days: tuple[float, float],
    extensions: list[tuple[x509.ExtensionType, bool]],
) -> x509.Certificate:
    """Signed by `signer`, the key of `issuer`; without an issuer the certificate is its own."""
    public = key.public_key() if isinstance(key, Key) else key
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.name if issuer else subject)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + timedelta(days=days[0]))
        .not_valid_after(now + timedelta(days=days[1]))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), False)
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    return builder.sign(signer, hashes.SHA256())


# What OCPP says about certificates


def hash_data(certificate: x509.Certificate, issuer: x509.Certificate | None = None, algorithm: str = "SHA256") -> dict:
    """CertificateHashData as of RFC 6960, 4.1.1: of the issuer's name and of its public key without tag and length."""
    issuer = issuer or certificate
    digest = {"SHA256": hashlib.sha256, "SHA384": hashlib.sha384, "SHA512": hashlib.sha512}[algorithm]
    if isinstance(issuer.public_key(), rsa.RSAPublicKey):
        key = issuer.public_key().public_bytes(Encoding.DER, PublicFormat.PKCS1)
    else:
        key = issuer.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    return {
        "hashAlgorithm": algorithm,
        "issuerNameHash": digest(certificate.issuer.public_bytes()).hexdigest(),
        "issuerKeyHash": digest(key).hexdigest(),
        "serialNumber": f"{certificate.serial_number:x}",
    }


def same_hash_data(one: dict, other: dict) -> bool:
    """Hexadecimal digits compare without case and leading zeros (M04)."""

    def plain(data: dict) -> tuple:
        names = ("hashAlgorithm", "issuerNameHash", "issuerKeyHash")
        return tuple(data[name].lower() for name in names) + (int(data["serialNumber"], 16),)

    return plain(one) == plain(other)


# TLS


def server_context(
    identity: Identity,
    *others: Identity,
    client_root: Authority | None = None,
    minimum: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2,
    maximum: ssl.TLSVersion = ssl.TLSVersion.MAXIMUM_SUPPORTED,
    ciphers: str | None = None,
) -> ssl.SSLContext:
    """A TLS server that presents `identity`, or of `others` what suits (EC and RSA side by side). With `client_root` the
    client must present a certificate of that authority. `ciphers` of OpenSSL's form, for TLS 1.2 and below.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers(ciphers or "DEFAULT:AES128-GCM-SHA256:AES256-GCM-SHA384:@SECLEVEL=0")
    with warnings.catch_warnings():
        # TLS 1.0 and 1.1 are what some tests are about.
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version, context.maximum_version = minimum, maximum
    for one in (identity, *others):
        with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
            file.write(one.key_pem + one.chain)
            file.flush()
            context.load_cert_chain(file.name)
    if client_root:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(cadata=client_root.pem)
    return context
