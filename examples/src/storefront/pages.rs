use askama::Template;
use tracehop_actix::Trace;
use tracehop_askama::filters;
use url::Url;

use crate::inventory::Item;

/// The page of the shop.
#[derive(Template)]
#[template(path = "shop.html")]
pub(super) struct Shop<'a> {
    pub(super) trace: Trace,
    /// The origin that the page's script asks.
    pub(super) inventory: String,
    pub(super) featured: &'a str,
    pub(super) items: &'a [Item],
    /// Why there are no items.
    pub(super) problem: Option<String>,
    /// What the page's script calls itself in Sentry.
    pub(super) release: String,
    pub(super) environment: &'a str,
    /// The URLs that the page's script posts its envelope to.
    pub(super) envelopes: String,
    /// Where the trace is drawn.
    pub(super) picture: Option<Url>,
}
