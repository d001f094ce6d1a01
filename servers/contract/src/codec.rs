use std::cell::RefCell;
use std::fmt::Display;

use crate::Ping;

/// Room for `{"sequence":18446744073709551615}`, the longest answer, so that it never grows.
const LONGEST_ANSWER: usize = 33;

/// Reads and writes pings with one JSON library.
///
/// A server is generic over it and instantiated once at start, so that no request pays for the
/// choice.
pub trait Codec: Send + Sync + 'static {
    type Error: Display;

    /// Reads a whole request body.
    ///
    /// # Errors
    /// When the body is anything else than one object with the one key `sequence` and a `u64`.
    fn decode(body: &[u8]) -> Result<Ping, Self::Error>;

    /// Writes an answer, without any white space.
    fn encode(ping: Ping) -> Vec<u8>;
}

/// <https://docs.rs/serde_json>
pub enum SerdeJson {}

impl Codec for SerdeJson {
    type Error = serde_json::Error;

    fn decode(body: &[u8]) -> Result<Ping, Self::Error> {
        serde_json::from_slice(body)
    }

    fn encode(ping: Ping) -> Vec<u8> {
        let mut answer = Vec::with_capacity(LONGEST_ANSWER);
        serde_json::to_writer(&mut answer, &ping).expect("a vector takes every write");
        answer
    }
}

/// <https://docs.rs/simd-json>
pub enum SimdJson {}

/// What simd-json needs besides the body, kept from one request of a thread to the next.
#[derive(Default)]
struct Scratch {
    /// The body's copy: simd-json rewrites what it reads, and frameworks lend their buffers.
    body: Vec<u8>,
    buffers: simd_json::Buffers,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

impl Codec for SimdJson {
    type Error = simd_json::Error;

    // Not inlined, because a may coroutine that waited can go on in another thread. Inlined into its
    // loop, the scratch of the first thread would be found once and used in both; in here, nothing
    // waits.
    #[inline(never)]
    fn decode(body: &[u8]) -> Result<Ping, Self::Error> {
        SCRATCH.with_borrow_mut(|Scratch { body: copy, buffers }| {
            copy.clear();
            copy.extend_from_slice(body);
            simd_json::serde::from_slice_with_buffers(copy, buffers)
        })
    }

