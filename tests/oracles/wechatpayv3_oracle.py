"""The oracle over `wechatpayv3`, run by the interpreter of its own environment. It imports nothing of the product."""

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from cryptography import x509
from wechatpayv3.core import Core
from wechatpayv3.type import RequestType
from wechatpayv3.utils import aes_decrypt, build_authorization, load_private_key, load_public_key, rsa_sign, rsa_verify


def core(asked: dict[str, Any]) -> Core:
    """The library's client for a merchant in `mode` certificate or public_key, pointed at a simulator."""
    merchant = asked["merchant"]
    options: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        if asked["mode"] == "public_key":
            options = {"public_key": merchant["public_key"], "public_key_id": merchant["public_key_id"]}
        else:
            for serial, pem in merchant["platform_certificates"].items():
                Path(folder, f"{serial}.pem").write_text(pem)
            options = {"cert_dir": folder}
        key = merchant["private_key"].replace("-----BEGIN PRIVATE KEY-----\n", "").replace("\n-----END PRIVATE KEY-----\n", "")
        client = Core(merchant["mchid"], merchant["serial_no"], key, merchant["api_v3_key"], timeout=60, **options)
    client._cert_dir = None
    client._gate_way = asked.get("url", "http://127.0.0.1:9")
    return client


def call(asked: dict[str, Any]) -> Any:
    """Sign a call, send it, verify the answer, all by the library."""
    status, content = core(asked).request(asked["path"], RequestType[asked["method"]], data=asked.get("body"))
    text = content if isinstance(content, str) else content.decode()
    return {"status": status, "content": json.loads(text) if text else None}


def certificates(asked: dict[str, Any]) -> Any:
    """Download, decrypt and load the platform certificates."""
    client = core(asked | {"mode": "certificate"})
    client._update_certificates()
    return [f"{each.serial_number:X}" for each in client._certificates]


def callback(asked: dict[str, Any]) -> Any:
    """Verify and open a callback."""
    opened = core(asked).callback(asked["headers"], asked["body"])
    if not opened:
        raise ValueError("the callback was not accepted")
    return opened


def authorization(asked: dict[str, Any]) -> Any:
    """The Authorization header the library would send."""
    merchant = asked["merchant"]
    key = load_private_key(merchant["private_key"].strip())
    path, body = asked["path"], asked.get("text") or None
    return build_authorization(path, asked["method"], merchant["mchid"], merchant["serial_no"], key, data=body)


def sign(asked: dict[str, Any]) -> Any:
    """Sign a text with a PEM key."""
    return rsa_sign(load_private_key(asked["key"].strip()), asked["message"])


def verify(asked: dict[str, Any]) -> Any:
    """Verify a signature over a text of at least three lines: the library's function joins exactly three parts."""
    *first, second, third, end = asked["message"].split("\n")
    pem = asked["key"]
    key = x509.load_pem_x509_certificate(pem.encode()).public_key() if "CERTIFICATE" in pem else load_public_key(pem.strip())
    return end == "" and rsa_verify("\n".join(first), second, third, asked["signature"], key)


def unseal(asked: dict[str, Any]) -> Any:
    """Open a sealed resource."""
    resource = asked["resource"]
    opened = aes_decrypt(resource["nonce"], resource["ciphertext"], resource["associated_data"], asked["key"])
    if opened is None:
        raise ValueError("the resource does not open")
    return opened


DOINGS = {each.__name__: each for each in (call, certificates, callback, authorization, sign, verify, unseal)}


def main() -> None:
    for line in sys.stdin:
        asked = json.loads(line)
        try:
            answer = {"result": DOINGS[asked["do"]](asked)}
        except Exception as error:  # noqa: BLE001 - whatever the library throws is its way of refusing.
            answer = {"refused": f"{type(error).__name__}: {error}"}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
