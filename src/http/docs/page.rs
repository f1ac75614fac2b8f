//! The AsyncAPI document as a page for people: plain HTML, made once, that loads nothing but its style.

mod fields;
mod html;

use serde_json::Value;

use self::html::{Html, list, text};

/// The page. Links are relative, so that they work behind a proxy that adds a prefix.
pub(super) fn render(document: &Value) -> String {
    let mut html = Html::default();
    let title = format!("{} events", text(document, "/info/title"));
    html.raw("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
    html.raw("<meta name=\"viewport\" content=\"width=device-width\">\n");
    html.raw("<link rel=\"icon\" type=\"image/png\" href=\"favicon-32x32.png\">\n");
    html.raw("<link rel=\"stylesheet\" href=\"docs.css\">\n").element("title", &title);
    html.raw("</head>\n<body>\n<main>\n").element("h1", &title);
    html.raw("<nav><a href=\"../docs\">REST API</a> <a href=\"../asyncapi.json\">AsyncAPI document</a> ");
    html.raw("<a href=\"../schemas\">JSON Schemas</a></nav>\n");
    html.markdown(text(document, "/info/description"));
    servers(&mut html, document);
    channels(&mut html, document);
    operations(&mut html, document);
    messages(&mut html, document);
    html.raw("</main>\n</body>\n</html>\n");
    html.finish()
}

fn servers(html: &mut Html, document: &Value) {
    html.element("h2", "Servers").raw("<table>\n");
    html.row("th", &["Name", "Protocol", "", "Usually at"]);
    for (name, server) in list(document, "/servers") {
        let at = text(server, "/variables/host/default");
        html.row("td", &[name, text(server, "/protocol"), text(server, "/description"), at]);
    }
    html.raw("</table>\n");
}

fn channels(html: &mut Html, document: &Value) {
    html.element("h2", "Channels").raw("<table>\n");
    html.row("th", &["Address", "", ""]);
    for (_, channel) in list(document, "/channels") {
        let address = format!("`{}`", text(channel, "/address"));
        html.row("td", &[&address, text(channel, "/title"), text(channel, "/description")]);
    }
    html.raw("</table>\n");
}

fn operations(html: &mut Html, document: &Value) {
    html.element("h2", "Operations").raw("<table>\n");
    html.row("th", &["Channel", "The hub", "", "Messages", "Answered with"]);
    for (_, operation) in list(document, "/operations") {
        let channel = text(operation, "/channel/$ref").trim_start_matches('#');
        let address = document.pointer(channel).map_or("", |channel| text(channel, "/address"));
        html.raw("<tr>").cell(&format!("`{address}`"));
        html.cell(if text(operation, "/action") == "send" { "sends" } else { "receives" });
        html.cell(text(operation, "/summary"));
        for place in ["/messages", "/reply/messages"] {
            html.raw("<td>");
            let messages = operation.pointer(place).and_then(Value::as_array);
            for message in messages.into_iter().flatten() {
                let name = text(message, "/$ref").rsplit('/').next().unwrap_or_default();
                html.link(&format!("#{name}"), name).raw(" ");
            }
            html.raw("</td>");
        }
        html.raw("</tr>\n");
    }
    html.raw("</table>\n");
}

fn messages(html: &mut Html, document: &Value) {
    html.element("h2", "Messages");
    for (name, message) in list(document, "/components/messages") {
        html.heading(name, name);
        html.markdown(text(message, "/description"));
        html.raw("<p>").link(&format!("../schemas/{name}.json"), "JSON Schema").raw("</p>\n<table>\n");
        html.row("th", &["Member", "Type", "", ""]);
        for field in fields::of(document, name) {
            let required = if field.required { "required" } else { "" };
            let path = format!("`{}`", field.path);
            html.row("td", &[&path, &field.kind, required, &field.words]);
        }
        html.raw("</table>\n");
        let examples = message.get("examples").and_then(Value::as_array);
        for example in examples.into_iter().flatten().filter_map(|example| example.get("payload")) {
            html.element("pre", &format!("{example:#}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{http::docs::asyncapi, protocol::schemas::Schemas};

    fn page() -> String {
        render(&asyncapi::document(&Schemas::load().expect("schemas")).expect("a document"))
    }

    #[test]
    fn everything_is_on_the_page() {
        let page = page();
        for name in Schemas::load().expect("schemas").names() {
            assert!(page.contains(&format!("<h3 id=\"{name}\">")), "{name}");
        }
        for words in
            ["<code>daemon:events:{organizationId}</code>", "<code>payload.eventTypes[]</code>", "4006"]
        {
            assert!(page.contains(words), "{words}");
        }
    }

    #[test]
    fn links_inside_the_page_lead_somewhere() {
        let page = page();
        for link in page.split("href=\"#").skip(1) {
            let target = link.split('"').next().expect("a target");
            assert!(page.contains(&format!("id=\"{target}\"")), "{target}");
        }
    }
}
