//! The command line and the start-up that all service programs share.

use std::net::{SocketAddr, TcpListener};

use actix_web::dev::Server;
use clap::Args;

/// The address that a program listens on.
#[derive(Debug, Clone, Args)]
pub struct Listen {
    /// The address to listen on; port 0 takes a free port
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
}

impl Listen {
    /// Serves until the process gets a signal to end. Prints the URL when it is ready.
    ///
    /// # Errors
    ///
    /// The address cannot be listened on, or serving fails.
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
