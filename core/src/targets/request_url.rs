//! The types that a request's URL may have.

use std::borrow::Cow;

/// The absolute URL of a request: `str` and `String`, with the feature `http` also `http::Uri`, with the feature `url`
/// also `url::Url`.
///
/// ```
/// # let context = tracehop::Propagator::builder().build()?.start_new_trace();
/// assert!(context.propagates_to("https://api.example.com/stock"));
/// # #[cfg(feature = "http")]
/// assert!(context.propagates_to(&http::Uri::from_static("https://api.example.com/stock")));
/// # Ok::<(), tracehop::BuildError>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not the URL of a request",
    note = "`http::Uri` needs the feature `http` of `tracehop`, `url::Url` the feature `url`"
)]
pub trait RequestUrl {
    /// Returns the URL as text.
    fn as_url(&self) -> Cow<'_, str>;
}

impl RequestUrl for str {
    fn as_url(&self) -> Cow<'_, str> {
        Cow::Borrowed(self)
    }
}

impl RequestUrl for String {
    fn as_url(&self) -> Cow<'_, str> {
        Cow::Borrowed(self)
    }
}

impl<T: RequestUrl + ?Sized> RequestUrl for &T {
    fn as_url(&self) -> Cow<'_, str> {
        (**self).as_url()
    }
}

#[cfg(feature = "http")]
impl RequestUrl for http::Uri {
    fn as_url(&self) -> Cow<'_, str> {
        Cow::Owned(self.to_string())
    }
}

#[cfg(feature = "url")]
impl RequestUrl for url::Url {
    fn as_url(&self) -> Cow<'_, str> {
        Cow::Borrowed(self.as_str())
    }
}
