//! Who wrote the message that an event tells of, for publishers that name the id only (contract 9.4).

use std::borrow::Cow;

use bytes::Bytes;
use serde::Deserialize;

use super::event::Event;

/// The event type whose payload names an author.
const KIND: &str = "message.received";
/// The longest id of an author that is looked up, in bytes.
const MAX_AUTHOR_BYTES: usize = 128;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Payload<'a> {
    #[serde(borrow)]
    author_id: Option<Cow<'a, str>>,
    author_name: Option<serde::de::IgnoredAny>,
}

/// The author whose name is missing; `None` when nothing is.
#[must_use]
pub fn unnamed_author(event: &Event) -> Option<String> {
    if event.kind.as_str() != KIND {
        return None;
    }
    let payload: Payload<'_> = serde_json::from_slice(&event.payload).ok()?;
    if payload.author_name.is_some() {
        return None;
    }
    let author = payload.author_id.filter(|id| !id.is_empty() && id.len() <= MAX_AUTHOR_BYTES)?;
    Some(author.into_owned())
}

/// Puts the author's name into the payload. An event that would become too large, or is none, stays as
/// it is.
pub fn name_author(event: &mut Event, name: &str) {
    let Ok(name) = serde_json::to_string(name) else { return };
    let text = event.payload.trim_ascii_end();
    let Some(open) = text.strip_suffix(b"}") else { return };
    let mut payload = Vec::with_capacity(text.len() + name.len() + 16);
    payload.extend_from_slice(open);
    payload.extend_from_slice(br#","authorName":"#);
    payload.extend_from_slice(name.as_bytes());
    payload.push(b'}');
    event.replace_payload(Bytes::from(payload));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        clock::Timestamp,
        envelope::{Context, Published},
    };

    fn event(kind: &str, payload: &str) -> Event {
        let json = format!(r#"{{"id":"e","type":"{kind}","orchestratorId":"vp_1","payload":{payload}}}"#);
        Published::parse(&Bytes::from(json), &Context::default(), Timestamp(1)).expect("an event").event
    }

    #[test]
    fn only_messages_with_an_author_and_no_name_ask_for_one() {
        let asked = |kind: &str, payload: &str| unnamed_author(&event(kind, payload));
        assert_eq!(asked(KIND, r#"{"authorId":"user_1"}"#), Some("user_1".to_owned()));
        assert_eq!(asked(KIND, r#"{"authorId":"user_1","authorName":"Ann"}"#), None);
        assert_eq!(asked(KIND, r#"{"authorId":""}"#), None);
        assert_eq!(asked(KIND, r#"{"authorId":7}"#), None);
        assert_eq!(asked(KIND, "{}"), None);
        assert_eq!(asked("message.sent", r#"{"authorId":"user_1"}"#), None);
    }

    #[test]
    fn the_name_is_part_of_what_is_sent_and_of_what_is_kept() {
        let mut event = event(KIND, r#"{"authorId":"user_1" } "#);
        name_author(&mut event, "Ann \"A\" Lee");
        assert_eq!(event.payload, r#"{"authorId":"user_1" ,"authorName":"Ann \"A\" Lee"}"#);
        let kept = Event::from_body(&event.body, &event.orchestrator, Timestamp(1)).expect("an event");
        assert_eq!(kept.payload, event.payload);
    }
}
