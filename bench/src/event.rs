//! The events that are published: the shape of the platform's publisher, with what the measurement
//! needs hidden in the event id.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Monotonic time since the benchmark began; events carry it, so publisher and receivers share one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock(Instant);

impl Clock {
    /// Starts at zero.
    #[must_use]
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    /// Nanoseconds since the start.
    #[must_use]
    pub(crate) fn nanos(self) -> u64 {
        u64::try_from(self.0.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}

/// What an event id of ours says: `event_<epoch ms>_<sent, 20 digits>-<number, 15 digits>`, as long
/// as the `event_<epoch ms>_<UUID>` of the platform.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mark {
    /// When it was sent, on the [`Clock`].
    pub(crate) sent: u64,
    /// Which event it is, counted from 0.
    pub(crate) number: u64,
}

impl Mark {
    /// Reads an event id; `None` for one of somebody else.
    #[must_use]
    pub(crate) fn read(id: &[u8]) -> Option<Self> {
        let id = id.strip_prefix(b"event_")?;
        let (_, rest) = id.split_first_chunk::<14>()?;
        let (sent, rest) = rest.split_first_chunk::<20>()?;
        Some(Self { sent: digits(sent)?, number: digits(rest.strip_prefix(b"-")?)? })
    }
}

fn digits(text: &[u8]) -> Option<u64> {
    text.iter().try_fold(0_u64, |value, byte| {
        byte.is_ascii_digit().then(|| value.wrapping_mul(10).wrapping_add(u64::from(byte - b'0')))
    })
}

/// The name of the orchestrator with this index; all are equally long.
#[must_use]
pub(crate) fn orchestrator(index: usize) -> String {
    format!("vp_bench_{index:05}")
}

/// How an event reaches the hub.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// `PUBLISH daemon:events`.
    Channel,
    /// `XADD hub:ingress`.
    Stream,
    /// In a request: the JSON alone.
    Http,
}

/// A whole command, or what a request holds of an event, of which only digits change from event to event.
#[derive(Debug)]
pub(crate) struct Template {
    command: Vec<u8>,
    epoch_millis: usize,
    sent: usize,
    numbers: [usize; 2],
    orchestrator: usize,
    times: [usize; 2],
    iso: (u64, String),
}

impl Template {
    /// For events that need an acknowledgement or do not, and go one way.
    #[must_use]
    pub(crate) fn new(requires_ack: bool, way: Way) -> Self {
        let event = format!(
            concat!(
                r#"{{"id":"event_{millis:M>13}_{sent:S>20}-{number:N>15}","type":"message.received","#,
                r#""daemonId":"","orchestratorId":"vp_bench_{orchestrator:O>5}","#,
                r#""payload":{{"messageId":"msg_{number:N>15}","channelId":"ch_bench","content":"Ready?","#,
                r#""authorId":"user_1","timestamp":"{time:T>24}"}},"timestamp":"{time:T>24}","#,
                r#""workspaceId":"ch_bench","channelId":"ch_bench","requiresAck":{ack},"priority":1}}"#
            ),
            millis = "",
            sent = "",
            number = "",
            orchestrator = "",
            time = "",
            ack = requires_ack,
        );
        let length = event.len();
        let command = match way {
            Way::Channel => {
                format!("*3\r\n$7\r\nPUBLISH\r\n$13\r\ndaemon:events\r\n${length}\r\n{event}\r\n")
            }
            Way::Stream => format!(
                "*5\r\n$4\r\nXADD\r\n$11\r\nhub:ingress\r\n$1\r\n*\r\n$5\r\nevent\r\n${length}\r\n{event}\r\n"
            ),
            Way::Http => event,
        };
        let first = |marker: &str| command.find(marker).unwrap_or_default();
        let last = |marker: &str| command.rfind(marker).unwrap_or_default();
        let (number, time) = ("N".repeat(15), "T".repeat(24));
        Self {
            epoch_millis: first(&"M".repeat(13)),
            sent: first(&"S".repeat(20)),
            numbers: [first(&number), last(&number)],
            orchestrator: first("OOOOO"),
            times: [first(&time), last(&time)],
            command: command.into_bytes(),
            iso: (0, String::new()),
        }
    }

