//! The response decoder gives the same outcome however its input is split and whatever its cache
//! holds.

use driver::http::response::{
    Decoder, Framing, HeadCache, MAX_HEAD, MAX_HEADERS, MAX_INTERIM, ProtocolError, Truncated,
};
use proptest::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq)]
struct Answer {
    status: u16,
    keep_alive: bool,
    body: Vec<u8>,
    /// Bytes of input that were its own.
    used: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum End {
    /// Between two responses.
    Clean,
    Truncated,
    Error(ProtocolError),
}

type Outcome = (Vec<Answer>, End);

/// What a connection makes of `pieces` and the end of input after them.
fn decode<'a>(
    pieces: impl IntoIterator<Item = &'a [u8]>,
    to_head: bool,
    cache: &mut HeadCache,
) -> Outcome {
    let mut decoder = Decoder::default();
    let mut answers = Vec::new();
    let mut body = Vec::new();
    let mut used = 0;
    for mut piece in pieces {
        while !piece.is_empty() {
            match decoder.decode(piece, to_head, cache, |bytes| body.extend_from_slice(bytes)) {
                Err(error) => return (answers, End::Error(error)),
                Ok(None) => {
                    used += piece.len();
                    piece = &[];
                }
                Ok(Some((head, count))) => {
                    assert!(decoder.is_idle(), "a complete response leaves nothing behind");
                    piece = &piece[count..];
                    answers.push(Answer {
                        status: head.status,
                        keep_alive: head.keep_alive,
                        body: std::mem::take(&mut body),
                        used: std::mem::take(&mut used) + count,
                    });
                }
            }
        }
    }
    let end = match decoder.finish() {
        Ok(None) => End::Clean,
        Err(Truncated) => End::Truncated,
        Ok(Some(head)) => {
            assert_eq!(head.framing, Framing::UntilClose);
            let (status, keep_alive) = (head.status, head.keep_alive);
            answers.push(Answer { status, keep_alive, body, used });
            End::Clean
        }
    };
    (answers, end)
}

fn whole(input: &[u8], to_head: bool) -> Outcome {
    decode([input], to_head, &mut HeadCache::default())
}

struct Case {
    name: &'static str,
    input: Vec<u8>,
    to_head: bool,
    expected: Outcome,
}

impl Case {
    fn new(name: &'static str) -> Self {
        Self { name, input: Vec::new(), to_head: false, expected: (Vec::new(), End::Clean) }
    }

    fn answering_head(mut self) -> Self {
        self.to_head = true;
        self
    }

    /// A complete response, after which the connection can be used again.
    fn answer(self, bytes: impl AsRef<[u8]>, status: u16, body: impl AsRef<[u8]>) -> Self {
        self.push(bytes.as_ref(), status, body.as_ref(), true)
    }

    /// A complete response, after which it cannot.
    fn last(self, bytes: impl AsRef<[u8]>, status: u16, body: impl AsRef<[u8]>) -> Self {
        self.push(bytes.as_ref(), status, body.as_ref(), false)
    }

    fn push(mut self, bytes: &[u8], status: u16, body: &[u8], keep_alive: bool) -> Self {
        self.input.extend_from_slice(bytes);
        self.expected.0.push(Answer { status, keep_alive, body: body.into(), used: bytes.len() });
        self
    }

    /// Bytes that end before the response does.
    fn truncated(mut self, bytes: impl AsRef<[u8]>) -> Self {
        self.input.extend_from_slice(bytes.as_ref());
        self.expected.1 = End::Truncated;
        self
    }

    fn error(mut self, bytes: impl AsRef<[u8]>, error: ProtocolError) -> Self {
        self.input.extend_from_slice(bytes.as_ref());
        self.expected.1 = End::Error(error);
        self
    }
}

const OK: &str = "HTTP/1.1 200 OK\r\n";
const CHUNKED: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";

/// A response without a body and with these fields.
fn empty(fields: &str) -> String {
    format!("{OK}{fields}Content-Length: 0\r\n\r\n")
}

