use serde::Deserialize;

use super::*;

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ExampleRequest)]
struct Example {
    #[schema(min_length = 1)]
    orchestrator_id: String,
    #[schema(minimum = 1, maximum = 65535)]
    port: u16,
    #[schema(value_type = String, format = DateTime)]
    started_at: String,
    kind: Kind,
    nested: Nested,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Http,
    Https,
}

#[derive(Debug, Deserialize, ToSchema)]
struct Nested {
    #[schema(min_length = 1)]
    name: String,
}

impl Input for Example {
    const WHEN_EMPTY: &'static [(&'static str, &'static str)] =
        &[("orchestratorId", "Orchestrator ID is required")];
}

#[derive(utoipa::OpenApi)]
#[openapi(components(schemas(Example)))]
struct Description;

fn inputs() -> Inputs {
    let description = serde_json::to_value(<Description as utoipa::OpenApi>::openapi()).expect("JSON");
    Inputs::new(&description).expect("schemas")
}

fn good() -> Value {
    json!({
        "orchestratorId": "vp_1", "port": 80, "startedAt": "2024-01-01T00:00:00Z", "kind": "http",
        "nested": { "name": "n" }, "unknown": true,
    })
}

fn problems(value: Value) -> Value {
    let error = inputs().parse::<Example>(value).expect_err("refused");
    assert_eq!(error.code(), Code::Validation);
    error.details().expect("details")["errors"].clone()
}

#[test]
fn a_good_body_is_read_and_unknown_keys_are_dropped() {
    let (example, naming) = inputs().parse::<Example>(good()).expect("read");
    assert_eq!((example.orchestrator_id.as_str(), example.port, naming), ("vp_1", 80, Naming::Orchestrator));
    assert!(matches!(example.kind, Kind::Http));
    assert_eq!((example.started_at.as_str(), example.nested.name.as_str()), ("2024-01-01T00:00:00Z", "n"));
}

#[test]
fn every_problem_is_named_under_its_top_level_field() {
    let mut value = good();
    value["orchestratorId"] = json!("");
    value["port"] = json!(0);
    value["startedAt"] = json!("2024-02-30T00:00:00Z");
    value["kind"] = json!("ftp");
    value["nested"] = json!({ "name": 7 });
    assert_eq!(
        problems(value),
        json!({
            "orchestratorId": ["Orchestrator ID is required"],
            "port": ["Number must be greater than or equal to 1"],
            "startedAt": ["Invalid datetime"],
            "kind": ["Invalid enum value. Expected 'http' | 'https'"],
            "nested": ["Expected string, received number"],
        })
    );
    let value = json!({ "port": 1.5, "kind": null, "nested": {} });
    let problems = problems(value);
    assert_eq!(problems["orchestratorId"], json!(["Required"]));
    assert_eq!(problems["port"], json!(["Expected integer, received float"]));
    assert_eq!(problems["nested"], json!(["Required"]));
}

#[test]
fn a_body_that_is_no_object_has_no_fields_to_blame() {
    for value in [json!([]), json!("text"), json!(null)] {
        assert_eq!(problems(value), json!({}));
    }
}

#[test]
fn an_orchestrator_has_two_names_that_must_agree() {
    let mut value = good();
    value.as_object_mut().expect("an object").remove("orchestratorId");
    value["vpId"] = json!("vp_2");
    let (example, naming) = inputs().parse::<Example>(value.clone()).expect("read");
    assert_eq!((example.orchestrator_id.as_str(), naming), ("vp_2", Naming::Vp));
    value["orchestratorId"] = json!("vp_2");
    assert!(inputs().parse::<Example>(value.clone()).is_ok());
    value["orchestratorId"] = json!("vp_3");
    assert!(problems(value)["orchestratorId"].is_array());
}

#[test]
fn json_that_is_too_deep_is_refused_not_a_crash() {
    let deep = "[".repeat(100_000);
    assert_eq!(parse(deep.as_bytes()), Err(ApiError::validation("Invalid JSON body")));
}
