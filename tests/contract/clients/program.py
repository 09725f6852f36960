"""Call a gateway with a client that somebody else wrote; run by the virtual environment where those are installed.

Reads one JSON object, ``{"client", "url", "imp_key", "imp_secret", "calls": [[method, arguments], ...]}``, and prints
what came of making the client and of every call: ``{"returned": ...}``, or ``{"raised": class, ...}`` with all that
the exception tells. Only the clients' own exceptions are caught: any other one ends the program.
"""

import json
import sys
from typing import Any


def iamport(order: dict[str, Any]) -> list[dict[str, Any]]:
    """iamport-rest-client: JSON, the token alone in its header, a token for every call."""
    from iamport import Iamport  # type: ignore[import-not-found] # noqa: PLC0415

    client = Iamport(order["imp_key"], order["imp_secret"], imp_url=order["url"])
    told: list[dict[str, Any]] = []
    for method, arguments in order["calls"]:
        try:
            told.append({"returned": getattr(client, method)(**arguments)})
        except Iamport.ResponseError as raised:
            told.append({"raised": "ResponseError", "code": raised.code, "message": raised.message})
        except Iamport.HttpError as raised:
            told.append({"raised": "HttpError", "code": raised.code, "message": raised.reason})
    return told


def iamporter(order: dict[str, Any]) -> list[dict[str, Any]]:
    """Iamporter: forms, one token from the start."""
    from iamporter import Iamporter  # type: ignore[import-not-found] # noqa: PLC0415
    from iamporter.errors import ImpApiError, ImpUnAuthorized  # type: ignore[import-not-found] # noqa: PLC0415

    try:
        client = Iamporter(imp_key=order["imp_key"], imp_secret=order["imp_secret"], imp_url=order["url"])
    except ImpUnAuthorized as raised:
        return [{"raised": "ImpUnAuthorized", "message": raised.message}]
    told: list[dict[str, Any]] = []
    for method, arguments in order["calls"]:
        try:
            told.append({"returned": getattr(client, method)(**arguments)})
        except ImpUnAuthorized as raised:
            told.append({"raised": "ImpUnAuthorized", "message": raised.message})
        except ImpApiError as raised:
            answer = raised.response
            status = {"raised": "ImpApiError", "status": answer.status}
            told.append({**status, "code": answer.code, "message": answer.message})
    return told


if __name__ == "__main__":
    wanted = json.load(sys.stdin)
    json.dump({"iamport": iamport, "iamporter": iamporter}[wanted["client"]](wanted), sys.stdout)
