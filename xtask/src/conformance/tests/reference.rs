//! A small server that does all that the ping contract asks, and on request does one thing wrong.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimePrinter;

/// What a server may get wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    WrongNumber,
    /// Whatever is asked.
    Constant,
    SpacedBody,
    Answers500,
    TextAnswer,
    ReadsOnce,
    WantsBodyWithHead,
    DropsPipelined,
    AnswersInReverse,
    LosesHalfARequest,
    AnswersTwice,
    ExtraLine,
    ClosesAfterEach,
    StopsAfter50,
    TakesTrailingJunk,
    /// Reads numbers as JavaScript does.
    Doubles,
    CaseInsensitiveFields,
    NoWhiteSpace,
    ExactContentType,
    AnyContentType,
    NoTypeIsJson,
    AnyPath,
    PathPrefix,
    AnyMethod,
    NoBodyLimit,
    SmallBodyLimit,
    ResetsWhenTooLarge,
    NoDate,
    StaleDate,
    OldDateFormat,
    ChunkedAnswers,
    BodyUntilClose,
    ShortContentLength,
    NoChunkedRequests,
    NoContinue,
    HeadWithBody,
    NeverCloses,
    FewHeaders,
    SmallHead,
    SilentOnGarbage,
    Answers500OnGarbage,
    IgnoresBadLength,
    DiesOnBadLength,
}

/// Stops, together with its connections, once it is dropped and its clients are gone.
pub struct Reference {
    address: SocketAddr,
    stopped: Arc<AtomicBool>,
}

impl Reference {
    pub fn start(fault: Option<Fault>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("bound");
        let stopped = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&stopped);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if stop.load(Ordering::SeqCst) {
                    return;
                }
                let stop = Arc::clone(&stop);
                thread::spawn(move || {
                    let session =
                        Session { fault, stream, buffer: Vec::new(), held: None, served: 0 };
                    if session.serve() == End::OfServer {
                        stop.store(true, Ordering::SeqCst);
                        // The listener closes when it is woken once more.
                        let _ = TcpStream::connect(address);
                    }
                });
            }
        });
        Self { address, stopped }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Reference {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
    }
}

#[derive(PartialEq, Eq)]
enum End {
    OfConnection,
    OfServer,
}

struct Session {
    fault: Option<Fault>,
    stream: TcpStream,
    buffer: Vec<u8>,
    /// An answer kept back, to be sent after the next.
    held: Option<Vec<u8>>,
    served: u32,
}

struct Request {
    method: String,
    path: String,
    old: bool,
    content_type: Option<String>,
    close: bool,
    body: Vec<u8>,
}

/// Why there is no request: a status to refuse it with, or nothing to say.
enum Refusal {
    Status(u16),
    Silence,
    Gone,
    Fatal,
}

impl From<std::io::Error> for Refusal {
    fn from(_: std::io::Error) -> Self {
        Self::Gone
    }
}

impl Session {
    fn has(&self, fault: Fault) -> bool {
        self.fault == Some(fault)
    }

    fn serve(mut self) -> End {
        self.stream.set_nodelay(true).expect("a socket");
        loop {
            match self.request() {
                Ok(request) => {
                    let close = self.closes(&request);
                    if self.answer(&request).is_err() {
                        return End::OfConnection;
                    }
                    if close {
                        let _ = self.stream.shutdown(Shutdown::Write);
                        return End::OfConnection;
                    }
                }
                Err(Refusal::Status(status)) => {
                    let answer = self.head(status, "Content-Length: 0\r\nConnection: close\r\n");
                    let _ = self.stream.write_all(answer.as_bytes());
                    self.linger();
                    return End::OfConnection;
                }
                Err(Refusal::Silence) => {
                    while self.stream.read(&mut [0; 1024]).is_ok_and(|n| n > 0) {}
                    return End::OfConnection;
                }
                Err(Refusal::Gone) => return End::OfConnection,
                Err(Refusal::Fatal) => return End::OfServer,
            }
        }
    }

    /// Reads what the client is still sending, so that closing does not reset.
    fn linger(&mut self) {
        let _ = self.stream.shutdown(Shutdown::Write);
        let _ = self.stream.set_read_timeout(Some(Duration::from_millis(200)));
        while self.stream.read(&mut [0; 4096]).is_ok_and(|n| n > 0) {}
    }

    fn closes(&self, request: &Request) -> bool {
        (request.close && !self.has(Fault::NeverCloses))
            || self.has(Fault::ClosesAfterEach)
            || self.has(Fault::BodyUntilClose)
            || (self.has(Fault::StopsAfter50) && self.served == 49)
    }

