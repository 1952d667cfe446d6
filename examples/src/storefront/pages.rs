use askama::Template;
use tracehop_actix::Trace;
use tracehop_askama::filters;

use crate::inventory::Item;
use crate::tree::{Row, TraceTree};

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
}

/// The page that draws a trace.
#[derive(Template)]
#[template(path = "waterfall.html")]
pub(super) struct Waterfall<'a> {
    pub(super) tree: &'a TraceTree,
    pub(super) rows: Vec<Row<'a>>,
}