fn head_of(length: usize) -> String {
    let rest = "\r\nContent-Length: 0\r\n\r\n";
    let filler = "a".repeat(length - OK.len() - 3 - rest.len());
    format!("{OK}X: {filler}{rest}")
}

fn cases() -> Vec<Case> {
    use ProtocolError::{
        Chunk, ContentLength, Head, HeadTooLong, Switching, TooManyInterim, TwoFramings,
    };
    let two = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab";
    let interim = "HTTP/1.1 100 Continue\r\n\r\n";
    let chunked = |rest: &str| format!("{CHUNKED}{rest}");
    let length = |value: &str| format!("{OK}Content-Length: {value}\r\n\r\n");
    let closing = |rest: &str| format!("{OK}{rest}\r\n");
    vec![
        // Length
        Case::new("fixed length").answer(two, 200, "ab"),
        Case::new("zero length").answer(empty(""), 200, ""),
        Case::new("no reason").answer("HTTP/1.1 200\r\nContent-Length: 1\r\n\r\na", 200, "a"),
        Case::new("other case of names").answer(
            "HTTP/1.1 404 Not Found\r\ncOnTeNt-LeNgTh:\t2 \r\n\r\nab",
            404,
            "ab",
        ),
        Case::new("two in one input").answer(two, 200, "ab").answer(two, 200, "ab"),
        Case::new("two different in one input").answer(two, 200, "ab").answer(
            chunked("1\r\nc\r\n0\r\n\r\n"),
            200,
            "c",
        ),
        Case::new("trailing bytes").answer(two, 200, "ab").truncated("HTT"),
        Case::new("trailing garbage").answer(two, 200, "ab").error("cd", Head(httparse::Error::Version)),
        Case::new("a body like a head").answer(
            "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n\r\n\r\n",
            200,
            "\r\n\r\n",
        ),
        Case::new("line feeds alone, as httparse takes them").answer(
            "HTTP/1.1 200 OK\nContent-Length: 2\n\nab",
            200,
            "ab",
        ),
        Case::new("empty lines first, as httparse takes them").answer(
            "\r\n\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab",
            200,
            "ab",
        ),
        Case::new("equal lengths").answer(
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2, 2\r\n\r\nab",
            200,
            "ab",
        ),
        Case::new("leading zeros").answer(format!("{}ab", length("002")), 200, "ab"),
        Case::new("different lengths").error(
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n",
            ContentLength,
        ),
        Case::new("different lengths in a list").error(length("2, 3"), ContentLength),
        Case::new("half a list").error(length("2,"), ContentLength),
        Case::new("no length").error(length(""), ContentLength),
        Case::new("+5").error(length("+5"), ContentLength),
        Case::new("-1").error(length("-1"), ContentLength),
        Case::new("0x5").error(length("0x5"), ContentLength),
        Case::new("1 2").error(length("1 2"), ContentLength),
        Case::new("longest length").truncated(length("18446744073709551615") + "ab"),
        Case::new("overflowing length").error(length("18446744073709551616"), ContentLength),
        // Chunks
        Case::new("chunked").answer(chunked("2\r\nab\r\n3\r\ncde\r\n0\r\n\r\n"), 200, "abcde"),
        Case::new("chunked and empty").answer(chunked("0\r\n\r\n"), 200, ""),
        Case::new("hex digits").answer(
            chunked(&format!("a\r\n{0:x<10}\r\nB\r\n{0:y<11}\r\n00c\r\n{0:z<12}\r\n000\r\n\r\n", "")),
            200,
            "xxxxxxxxxxyyyyyyyyyyyzzzzzzzzzzzz",
        ),
        Case::new("extensions").answer(chunked("1;a=b\r\na\r\n0 ; c=\"d\"\r\n\r\n"), 200, "a"),
        Case::new("trailers").answer(chunked("1\r\na\r\n0\r\nX: y\r\nZ:\r\n\r\n"), 200, "a"),
        Case::new("chunks like chunk ends").answer(
            chunked("5\r\n0\r\n\r\n\r\n0\r\n\r\n"),
            200,
            "0\r\n\r\n",
        ),
        Case::new("two chunked")
            .answer(chunked("1\r\na\r\n0\r\n\r\n"), 200, "a")
            .answer(chunked("1\r\nb\r\n0\r\nX: y\r\n\r\n"), 200, "b"),
        Case::new("largest chunk").truncated(chunked("ffffffffffffffff\r\nab")),
        Case::new("overflowing chunk").error(chunked("10000000000000000\r\n"), Chunk),
        Case::new("chunk size that is no number").error(chunked("xyz\r\n"), Chunk),
        Case::new("signed chunk size").error(chunked("+5\r\n"), Chunk),
        Case::new("no chunk size").error(chunked("\r\n\r\n"), Chunk),
        Case::new("chunk extension without a size").error(chunked(";a=b\r\n\r\n"), Chunk),
        Case::new("chunk line without a return").error(chunked("1\na\r\n0\r\n\r\n"), Chunk),
        Case::new("chunk longer than it says").error(chunked("1\r\nab\r\n"), Chunk),
        Case::new("chunk end without a line feed").error(chunked("1\r\na\rb"), Chunk),
        Case::new("bad trailer").error(chunked("0\r\nno colon\r\n\r\n"), Chunk),
        Case::new("chunk line as long as may be").answer(
            chunked(&format!("1;{:e<1020}\r\na\r\n0\r\n\r\n", "")),
            200,
            "a",
        ),
        Case::new("chunk line too long").error(chunked(&format!("1;{:e<1021}\r\na", "")), Chunk),
        Case::new("endless chunk line").error(chunked(&format!("1;{:e<1023}", "")), Chunk),
        Case::new("endless trailers").error(chunked(&("0\r\nX: ".to_owned() + &"e".repeat(MAX_HEAD))), HeadTooLong),
        // Transfer codings
        Case::new("chunked last").answer(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, Chunked\r\n\r\n0\r\n\r\n",
            200,
            "",
        ),
        Case::new("chunked in a field of its own").answer(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            200,
            "",
        ),
        Case::new("chunked not last").last(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
            200,
            "0\r\n\r\n",
        ),
        Case::new("both framings").error(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
            TwoFramings,
        ),
        // Until the connection closes
        Case::new("until close").last(closing("X: y\r\n") + "HTTP/1.1", 200, "HTTP/1.1"),
        Case::new("until close, empty").last(closing(""), 200, ""),
        // No body
        Case::new("204").answer("HTTP/1.1 204 No Content\r\n\r\n", 204, ""),
        Case::new("304 with the length of what it stands for").answer(
            "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
            304,
            "",
        ),
        Case::new("HEAD").answering_head().answer(length("5"), 200, "").answer(length("7"), 200, ""),
        Case::new("HEAD, chunked").answering_head().answer(CHUNKED, 200, ""),
        Case::new("HEAD, nothing said").answering_head().answer(closing(""), 200, ""),
        // Interim responses
        Case::new("100 first").answer(format!("{interim}{two}"), 200, "ab"),
        Case::new("several interim").answer(
            format!("{interim}HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n{interim}{two}"),
            200,
            "ab",
        ),
        Case::new("as many interim as may be").answer(
            interim.repeat(MAX_INTERIM.into()) + two,
            200,
            "ab",
        ),
        Case::new("too many interim").error(
            interim.repeat(usize::from(MAX_INTERIM) + 1),
            TooManyInterim,
        ),
        Case::new("interim are counted per response")
            .answer(interim.repeat(10) + two, 200, "ab")
            .answer(interim.repeat(10) + two, 200, "ab"),
        Case::new("interim only").truncated(interim),
        Case::new("101").error("HTTP/1.1 101 Switching Protocols\r\n\r\n", Switching),
        // Persistence
        Case::new("close").last(empty("Connection: close\r\n"), 200, ""),
        Case::new("close among others").last(empty("Connection: x, Close ,y\r\n"), 200, ""),
        Case::new("keep-alive and close").last(empty("Connection: keep-alive, close\r\n"), 200, ""),
        Case::new("close in 204").last(
            "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n",
            204,
            "",
        ),
        Case::new("HTTP/1.0").last("HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\na", 200, "a"),
        Case::new("HTTP/1.0 kept alive").answer(
            "HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 1\r\n\r\na",
            200,
            "a",
        ),
        Case::new("HTTP/1.0 until close").last(
            "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\na",
            200,
            "a",
        ),
        // No head
        Case::new("nothing"),
        Case::new("garbage").error("garbage, and a lot of it", Head(httparse::Error::Version)),
        Case::new("HTTP/2").error("HTTP/2.0 200 OK\r\n\r\n", Head(httparse::Error::Version)),
        Case::new("a request").error("GET / HTTP/1.1\r\n\r\n", Head(httparse::Error::Version)),
        Case::new("status that is no number").error("HTTP/1.1 2x0 OK\r\n\r\n", Head(httparse::Error::Status)),
        Case::new("long status").error("HTTP/1.1 2000 OK\r\n\r\n", Head(httparse::Error::Status)),
        Case::new("bad field name").error(
            "HTTP/1.1 200 OK\r\nA B: c\r\n\r\n",
            Head(httparse::Error::HeaderName),
        ),
        Case::new("bad field value").error(
            "HTTP/1.1 200 OK\r\nA: \0\r\n\r\n",
            Head(httparse::Error::HeaderValue),
        ),
        Case::new("folded field").error(
            "HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n",
            Head(httparse::Error::HeaderName),
        ),
        Case::new("as many fields as may be").answer(
            empty(&"A:b\r\n".repeat(MAX_HEADERS - 1)),
            200,
            "",
        ),
        Case::new("too many fields").error(
            empty(&"A:b\r\n".repeat(MAX_HEADERS)),
            Head(httparse::Error::TooManyHeaders),
        ),
        Case::new("head as long as may be").answer(head_of(MAX_HEAD), 200, ""),
        Case::new("head too long").error(head_of(MAX_HEAD + 1), HeadTooLong),
        Case::new("endless head").error(format!("{OK}X: {}", "a".repeat(MAX_HEAD)), HeadTooLong),
        Case::new("head that is wrong only after it is too long").error(
            format!("{OK}X: {}\0", "a".repeat(MAX_HEAD)),
            HeadTooLong,
        ),
    ]
}

