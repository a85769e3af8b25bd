"""`python -m tests.chaos.naive_server PORT DSN`: the naive control behind a door. The APIv3 key comes from `NAIVE_KEY`."""

import asyncio
import base64
import json
import os
import sys
from typing import Any

import uvicorn
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from tests.flows.naive import settle_naively

from daozhang.postgres import Database

PORT, DSN = int(sys.argv[1]), sys.argv[2]


async def main() -> None:
    """Serve until killed."""
    database, cipher = await Database.open(DSN), AESGCM(os.environ["NAIVE_KEY"].encode())

    async def door(scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        body = b""
        while (message := await receive())["type"] == "http.request":
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        if scope["path"].startswith("/notify/"):
            resource = json.loads(body)["resource"]
            sealed = base64.b64decode(resource["ciphertext"])
            told = json.loads(cipher.decrypt(resource["nonce"].encode(), sealed, resource["associated_data"].encode()))
            await settle_naively(database, told["out_trade_no"], told["amount"]["total"])
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})

    await uvicorn.Server(uvicorn.Config(door, port=PORT, lifespan="off", log_config=None)).serve()


if __name__ == "__main__":
    asyncio.run(main())
