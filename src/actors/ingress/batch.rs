//! One batch of the stream: how large it is, and what is answered for each entry.

use crate::{
    actors::{
        ingress_rules::admission::Provenance,
        intake::{Arrival, Status, Verdict},
    },
    backplane::ingress::{IngressEntry, Reply},
    domain::ingress::Signed,
};

/// How many bytes of events one batch brings, about.
const BATCH_BYTES: usize = 1024 * 1024;
/// How many entries are taken before their size is known.
const FIRST: usize = 32;

/// How many entries to take next, so that they fit into memory whatever their size.
#[derive(Debug)]
pub(super) struct Size {
    limit: usize,
    next: usize,
}

impl Size {
    /// At most `limit` entries.
    pub(super) fn new(limit: usize) -> Self {
        let limit = limit.max(1);
        Self { limit, next: limit.min(FIRST) }
    }

    /// How many to take.
    pub(super) fn next(&self) -> usize {
        self.next
    }

    /// Learns from a batch how large entries are.
    pub(super) fn learn(&mut self, entries: &[IngressEntry]) {
        let bytes: usize = entries.iter().map(|entry| entry.event.len()).sum();
        let average = (bytes / entries.len().max(1)).max(1);
        self.next = (BATCH_BYTES / average).clamp(1, self.limit);
    }

    /// Takes fewer: so many could not be read, perhaps because they are too large together.
    pub(super) fn shrink(&mut self) {
        self.next = (self.next / 2).max(1);
    }
}

/// An entry as the intake takes it.
pub(super) fn arrival(entry: &IngressEntry) -> Arrival {
    let json = entry.event.clone();
    let signed = entry.key.as_deref().zip(entry.signature.as_deref());
    let signed = signed.and_then(|(key, signature)| Signed::new(key, signature));
    Arrival { provenance: Provenance::Open { signed, text: json.clone() }, json, owner: None }
}

/// The verdicts that publishers asked for, where `may` allows it.
pub(super) fn replies(
    entries: &[IngressEntry],
    verdicts: &[Verdict],
    may: impl Fn(&str) -> bool,
) -> Vec<Reply> {
    let asked = entries.iter().zip(verdicts).filter_map(|(entry, verdict)| {
        let stream = entry.reply.as_deref().filter(|stream| may(stream))?;
        Some(Reply { stream: stream.to_owned(), fields: fields(entry, verdict) })
    });
    asked.collect()
}

fn fields(entry: &IngressEntry, verdict: &Verdict) -> Vec<(&'static str, String)> {
    let mut fields = vec![
        ("entry", entry.id.clone()),
        ("id", verdict.id.clone().unwrap_or_default()),
        ("status", verdict.status.word().to_owned()),
    ];
    if let Some(orchestrator) = &verdict.orchestrator {
        fields.push(("orchestratorId", orchestrator.to_string()));
    }
    match &verdict.status {
        Status::Delivered { sessions } => {
            let sessions: Vec<&str> = sessions.iter().map(|session| session.as_str()).collect();
            fields.push(("sessions", sessions.join(",")));
        }
        Status::Queued { position, expires_at } => {
            fields.extend(position.map(|position| ("position", position.to_string())));
            fields.push(("expiresAt", expires_at.to_string()));
        }
        Status::Duplicate => {}
        Status::Rejected(rejection) => fields.push(("reason", rejection.to_string())),
    }
    fields
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::actors::intake::Rejection;

    fn entry(id: &str, bytes: usize, reply: Option<&str>) -> IngressEntry {
        IngressEntry {
            id: id.to_owned(),
            event: Bytes::from(vec![b' '; bytes]),
            key: None,
            signature: None,
            reply: reply.map(str::to_owned),
        }
    }

    #[test]
    fn large_entries_are_taken_a_few_at_a_time() {
        let mut size = Size::new(500);
        assert_eq!(size.next(), FIRST, "before their size is known");
        size.learn(&[entry("1", 300, None)]);
        assert_eq!(size.next(), 500);
        size.learn(&[entry("2", 128 * 1024, None)]);
        assert_eq!(size.next(), 8);
        size.learn(&[entry("3", 0, None)]);
        assert_eq!(size.next(), 500);
    }

    #[test]
    fn fewer_are_taken_after_a_failure() {
        let mut size = Size::new(500);
        size.learn(&[entry("1", 300, None)]);
        let sizes: Vec<usize> = (0..10)
            .map(|_| {
                size.shrink();
                size.next()
            })
            .collect();
        assert_eq!(sizes, [250, 125, 62, 31, 15, 7, 3, 1, 1, 1]);
    }

    #[test]
    fn who_asked_is_answered_where_that_is_allowed() {
        let entries = [entry("1-0", 1, Some("mine")), entry("2-0", 1, Some("theirs")), entry("3-0", 1, None)];
        let verdict = Verdict {
            id: Some("e1".to_owned()),
            orchestrator: None,
            status: Status::Rejected(Rejection::ForNobody("nobody owns that daemon")),
        };
        let verdicts = [verdict.clone(), verdict.clone(), verdict];
        let replies = replies(&entries, &verdicts, |stream| stream == "mine");
        let fields = |name: &str| replies.first()?.fields.iter().find(|(own, _)| *own == name).cloned();
        assert_eq!(replies.len(), 1);
        assert_eq!(fields("entry"), Some(("entry", "1-0".to_owned())));
        assert_eq!(fields("status"), Some(("status", "rejected".to_owned())));
        assert_eq!(fields("reason"), Some(("reason", "nobody owns that daemon".to_owned())));
    }
}
