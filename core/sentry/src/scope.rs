//! The hub of a request or a job, as the environment that its context carries.

use std::any::Any;
use std::sync::Arc;

use sentry_core::Hub;
use tracehop::PropagationContext;
use tracehop::recorder::RecorderScope;

use crate::registry::Entry;

/// The hub whose scope has the transaction of a context.
pub(crate) struct HubScope {
    hub: Arc<Hub>,
    entry: Arc<Entry>,
}

impl HubScope {
    pub(crate) fn new(hub: Arc<Hub>, entry: Arc<Entry>) -> Self {
        Self { hub, entry }
    }

    /// Returns the scope that a context carries, if it is one of ours.
    pub(crate) fn of(context: &PropagationContext) -> Option<&Self> {
        let scope: &dyn Any = &**context.scope()?;
        scope.downcast_ref()
    }

    pub(crate) fn hub(&self) -> &Arc<Hub> {
        &self.hub
    }

    pub(crate) fn entry(&self) -> &Arc<Entry> {
        &self.entry
    }
}

impl RecorderScope for HubScope {
    fn enter(&self, work: &mut dyn FnMut()) {
        Hub::run(Arc::clone(&self.hub), work);
    }
}
