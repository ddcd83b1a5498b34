"""Questions of the operator's, across tenants."""

from sqlalchemy import and_, func, select
from sqlalchemy.orm import Session

from service.store.records import StaleModel
from service.store.schema import CategoryRow, ExampleRow, MembershipRow, VersionRow


def stale_models(session: Session, current_sha256: str) -> list[StaleModel]:
    """Active adaptations and examples that belong to another model, by tenant and model."""
    heads = session.execute(
        select(VersionRow.tenant, VersionRow.model_sha256, func.count())
        .join(
            CategoryRow,
            and_(
                CategoryRow.id == VersionRow.category_id, CategoryRow.version == VersionRow.number
            ),
        )
        .where(VersionRow.model_sha256 != current_sha256)
        .group_by(VersionRow.tenant, VersionRow.model_sha256)
    )
    examples = session.execute(
        select(ExampleRow.tenant, ExampleRow.model_sha256, func.count())
        .join(
            MembershipRow,
            and_(MembershipRow.example_id == ExampleRow.id, MembershipRow.until_version.is_(None)),
        )
        .where(ExampleRow.model_sha256 != current_sha256)
        .group_by(ExampleRow.tenant, ExampleRow.model_sha256)
    )
    counts: dict[tuple[str, str], list[int]] = {}
    for column, rows in enumerate((heads, examples)):
        for tenant, model, count in rows:
            counts.setdefault((tenant, model or ""), [0, 0])[column] = count
    return [
        StaleModel(tenant, model, categories, examples_)
        for (tenant, model), (categories, examples_) in sorted(counts.items())
    ]
