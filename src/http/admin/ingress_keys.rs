//! The keys that publishers sign events with. A secret is shown once, when its key is made.

use actix_web::{HttpRequest, HttpResponse, http::header, web};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use super::{
    fields::found,
    paging::List,
    record::{Changer, Deed, viewer},
};
use crate::{
    http::{HttpState, error::ApiError},
    store::accounts::ingress::IngressKeyInfo,
};

/// A key with its secret.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct NewIngressKeyAnswer {
    #[serde(flatten)]
    key: IngressKeyInfo,
    /// What events are signed with, as it is here. It is shown this once.
    secret: String,
}

/// Make a key for signing events
///
/// An organization has two keys in use at most: make the second, let publishers change over, retire the
/// first. The answer shows the secret, this once.
#[utoipa::path(
    post, path = "/api/admin/organizations/{id}/ingress-keys", tag = "admin",
    security(("apiKey" = []), ("bearer" = [])), params(("id" = String, Path)),
    responses(
        (status = 201, description = "Made", body = NewIngressKeyAnswer),
        (status = 401), (status = 403), (status = 404), (status = 409),
    )
)]
pub(super) async fn create(
    request: HttpRequest,
    state: web::Data<HttpState>,
    path: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let changer = Changer::admit(&request, &state).await?;
    let made = changer.change(&state, move |database, scope, at| {
        let made = found(database.create_ingress_key(&path, scope, at), "organization")?;
        let deed = made.as_ref().map(|(key, _)| deed("ingress_key.create", key));
        Ok((made, deed))
    });
    let (key, secret) = made.await?.ok_or_else(ApiError::not_found)?;
    state.read_rules().await;
    let mut response = HttpResponse::Created();
    // No proxy and no browser keeps it either.
    response.insert_header((header::CACHE_CONTROL, "no-store"));
    Ok(response.json(NewIngressKeyAnswer { key, secret: secret.expose().to_owned() }))
}

fn deed(action: &'static str, key: &IngressKeyInfo) -> Deed {
    let deed = Deed::new(action, "ingress_key", &key.kid).within(&key.organization_id);
    deed.with(json!({ "organizationId": key.organization_id }))
}

/// List the keys for signing events
///
/// Never with their secrets. Those in use come first.
#[utoipa::path(
    get, path = "/api/admin/organizations/{id}/ingress-keys", tag = "admin",
    security(("apiKey" = []), ("bearer" = [])), params(("id" = String, Path)),
    responses(
        (status = 200, description = "Keys, the latest 100", body = List<IngressKeyInfo>),
        (status = 401), (status = 403), (status = 404),
    )
)]
pub(super) async fn list(
    request: HttpRequest,
    state: web::Data<HttpState>,
    path: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let scope = viewer(&request, &state).await?;
    let keys = state.database(move |database| match database.organization(&path, scope.as_ref())? {
        Some(_) => database.ingress_keys(&path, scope.as_ref()).map(Some),
        None => Ok(None),
    });
    let keys = keys.await?.ok_or_else(ApiError::not_found)?;
    Ok(HttpResponse::Ok().json(List::new(keys, None)))
}

/// Retire a key for signing events
///
/// What is signed with it is not taken any more, from within seconds on every hub. It stays on record.
#[utoipa::path(
    delete, path = "/api/admin/organizations/{id}/ingress-keys/{kid}", tag = "admin",
    security(("apiKey" = []), ("bearer" = [])), params(("id" = String, Path), ("kid" = String, Path)),
    responses(
        (status = 200, description = "Retired", body = IngressKeyInfo),
        (status = 401), (status = 403), (status = 404),
    )
)]
pub(super) async fn retire(
    request: HttpRequest,
    state: web::Data<HttpState>,
    path: web::Path<(String, String)>,
) -> Result<HttpResponse, ApiError> {
    let changer = Changer::admit(&request, &state).await?;
    let (organization, kid) = path.into_inner();
    let retired = changer.change(&state, move |database, scope, at| {
        let retired = database.retire_ingress_key(&organization, &kid, scope, at)?;
        let deed = retired.as_ref().map(|key| deed("ingress_key.retire", key));
        Ok((retired, deed))
    });
    let retired = retired.await?.ok_or_else(ApiError::not_found)?;
    state.read_rules().await;
    Ok(HttpResponse::Ok().json(retired))
}
