"""The certificate of the STS hosts, and the bundle by which a client trusts it besides its usual authorities."""

from __future__ import annotations

import functools
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography import x509

_YEARS = 10
_NAME = "sagelocal, this machine only"
_ADDED = "# sagelocal adds its certificate to "


@functools.cache
def hosts() -> frozenset[str]:
    """Every public address of STS that botocore knows."""
    from botocore.session import Session

    session = Session()
    suffixes = {"aws": "amazonaws.com", "aws-us-gov": "amazonaws.com", "aws-cn": "amazonaws.com.cn"}
    regional = {
        f"sts.{region}.{suffix}"
        for partition, suffix in suffixes.items()
        for region in session.get_available_regions("sts", partition)
        if region.count("-") > 1  # `aws-global` is the first of the names below
    }
    return frozenset(regional | {"sts.amazonaws.com"})


def make(certificate: Path, key: Path, authority: Path) -> None:
    """Writes the hosts' certificate, its key (mode 0600) and the authority that signed it, whose own key is dropped."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    ours, theirs = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, _NAME)])
    now = datetime.now(UTC)
    identifier = x509.SubjectKeyIdentifier.from_public_key(theirs.public_key())

    def begun(subject: x509.Name, public_key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer)
            .public_key(public_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=365 * _YEARS))
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False)
        )

    signer = (
        begun(issuer, theirs.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(identifier, critical=False)
        .add_extension(_usage(signs=True), critical=True)
        .sign(theirs, hashes.SHA256())
    )
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sts.amazonaws.com")])
    leaf = (
        begun(subject, ours.public_key())
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host) for host in sorted(hosts())]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(ours.public_key()), critical=False)
        .add_extension(_usage(signs=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(theirs, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = ours.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    with os.fdopen(os.open(key, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(private)
    certificate.write_bytes(leaf.public_bytes(pem))
    authority.write_bytes(signer.public_bytes(pem))


def _usage(*, signs: bool) -> x509.KeyUsage:
    from cryptography import x509

    return x509.KeyUsage(
        digital_signature=not signs,
        key_cert_sign=signs,
        crl_sign=signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def write_bundle(authority: Path, bundle: Path, trusted: str) -> None:
    """What `AWS_CA_BUNDLE` names: the file that the shell trusts already, else certifi's, and the authority."""
    import certifi

    usual = Path(trusted or certifi.where()).read_bytes()
    draft = bundle.with_suffix(".tmp")
    draft.write_bytes(f"{_ADDED}{trusted}\n".encode() + usual + b"\n" + authority.read_bytes())
    draft.replace(bundle)


def trusted_before(bundle: Path) -> str:
    """The file that `AWS_CA_BUNDLE` named before, "" when it named none."""
    try:
        with bundle.open() as file:
            return file.readline().removeprefix(_ADDED).strip()
    except OSError:
        return ""
