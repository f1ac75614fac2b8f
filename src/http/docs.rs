//! The descriptions of the API, of the WebSocket and of events, and pages to read and try them that
//! need no outside network.

mod asyncapi;
mod page;

use std::collections::HashMap;

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{self, ContentEncoding},
    web,
};
use bytes::Bytes;
use bytestring::ByteString;
use serde_json::{Value, json};

use super::{HttpState, error::ApiError, reading, resource};
use crate::protocol::schemas::Schemas;

/// What the pages may load: nothing from elsewhere. Swagger UI styles its elements one by one, and
/// brings its icons along in its style sheet.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
     connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'";
/// The files of Swagger UI that its page uses.
const SWAGGER: [&str; 3] = ["swagger-ui.css", "swagger-ui-bundle.js", "favicon-32x32.png"];
const STYLE: &str = include_str!("docs/docs.css");
const REST_SCRIPT: &str = include_str!("docs/rest.js");
const REST_PAGE: &str = include_str!("docs/rest.html");
const HTML: &str = "text/html; charset=utf-8";

/// Everything that these routes answer, made once.
pub(super) struct Docs {
    /// The schemas by file name.
    schemas: HashMap<String, ByteString>,
    /// Their index.
    index: Value,
    /// The AsyncAPI document.
    asyncapi: ByteString,
    /// The same as a page.
    events: ByteString,
}

impl Docs {
    /// Puts the descriptions together.
    ///
    /// # Errors
    /// When one of them is not usable: a mistake in the program, found at start.
    pub(super) fn new() -> Result<Self, String> {
        let schemas = Schemas::load()?;
        let document = asyncapi::document(&schemas)?;
        let complete = schemas.names().filter_map(|name| Some((name, schemas.complete(name)?)));
        let complete: Vec<(&str, Value)> = complete.collect();
        let index = complete.iter().map(|(name, schema)| {
            json!({ "name": name, "description": schema.get("description"), "url": format!("/api/schemas/{name}.json") })
        });
        Ok(Self {
            index: json!({ "schemas": index.collect::<Vec<_>>() }),
            schemas: complete.iter().map(|(name, schema)| (format!("{name}.json"), pretty(schema))).collect(),
            asyncapi: pretty(&document),
            events: page::render(&document).into(),
        })
    }
}

fn pretty(value: &Value) -> ByteString {
    format!("{value:#}\n").into()
}

/// Adds the routes of this page.
pub(super) fn routes(config: &mut web::ServiceConfig) {
    let read = |path: &str| resource(path, "GET, HEAD");
    config
        .service(read("/api/openapi.json").route(reading().to(description)))
        .service(read("/api/asyncapi.json").route(reading().to(events_description)))
        .service(read("/api/schemas").route(reading().to(schemas)))
        .service(read("/api/schemas/{file}").route(reading().to(schema)))
        .service(read("/api/docs").route(reading().to(rest)))
        .service(read("/api/docs/").route(reading().to(rest)))
        .service(read("/api/docs/events").route(reading().to(events)))
        .service(read("/api/docs/{file}").route(reading().to(asset)));
}

async fn description(state: web::Data<HttpState>) -> HttpResponse {
    HttpResponse::Ok().json(&state.description)
}

async fn events_description(state: web::Data<HttpState>) -> HttpResponse {
    HttpResponse::Ok().content_type("application/json").body(state.docs.asyncapi.clone())
}

async fn schemas(state: web::Data<HttpState>) -> HttpResponse {
    HttpResponse::Ok().json(&state.docs.index)
}

async fn schema(state: web::Data<HttpState>, file: web::Path<String>) -> Result<HttpResponse, ApiError> {
    let schema = state.docs.schemas.get(file.as_str()).cloned().ok_or_else(ApiError::not_found)?;
    Ok(HttpResponse::Ok().content_type("application/schema+json").body(schema))
}

/// The page to try the API, with and without a slash at the end. What it loads is named relative to
/// where it is, so that it works behind a proxy that adds a prefix.
async fn rest(request: HttpRequest) -> HttpResponse {
    let assets = if request.path().ends_with('/') { "./" } else { "docs/" };
    html(REST_PAGE.replace("{{assets}}", assets).into())
}

async fn events(state: web::Data<HttpState>) -> HttpResponse {
    html(state.docs.events.clone())
}

fn html(page: ByteString) -> HttpResponse {
    HttpResponse::Ok().content_type(HTML).insert_header((header::CONTENT_SECURITY_POLICY, POLICY)).body(page)
}

async fn asset(file: web::Path<String>) -> Result<HttpResponse, ApiError> {
    let own = match file.as_str() {
        "docs.css" => Some(("text/css; charset=utf-8", STYLE)),
        "rest.js" => Some(("text/javascript; charset=utf-8", REST_SCRIPT)),
        _ => None,
    };
    if let Some((kind, text)) = own {
        return Ok(HttpResponse::Ok().content_type(kind).body(text));
    }
    let name = SWAGGER.into_iter().find(|name| *name == file.as_str()).ok_or_else(ApiError::not_found)?;
    let found = utoipa_swagger_ui::serve(name, std::sync::Arc::default()).ok().flatten();
    let found = found.ok_or_else(ApiError::not_found)?;
    let mut response = HttpResponse::Ok();
    if found.gzpipped {
        response.insert_header(ContentEncoding::Gzip);
    }
    // They change with the program only.
    response.insert_header((header::CACHE_CONTROL, "public, max-age=3600"));
    Ok(response.content_type(found.content_type).body(Bytes::from(found.bytes.into_owned())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_descriptions_fit_together() {
        let docs = Docs::new().expect("documents");
        let document: Value = serde_json::from_str(&docs.asyncapi).expect("JSON");
        let mut references = Vec::new();
        collect(&document, &mut references);
        for reference in references {
            let target = document.pointer(reference.trim_start_matches('#'));
            assert!(target.is_some(), "{reference} leads nowhere");
        }
    }

    fn collect(value: &Value, references: &mut Vec<String>) {
        match value {
            Value::Object(members) => {
                references.extend(members.get("$ref").and_then(Value::as_str).map(str::to_owned));
                members.values().for_each(|member| collect(member, references));
            }
            Value::Array(items) => items.iter().for_each(|item| collect(item, references)),
            _ => {}
        }
    }

    #[test]
    fn every_frame_is_part_of_an_operation() {
        let document: Value = serde_json::from_str(&Docs::new().expect("documents").asyncapi).expect("JSON");
        for channel in ["daemonSocket", "daemonSocketUnderApi"] {
            let mut references = Vec::new();
            collect(&document["operations"], &mut references);
            let messages = document["channels"][channel]["messages"].as_object().expect("messages");
            for name in messages.keys() {
                let wanted = format!("#/channels/{channel}/messages/{name}");
                assert!(references.contains(&wanted), "{wanted}");
            }
        }
    }
}
