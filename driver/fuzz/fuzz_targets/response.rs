//! What the response decoder makes of some bytes does not depend on how they are split, nor on
//! what its cache holds.
//!
//! Input: a byte whose lowest bit says that the request was a `HEAD`, one that says into how many
//! pieces to cut, the pieces' sizes, the response bytes.

#![no_main]

use driver::http::response::{Decoder, Head, HeadCache, ProtocolError, Truncated};
use libfuzzer_sys::fuzz_target;

/// The responses (head, body, bytes used), and how they end.
type Outcome =
    (Vec<(Head, Vec<u8>, usize)>, Result<Result<Option<Head>, Truncated>, ProtocolError>);

fn decode<'a>(
    pieces: impl Iterator<Item = &'a [u8]>,
    to_head: bool,
    cache: &mut HeadCache,
) -> Outcome {
    let mut decoder = Decoder::default();
    let (mut answers, mut body, mut used) = (Vec::new(), Vec::new(), 0);
    for mut piece in pieces {
        while !piece.is_empty() {
            match decoder.decode(piece, to_head, cache, |bytes| body.extend_from_slice(bytes)) {
                Err(error) => return (answers, Err(error)),
                Ok(None) => {
                    used += piece.len();
                    break;
                }
                Ok(Some((head, count))) => {
                    piece = &piece[count..];
                    answers.push((head, std::mem::take(&mut body), used + count));
                    used = 0;
                }
            }
        }
    }
    (answers, Ok(decoder.finish()))
}

fuzz_target!(|data: &[u8]| {
    let [flags, count, rest @ ..] = data else { return };
    let to_head = flags & 1 == 1;
    let Some((sizes, input)) = rest.split_at_checked(usize::from(count % 8)) else { return };

    let mut cold = HeadCache::default();
    let whole = decode(std::iter::once(input), to_head, &mut cold);

    let mut left = input;
    let split = sizes.iter().map(|&size| {
        let (piece, after) = left.split_at(left.len().min(size.into()));
        left = after;
        piece
    });
    let mut pieces: Vec<&[u8]> = split.collect();
    pieces.push(left);

    for pieces in [pieces, input.chunks(1).collect()] {
        let mut cache = HeadCache::default();
        for temperature in ["cold", "warm"] {
            let outcome = decode(pieces.iter().copied(), to_head, &mut cache);
            assert_eq!(outcome, whole, "{temperature} cache, pieces {pieces:?}");
        }
        let _ = decode(pieces.into_iter(), !to_head, &mut cache);
        let outcome = decode(std::iter::once(input), to_head, &mut cache);
        assert_eq!(outcome, whole, "cache of the other kind of request");
    }
});
