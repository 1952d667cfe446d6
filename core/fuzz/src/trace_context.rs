use tracehop::wire::{Traceparent, Tracestate};

use crate::valid;

/// Reads a line of `traceparent`, then lines of `tracestate`: exactly those that the grammar allows.
pub fn trace_context(data: &[u8]) {
    let mut lines = data.split(|byte| *byte == b'\n');
    let first = lines.next().unwrap_or_default();
    match Traceparent::parse(first) {
        Ok(value) => {
            assert!(is_traceparent(first));
            let text = value.to_string();
            valid::is_header_value(&text);
            assert_eq!(text.parse(), Ok(value));
            assert_eq!(text.as_bytes()[2..53], first[2..53]);
        }
        Err(error) => {
            assert!(!is_traceparent(first), "{error}");
            assert!(error.to_string().is_ascii());
        }
    }
    let lines: Vec<&[u8]> = lines.collect();
    match Tracestate::parse_lines(lines.iter().copied()) {
        Ok(list) => {
            assert_eq!(list.as_ref().map(Tracestate::as_str), tracestate(&lines).as_deref());
            if let Some(list) = list {
                valid::is_header_value(list.as_str());
                assert_eq!(list.as_str().parse().as_ref(), Ok(&list));
            }
        }
        Err(error) => {
            assert_eq!(tracestate(&lines), None, "{error}");
            assert!(error.to_string().is_ascii());
        }
    }
}

/// Whether a value follows <https://www.w3.org/TR/trace-context-2/#traceparent-header-field-values>.
fn is_traceparent(value: &[u8]) -> bool {
    let Some((known, later)) = value.split_at_checked(55) else { return false };
    let is_right = |(at, byte): (usize, &u8)| match at {
        2 | 35 | 52 => *byte == b'-',
        _ => byte.is_ascii_digit() || (b'a'..=b'f').contains(byte),
    };
    known.iter().enumerate().all(is_right)
        && known[3..35].iter().any(|byte| *byte != b'0')
        && known[36..52].iter().any(|byte| *byte != b'0')
        && match &known[..2] {
            b"00" => later.is_empty(),
            b"ff" => false,
            _ => later.is_empty() || later[0] == b'-',
        }
}

/// Returns the members in one line, if there are any and all are well-formed.
///
/// <https://www.w3.org/TR/trace-context-2/#tracestate-header-field-values>
fn tracestate(lines: &[&[u8]]) -> Option<String> {
    let text = String::from_utf8(lines.join(&b',')).ok()?;
    let members = text.split(',').map(|member| member.trim_matches([' ', '\t']));
    let members: Vec<&str> = members.filter(|member| !member.is_empty()).collect();
    let is_member = |member: &&str| {
        member.split_once('=').is_some_and(|(key, value)| {
            let is_first = |it: char| it.is_ascii_lowercase() || it.is_ascii_digit();
            let is_next = |it: char| is_first(it) || "_-*/@".contains(it);
            let is_value = |it: char| (' '..='~').contains(&it) && it != '=';
            (1..=256).contains(&key.len())
                && key.starts_with(is_first)
                && key.chars().all(is_next)
                && (1..=256).contains(&value.len())
                && value.chars().all(is_value)
        })
    };
    let is_list = (1..=32).contains(&members.len()) && members.iter().all(is_member);
    is_list.then(|| members.join(","))
}
