//! An incremental HTTP/1.1 response decoder: bytes in, in pieces of any size; heads and body bytes
//! out. It never holds a body, and holds a head only while one is incomplete.
//!
//! Framing follows RFC 9112 §6.3. Heads and chunk sizes are parsed by `httparse`.

/// Longest head that is accepted, in bytes, interim responses and trailers each counted alone.
pub const MAX_HEAD: usize = 64 * 1024;
/// Most header fields in one head.
pub const MAX_HEADERS: usize = 128;
/// Most interim (1xx) responses before the final one.
pub const MAX_INTERIM: u8 = 16;
/// Longest chunk-size line, extensions included, in bytes.
const MAX_CHUNK_LINE: usize = 1024;

/// What the head of a response says of the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    pub status: u16,
    pub framing: Framing,
    /// Whether the connection can carry another request after this response.
    pub keep_alive: bool,
}

/// How the end of the body is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// There is none: `HEAD`, 204, 304.
    NoBody,
    Length(u64),
    Chunked,
    /// The body ends when the server closes.
    UntilClose,
}

/// Bytes that are not an HTTP/1.1 response.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProtocolError {
    #[error("not an HTTP/1 response head: {0}")]
    Head(httparse::Error),
    #[error("the head is longer than {MAX_HEAD} bytes")]
    HeadTooLong,
    #[error("more than {MAX_INTERIM} interim responses")]
    TooManyInterim,
    #[error("101 Switching Protocols, which was not asked for")]
    Switching,
    #[error("Content-Length is not one number")]
    ContentLength,
    #[error("both Content-Length and Transfer-Encoding")]
    TwoFramings,
    #[error("bad chunk framing")]
    Chunk,
}

/// The end of input came in the middle of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Truncated;

/// Remembers the last head, byte for byte.
///
/// Answers of one server repeat their head until its `Date` changes, and equal bytes parse equally,
/// so comparing is enough: about 130 bytes compared instead of parsed, once per response.
#[derive(Debug, Default)]
pub struct HeadCache {
    bytes: Vec<u8>,
    /// The head, and whether it answered a `HEAD`, which changes what it says.
    head: Option<(Head, bool)>,
}

impl HeadCache {
    /// The head at the start of `input`, if it is the remembered one, and its length.
    fn lookup(&self, input: &[u8], to_head: bool) -> Option<(Head, usize)> {
        let (head, answered_head) = self.head?;
        (answered_head == to_head && input.starts_with(&self.bytes))
            .then_some((head, self.bytes.len()))
    }

    fn remember(&mut self, bytes: &[u8], to_head: bool, head: Head) {
        self.bytes.clear();
        self.bytes.extend_from_slice(bytes);
        self.head = Some((head, to_head));
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Head,
    /// This many body bytes are still to come.
    Length(u64),
    ChunkSize,
    ChunkData(u64),
    /// The line break after a chunk's data.
    ChunkEnd,
    Trailers,
    UntilClose,
}

/// Decodes the responses of one connection, one after another.
///
/// What comes out does not depend on how the bytes were split, nor on what the [`HeadCache`] held:
/// the same responses, with the same body bytes, ending at the same byte; or the same error.
#[derive(Debug, Default)]
pub struct Decoder(
    /// A pointer, because most responses come in one piece and never are under way.
    Option<Box<Underway>>,
);

/// A response of which a part has arrived.
#[derive(Debug)]
struct Underway {
    state: State,
    interim: u8,
    /// Its head, once it is whole.
    head: Option<Head>,
    /// The start of a head, chunk-size line or trailer section whose rest has not arrived.
    partial: Vec<u8>,
}

impl Decoder {
    /// Whether nothing of a response has arrived yet.
    pub fn is_idle(&self) -> bool {
        self.0.is_none()
    }

    /// Forgets everything, for a new connection.
    pub fn reset(&mut self) {
        self.0 = None;
    }

    /// Takes `input` as the next bytes of the connection and gives body bytes to `body` as they
    /// come. Returns the response's head and how many bytes of `input` belong to it once it is
    /// complete; `None` when all of `input` was taken and more is needed.
    ///
    /// `to_head` says that the request was a `HEAD`, whose answer has no body whatever its fields
    /// say.
    ///
    /// # Errors
    /// [`ProtocolError`] when the bytes are not a response; the decoder must be reset after it.
    #[inline]
    pub fn decode(
        &mut self,
        input: &[u8],
        to_head: bool,
        cache: &mut HeadCache,
        mut body: impl FnMut(&[u8]),
    ) -> Result<Option<(Head, usize)>, ProtocolError> {
        // The common case first: a whole response in one piece, with the head of the one before.
        if self.is_idle()
            && let Some((head, len)) = cache.lookup(input, to_head)
            && let Framing::Length(length) = head.framing
            && let Some(rest) = usize::try_from(length).ok().and_then(|n| input[len..].get(..n))
        {
            body(rest);
            return Ok(Some((head, len + rest.len())));
        }
        let underway = self.0.get_or_insert_default();
        let decoded = underway.decode(input, to_head, cache, &mut body)?;
        if underway.is_nothing() {
            self.0 = None;
        }
        Ok(decoded)
    }

