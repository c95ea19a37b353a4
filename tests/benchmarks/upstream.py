"""A vendor that costs next to nothing, so that what is measured is whoever stands before it.

`python -m tests.benchmarks.upstream PORT` serves Velip's `CreateDestinationBase` (fact sheet: api/v2, the JSON form)
and, for peers that speak nothing else, Anthropic's `/v1/messages`. Every answer is made of its request: a list's count
is that of its destinations, a message repeats the word that it was asked; whatever goes below `/sink` is read, and its
bytes are counted. `GET /ledger` tells what arrived,
`PUT /fault` what befalls the next requests.
"""

import asyncio
import json
import sys
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httptools
import msgspec

_decode = msgspec.json.Decoder(dict[str, Any]).decode
_encode = msgspec.json.Encoder().encode


class Ledger:
    """What arrived: how many POSTs, and every list by its key with how many contacts it was sent and how often."""

    def __init__(self) -> None:
        self.posts = 0
        self.contacts = 0
        self.phones: dict[str, int] = {}
        self.fault = ""
        self.every = 0
        self.seconds = 0.0
        self.keep_phones = False
        self.lists: dict[str, dict[str, Any]] = {}

    def shown(self) -> dict[str, Any]:
        twice = sum(number > 1 for number in self.phones.values())
        return {"posts": self.posts, "contacts": self.contacts, "phones": len(self.phones), "twice": twice}


class Upstream(asyncio.Protocol):
    """One connection, kept alive; one request at a time."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.url, self.body = b"", bytearray()

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.parser = httptools.HttpRequestParser(self)

    def data_received(self, data: bytes) -> None:
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserError:
            self.transport.close()

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        path = self.url.decode()
        body, method = bytes(self.body), self.parser.get_method()
        self.url, self.body = b"", bytearray()
        if path.startswith("/ledger"):
            self.answer(200, _encode(self.ledger.shown()))
        elif path.startswith("/fault"):
            self.set_fault(path)
        elif path.startswith("/sink"):
            self.answer(200, _encode({"bytes": len(body)}))
        elif method == b"POST":
            self.post(path, body)
        else:
            self.answer(404, b"{}")

    def set_fault(self, path: str) -> None:
        """`PUT /fault?kind=503|late|drop&every=N&seconds=S`; no kind: none. It also forgets what arrived."""
        said = {name: values[0] for name, values in parse_qs(urlsplit(path).query).items()}
        self.ledger.__init__()  # type: ignore[misc]
        self.ledger.fault, self.ledger.every = said.get("kind", ""), int(said.get("every", "1"))
        self.ledger.seconds = float(said.get("seconds", "0"))
        self.ledger.keep_phones = "phones" in said
        self.answer(200, b"{}")

    def post(self, path: str, body: bytes) -> None:
        ledger = self.ledger
        if "GetDestinationsList" in path:
            self.answer(200, self.look_up(body))
            return
        ledger.posts += 1
        befallen = ledger.fault if ledger.fault and ledger.posts % ledger.every == 0 else ""
        if befallen == "503":
            self.answer(503, b'{"error": "unavailable"}')
            return
        answer = self.velip(body) if "CreateDestinationBase" in path else self.message(body)
        if befallen == "drop":
            self.transport.close()
        elif befallen == "late":
            asyncio.get_running_loop().call_later(ledger.seconds, self.answer, 200, answer)
        else:
            self.answer(200, answer)

    def velip(self, body: bytes) -> bytes:
        """The list, stored. `ctid` is the sender's key."""
        said = _decode(body)
        people = said["datajson"]
        ledger = self.ledger
        ledger.contacts += len(people)
        if ledger.keep_phones:
            for one in people:
                ledger.phones[one["phone"]] = ledger.phones.get(one["phone"], 0) + 1
        if ledger.fault:
            named = {"cdlc_ctid": said.get("ctid", ""), "cdlc_name": said.get("name", ""), "cdlc_file": "null"}
            facts = {"cdlc_active": 1, "cdlc_num": len(people), "cdlc_deleted": 0, "cdlc_date": "2026-10-02"}
            ledger.lists[named["cdlc_ctid"]] = {"cdlc_id": ledger.posts, **named, **facts}
        made = {"cdlc_id": str(ledger.posts), "num_dest": str(len(people)), "base_size": str(len(body))}
        return _encode({"return": {"status": "OK", "status_code": "0", **made}})

    def look_up(self, body: bytes) -> bytes:
        """The list with this key of the sender's, as far as it is kept."""
        found = self.ledger.lists.get(_decode(body).get("ctid", ""))
        return _encode({"return": {"status": "OK", "status_code": "0"}, "lists": [found] if found else []})

    def message(self, body: bytes) -> bytes:
        """An answer in Anthropic's shape: the first word of what was asked."""
        said = _decode(body)
        content = said["messages"][-1]["content"]
        text = content if isinstance(content, str) else "".join(part.get("text", "") for part in content)
        word = text.split(" ", 1)[0]
        self.ledger.contacts += 1
        if self.ledger.keep_phones:
            self.ledger.phones[word] = self.ledger.phones.get(word, 0) + 1
        return _encode(
            {
                "id": f"msg_{self.ledger.posts}",
                "type": "message",
                "role": "assistant",
                "model": said.get("model", ""),
                "content": [{"type": "text", "text": word}],
                "stop_reason": "end_turn",
                "stop_sequence": None,
                "usage": {"input_tokens": 1, "output_tokens": 1},
            }
        )

    def answer(self, status: int, body: bytes) -> None:
        if not self.transport.is_closing():
            head = b"HTTP/1.1 %d X\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
            self.transport.write(head % (status, len(body)) + body)


async def serve(port: int) -> None:
    ledger = Ledger()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Upstream(ledger), "127.0.0.1", port, backlog=1024)
    print(json.dumps({"port": server.sockets[0].getsockname()[1]}), flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    import uvloop

    uvloop.run(serve(int(sys.argv[1]) if len(sys.argv) > 1 else 0))
