"""The base model in force."""

from __future__ import annotations

from fastapi import APIRouter

from service.dependencies import AllParts, CheckedRoute
from service.openapi import ALWAYS, answer, refusals
from service.schemas.model import ModelOut

router = APIRouter(prefix="/v1", tags=["model"], route_class=CheckedRoute)
EXAMPLE = {
    "name": "standin-lite0",
    "version": "2",
    "sha256": "5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef",
    "backbone": "tf_efficientnet_lite0",
    "learner": "blended-prior",
    "image_size": 224,
    "embedding_dim": 512,
    "device": "cpu",
    "precision": "int8",
    "engine": "onnxruntime",
}


@router.get(
    "/model",
    operation_id="get_model",
    responses={200: answer("The model.", EXAMPLE), **refusals(*ALWAYS)},
)
async def get_model(parts: AllParts) -> ModelOut:
    """Name, version and checksum of the weights, and where they run."""
    card, encoder = parts.model.card, parts.model.encoder
    return ModelOut(
        name=card.name,
        version=card.version,
        sha256=card.sha256,
        backbone=card.backbone,
        learner=card.learner,
        image_size=encoder.image_size,
        embedding_dim=encoder.dim,
        device=str(encoder.device),
        precision=encoder.precision,
        engine=encoder.engine,
    )