/// Every way to cut `input` in two; in three as well when it is short. A long one is cut near its
/// ends and in pieces of several sizes, since each cut costs time.
fn splits(input: &[u8]) -> Vec<Vec<&[u8]>> {
    let mut splits = vec![vec![input]];
    let long = input.len() > 600;
    let cut = |at: usize| -> Vec<&[u8]> { vec![&input[..at], &input[at..]] };
    if long {
        splits.extend((0..100).step_by(3).map(cut));
        splits.extend((input.len() - 600..input.len()).step_by(29).map(cut));
        splits.extend([997, 1460, 4096, 65_535].map(|size| input.chunks(size).collect()));
    } else {
        splits.extend((0..input.len()).map(cut));
        splits.push(input.chunks(1).collect());
        splits.push(input.chunks(3).collect());
    }
    if input.len() <= 80 {
        for a in 1..input.len() {
            splits.extend((a..input.len()).map(|b| vec![&input[..a], &input[a..b], &input[b..]]));
        }
    }
    splits
}

#[test]
fn every_case_at_every_split_with_a_cold_and_a_warm_cache() {
    for case in cases() {
        let mut warm = HeadCache::default();
        for split in splits(&case.input) {
            let sizes: Vec<_> = split.iter().map(|piece| piece.len()).collect();
            for cache in [&mut HeadCache::default(), &mut warm] {
                let outcome = decode(split.iter().copied(), case.to_head, cache);
                assert!(
                    outcome == case.expected,
                    "{}: in pieces of {:?}\n{outcome:?}, expected\n{:?}",
                    case.name,
                    &sizes[..sizes.len().min(10)],
                    case.expected
                );
            }
        }
    }
}

