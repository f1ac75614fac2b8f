//! A little HTML: what is text is always escaped.

use serde_json::Value;

/// HTML in the making.
#[derive(Default)]
pub(super) struct Html(String);

impl Html {
    /// Adds markup as it is. Never anything that was read from somewhere.
    pub(super) fn raw(&mut self, markup: &'static str) -> &mut Self {
        self.0.push_str(markup);
        self
    }

    /// Adds text; `code` between back-ticks becomes code.
    pub(super) fn words(&mut self, text: &str) -> &mut Self {
        for (place, part) in text.split('`').enumerate() {
            let is_code = place % 2 == 1;
            self.0.push_str(if is_code { "<code>" } else { "" });
            self.escaped(part);
            self.0.push_str(if is_code { "</code>" } else { "" });
        }
        self
    }

    /// Adds an element with nothing but text in it.
    pub(super) fn element(&mut self, name: &'static str, text: &str) -> &mut Self {
        self.raw("<").raw(name).raw(">").escaped(text).raw("</").raw(name).raw(">\n")
    }

    /// Adds a heading that can be linked to.
    pub(super) fn heading(&mut self, id: &str, text: &str) -> &mut Self {
        self.raw("<h3 id=\"").escaped(id).raw("\">").escaped(text).raw("</h3>\n")
    }

    /// Adds a link.
    pub(super) fn link(&mut self, target: &str, text: &str) -> &mut Self {
        self.raw("<a href=\"").escaped(target).raw("\">").escaped(text).raw("</a>")
    }

    /// Adds a cell of a table.
    pub(super) fn cell(&mut self, text: &str) -> &mut Self {
        self.raw("<td>").words(text).raw("</td>")
    }

    /// Adds a row of a table; `kind` is the name of its cells' elements.
    pub(super) fn row(&mut self, kind: &'static str, cells: &[impl AsRef<str>]) -> &mut Self {
        self.raw("<tr>");
        for cell in cells {
            self.raw("<").raw(kind).raw(">").words(cell.as_ref()).raw("</").raw(kind).raw(">");
        }
        self.raw("</tr>\n")
    }

    /// Adds what descriptions need of Markdown: paragraphs, tables and code.
    pub(super) fn markdown(&mut self, text: &str) -> &mut Self {
        for block in text.split("\n\n").filter(|block| !block.trim().is_empty()) {
            if !block.starts_with('|') {
                self.raw("<p>").words(block).raw("</p>\n");
                continue;
            }
            self.raw("<table>\n");
            let rows = block.lines().filter(|line| !line.starts_with("|--"));
            for (place, line) in rows.enumerate() {
                let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
                self.row(if place == 0 { "th" } else { "td" }, &cells);
            }
            self.raw("</table>\n");
        }
        self
    }

    /// The HTML.
    pub(super) fn finish(self) -> String {
        self.0
    }

    fn escaped(&mut self, text: &str) -> &mut Self {
        for c in text.chars() {
            match c {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                other => self.0.push(other),
            }
        }
        self
    }
}

/// The text at a place of a document, or none.
pub(super) fn text<'a>(document: &'a Value, pointer: &str) -> &'a str {
    document.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// The members of the object at a place of a document.
pub(super) fn list<'a>(document: &'a Value, pointer: &str) -> impl Iterator<Item = (&'a str, &'a Value)> {
    let members = document.pointer(pointer).and_then(Value::as_object);
    members.into_iter().flatten().map(|(name, value)| (name.as_str(), value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_become_markup() {
        let mut html = Html::default();
        html.element("p", "<script>").words("a `<b>` \"c\" & d").link("\"x", "y");
        let expected =
            "<p>&lt;script&gt;</p>\na <code>&lt;b&gt;</code> &quot;c&quot; &amp; d<a href=\"&quot;x\">y</a>";
        assert_eq!(html.finish(), expected);
    }

    #[test]
    fn tables_are_understood() {
        let mut html = Html::default();
        html.markdown("one\n\n| A |\n|---|\n| `b` |\n");
        let expected =
            "<p>one</p>\n<table>\n<tr><th>A</th></tr>\n<tr><td><code>b</code></td></tr>\n</table>\n";
        assert_eq!(html.finish(), expected);
    }
}
