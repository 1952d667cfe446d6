//! Layers for [tower](https://docs.rs/tower): servers with axum, tonic or hyper, and clients whose requests are
//! [`http::Request`]s.
//!
//! # Servers
//!
//! [`TracePropagationLayer`] continues the trace of each request. In axum:
//!
//! ```
//! use axum::extract::MatchedPath;
//! use axum::routing::get;
//! use axum::{Extension, Router};
//! use tracehop::tower::TracePropagationLayer;
//! use tracehop::{PropagationContext, Propagator};
//!
//! async fn user(Extension(trace): Extension<PropagationContext>) -> String {
//!     format!("trace {}, this service's span {}", trace.trace_id(), trace.span_id())
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let propagator = Propagator::from_env()?;
//! let layer = TracePropagationLayer::new(propagator)
//!     .route(|request| request.extensions.get::<MatchedPath>().map(MatchedPath::as_str));
//! let app = Router::new().route("/users/{id}", get(user)).layer(layer);
//!
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
//! let server = axum::serve(listener, app);
//! # drop(server);
//! # Ok(())
//! # }
//! ```
//!
//! `Router::layer` calls the layer after the routing, where the route is known. Layers that are added later are
//! further out. tonic takes the layer by `Server::layer`. Hyper takes the service of [`tower_layer::Layer::layer`]
//! through hyper-util's `TowerToHyperService`.
//!
//! The trace is [current](crate::PropagationContext::current) for the handler, for all that the handler awaits, and for
//! the body of the response, also with its trailers. Spawned tasks and closures on other threads need
//! [`in_current_trace`](crate::InTrace::in_current_trace) and [`in_scope`](crate::PropagationContext::in_scope).
//!
//! A page may only send the trace to a service of another origin if that service allows the headers. The names are
//! [`Field::ALL`](crate::Field::ALL), for the `allow_headers` of tower-http's `CorsLayer`:
//!
//! ```
//! use http::HeaderName;
//! use tracehop::Field;
//!
//! let names = Field::ALL.iter().map(|field| HeaderName::from_static(field.name()));
//! let names = names.collect::<Vec<_>>();
//! ```
//!
//! # Clients
//!
//! [`ClientTracePropagationLayer`] writes the trace into each request, here of hyper-util's client:
//!
//! ```
//! use hyper_util::client::legacy::Client;
//! use hyper_util::rt::TokioExecutor;
//! use tower_layer::Layer as _;
//! use tracehop::tower::ClientTracePropagationLayer;
//! use tracehop::{Propagator, Target};
//!
//! let propagator = Propagator::builder()
//!     .trace_propagation_targets([Target::host("api.example.com")])
//!     .build()?;
//! let client = Client::builder(TokioExecutor::new()).build_http::<axum::body::Body>();
//! let client = ClientTracePropagationLayer::new(propagator).layer(client);
//! # let _ = client;
//! # Ok::<(), tracehop::BuildError>(())
//! ```

mod body;
mod client;
mod future;
mod layer;
mod service;

pub use body::TracedBody;
pub use client::{ClientResponseFuture, ClientTracePropagation, ClientTracePropagationLayer};
pub use future::ResponseFuture;
pub use layer::TracePropagationLayer;
pub use service::TracePropagation;

pub use crate::hop::TraceChoice;