#[test]
fn a_cache_filled_by_any_other_response_changes_nothing() {
    let cases = cases();
    for warmer in &cases {
        let mut cache = HeadCache::default();
        for case in &cases {
            decode([&warmer.input[..]], warmer.to_head, &mut cache);
            let outcome = decode([&case.input[..]], case.to_head, &mut cache);
            assert_eq!(outcome, case.expected, "{} after {}", case.name, warmer.name);
        }
    }
}

#[test]
fn a_head_remembered_from_a_head_request_says_nothing_of_a_get() {
    let mut cache = HeadCache::default();
    let input = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab";
    for to_head in [true, false, true] {
        let head_len = input.len() - 2;
        let (_, used) = Decoder::default()
            .decode(input, to_head, &mut cache, |_| {})
            .expect("a valid response")
            .expect("a whole one");
        assert_eq!(used, if to_head { head_len } else { input.len() });
    }
}

/// Cut off anywhere, a response is truncated, unless it is one that ends with the connection.
#[test]
fn every_prefix_of_a_case_is_truncated() {
    for case in cases().iter().filter(|case| case.input.len() < 500) {
        let (answers, end) = &case.expected;
        for len in 0..case.input.len() {
            let input = &case.input[..len];
            let outcome = whole(input, case.to_head);
            let bytes = decode(input.chunks(1), case.to_head, &mut HeadCache::default());
            assert_eq!(outcome, bytes, "{} cut to {len}", case.name);
            let (mut start, mut complete) = (0, 0);
            for answer in answers {
                if start + answer.used > len {
                    break;
                }
                start += answer.used;
                complete += 1;
            }
            let (found, cut) = outcome;
            let until_close = answers
                .get(complete)
                .is_some_and(|answer| found.len() > complete && !answer.keep_alive);
            assert_eq!(found[..complete], answers[..complete], "{} cut to {len}", case.name);
            match cut {
                End::Clean => assert!(until_close || len == start, "{} cut to {len}", case.name),
                End::Truncated => assert!(len > start, "{} cut to {len}", case.name),
                End::Error(error) => {
                    assert_eq!(End::Error(error), *end, "{} cut to {len}", case.name);
                }
            }
        }
    }
}

