//! Reading the audit log.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{
    paging::{List, Paging, given, time},
    record::viewer,
};
use crate::{
    http::{HttpState, error::ApiError},
    store::accounts::audit::{AuditEntry, AuditFilter},
};

/// Which entries.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(super) struct AuditQuery {
    /// What this one did.
    actor: Option<String>,
    /// What was done in this way, such as `orchestrator.disable`.
    action: Option<String>,
    /// What was done to this kind of thing.
    resource_type: Option<String>,
    /// What was done to this thing.
    resource_id: Option<String>,
    /// What concerns this organization.
    organization_id: Option<String>,
    /// What was done at this time or later.
    #[param(format = DateTime)]
    from: Option<String>,
    /// What was done before this time.
    #[param(format = DateTime)]
    to: Option<String>,
}

/// Read the audit log
///
/// Every change that was asked for here, latest first; for a tenant, what concerns it.
#[utoipa::path(
    get, path = "/api/admin/audit", tag = "admin", security(("apiKey" = []), ("bearer" = [])),
    params(AuditQuery, Paging),
    responses(
        (status = 200, description = "Entries", body = List<AuditEntry>),
        (status = 400), (status = 401), (status = 403),
    )
)]
pub(super) async fn list(
    request: HttpRequest,
    state: web::Data<HttpState>,
    query: web::Query<AuditQuery>,
    paging: web::Query<Paging>,
) -> Result<HttpResponse, ApiError> {
    let scope = viewer(&request, &state).await?;
    let page = paging.request()?;
    let query = query.into_inner();
    let filter = AuditFilter {
        actor_id: given(query.actor),
        action: given(query.action),
        organization: given(query.organization_id),
        resource_type: given(query.resource_type),
        resource_id: given(query.resource_id),
        from: time("from", query.from.as_deref())?,
        to: time("to", query.to.as_deref())?,
    };
    let page = state.database(move |database| database.audit(&filter, scope.as_ref(), &page)).await?;
    Ok(HttpResponse::Ok().json(List::from(page)))
}