    fn more(&mut self) -> Result<(), Refusal> {
        let mut bytes = [0; 16 * 1024];
        match self.stream.read(&mut bytes) {
            Ok(0) => Err(Refusal::Gone),
            Ok(length) => {
                self.buffer.extend_from_slice(&bytes[..length]);
                Ok(())
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// More, of a request that has begun.
    fn rest(&mut self) -> Result<(), Refusal> {
        if self.has(Fault::ReadsOnce) || (self.has(Fault::LosesHalfARequest) && self.served > 0) {
            return Err(Refusal::Status(400));
        }
        self.more()
    }

    fn request(&mut self) -> Result<Request, Refusal> {
        if self.buffer.is_empty() {
            self.more()?;
        }
        let head_limit = if self.has(Fault::SmallHead) { 2048 } else { 65_536 };
        let header_limit = if self.has(Fault::FewHeaders) { 16 } else { 100 };
        let fault = self.fault;
        let garbage = || match fault {
            Some(Fault::SilentOnGarbage) => Refusal::Silence,
            Some(Fault::Answers500OnGarbage) => Refusal::Status(500),
            _ => Refusal::Status(400),
        };
        let (length, mut request, headers) = loop {
            let mut headers = vec![httparse::EMPTY_HEADER; header_limit];
            let mut parsed = httparse::Request::new(&mut headers);
            match parsed.parse(&self.buffer) {
                Ok(httparse::Status::Complete(length)) => {
                    let request = Request {
                        method: parsed.method.unwrap_or_default().to_owned(),
                        path: parsed.path.unwrap_or_default().to_owned(),
                        old: parsed.version == Some(0),
                        content_type: None,
                        close: false,
                        body: Vec::new(),
                    };
                    let headers: Vec<(String, String)> = parsed
                        .headers
                        .iter()
                        .map(|header| {
                            let value = String::from_utf8_lossy(header.value).into_owned();
                            (header.name.to_ascii_lowercase(), value)
                        })
                        .collect();
                    break (length, request, headers);
                }
                Ok(httparse::Status::Partial) if self.buffer.len() > head_limit => {
                    return Err(Refusal::Status(431));
                }
                Ok(httparse::Status::Partial) => self.rest()?,
                Err(httparse::Error::TooManyHeaders) => return Err(Refusal::Status(431)),
                Err(_) => return Err(garbage()),
            }
        };
        if length > head_limit {
            return Err(Refusal::Status(431));
        }
        self.buffer.drain(..length);
        let header = |name: &str| {
            headers
                .iter()
                .filter(move |(n, _)| n == name)
                .map(|(_, value)| value.as_str())
                .collect::<Vec<_>>()
        };
        request.content_type = header("content-type").first().map(|&value| value.to_owned());
        let connection = header("connection").join(",").to_ascii_lowercase();
        request.close = connection.contains("close") || request.old;
        let chunked = !header("transfer-encoding").is_empty();
        if chunked && self.has(Fault::NoChunkedRequests) {
            return Err(Refusal::Gone);
        }
        let length = match header("content-length").as_slice() {
            [] => Some(0),
            [length] if length.bytes().all(|b| b.is_ascii_digit()) => length.parse().ok(),
            _ => None,
        };
        let length: usize = match length {
            Some(length) => length,
            None if self.has(Fault::IgnoresBadLength) => 14,
            None if self.has(Fault::DiesOnBadLength) => return Err(Refusal::Fatal),
            None => return Err(Refusal::Status(400)),
        };
        let body_limit = match self.fault {
            Some(Fault::NoBodyLimit) => usize::MAX,
            Some(Fault::SmallBodyLimit) => 32 * 1024,
            _ => 64 * 1024,
        };
        if length > body_limit {
            return Err(match self.fault {
                // Unread bytes turn the close into a reset.
                Some(Fault::ResetsWhenTooLarge) => Refusal::Gone,
                _ => Refusal::Status(413),
            });
        }
        if self.has(Fault::WantsBodyWithHead) && self.buffer.len() < length.min(64) {
            return Err(Refusal::Status(400));
        }
        let waits = header("expect") == ["100-continue"] && self.buffer.is_empty();
        if waits && !self.has(Fault::NoContinue) {
            self.stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        request.body = if chunked { self.chunks()? } else { self.take(length)? };
        if self.has(Fault::DropsPipelined) {
            self.buffer.clear();
        }
        Ok(request)
    }

    fn take(&mut self, length: usize) -> Result<Vec<u8>, Refusal> {
        while self.buffer.len() < length {
            self.rest()?;
        }
        Ok(self.buffer.drain(..length).collect())
    }

    fn chunks(&mut self) -> Result<Vec<u8>, Refusal> {
        let mut body = Vec::new();
        loop {
            let line = loop {
                match self.buffer.windows(2).position(|two| two == b"\r\n") {
                    Some(end) => break self.take(end + 2)?,
                    None => self.rest()?,
                }
            };
            let size = String::from_utf8_lossy(&line);
            let size = usize::from_str_radix(size.trim(), 16).map_err(|_| Refusal::Status(400))?;
            body.extend(self.take(size)?);
            self.take(2)?;
            if size == 0 {
                return Ok(body);
            }
        }
    }

    fn answer(&mut self, request: &Request) -> std::io::Result<()> {
        let (status, body) = match self.number(request) {
            Ok(_) if self.has(Fault::Answers500) => (500, String::new()),
            Ok(number) => {
                let number = match self.fault {
                    Some(Fault::WrongNumber) => number.wrapping_add(1),
                    Some(Fault::Constant) => 123_456_789,
                    _ => number,
                };
                let space = if self.has(Fault::SpacedBody) { " " } else { "" };
                (200, format!(r#"{{"sequence":{space}{number}}}"#))
            }
            Err(status) => (status, String::new()),
        };
        let json = match self.fault {
            Some(Fault::TextAnswer) => "text/plain",
            _ => "application/json; charset=utf-8",
        };
        let short = usize::from(self.has(Fault::ShortContentLength));
        let framing = match self.fault {
            Some(Fault::ChunkedAnswers) => "Transfer-Encoding: chunked".to_owned(),
            Some(Fault::BodyUntilClose) => "Connection: close".to_owned(),
            _ => format!("Content-Length: {}", body.len().saturating_sub(short)),
        };
        let fields = format!("Content-Type: {json}\r\n{framing}\r\n");
        let mut answer = self.head(status, &fields).into_bytes();
        if request.method != "HEAD" || self.has(Fault::HeadWithBody) {
            answer.extend(match self.fault {
                Some(Fault::ChunkedAnswers) if body.is_empty() => b"0\r\n\r\n".to_vec(),
                Some(Fault::ChunkedAnswers) => {
                    format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len()).into_bytes()
                }
                Some(Fault::HeadWithBody) if body.is_empty() => b"{}".to_vec(),
                _ => body.into_bytes(),
            });
        }
        match self.fault {
            Some(Fault::AnswersTwice) => answer.extend(answer.clone()),
            Some(Fault::ExtraLine) => answer.extend(b"\r\n"),
            _ => {}
        }
        self.served += 1;
        if self.has(Fault::AnswersInReverse) && self.held.is_none() && !self.buffer.is_empty() {
            self.held = Some(answer);
            return Ok(());
        }
        answer.extend(self.held.take().unwrap_or_default());
        self.stream.write_all(&answer)
    }

    fn head(&self, status: u16, fields: &str) -> String {
        let now = Timestamp::now();
        let print =
            |time| DateTimePrinter::new().timestamp_to_rfc9110_string(&time).expect("after 1900");
        let date = match self.fault {
            Some(Fault::NoDate) => String::new(),
            Some(Fault::StaleDate) => {
                format!("Date: {}\r\n", print(now - Duration::from_secs(60)))
            }
            Some(Fault::OldDateFormat) => {
                format!("Date: {}\r\n", now.strftime("%A, %d-%b-%y %H:%M:%S GMT"))
            }
            _ => format!("Date: {}\r\n", print(now)),
        };
        format!("HTTP/1.1 {status} Reason\r\n{date}{fields}\r\n")
    }

    /// What is to be echoed, or the status that says why not.
    fn number(&self, request: &Request) -> Result<u64, u16> {
        let found = match self.fault {
            Some(Fault::AnyPath) => true,
            Some(Fault::PathPrefix) => request.path.starts_with("/ping"),
            _ => request.path == "/ping",
        };
        if !found {
            return Err(404);
        }
        if request.method != "POST" && !self.has(Fault::AnyMethod) {
            return Err(405);
        }
        let content_type = request.content_type.as_deref();
        let media_type = content_type.map(|value| {
            let media_type = value.split(';').next().unwrap_or_default();
            media_type.trim().to_ascii_lowercase()
        });
        let is_json = match self.fault {
            Some(Fault::AnyContentType) => true,
            Some(Fault::NoTypeIsJson) => {
                media_type.is_none_or(|media_type| media_type == "application/json")
            }
            Some(Fault::ExactContentType) => content_type == Some("application/json"),
            _ => media_type.as_deref() == Some("application/json"),
        };
        if !is_json {
            return Err(415);
        }
        let mut body = request.body.as_slice();
        if self.has(Fault::NoWhiteSpace) && body.iter().any(u8::is_ascii_whitespace) {
            return Err(400);
        }
        if self.has(Fault::TakesTrailingJunk) {
            let end = body.iter().position(|&byte| byte == b'}');
            body = end.map_or(body, |end| &body[..=end]);
        }
        let value: serde_json::Value = serde_json::from_slice(body).map_err(|_| 400u16)?;
        let object = value.as_object().ok_or(422u16)?;
        let number = match self.fault {
            Some(Fault::CaseInsensitiveFields) => object
                .iter()
                .find(|(name, _)| name.eq_ignore_ascii_case("sequence"))
                .map(|(_, value)| value),
            _ => object.get("sequence"),
        };
        let number = number.ok_or(422u16)?;
        if self.has(Fault::Doubles) {
            // Saturating, as `as` is.
            return number.as_f64().map(|number| number as u64).ok_or(422);
        }
        number.as_u64().ok_or(422)
    }
}