#[test]
fn a_reset_decoder_is_a_new_one() {
    let mut decoder = Decoder::default();
    let mut cache = HeadCache::default();
    for start in
        ["HTTP/1.1 2", "HTTP/1.1 100 C\r\n\r\n", &format!("{CHUNKED}5\r\na"), &format!("{OK}\r\nx")]
    {
        assert_eq!(decoder.decode(start.as_bytes(), false, &mut cache, |_| {}), Ok(None));
        assert!(!decoder.is_idle());
        decoder.reset();
        assert_eq!(decoder.finish(), Ok(None));
    }
}

/// A random response: its bytes, and what they mean.
fn response() -> impl Strategy<Value = (Vec<u8>, Answer)> {
    let body = prop::collection::vec(any::<u8>(), 0..80);
    let interim = prop::collection::vec(prop::sample::select(vec![100, 102, 103]), 0..3);
    let field = ("[A-Za-z-]{1,10}", "[ -~]{0,12}")
        .prop_map(|(name, value)| format!("X-{name}: {value}\r\n"));
    let fields = prop::collection::vec(field, 0..4).prop_map(|fields| fields.concat());
    let status = prop_oneof![Just(200u16), Just(204), Just(304), 400..600u16];
    let chunk_sizes = prop::option::of(prop::collection::vec(1..20usize, 1..5));
    (interim, status, fields, body, chunk_sizes, any::<bool>()).prop_map(
        |(interim, status, fields, body, chunk_sizes, keep_alive)| {
            let mut bytes = Vec::new();
            for status in interim {
                bytes.extend(format!("HTTP/1.1 {status} Interim\r\n{fields}\r\n").into_bytes());
            }
            bytes.extend(format!("HTTP/1.1 {status} Some Reason\r\n{fields}").into_bytes());
            if !keep_alive {
                bytes.extend(b"Connection: close\r\n");
            }
            let has_body = !matches!(status, 204 | 304);
            match chunk_sizes {
                Some(sizes) if has_body => {
                    bytes.extend(b"transfer-encoding: chunked\r\n\r\n");
                    let (mut rest, mut sizes) = (&body[..], sizes.iter().cycle());
                    while let Some(size) = sizes.next().filter(|_| !rest.is_empty()) {
                        let (chunk, after) = rest.split_at(rest.len().min(*size));
                        bytes.extend(format!("{:x}\r\n", chunk.len()).into_bytes());
                        bytes.extend(chunk);
                        bytes.extend(b"\r\n");
                        rest = after;
                    }
                    bytes.extend(format!("0\r\n{fields}\r\n").into_bytes());
                }
                _ => {
                    bytes.extend(format!("content-length: {}\r\n\r\n", body.len()).into_bytes());
                    if has_body {
                        bytes.extend(&body);
                    }
                }
            }
            let used = bytes.len();
            let body = if has_body { body } else { Vec::new() };
            (bytes, Answer { status, keep_alive, body, used })
        },
    )
}

