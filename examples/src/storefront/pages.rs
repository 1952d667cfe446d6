use askama::Template;
use tracehop_actix::Trace;
use tracehop_askama::{PageScript, filters};
use url::Url;

use crate::inventory::Item;

/// The page of the shop.
#[derive(Template)]
#[template(path = "shop.html")]
pub(super) struct Shop<'a> {
    pub(super) trace: Trace,
    /// The origin of inventory, for the script of the page.
    pub(super) inventory: String,
    pub(super) featured: &'a str,
    pub(super) items: &'a [Item],
    /// The reason why there are no items.
    pub(super) problem: Option<String>,
    /// The release of the page's script.
    pub(super) release: String,
    pub(super) environment: &'a str,
    /// The URLs that the script of the page posts its envelope to.
    pub(super) envelopes: String,
    /// The page of the collector that draws the trace.
    pub(super) trace_url: Option<Url>,
}
