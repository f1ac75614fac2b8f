//! RFC 6455 framing, the client's half: write masked frames, read unmasked ones.
//!
//! Just enough for a load generator: no extensions, no fragments (the hub sends none), no copies on
//! the reading side.

use anyhow::{Result, bail};

/// A text message.
pub(crate) const TEXT: u8 = 0x1;
/// The other side is done.
pub(crate) const CLOSE: u8 = 0x8;
/// A question that only `PONG` answers.
pub(crate) const PING: u8 = 0x9;
/// The answer to `PING`.
pub(crate) const PONG: u8 = 0xA;

const FINAL: u8 = 0x80;
const MASKED: u8 = 0x80;
/// Nothing that the hub sends is larger; a longer length means that the stream is out of step.
const MAX_PAYLOAD: usize = 4 * 1024 * 1024;

/// The key of the handshake: the sample of RFC 6455, because nothing here needs a fresh one.
pub(crate) const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
/// What a server must answer to [`KEY`].
pub(crate) const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// One frame as it lies in the read buffer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Frame<'a> {
    /// What kind of frame it is.
    pub(crate) opcode: u8,
    /// Its payload, not masked.
    pub(crate) payload: &'a [u8],
    /// How many bytes of the buffer it took, header included.
    pub(crate) length: usize,
}

/// The first frame in `bytes`; `None` while it is incomplete.
///
/// # Errors
/// When the bytes cannot come from a server that follows the protocol.
pub(crate) fn parse(bytes: &[u8]) -> Result<Option<Frame<'_>>> {
    let Some((&[first, second], rest)) = bytes.split_first_chunk::<2>() else { return Ok(None) };
    if first & FINAL == 0 || first & 0x70 != 0 {
        bail!("a fragmented or extended frame: {first:#04x}");
    }
    if second & MASKED != 0 {
        bail!("a server must not mask its frames");
    }
    let (header, size, rest) = match second {
        126 => match rest.split_first_chunk::<2>() {
            Some((size, rest)) => (4, usize::from(u16::from_be_bytes(*size)), rest),
            None => return Ok(None),
        },
        127 => match rest.split_first_chunk::<8>() {
            Some((size, rest)) => (10, usize::try_from(u64::from_be_bytes(*size))?, rest),
            None => return Ok(None),
        },
        size => (2, usize::from(size), rest),
    };
    if size > MAX_PAYLOAD {
        bail!("a frame of {size} bytes");
    }
    Ok(rest.get(..size).map(|payload| Frame { opcode: first & 0x0f, payload, length: header + size }))
}

/// Appends a masked frame whose payload is `parts`, one after the other.
pub(crate) fn write(out: &mut Vec<u8>, opcode: u8, mask: u32, parts: &[&[u8]]) {
    let size: usize = parts.iter().map(|part| part.len()).sum();
    out.push(FINAL | opcode);
    match (u8::try_from(size), u16::try_from(size)) {
        (Ok(small @ ..=125), _) => out.push(MASKED | small),
        (_, Ok(medium)) => {
            out.push(MASKED | 126);
            out.extend_from_slice(&medium.to_be_bytes());
        }
        _ => {
            out.push(MASKED | 127);
            out.extend_from_slice(&u64::try_from(size).unwrap_or(u64::MAX).to_be_bytes());
        }
    }
    let key = mask.to_ne_bytes();
    out.extend_from_slice(&key);
    let start = out.len();
    for part in parts {
        out.extend_from_slice(part);
    }
    if let Some(payload) = out.get_mut(start..) {
        apply(payload, key);
    }
}

/// Masks `payload`; doing it twice gives it back.
fn apply(payload: &mut [u8], key: [u8; 4]) {
    let (words, rest) = payload.as_chunks_mut::<4>();
    for word in words {
        *word = (u32::from_ne_bytes(*word) ^ u32::from_ne_bytes(key)).to_ne_bytes();
    }
    for (byte, key) in rest.iter_mut().zip(key) {
        *byte ^= key;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server_frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
        let mut bytes = vec![FINAL | opcode];
        match payload.len() {
            small @ 0..=125 => bytes.push(u8::try_from(small).expect("small")),
            medium @ 126..=0xffff => {
                bytes.push(126);
                bytes.extend_from_slice(&u16::try_from(medium).expect("medium").to_be_bytes());
            }
            large => {
                bytes.push(127);
                bytes.extend_from_slice(&u64::try_from(large).expect("large").to_be_bytes());
            }
        }
        bytes.extend_from_slice(payload);
        bytes
    }

    #[test]
    fn every_length_form_is_read_and_no_prefix_is_taken_for_a_frame() {
        for size in [0, 1, 125, 126, 300, 65_535, 65_536] {
            let payload = vec![b'x'; size];
            let mut bytes = server_frame(TEXT, &payload);
            let whole = bytes.len();
            bytes.extend_from_slice(b"next");
            let frame = parse(&bytes).expect("valid").expect("complete");
            assert_eq!(frame, Frame { opcode: TEXT, payload: &payload, length: whole });
            for cut in [0, 1, 2, 3, 9, whole - 1] {
                if cut < whole {
                    assert_eq!(parse(&bytes[..cut]).expect("valid so far"), None, "{size} cut at {cut}");
                }
            }
        }
    }

    #[test]
    fn what_no_server_sends_is_refused() {
        assert!(parse(&[0x01, 0x00]).is_err(), "a fragment");
        assert!(parse(&[0xC1, 0x00]).is_err(), "a reserved bit");
        assert!(parse(&[0x81, 0x80, 0, 0, 0, 0]).is_err(), "a mask");
        assert!(parse(&[0x82, 127, 0xff, 0, 0, 0, 0, 0, 0, 0]).is_err(), "an absurd length");
    }

    #[test]
    fn the_example_of_the_standard_is_written() {
        let mut out = Vec::new();
        write(&mut out, TEXT, u32::from_ne_bytes([0x37, 0xfa, 0x21, 0x3d]), &[b"Hel", b"lo"]);
        assert_eq!(out, [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58]);
    }

    #[test]
    fn longer_frames_carry_their_length_and_unmask_to_what_was_given() {
        let payload = vec![b'p'; 200];
        let mut out = Vec::new();
        write(&mut out, TEXT, 0x0102_0304, &[&payload]);
        assert_eq!(out[..4], [0x81, 0xFE, 0, 200]);
        let (key, masked) = (out[4..8].try_into().expect("four"), &mut out[8..]);
        apply(masked, key);
        assert_eq!(masked, payload);
    }
}
