"""Every error of the API as application/problem+json (RFC 9457): what, where, the remedy."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import orjson
import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.responses import Response

from store.contract import StoreUnavailable

MEDIA_TYPE = "application/problem+json"
REMEDIES = {
    404: "see /openapi.json for what there is",
    405: "see /openapi.json for the methods of this path",
}

log = structlog.get_logger()


class FieldProblem(BaseModel):
    place: str = Field(examples=["query.points"])
    message: str = Field(examples=["Input should be greater than or equal to 2"])


class ProblemBody(BaseModel):
    """RFC 9457 problem details."""

    type: str = Field(examples=["about:blank"])
    title: str = Field(examples=["No such entity"])
    status: int = Field(examples=[404])
    detail: str = Field(examples=["there is no cell 'L1-999'"])
    remedy: str = Field(examples=["see /api/v1/plant for the cells"])
    instance: str = Field(examples=["/api/v1/figures"])
    errors: list[FieldProblem] = []


RESPONSES: dict[int | str, dict[str, Any]] = {
    "default": {
        "description": "What is wrong, and what to do about it",
        "content": {MEDIA_TYPE: {"schema": ProblemBody.model_json_schema()}},
    }
}
"""The `responses` of every operation."""


class Problem(Exception):
    """Ends a request with a problem. `remedy` says what the caller can do."""

    def __init__(
        self, status: int, title: str, detail: str, remedy: str, headers: Mapping[str, str] = {}
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.title = title
        self.detail = detail
        self.remedy = remedy
        self.headers = dict(headers)


def respond(problem: Problem, path: str, errors: list[dict[str, str]] | None = None) -> Response:
    body = {
        "type": "about:blank",
        "title": problem.title,
        "status": problem.status,
        "detail": problem.detail,
        "remedy": problem.remedy,
        "instance": path,
        "errors": errors or [],
    }
    return Response(orjson.dumps(body), problem.status, problem.headers, MEDIA_TYPE)


def install(app: FastAPI) -> None:
    """Make every error of `app` a problem."""

    @app.exception_handler(Problem)
    async def ours(request: Request, error: Problem) -> Response:
        return respond(error, request.url.path)

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> Response:
        problem = Problem(
            error.status_code,
            HTTPStatus(error.status_code).phrase,
            f"{request.method} {request.url.path}: {error.detail}",
            REMEDIES.get(error.status_code, "see /openapi.json"),
            error.headers or {},
        )
        return respond(problem, request.url.path)

    @app.exception_handler(RequestValidationError)
    async def validation(request: Request, error: RequestValidationError) -> Response:
        errors = [
            {"place": ".".join(map(str, row["loc"])), "message": row["msg"]}
            for row in error.errors()
        ]
        detail = "; ".join(f"{row['place']}: {row['message']}" for row in errors)
        problem = Problem(422, "Not a valid request", detail, "correct the named places")
        return respond(problem, request.url.path, errors)

    @app.exception_handler(StoreUnavailable)
    async def store(request: Request, error: StoreUnavailable) -> Response:
        log.warning("the store is away", path=request.url.path, reason=str(error))
        problem = Problem(
            503,
            "The store is away",
            "the history cannot be read now; new samples are kept in the spool meanwhile",
            "try again in a few seconds; see /readyz",
            {"Retry-After": "5"},
        )
        return respond(problem, request.url.path)

    @app.exception_handler(Exception)
    async def bug(request: Request, error: Exception) -> Response:
        # The server logs the traceback; the caller gets no internals.
        problem = Problem(
            500,
            "Internal error",
            f"{request.method} {request.url.path} failed by a fault of potline",
            "see the log of the server for the cause and report it",
        )
        return respond(problem, request.url.path)