    fn encode(ping: Ping) -> Vec<u8> {
        let mut answer = Vec::with_capacity(LONGEST_ANSWER);
        simd_json::to_writer(&mut answer, &ping).expect("a vector takes every write");
        answer
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What each codec makes of the same bytes: the sequence, or `None` for a rejection.
    fn decode_both(body: &[u8]) -> [Option<u64>; 2] {
        fn decode<C: Codec>(body: &[u8]) -> Option<u64> {
            C::decode(body).ok().map(|ping| ping.sequence)
        }
        [decode::<SerdeJson>(body), decode::<SimdJson>(body)]
    }

    fn assert_both(body: impl AsRef<[u8]>, expected: Option<u64>) {
        let body = body.as_ref();
        let shown = String::from_utf8_lossy(&body[..body.len().min(80)]);
        assert_eq!(decode_both(body), [expected; 2], "{shown}");
    }

    #[test]
    fn both_take_a_legal_ping() {
        assert_both(r#"{"sequence":0}"#, Some(0));
        assert_both(r#"{"sequence":7}"#, Some(7));
        assert_both(r#"{"sequence":9223372036854775808}"#, Some(1 << 63));
        assert_both(r#"{"sequence":18446744073709551615}"#, Some(u64::MAX));
        assert_both("\r\n\t { \"sequence\"\n:\t7\r } \n", Some(7));
        assert_both(r#"{"\u0073equence":7}"#, Some(7));
    }

    #[test]
    fn both_take_the_largest_body() {
        let mut body = br#"{"sequence":7"#.to_vec();
        body.resize(crate::MAX_BODY - 1, b' ');
        body.push(b'}');
        assert_both(body, Some(7));
    }

    #[test]
    fn both_reject_what_is_no_ping() {
        for body in [
            // Not JSON.
            "",
            " ",
            "\0",
            "ping",
            "{",
            "{}}",
            r#"{"sequence"}"#,
            r#"{"sequence":}"#,
            r#"{"sequence":7"#,
            r#"{"sequence":7,}"#,
            r#"{sequence:7}"#,
            r#"{'sequence':7}"#,
            r#"{"sequence":7}x"#,
            r#"{"sequence":7}{}"#,
            "{\"sequence\":7}\0",
            "\u{feff}{\"sequence\":7}",
            "{\"sequence\":\u{a0}7}",
            "{\"sequence\":\x0b7}",
            // Numbers that are not a u64.
            r#"{"sequence":-1}"#,
            r#"{"sequence":-0}"#,
            r#"{"sequence":+7}"#,
            r#"{"sequence":07}"#,
            r#"{"sequence":0x7}"#,
            r#"{"sequence":7.0}"#,
            r#"{"sequence":7.}"#,
            r#"{"sequence":.7}"#,
            r#"{"sequence":7e0}"#,
            r#"{"sequence":1e400}"#,
            r#"{"sequence":NaN}"#,
            r#"{"sequence":18446744073709551616}"#,
            r#"{"sequence":184467440737095516150}"#,
            r#"{"sequence":-9223372036854775809}"#,
            // JSON of another shape.
            "7",
            "null",
            "[]",
            "[7]",
            "{}",
            r#"[{"sequence":7}]"#,
            r#"{"sequence":"7"}"#,
            r#"{"sequence":null}"#,
            r#"{"sequence":true}"#,
            r#"{"sequence":[7]}"#,
            r#"{"sequence":{}}"#,
            r#"{"Sequence":7}"#,
            r#"{"sequence":7,"sequence":7}"#,
            r#"{"sequence":7,"more":1}"#,
            r#"{"more":{"deep":[1]},"sequence":7}"#,
        ] {
            assert_both(body, None);
        }
    }

    #[test]
    fn both_reject_bytes_that_are_no_text() {
        assert_both(b"{\"sequence\":7,\"\xff\":1}", None);
        assert_both(b"{\"sequence\":7}\xff", None);
    }

    #[test]
    fn a_rejection_leaves_nothing_behind() {
        assert_both(r#"{"sequence":18446744073709551615,"#, None);
        assert_both(r#"{"sequence":7}"#, Some(7));
    }

    proptest! {
        #[test]
        fn both_write_what_both_read(sequence: u64) {
            let expected = format!("{{\"sequence\":{sequence}}}");
            for answer in [SerdeJson::encode(Ping { sequence }), SimdJson::encode(Ping { sequence })] {
                prop_assert_eq!(&answer, expected.as_bytes());
                prop_assert!(answer.capacity() <= LONGEST_ANSWER);
            }
            prop_assert_eq!(decode_both(expected.as_bytes()), [Some(sequence); 2]);
        }

        /// Tokens in any order are mostly nonsense, with a legal ping among them now and then.
        #[test]
        fn both_agree_on_any_order_of_tokens(
            tokens in prop::collection::vec(prop::sample::select(&[
                "{", "}", "[", "]", ":", ",", "\"sequence\"", "\"", "7", "0", "-", ".", "e", " ", "\n", "x",
            ][..]), 0..8),
        ) {
            let body = format!("{{\"sequence\":{}", tokens.concat());
            let [serde, simd] = decode_both(body.as_bytes());
            prop_assert_eq!(serde, simd, "{}", body);
        }

        /// One byte of a legal ping changed, dropped or added.
        #[test]
        fn both_agree_on_a_damaged_ping(
            sequence: u64, at: prop::sample::Index, drop in 0..2_usize, insert in prop::option::of(any::<u8>()),
        ) {
            let mut body = format!("{{ \"sequence\" : {sequence} }}").into_bytes();
            let at = at.index(body.len());
            body.splice(at..at + drop, insert);
            let [serde, simd] = decode_both(&body);
            prop_assert_eq!(serde, simd, "{}", String::from_utf8_lossy(&body));
        }
    }
}
