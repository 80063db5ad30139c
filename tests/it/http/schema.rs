//! JSON Schema, as much of it as `openapi.json` uses; a keyword it does not know is an error, not passed over.
//!
//! Why not a crate: those there are switch on features of crates below DataFusion, which would be built once more for the tests.

use serde_json::Value;

/// What about `value` is not as `schema` says; `document` resolves references.
pub(crate) fn findings(document: &Value, schema: &Value, value: &Value) -> Vec<String> {
    let mut found = vec![];
    check(document, schema, value, "", &mut found);
    found
}

fn check(document: &Value, schema: &Value, value: &Value, place: &str, found: &mut Vec<String>) {
    let Some(keywords) = schema.as_object() else { return found.push(format!("{place}: no schema")) };
    for (keyword, argument) in keywords {
        match keyword.as_str() {
            "$ref" => {
                let pointer = argument.as_str().and_then(|reference| reference.strip_prefix('#')).unwrap_or_default();
                match document.pointer(pointer) {
                    Some(target) => check(document, target, value, place, found),
                    None => found.push(format!("{place}: {argument} leads nowhere")),
                }
            }
            "type" => {
                let fits = match argument.as_str().unwrap_or_default() {
                    "object" => value.is_object(),
                    "array" => value.is_array(),
                    "string" => value.is_string(),
                    "integer" => value.is_i64() || value.is_u64(),
                    "boolean" => value.is_boolean(),
                    _ => false,
                };
                if !fits {
                    found.push(format!("{place}: {value} is no {argument}"));
                }
            }
            "enum" => {
                if !argument.as_array().is_some_and(|values| values.contains(value)) {
                    found.push(format!("{place}: {value} is none of {argument}"));
                }
            }
            "required" => {
                for name in argument.as_array().into_iter().flatten().filter_map(Value::as_str) {
                    if value.get(name).is_none() {
                        found.push(format!("{place}: {name} is missing"));
                    }
                }
            }
            "properties" => {
                for (name, schema) in argument.as_object().into_iter().flatten() {
                    if let Some(value) = value.get(name) {
                        check(document, schema, value, &format!("{place}/{name}"), found);
                    }
                }
            }
            "additionalProperties" => {
                let known = keywords.get("properties").and_then(Value::as_object);
                for (name, value) in value.as_object().into_iter().flatten() {
                    if known.is_some_and(|known| known.contains_key(name)) {
                        continue;
                    }
                    match argument {
                        Value::Bool(true) => {}
                        Value::Bool(false) => found.push(format!("{place}: {name} is not described")),
                        schema => check(document, schema, value, &format!("{place}/{name}"), found),
                    }
                }
            }
            "items" => {
                for (at, value) in value.as_array().into_iter().flatten().enumerate() {
                    check(document, argument, value, &format!("{place}/{at}"), found);
                }
            }
            "description" | "default" => {}
            other => found.push(format!("{place}: keyword {other} is not known here")),
        }
    }
}

#[test]
fn what_does_not_fit_is_found() {
    let document = serde_json::json!({"a": {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"], "additionalProperties": false}});
    let schema = serde_json::json!({"type": "array", "items": {"$ref": "#/a"}});
    let findings = |value: Value| findings(&document, &schema, &value).len();
    assert_eq!(findings(serde_json::json!([{"n": 1}, {"n": 2}])), 0);
    assert_eq!(findings(serde_json::json!({"n": 1})), 1);
    assert_eq!(findings(serde_json::json!([{"n": "1"}])), 1);
    assert_eq!(findings(serde_json::json!([{}])), 1);
    assert_eq!(findings(serde_json::json!([{"n": 1, "m": 2}])), 1);
}
