"""The OpenAPI 3.1 description of the API, made from the table of routes and the structs that decode and encode.

This file answers for the document at /openapi.json. It must never describe by hand what a struct can say itself.
"""

import re
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any, Final

import msgspec
from aiohttp import web

from adapters.web.auth import Caller
from adapters.web.front import Front, Route
from adapters.web.problems import MEDIA_TYPE, Problem
from core.alternatives import FallbackRequest
from core.content_shapes import CONTENTS
from core.contents import MessageRequest
from core.plan_requests import Reminder

_REF: Final = "#/components/schemas/{name}"
_VARIABLE: Final = re.compile(r"\{(\w+)\}")
_HEADERS: Final = {
    "Tidings-Tenant": "Which tenant a key for all tenants acts for: a name, or * for all where that makes sense.",
    "X-Correlation-Id": "Given back in the answer, and kept with a message.",
    "traceparent": "W3C trace context; given back in the answer, and kept with a message.",
}
_IDEMPOTENCY: Final = "May stand for the field idempotency_key."
_LAST_EVENT: Final = "The id of the last event that came, to go on behind it; goes before `after`."

Document = dict[str, Any]  # A JSON document, whose shape is OpenAPI's to say.


def description(routes: Iterable[Route], release: str) -> Document:
    """The whole document."""
    routes = tuple(routes)
    schemas = _schemas(routes)
    paths: Document = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, schemas)
    # A query is told as parameters, so its struct is nobody's schema.
    queries = {route.query.__name__ for route in routes if isinstance(route.query, type)}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Tidings",
            "version": release,
            "summary": "Takes charge of messages until they are delivered or somebody has decided otherwise",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {
            "schemas": {name: schema for name, schema in schemas.items() if name not in queries},
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
    }


def route(routes: Sequence[Route], release: str) -> Route:
    """The call that answers with the document, which is made when it is first asked for, so that no start waits."""

    @cache
    def document() -> bytes:
        return msgspec.json.encode(description(routes, release))

    async def show(_front: Front, _request: web.Request, _caller: Caller) -> web.Response:
        return web.Response(body=document(), content_type="application/json")

    return Route(
        call="GET /openapi.json",
        says="This description",
        role=None,
        handler=show,
        answers={200: dict[str, object]},
        anywhere=True,
    )


def _schemas(routes: Sequence[Route]) -> Document:
    shapes: list[object] = [Problem, *CONTENTS.values()]
    for route in routes:
        shapes += [shape for shape in (route.body, route.query, *route.answers.values()) if shape is not None]
    _, schemas = msgspec.json.schema_components(shapes, schema_hook=_anything, ref_template=_REF)
    # The decoder takes a content unread at first, since its shape depends on the channel.
    kinds = [{"$ref": _REF.format(name=name)} for name in sorted(kind.__name__ for kind in CONTENTS.values())]
    for request in (MessageRequest, FallbackRequest):
        if request.__name__ in schemas:
            schemas[request.__name__]["properties"]["content"] = {"anyOf": kinds}
    if Reminder.__name__ in schemas:
        words = {channel: {"$ref": _REF.format(name=kind.__name__)} for channel, kind in CONTENTS.items()}
        of_channels = {"type": "object", "properties": words, "additionalProperties": False}
        schemas[Reminder.__name__]["properties"]["content"] = of_channels
    return schemas


def _anything(kind: type) -> Document:
    if kind is object:
        return {"description": "Any JSON value"}
    raise NotImplementedError(f"{kind} has no schema")


def _operation(route: Route, schemas: Document) -> Document:
    operation: Document = {
        "operationId": f"{route.handler.__module__.rpartition('.')[2]}_{route.handler.__name__}",
        "summary": route.says,
        "parameters": _parameters(route, schemas),
        "responses": {str(status): _response(route, shape) for status, shape in route.answers.items()},
    }
    operation["responses"]["default"] = {
        "description": "A problem (RFC 9457)",
        "content": {MEDIA_TYPE: {"schema": {"$ref": _REF.format(name=Problem.__name__)}}},
    }
    if route.role is not None:
        operation["security"] = [{"key": []}]
        operation["description"] = f"Needs a key with the role {route.role} or above."
    if route.body is not None:
        operation["requestBody"] = {"required": True, "content": _content(route.takes, route.body)}
    return operation


def _parameters(route: Route, schemas: Document) -> list[Document]:
    found: list[Document] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in _VARIABLE.findall(route.path)
    ]
    if isinstance(route.query, type):
        properties = schemas[route.query.__name__]["properties"]
        found += [{"name": name, "in": "query", "schema": schema} for name, schema in properties.items()]
    if route.role is not None:
        headers = _HEADERS | ({"Idempotency-Key": _IDEMPOTENCY} if route.body is MessageRequest else {})
        if route.takes != "application/json":
            headers.pop("Idempotency-Key", None)
        if route.gives == "text/event-stream":
            headers |= {"Last-Event-ID": _LAST_EVENT}
        found += [
            {"name": name, "in": "header", "description": says, "schema": {"type": "string"}}
            for name, says in headers.items()
        ]
    return found


def _response(route: Route, shape: object) -> Document:
    if shape is None:
        return {"description": "Done"}
    return {"description": "Done", "content": _content(route.gives, shape)}


def _content(media_type: str, shape: object) -> Document:
    if shape is str:
        return {media_type: {"schema": {"type": "string"}}}
    assert isinstance(shape, type), f"{shape} is no struct that has a schema"
    return {media_type: {"schema": {"$ref": _REF.format(name=shape.__name__)}}}