    /// The server closed the connection. A response that ends with the connection is complete now.
    ///
    /// # Errors
    /// [`Truncated`] when a response had begun and is not complete.
    pub fn finish(&mut self) -> Result<Option<Head>, Truncated> {
        match self.0.take() {
            None => Ok(None),
            Some(underway) if underway.state == State::UntilClose => Ok(underway.head),
            Some(_) => Err(Truncated),
        }
    }
}

impl Default for Underway {
    fn default() -> Self {
        Self { state: State::Head, interim: 0, head: None, partial: Vec::new() }
    }
}

impl Underway {
    /// Whether none of it has arrived, or all of it.
    fn is_nothing(&self) -> bool {
        self.state == State::Head && self.partial.is_empty() && self.interim == 0
    }

    fn decode(
        &mut self,
        input: &[u8],
        to_head: bool,
        cache: &mut HeadCache,
        body: &mut impl FnMut(&[u8]),
    ) -> Result<Option<(Head, usize)>, ProtocolError> {
        let mut at = 0;
        loop {
            let rest = &input[at..];
            match self.state {
                State::Head => {
                    let Some((head, used)) = self.take_head(rest, to_head, cache)? else {
                        return Ok(None);
                    };
                    at += used;
                    if (100..200).contains(&head.status) {
                        if head.status == 101 {
                            return Err(ProtocolError::Switching);
                        }
                        self.interim += 1;
                        if self.interim > MAX_INTERIM {
                            return Err(ProtocolError::TooManyInterim);
                        }
                        continue;
                    }
                    self.head = Some(head);
                    match head.framing {
                        Framing::NoBody | Framing::Length(0) => return Ok(self.complete(at)),
                        Framing::Length(length) => self.state = State::Length(length),
                        Framing::Chunked => self.state = State::ChunkSize,
                        Framing::UntilClose => self.state = State::UntilClose,
                    }
                }
                State::Length(left) => {
                    let taken = take(rest, left);
                    if !taken.is_empty() {
                        body(taken);
                    }
                    at += taken.len();
                    let left = left - taken.len() as u64;
                    if left == 0 {
                        return Ok(self.complete(at));
                    }
                    self.state = State::Length(left);
                    return Ok(None);
                }
                State::UntilClose => {
                    if !rest.is_empty() {
                        body(rest);
                    }
                    return Ok(None);
                }
                State::ChunkSize => {
                    let Some((size, used)) = self.take_chunk_size(rest)? else { return Ok(None) };
                    at += used;
                    self.state = if size == 0 { State::Trailers } else { State::ChunkData(size) };
                }
                State::ChunkData(left) => {
                    let taken = take(rest, left);
                    if !taken.is_empty() {
                        body(taken);
                    }
                    at += taken.len();
                    let left = left - taken.len() as u64;
                    if left > 0 {
                        self.state = State::ChunkData(left);
                        return Ok(None);
                    }
                    self.state = State::ChunkEnd;
                }
                State::ChunkEnd => {
                    let Some(used) = self.take_chunk_end(rest)? else { return Ok(None) };
                    at += used;
                    self.state = State::ChunkSize;
                }
                State::Trailers => {
                    let Some(used) = self.take_trailers(rest)? else { return Ok(None) };
                    return Ok(self.complete(at + used));
                }
            }
        }
    }

    fn complete(&mut self, used: usize) -> Option<(Head, usize)> {
        self.state = State::Head;
        self.interim = 0;
        self.head.take().map(|head| (head, used))
    }

    fn take_head(
        &mut self,
        input: &[u8],
        to_head: bool,
        cache: &mut HeadCache,
    ) -> Result<Option<(Head, usize)>, ProtocolError> {
        let before = self.partial.len();
        if before == 0
            && let Some(hit) = cache.lookup(input, to_head)
        {
            return Ok(Some(hit));
        }
        let input = &input[..input.len().min(MAX_HEAD - before)];
        let so_far = if before == 0 {
            input
        } else {
            self.partial.extend_from_slice(input);
            &self.partial
        };
        // Parsed anew with every piece, so that what is wrong with a head is found at the same byte
        // however it was split.
        match parse_head(so_far, to_head)? {
            Some((head, len)) => {
                cache.remember(&so_far[..len], to_head, head);
                self.partial = Vec::new();
                // A head that ended before these bytes would have been found before them.
                Ok(Some((head, len.saturating_sub(before))))
            }
            None if so_far.len() == MAX_HEAD => Err(ProtocolError::HeadTooLong),
            None => {
                if before == 0 {
                    self.partial.extend_from_slice(input);
                }
                Ok(None)
            }
        }
    }

