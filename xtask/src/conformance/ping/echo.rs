//! Correct requests, one or many on a connection, whole or cut anywhere: each is echoed in its turn.

use std::net::SocketAddr;
use std::thread;

use super::answer::{answers, ask, next_is, on, open};
use super::request::ping;
use super::{Outcome, PAUSE};

pub fn echo(address: SocketAddr) -> Outcome {
    for number in [0, 10, 9, 4_294_967_296, 1, 1_000_000_000_000_000] {
        let response = ask(address, &ping(number)).map_err(on(number))?;
        answers(&response, number).map_err(on(number))?;
        is_json(response.header("content-type")?)?;
    }
    Ok(())
}

fn is_json(content_type: &str) -> Outcome {
    let (media_type, parameters) = content_type.split_once(';').unwrap_or((content_type, ""));
    let is_charset = |parameter: &str| {
        let name = parameter.split('=').next().unwrap_or_default();
        name.trim().eq_ignore_ascii_case("charset")
    };
    if media_type.trim().eq_ignore_ascii_case("application/json")
        && (parameters.is_empty() || is_charset(parameters))
    {
        Ok(())
    } else {
        Err(format!("Content-Type `{content_type}` instead of `application/json`"))
    }
}

/// Each position has a connection of its own, so that one pause serves many and a server that closes
/// after every answer is blamed for that elsewhere.
pub fn split(address: SocketAddr) -> Outcome {
    /// Few enough for any accept queue, together with the other cases.
    const AT_ONCE: usize = 16;
    let positions: Vec<usize> = (1..ping(10_000).len()).collect();
    positions.chunks(AT_ONCE).try_for_each(|positions| split_at(address, positions))
}

fn split_at(address: SocketAddr, positions: &[usize]) -> Outcome {
    let numbers = 10_000..;
    let mut halfway = Vec::new();
    for (&position, number) in positions.iter().zip(numbers) {
        let mut connection = open(address)?;
        let mut request = ping(number);
        let rest = request.split_off(position);
        connection.send(&request)?;
        halfway.push((connection, position, number, rest));
    }
    thread::sleep(PAUSE);
    for (connection, position, _, rest) in &mut halfway {
        connection
            .expect_idle()
            .and_then(|()| connection.send(rest))
            .map_err(on(format_args!("split after byte {position}")))?;
    }
    for (connection, position, number, _) in &mut halfway {
        next_is(connection, *number).map_err(on(format_args!("split after byte {position}")))?;
    }
    Ok(())
}

/// RFC 9112, 9.3.2: answered in the order of the requests.
pub fn pipeline(address: SocketAddr) -> Outcome {
    let mut connection = open(address)?;
    let numbers: Vec<u64> = (0..16).map(|index| 7 + index * 1_000_003).collect();
    let requests: Vec<u8> = numbers.iter().copied().flat_map(ping).collect();
    connection.send(&requests)?;
    for (index, number) in numbers.into_iter().enumerate() {
        next_is(&mut connection, number)
            .map_err(on(format_args!("request {} of 16 in one write", index + 1)))?;
    }

    let (first, second) = (ping(101), ping(202));
    let (now, later) = second.split_at(second.len() / 2);
    connection.expect_idle()?;
    connection.send(&[&first, now].concat())?;
    next_is(&mut connection, 101).map_err(on("one request and a half in one write"))?;
    connection.expect_idle()?;
    connection.send(later)?;
    next_is(&mut connection, 202).map_err(on("the rest of a request"))?;

    // An answer too many would be taken for this one's.
    answers(&connection.exchange(&ping(303))?, 303).map_err(on("the request after those"))
}

/// RFC 9112, 9.3: a connection of HTTP/1.1 persists.
pub fn keep_alive(address: SocketAddr) -> Outcome {
    let mut connection = open(address)?;
    for number in 1..=100 {
        connection
            .exchange(&ping(number))
            .map_err(String::from)
            .and_then(|response| answers(&response, number))
            .map_err(on(format_args!("request {number} on one connection")))?;
    }
    Ok(())
}
