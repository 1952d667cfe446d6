//! The two example services, which make a shop, and the trace that a visit of its page starts.

pub(crate) mod elsewhere;
mod tree;
pub(crate) mod wait;

use anyhow::Result;

use self::elsewhere::Elsewhere;
use crate::collector::Collector;
use crate::executables::Executables;
use crate::process::Process;
use crate::service::Service;

/// Both services, ended when this is dropped.
#[derive(Debug)]
pub(crate) struct Shop {
    // Dropped in this order: the caller before the callee.
    storefront: Service,
    inventory: Service,
}

impl Shop {
    /// Starts the storefront on this port, and the inventory on the next one. Without a port, both take free ones.
    pub(crate) fn open(
        executables: &Executables,
        collector: &Collector,
        elsewhere: &Elsewhere,
        port: Option<u16>,
    ) -> Result<Self> {
        let start = |name: &str, arguments: &[&str], port: Option<u16>| {
            let mut command = executables.command(name)?;
            command.args(["--collector", collector.url()]).args(arguments);
            elsewhere.apply_to(&mut command);
            Service::start_on(name, command, port)
        };
        let inventory = start("inventory", &[], port.map(|port| port + 1))?;
        let storefront = start("storefront", &["--inventory", inventory.url()], port)?;
        Ok(Self { storefront, inventory })
    }

    /// The origin of its page, without a slash at the end.
    pub(crate) fn url(&self) -> &str {
        self.storefront.url()
    }

    pub(crate) fn processes(&mut self) -> [&mut Process; 2] {
        [self.inventory.process(), self.storefront.process()]
    }
}
