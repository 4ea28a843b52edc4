"""Message encryption for Web Push (RFC 8291): only the subscribed browser can read it."""

import os
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDH,
    SECP256R1,
    EllipticCurvePrivateKey,
    EllipticCurvePublicKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

#: One record holds everything; push services need not take more than 4096 bytes.
RECORD_SIZE: Final = 4096
MAX_PLAINTEXT: Final = 3000
#: Messages are filled up to a multiple of this, so that their length tells nothing.
BLOCK: Final = 512
_LAST_RECORD: Final = b"\x02"


def encrypt(
    plaintext: bytes,
    *,
    receiver: bytes,
    auth: bytes,
    sender: EllipticCurvePrivateKey | None = None,
    salt: bytes | None = None,
    block: int = BLOCK,
) -> bytes:
    """The body of a push (`Content-Encoding: aes128gcm`), which begins with its own header.

    `receiver` is the subscription's public key (65 bytes), `auth` its secret (16 bytes). `sender`
    and `salt` are made anew for each message; only a test says them. Raises ValueError.
    """
    if len(plaintext) > MAX_PLAINTEXT or len(auth) != 16:
        raise ValueError("the message is too long, or the secret has not 16 bytes")
    browser = EllipticCurvePublicKey.from_encoded_point(SECP256R1(), receiver)
    ours = sender or generate_private_key(SECP256R1())
    own_point = point(ours)
    salt = salt or os.urandom(16)
    material = _derive(
        ours.exchange(ECDH(), browser),
        salt=auth,
        info=b"WebPush: info\x00" + receiver + own_point,
        length=32,
    )
    key = _derive(material, salt=salt, info=b"Content-Encoding: aes128gcm\x00", length=16)
    nonce = _derive(material, salt=salt, info=b"Content-Encoding: nonce\x00", length=12)
    record = plaintext + _LAST_RECORD
    record += b"\x00" * (-len(record) % block)
    header = salt + RECORD_SIZE.to_bytes(4, "big") + bytes([len(own_point)]) + own_point
    return header + AESGCM(key).encrypt(nonce, record, None)


def point(key: EllipticCurvePrivateKey) -> bytes:
    """The public half of a key, as 65 bytes."""
    return key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def _derive(secret: bytes, *, salt: bytes, info: bytes, length: int) -> bytes:
    return HKDF(algorithm=SHA256(), length=length, salt=salt, info=info).derive(secret)