    fn take_chunk_size(&mut self, input: &[u8]) -> Result<Option<(u64, usize)>, ProtocolError> {
        let Some(end) = input.iter().position(|&byte| byte == b'\n') else {
            if self.partial.len() + input.len() > MAX_CHUNK_LINE {
                return Err(ProtocolError::Chunk);
            }
            self.partial.extend_from_slice(input);
            return Ok(None);
        };
        let used = end + 1;
        if self.partial.len() + used > MAX_CHUNK_LINE {
            return Err(ProtocolError::Chunk);
        }
        self.partial.extend_from_slice(&input[..used]);
        let line = std::mem::take(&mut self.partial);
        // `httparse` reads a line without digits as 0, which would be the end of the body.
        if !line[0].is_ascii_hexdigit() {
            return Err(ProtocolError::Chunk);
        }
        match httparse::parse_chunk_size(&line) {
            Ok(httparse::Status::Complete((len, size))) if len == line.len() => {
                Ok(Some((size, used)))
            }
            _ => Err(ProtocolError::Chunk),
        }
    }

    fn take_chunk_end(&mut self, input: &[u8]) -> Result<Option<usize>, ProtocolError> {
        let expected = &b"\r\n"[self.partial.len()..];
        let taken = take(input, expected.len() as u64);
        if !expected.starts_with(taken) {
            return Err(ProtocolError::Chunk);
        }
        if taken.len() == expected.len() {
            self.partial.clear();
            return Ok(Some(taken.len()));
        }
        self.partial.extend_from_slice(taken);
        Ok(None)
    }

    /// Trailer fields up to and including the empty line; they are dropped.
    fn take_trailers(&mut self, input: &[u8]) -> Result<Option<usize>, ProtocolError> {
        for (index, &byte) in input.iter().enumerate() {
            if self.partial.len() == MAX_HEAD {
                return Err(ProtocolError::HeadTooLong);
            }
            self.partial.push(byte);
            if byte == b'\n' {
                let mut fields = [httparse::EMPTY_HEADER; MAX_HEADERS];
                match httparse::parse_headers(&self.partial, &mut fields) {
                    Ok(httparse::Status::Complete(_)) => {
                        self.partial = Vec::new();
                        return Ok(Some(index + 1));
                    }
                    Ok(httparse::Status::Partial) => {}
                    Err(_) => return Err(ProtocolError::Chunk),
                }
            }
        }
        Ok(None)
    }
}

/// At most `limit` bytes from the front of `input`.
fn take(input: &[u8], limit: u64) -> &[u8] {
    let len = usize::try_from(limit).map_or(input.len(), |limit| limit.min(input.len()));
    &input[..len]
}

/// Parses one whole head; `None` when it is incomplete.
fn parse_head(bytes: &[u8], to_head: bool) -> Result<Option<(Head, usize)>, ProtocolError> {
    let mut fields = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut response = httparse::Response::new(&mut fields);
    let len = match response.parse(bytes).map_err(ProtocolError::Head)? {
        httparse::Status::Complete(len) => len,
        httparse::Status::Partial => return Ok(None),
    };
    let status = response.code.unwrap_or(0);
    let mut length = None;
    let mut encodings = Vec::new();
    let (mut close, mut keep) = (false, false);
    for field in response.headers.iter() {
        let name = field.name;
        if name.eq_ignore_ascii_case("content-length") {
            // A list of equal numbers is one number (RFC 9110 §8.6).
            for item in field.value.split(|&byte| byte == b',') {
                let number = parse_length(item.trim_ascii()).ok_or(ProtocolError::ContentLength)?;
                if length.is_some_and(|known| known != number) {
                    return Err(ProtocolError::ContentLength);
                }
                length = Some(number);
            }
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            encodings.extend(tokens(field.value));
        } else if name.eq_ignore_ascii_case("connection") {
            for option in tokens(field.value) {
                close |= option.eq_ignore_ascii_case(b"close");
                keep |= option.eq_ignore_ascii_case(b"keep-alive");
            }
        }
    }
    let framing = if to_head || matches!(status, 100..200 | 204 | 304) {
        Framing::NoBody
    } else if let Some(last) = encodings.last() {
        if length.is_some() {
            return Err(ProtocolError::TwoFramings);
        }
        if last.eq_ignore_ascii_case(b"chunked") { Framing::Chunked } else { Framing::UntilClose }
    } else {
        length.map_or(Framing::UntilClose, Framing::Length)
    };
    let persistent = if response.version == Some(1) { !close } else { keep && !close };
    let keep_alive = persistent && framing != Framing::UntilClose;
    Ok(Some((Head { status, framing, keep_alive }, len)))
}

/// The comma-separated items of a field value, without white space and empty ones.
fn tokens(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii).filter(|item| !item.is_empty())
}

/// Digits only: `+5`, which `u64::from_str` takes, is no length.
fn parse_length(item: &[u8]) -> Option<u64> {
    if !item.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(item).ok()?.parse().ok()
}
