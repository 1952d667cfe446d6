//! What is known of traces, gathered from both services.

use serde::Serialize;
use tracehop::TraceId;
use tracehop_reqwest::RequestBuilderExt as _;

use super::Inventory;
use crate::hops::{Hop, HopLog};
use crate::tree::TraceTree;

/// Gathers the hops that the services report.
#[derive(Debug)]
pub(super) struct Traces {
    inventory: Inventory,
    log: HopLog,
}

/// A trace in the list of all.
#[derive(Debug, Serialize)]
pub(super) struct Summary {
    trace_id: TraceId,
    hops: usize,
}

/// A trace with all that is known of it.
#[derive(Debug, Serialize)]
pub(super) struct Whole {
    trace_id: TraceId,
    hops: Vec<Hop>,
}

impl From<&TraceTree> for Whole {
    fn from(tree: &TraceTree) -> Self {
        let hops = tree.rows().into_iter().map(|row| row.hop.clone()).collect();
        Self { trace_id: tree.trace_id(), hops }
    }
}

impl Traces {
    pub(super) fn new(inventory: Inventory, log: HopLog) -> Self {
        Self { inventory, log }
    }

    /// All traces, newest first.
    pub(super) async fn list(&self) -> Vec<Summary> {
        let mut hops = self.hops().await;
        hops.sort_by(|a, b| b.start_ms.total_cmp(&a.start_ms));
        let mut list: Vec<Summary> = Vec::new();
        for Hop { trace_id, .. } in hops {
            match list.iter_mut().find(|known| known.trace_id == trace_id) {
                Some(known) => known.hops += 1,
                None => list.push(Summary { trace_id, hops: 1 }),
            }
        }
        list
    }

    pub(super) async fn tree(&self, trace_id: TraceId) -> Option<TraceTree> {
        TraceTree::new(trace_id, self.hops().await)
    }

    async fn hops(&self) -> Vec<Hop> {
        let mut hops = self.log.all();
        // What inventory cannot tell is missing in the picture, and no reason not to draw the rest.
        hops.extend(self.inventorys_hops().await.unwrap_or_default());
        hops
    }

    async fn inventorys_hops(&self) -> anyhow::Result<Vec<Hop>> {
        let url = self.inventory.url.join("/hops")?;
        // Looking at traces is no part of one.
        let response = self.inventory.client.get(url).without_trace().send().await?;
        Ok(response.error_for_status()?.json().await?)
    }
}
