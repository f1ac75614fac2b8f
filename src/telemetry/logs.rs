//! Log records on standard error: lines for people, or JSON objects for collectors.

use std::io::{self, Write};

use env_logger::Builder;
use log::{
    Record, SetLoggerError,
    kv::{Error, Key, Value, VisitSource, VisitValue},
};

use crate::{
    config::{Log, LogFormat},
    domain::clock::{Timestamp, now},
};

/// Starts logging for the whole process.
///
/// # Errors
/// When a logger is installed already.
pub fn init(config: &Log) -> Result<(), SetLoggerError> {
    let write = match config.format {
        LogFormat::Text => text,
        LogFormat::Json => json,
    };
    Builder::new()
        .parse_filters(&config.filter)
        .format(move |out, record| write(out, record, now().wall))
        .try_init()
}

fn text(out: &mut dyn Write, record: &Record<'_>, at: Timestamp) -> io::Result<()> {
    write!(out, "{at} {:5} {}: ", record.level(), record.target())?;
    write_escaped(out, &record.args().to_string())?;
    let mut fields = TextFields { out, result: Ok(()) };
    // The visitor keeps the error that matters; the library's says less.
    let _stopped = record.key_values().visit(&mut fields);
    fields.result?;
    writeln!(out)
}

/// Writes text that may come from a peer: a line break in it must not begin a new record.
fn write_escaped(out: &mut dyn Write, text: &str) -> io::Result<()> {
    if !text.contains(char::is_control) {
        return out.write_all(text.as_bytes());
    }
    text.chars().try_for_each(|c| {
        if c.is_control() { write!(out, "{}", c.escape_default()) } else { write!(out, "{c}") }
    })
}

struct TextFields<'a> {
    out: &'a mut dyn Write,
    result: io::Result<()>,
}

impl<'kvs> VisitSource<'kvs> for TextFields<'_> {
    fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), Error> {
        let text = value.to_string();
        let bare = !text.is_empty() && !text.contains(|c: char| c.is_whitespace() || c == '"' || c == '=');
        self.result = match write!(self.out, " {key}=") {
            Ok(()) if bare => write_escaped(self.out, &text),
            Ok(()) => write!(self.out, "{text:?}"),
            failed => failed,
        };
        if self.result.is_ok() { Ok(()) } else { Err(Error::msg("the log cannot be written")) }
    }
}

fn json(out: &mut dyn Write, record: &Record<'_>, at: Timestamp) -> io::Result<()> {
    let string = |text: &str| serde_json::to_string(text).unwrap_or_default();
    let mut line = format!(
        "{{\"timestamp\":\"{at}\",\"level\":\"{}\",\"target\":{},\"message\":{}",
        record.level(),
        string(record.target()),
        string(&record.args().to_string()),
    );
    // Writing into a string cannot fail.
    let _complete = record.key_values().visit(&mut JsonFields(&mut line));
    line.push_str("}\n");
    out.write_all(line.as_bytes())
}

struct JsonFields<'a>(&'a mut String);

impl<'kvs> VisitSource<'kvs> for JsonFields<'_> {
    fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), Error> {
        let name = match key.as_str() {
            taken @ ("timestamp" | "level" | "target" | "message") => format!("{taken}_"),
            free => free.to_owned(),
        };
        self.0.push(',');
        self.0.push_str(&serde_json::Value::from(name).to_string());
        self.0.push(':');
        let mut json = JsonValue(serde_json::Value::Null);
        value.visit(&mut json)?;
        self.0.push_str(&json.0.to_string());
        Ok(())
    }
}

struct JsonValue(serde_json::Value);

impl VisitValue<'_> for JsonValue {
    fn visit_any(&mut self, value: Value<'_>) -> Result<(), Error> {
        self.0 = value.to_string().into();
        Ok(())
    }

    fn visit_null(&mut self) -> Result<(), Error> {
        self.0 = serde_json::Value::Null;
        Ok(())
    }

    fn visit_u64(&mut self, value: u64) -> Result<(), Error> {
        self.0 = value.into();
        Ok(())
    }

    fn visit_i64(&mut self, value: i64) -> Result<(), Error> {
        self.0 = value.into();
        Ok(())
    }

    fn visit_f64(&mut self, value: f64) -> Result<(), Error> {
        self.0 = value.into();
        Ok(())
    }

    fn visit_bool(&mut self, value: bool) -> Result<(), Error> {
        self.0 = value.into();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use log::Level;

    use super::*;

    type Format = fn(&mut dyn Write, &Record<'_>, Timestamp) -> io::Result<()>;

    fn line(format: Format, message: &str, fields: &[(&str, Value<'_>)]) -> String {
        let mut out = Vec::new();
        let written = format(
            &mut out,
            &Record::builder()
                .args(format_args!("{message}"))
                .level(Level::Warn)
                .target("hub::test")
                .key_values(&fields)
                .build(),
            Timestamp(1_000),
        );
        written.expect("written");
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn text_shows_every_field_and_stays_on_one_line() {
        let fields = [("connections", Value::from(3)), ("reason", Value::from("slow\nconsumer"))];
        assert_eq!(
            line(text, "closed\nERROR forged", &fields),
            "1970-01-01T00:00:01.000Z WARN  hub::test: closed\\nERROR forged connections=3 \
             reason=\"slow\\nconsumer\"\n"
        );
    }

    #[test]
    fn json_keeps_types_and_its_own_fields() {
        let fields = [
            ("connections", Value::from(3)),
            ("resumed", Value::from(true)),
            ("level", Value::from("mine")),
            ("quote", Value::from("\"\n")),
        ];
        let line = line(json, "closed\nnow", &fields);
        assert_eq!(line.matches('\n').count(), 1);
        let record: serde_json::Value = serde_json::from_str(&line).expect("JSON");
        assert_eq!(
            record,
            serde_json::json!({
                "timestamp": "1970-01-01T00:00:01.000Z", "level": "WARN", "target": "hub::test",
                "message": "closed\nnow", "connections": 3, "resumed": true, "level_": "mine",
                "quote": "\"\n",
            })
        );
    }
}
