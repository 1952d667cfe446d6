//! Maps HTTP status codes to the status of a span.

use sentry_core::protocol::SpanStatus;

/// Returns the status of a span whose HTTP response has this status code, as the other SDKs do.
///
/// [Span statuses](https://develop.sentry.dev/sdk/data-model/event-payloads/span/) are those of gRPC. Codes without a
/// status of their own are `ok` below 400, `invalid_argument` below 500, and `internal_error` below 600. Other numbers
/// are `unknown_error`.
///
/// ```
/// use sentry::protocol::SpanStatus;
/// use tracehop_sentry::span_status;
///
/// assert_eq!(span_status(204), SpanStatus::Ok);
/// assert_eq!(span_status(404), SpanStatus::NotFound);
/// assert_eq!(span_status(502), SpanStatus::InternalError);
/// ```
pub fn span_status(http_status: u16) -> SpanStatus {
    match http_status {
        100..400 => SpanStatus::Ok,
        401 => SpanStatus::Unauthenticated,
        403 => SpanStatus::PermissionDenied,
        404 => SpanStatus::NotFound,
        409 => SpanStatus::AlreadyExists,
        413 => SpanStatus::FailedPrecondition,
        429 => SpanStatus::ResourceExhausted,
        499 => SpanStatus::Cancelled,
        400..500 => SpanStatus::InvalidArgument,
        501 => SpanStatus::Unimplemented,
        503 => SpanStatus::Unavailable,
        504 => SpanStatus::DeadlineExceeded,
        500..600 => SpanStatus::InternalError,
        _ => SpanStatus::UnknownError,
    }
}

/// Returns the status of a span whose gRPC call has this
/// [status code](https://grpc.io/docs/guides/status-codes/).
pub(crate) fn grpc_span_status(code: u8) -> SpanStatus {
    match code {
        0 => SpanStatus::Ok,
        1 => SpanStatus::Cancelled,
        3 => SpanStatus::InvalidArgument,
        4 => SpanStatus::DeadlineExceeded,
        5 => SpanStatus::NotFound,
        6 => SpanStatus::AlreadyExists,
        7 => SpanStatus::PermissionDenied,
        8 => SpanStatus::ResourceExhausted,
        9 => SpanStatus::FailedPrecondition,
        10 => SpanStatus::Aborted,
        11 => SpanStatus::OutOfRange,
        12 => SpanStatus::Unimplemented,
        13 => SpanStatus::InternalError,
        14 => SpanStatus::Unavailable,
        15 => SpanStatus::DataLoss,
        16 => SpanStatus::Unauthenticated,
        _ => SpanStatus::UnknownError,
    }
}

/// The name of the code of a gRPC call in the data of a span, by Sentry's
/// [conventions](https://getsentry.github.io/sentry-conventions/attributes/rpc/).
pub(crate) const GRPC_STATUS: &str = "rpc.grpc.status_code";

/// Returns the status of a span that is dropped before it was finished.
pub(crate) fn unfinished_status() -> SpanStatus {
    if std::thread::panicking() { SpanStatus::InternalError } else { SpanStatus::Cancelled }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_grpc_code_has_its_span_status() {
        let names = [
            "ok",
            "cancelled",
            "unknown_error",
            "invalid_argument",
            "deadline_exceeded",
            "not_found",
            "already_exists",
            "permission_denied",
            "resource_exhausted",
            "failed_precondition",
            "aborted",
            "out_of_range",
            "unimplemented",
            "internal_error",
            "unavailable",
            "data_loss",
            "unauthenticated",
            "unknown_error",
        ];
        for (code, expected) in (0..).zip(names) {
            assert_eq!(grpc_span_status(code).to_string(), expected, "{code}");
        }
    }

    #[test]
    fn every_status_code_has_a_span_status() {
        for (codes, expected) in [
            (&[100, 101, 200, 204, 299, 301, 304, 399][..], "ok"),
            (&[400, 402, 405, 410, 418, 422, 451, 498], "invalid_argument"),
            (&[401], "unauthenticated"),
            (&[403], "permission_denied"),
            (&[404], "not_found"),
            (&[409], "already_exists"),
            (&[413], "failed_precondition"),
            (&[429], "resource_exhausted"),
            (&[499], "cancelled"),
            (&[500, 502, 505, 599], "internal_error"),
            (&[501], "unimplemented"),
            (&[503], "unavailable"),
            (&[504], "deadline_exceeded"),
            (&[0, 99, 600, 999], "unknown_error"),
        ] {
            for code in codes {
                assert_eq!(span_status(*code).to_string(), expected, "{code}");
            }
        }
    }
}
