"""The oracle over `python-alipay-sdk`, run by the interpreter of its own environment. It imports nothing of the product."""

import json
import re
import sys
from typing import Any

from alipay import AliPay, DCAliPay
from OpenSSL import crypto


def client(asked: dict[str, Any]) -> Any:
    """The library's client for an application in `mode` certificate or public_key, pointed at a simulator."""
    app = asked["app"]
    if asked.get("mode") == "certificate":
        # The library wants a blank line between the certificates of a bundle.
        root = re.sub(r"-----END CERTIFICATE-----\s+-----BEGIN", "-----END CERTIFICATE-----\n\n-----BEGIN", app["root_certificate"])
        made = DCAliPay(
            appid=app["app_id"],
            app_private_key_string=app["private_key"],
            app_public_key_cert_string=app["app_certificate"],
            alipay_public_key_cert_string=app["alipay_certificate"],
            alipay_root_cert_string=root,
        )
    else:
        made = AliPay(
            appid=app["app_id"], app_private_key_string=app["private_key"], alipay_public_key_string=app["alipay_public_key"]
        )
    made._gateway = asked.get("url", "http://127.0.0.1:9") + "/gateway.do"
    return made


def call(asked: dict[str, Any]) -> Any:
    """Sign a call, send it, verify the answer, all by the library."""
    return client(asked).server_api(asked["method"], asked["content"], notify_url=asked.get("notify_url", ""))


def page(asked: dict[str, Any]) -> Any:
    """The address of a page, as the library signs it."""
    signed = client(asked).client_api(asked["method"], asked["content"], return_url=asked.get("return_url", ""))
    return f"{asked['url']}/gateway.do?{signed}"


def notice(asked: dict[str, Any]) -> Any:
    """Whether the library takes a notice for Alipay's."""
    parameters = dict(asked["parameters"])
    return client(asked).verify(parameters, parameters.pop("sign"))


def sign_notice(asked: dict[str, Any]) -> Any:
    """What the library would sign a notice with, given Alipay's private key."""
    app = asked["app"] | {"private_key": asked["key"]}
    made = client(asked | {"app": app})
    items = made._ordered_data(dict(asked["parameters"]))
    return made._sign("&".join(f"{name}={value}" for name, value in items))


def verify(asked: dict[str, Any]) -> Any:
    """Whether a signature over a text was made by the application's key."""
    certificate = crypto.load_certificate(crypto.FILETYPE_PEM, asked["app"]["app_certificate"])
    public = crypto.dump_publickey(crypto.FILETYPE_PEM, certificate.get_pubkey()).decode()
    made = client(asked | {"mode": "public_key", "app": asked["app"] | {"alipay_public_key": public}})
    return made._verify(asked["message"], asked["signature"])


def serials(asked: dict[str, Any]) -> Any:
    """The numbers of the application's certificate and of the root bundle."""
    made = client(asked | {"mode": "certificate"})
    return [made.app_cert_sn, made.alipay_root_cert_sn]


DOINGS = {each.__name__: each for each in (call, page, notice, sign_notice, verify, serials)}


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