    /// Appends what publishes event `number` to the orchestrator with this index.
    pub(crate) fn write(&mut self, out: &mut Vec<u8>, number: u64, orchestrator: usize, clock: Clock) {
        let epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let millis = u64::try_from(epoch.as_millis()).unwrap_or_default();
        if self.iso.0 != millis {
            self.iso = (millis, iso(millis));
            for at in self.times {
                put(&mut self.command, at, self.iso.1.as_bytes());
            }
            put_digits(&mut self.command, self.epoch_millis, 13, millis);
        }
        for at in self.numbers {
            put_digits(&mut self.command, at, 15, number);
        }
        put_digits(&mut self.command, self.orchestrator, 5, u64::try_from(orchestrator).unwrap_or_default());
        put_digits(&mut self.command, self.sent, 20, clock.nanos());
        out.extend_from_slice(&self.command);
    }
}

fn put(command: &mut [u8], at: usize, text: &[u8]) {
    if let Some(slot) = command.get_mut(at..at + text.len()) {
        slot.copy_from_slice(text);
    }
}

fn put_digits(command: &mut [u8], at: usize, width: usize, mut value: u64) {
    for slot in command.get_mut(at..at + width).unwrap_or_default().iter_mut().rev() {
        *slot = b'0' + u8::try_from(value % 10).unwrap_or_default();
        value /= 10;
    }
}

/// `2025-11-21T03:04:05.678Z`, from milliseconds since 1970.
#[must_use]
pub(crate) fn iso(millis: u64) -> String {
    let (days, of_day) = (millis / 86_400_000, millis % 86_400_000);
    // Days since 0000-03-01, in eras of 400 years: leap days then fall on the end of each cycle.
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let from_march = (5 * day + 2) / 153;
    let day = day - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = era * 400 + year + u64::from(month <= 2);
    let (seconds, millis) = (of_day / 1000, of_day % 1000);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        assert_eq!(iso(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(iso(951_782_400_000), "2000-02-29T00:00:00.000Z");
        assert_eq!(iso(1_704_067_199_999), "2023-12-31T23:59:59.999Z");
        assert_eq!(iso(1_763_694_245_678), "2025-11-21T03:04:05.678Z");
    }

    #[test]
    fn an_event_has_the_size_and_marks_that_it_should_have() {
        let (mut template, mut out, clock) = (Template::new(true, Way::Channel), Vec::new(), Clock::start());
        template.write(&mut out, 1, 2, clock);
        let length = out.len();
        template.write(&mut out, 42, 31, clock);
        let text = String::from_utf8(out.split_off(length)).expect("text");
        assert_eq!(text.len(), length);
        let json = text.split("\r\n").nth(6).expect("an event");
        let announced = text.split("\r\n").nth(5).expect("a length");
        assert_eq!(announced, format!("${}", json.len()));
        assert!((300..450).contains(&json.len()), "{}", json.len());
        assert!(json.contains(r#""orchestratorId":"vp_bench_00031""#));
        assert!(json.contains(r#""messageId":"msg_000000000000042""#));
        assert!(json.contains(r#""requiresAck":true,"priority":1}"#));
        for marker in ["MM", "SS", "NN", "OO", "TT"] {
            assert!(!json.contains(marker), "{json}");
        }
        let id = json.split('"').nth(3).expect("an id");
        assert_eq!(id.len(), "event_1732159200000_00000000-0000-4000-8000-000000000000".len());
        let mark = Mark::read(id.as_bytes()).expect("ours");
        assert_eq!(mark.number, 42);
        assert!(mark.sent <= clock.nanos());
    }

    #[test]
    fn foreign_ids_are_not_ours() {
        assert_eq!(Mark::read(b"canary_1"), None);
        assert_eq!(Mark::read(b"event_1732159200000_00000000-0000-4000-8000-000000000000"), None);
    }
}
