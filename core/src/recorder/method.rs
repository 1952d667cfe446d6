//! The known methods of requests.

const METHODS: [&str; 9] =
    ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"];

/// Returns a method for logs and names: the method itself if it is one of
/// [RFC 9110](https://www.rfc-editor.org/rfc/rfc9110#name-method-definitions) or
/// [RFC 5789](https://www.rfc-editor.org/rfc/rfc5789), else `_OTHER`. Other methods are arbitrary client input.
///
/// The value is that of OpenTelemetry's
/// [`http.request.method`](https://opentelemetry.io/docs/specs/semconv/registry/attributes/http/).
///
/// ```
/// assert_eq!(tracehop::hop::known_method("GET"), "GET");
/// assert_eq!(tracehop::hop::known_method("FREE-TEXT"), "_OTHER");
/// ```
pub fn known_method(method: &str) -> &'static str {
    find(method).unwrap_or("_OTHER")
}

/// Returns the method if it is known. Methods are case-sensitive.
pub(crate) fn find(method: &str) -> Option<&'static str> {
    METHODS.into_iter().find(|known| *known == method)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_methods_of_the_standards_are_known() {
        for method in METHODS {
            assert_eq!(known_method(method), method);
        }
        for method in ["", "get", "GETS", "GET ", "_OTHER", "PROPFIND", "|\u{1b}[2J"] {
            assert_eq!(known_method(method), "_OTHER", "{method:?}");
        }
    }
}
