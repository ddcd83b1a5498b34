"""Feedback: the teacher's word on earlier scores."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import APIRouter, Request, Response

from service import problems
from service.answers import written
from service.bodies import read_json
from service.dependencies import AllParts, CheckedRoute, IdempotencyKey, Tenant
from service.errors import RequestTooLarge
from service.feedback import count, judge
from service.idempotency import Promise, fingerprint, once, parse_key
from service.openapi import ALWAYS, WITH_BODY, answer, json_body, refusals
from service.schemas.feedback import FeedbackIn, FeedbackOut
from service.store import NotTaught, StoredAnswer, Taught, Word

router = APIRouter(prefix="/v1", tags=["feedback"], route_class=CheckedRoute)
OPERATION = "POST /v1/feedback"
SCORE_ID = "019aaf6c1f7e7d0f8f3a5c9e4b2d1a60"
JUDGED = {
    "results": [
        {
            "score_id": SCORE_ID,
            "category": "shoes",
            "label": "real",
            "reward": -0.950921,
            "version": 4,
            "status": "added",
        },
        {
            "score_id": "019aaf6c1f7e7d0f8f3a5c9e4b2d1a62",
            "error": problems.Problem(
                problems.NO_SCORE,
                "there is no score '019aaf6c1f7e7d0f8f3a5c9e4b2d1a62', or it is no longer kept",
            ).as_json(),
        },
    ]
}


@router.post(
    "/feedback",
    operation_id="feedback",
    response_model=FeedbackOut,
    responses={
        200: answer("Results in request order; what changed is durable and in force.", JUDGED),
        **refusals(problems.IN_FLIGHT, problems.KEY_REUSED, *ALWAYS, *WITH_BODY),
    },
    openapi_extra=json_body(FeedbackIn, {"items": [{"score_id": SCORE_ID, "label": "real"}]}),
)
async def feedback(
    parts: AllParts, tenant: Tenant, request: Request, idempotency_key: IdempotencyKey = None
) -> Response:
    """Say what scored pictures really were: each becomes an example of its category.

    Every category that changes is adapted and gains one version with cause `feedback`. An item
    that cannot be taken gets its own error, its neighbours are learned from.
    """
    key = parse_key(idempotency_key)
    body = await read_json(request, FeedbackIn)
    most = parts.settings.max_request_pictures
    if len(body.items) > most:
        raise RequestTooLarge(f"{len(body.items)} items, and a request may have {most}")
    words = [Word(item.score_id, item.label) for item in body.items]

    def answer_for(outcomes: Sequence[Taught | NotTaught]) -> StoredAnswer:
        return written(FeedbackOut.of(judge(outcomes)))

    async def teach() -> StoredAnswer:
        promise = Promise(OPERATION, key, answer_for)
        outcomes = await parts.store.teach(
            tenant,
            words,
            parts.fitter,
            parts.model.card.sha256,
            idempotency=promise.for_store(),
        )
        count(judge(outcomes), request.app.state.metrics)
        return promise.kept(outcomes)

    said = fingerprint([[word.score_id, word.label] for word in words])
    stored = await once(parts.store, tenant, OPERATION, key, said, teach)
    return Response(stored.body, stored.status, headers=dict(stored.headers))