/// Cuts `input` into pieces of these sizes, again and again.
fn pieces<'a>(mut input: &'a [u8], sizes: &'a [usize]) -> impl Iterator<Item = &'a [u8]> {
    let mut sizes = sizes.iter().cycle();
    std::iter::from_fn(move || {
        if input.is_empty() {
            return None;
        }
        let size = input.len().min(*sizes.next()?);
        let (piece, rest) = input.split_at(size);
        input = rest;
        Some(piece)
    })
}

fn sizes() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(1..60usize, 1..8)
}

proptest! {
    #[test]
    fn random_responses_come_out_as_they_went_in(
        responses in prop::collection::vec(response(), 1..4),
        sizes in sizes(),
    ) {
        let (inputs, answers): (Vec<_>, Vec<_>) = responses.into_iter().unzip();
        let outcome = decode(pieces(&inputs.concat(), &sizes), false, &mut HeadCache::default());
        prop_assert_eq!(outcome, (answers, End::Clean));
    }

    #[test]
    fn damaged_responses_do_not_depend_on_the_split(
        responses in prop::collection::vec(response(), 1..3),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        sizes in sizes(),
        to_head in any::<bool>(),
    ) {
        let mut input: Vec<u8> = responses.into_iter().flat_map(|(bytes, _)| bytes).collect();
        for (at, byte) in damage {
            let at = at.index(input.len());
            input[at] = byte;
        }
        let expected = whole(&input, to_head);
        let mut cache = HeadCache::default();
        for _ in ["cold", "warm"] {
            prop_assert_eq!(&decode(pieces(&input, &sizes), to_head, &mut cache), &expected);
        }
    }

    #[test]
    fn random_bytes_do_not_depend_on_the_split(
        input in prop_oneof![
            "[\r\n :;,0-9a-fHTP/.]{0,60}".prop_map(String::into_bytes),
            "(HTTP/1.[01] [0-9]{3} ?[\\PC\r\n]{0,9}\r?\n(Content-Length|Transfer-Encoding|A) ?: ?([0-9]{1,3}|chunked)?\r?\n\r?\n?([0-9a-f]{0,2}[; \r]?\n?){0,6}){1,2}"
                .prop_map(String::into_bytes),
            prop::collection::vec(any::<u8>(), 0..60),
        ],
        sizes in sizes(),
        to_head in any::<bool>(),
    ) {
        let expected = whole(&input, to_head);
        let outcome = decode(pieces(&input, &sizes), to_head, &mut HeadCache::default());
        prop_assert_eq!(outcome, expected);
    }
}
