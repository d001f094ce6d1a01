use std::fmt;

use serde::Serialize;
use serde::de::{self, Deserialize, Deserializer, MapAccess, Visitor};

/// The one path that the servers answer.
pub const PATH: &str = "/ping";

/// The longest legal request body, in bytes; a longer one is answered with 413.
pub const MAX_BODY: usize = 64 * 1024;

/// The message of the ping contract, in a request and in its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Ping {
    pub sequence: u64,
}

/// The keys of a ping; any other is an error.
#[derive(serde::Deserialize)]
#[serde(field_identifier, rename_all = "lowercase")]
enum Key {
    Sequence,
}

// Not derived, because a derived struct may also be written as an array (`[7]`), which is not a
// ping, and only some codecs take it.
impl<'de> Deserialize<'de> for Ping {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct PingVisitor;

        impl<'de> Visitor<'de> for PingVisitor {
            type Value = Ping;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(r#"an object like {"sequence": 7}"#)
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Ping, A::Error> {
                let Some(Key::Sequence) = map.next_key()? else {
                    return Err(de::Error::missing_field("sequence"));
                };
                let Sequence(sequence) = map.next_value()?;
                match map.next_key()? {
                    None => Ok(Ping { sequence }),
                    Some(Key::Sequence) => Err(de::Error::duplicate_field("sequence")),
                }
            }
        }

        deserializer.deserialize_map(PingVisitor)
    }
}

/// A number written as a `u64`. Asked for a `u64`, simd-json would make one of `-0` too, which the
/// contract counts as negative; asked for whatever is there, both codecs tell the two apart.
struct Sequence(u64);

impl<'de> Deserialize<'de> for Sequence {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct SequenceVisitor;

        impl Visitor<'_> for SequenceVisitor {
            type Value = Sequence;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "an integer from 0 to {}", u64::MAX)
            }

            fn visit_u64<E: de::Error>(self, sequence: u64) -> Result<Sequence, E> {
                Ok(Sequence(sequence))
            }
        }

        deserializer.deserialize_any(SequenceVisitor)
    }
}

/// Whether a `Content-Type` value names JSON; its parameters, such as a charset, are not looked at.
#[must_use]
pub fn is_json(content_type: &[u8]) -> bool {
    let essence = content_type.split(|&byte| byte == b';').next();
    essence.is_some_and(|essence| essence.trim_ascii().eq_ignore_ascii_case(b"application/json"))
}

#[cfg(test)]
mod tests {
    use super::is_json;

    #[test]
    fn json_content_types() {
        for value in [
            "application/json",
            "Application/JSON",
            "application/json;charset=utf-8",
            "application/json ; charset=UTF-8",
        ] {
            assert!(is_json(value.as_bytes()), "{value}");
        }
    }

    #[test]
    fn other_content_types() {
        for value in [
            "",
            ";",
            "text/plain",
            "text/plain; application/json",
            "application/jsonp",
            "application/json-seq",
            "application/problem+json",
        ] {
            assert!(!is_json(value.as_bytes()), "{value}");
        }
    }
}
