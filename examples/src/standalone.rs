//! What the programs that serve have in common.

use std::net::{SocketAddr, TcpListener};

use actix_web::dev::Server;
use clap::Args;

/// Where a program listens.
#[derive(Debug, Clone, Args)]
pub struct Listen {
    /// Where to listen; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
}

impl Listen {
    /// Serves until the process is told to end, and prints where when it is ready.
    ///
    /// # Errors
    ///
    /// An address that cannot be listened on, and what goes wrong with serving.
    pub async fn serve(
        &self,
        name: &str,
        serve: impl FnOnce(TcpListener) -> anyhow::Result<Server>,
    ) -> anyhow::Result<()> {
        let listener = TcpListener::bind(self.listen)?;
        let address = listener.local_addr()?;
        let server = serve(listener)?;
        println!("{name} listening on http://{address}");
        Ok(server.await?)
    }
}
