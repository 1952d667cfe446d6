//! tonic: unary calls and streams, client and server.

use std::pin::Pin;

use futures_util::{Stream, StreamExt as _, stream};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tonic::codegen::http::Uri;
use tonic::transport::Endpoint;
use tonic::transport::server::TcpIncoming;
use tonic::{Code, Request, Response, Status};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::health_server::{Health, HealthServer};
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};
use tower::{Layer as _, service_fn};
use tracehop::tower::{ClientTracePropagationLayer, TracePropagationLayer};
use tracehop::{InTrace as _, PropagationContext, Propagator, Target};

use crate::{Log, current, options};

const METHODS: [&str; 2] = ["/grpc.health.v1.Health/Check", "/grpc.health.v1.Health/Watch"];

/// A service that answers with the current trace id, in metadata or as the message of an error.
struct Traced;

type Answers = Pin<Box<dyn Stream<Item = Result<HealthCheckResponse, Status>> + Send>>;

fn serving() -> HealthCheckResponse {
    HealthCheckResponse { status: ServingStatus::Serving.into() }
}

#[tonic::async_trait]
impl Health for Traced {
    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        let trace = request.extensions().get::<PropagationContext>().unwrap();
        assert_eq!(trace.trace_id().to_string(), current());
        let mut response = Response::new(serving());
        response.metadata_mut().insert("x-trace", current().parse().unwrap());
        Ok(response)
    }

    type WatchStream = Answers;

    async fn watch(
        &self,
        _: Request<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let outer = current();
        let serving = stream::repeat_with(move || {
            assert_eq!(current(), outer);
            Ok(serving())
        });
        let end = stream::once(async { Err(Status::aborted(current())) });
        Ok(Response::new(Box::pin(serving.take(3).chain(end))))
    }
}

/// Serves on a free port in the background. Returns the URL.
async fn serve(propagator: &Propagator) -> Uri {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let layer = TracePropagationLayer::new(propagator.clone())
        .route(|request| METHODS.into_iter().find(|method| *method == request.uri.path()));
    let server = tonic::transport::Server::builder()
        .layer(layer)
        .add_service(HealthServer::new(Traced))
        .serve_with_incoming(TcpIncoming::from(listener));
    tokio::spawn(server);
    url.parse().unwrap()
}

#[tokio::test]
async fn calls_and_streams_are_in_the_client_trace() {
    let (propagator, log, mut ended) = Log::recording();
    let url = serve(&propagator).await;
    let targets = || options().trace_propagation_targets([Target::host("127.0.0.1")]);
    let client = targets().build().unwrap();
    let channel = Endpoint::from(url.clone()).connect().await.unwrap();
    let channel = ClientTracePropagationLayer::new(client.clone()).layer(channel);
    let mut client_of = HealthClient::with_origin(channel, url);

    let trace = client.start_new_trace();
    let id = trace.trace_id().to_string();
    let request = HealthCheckRequest::default;
    let response = client_of.check(request()).in_trace(trace.clone()).await.unwrap();
    assert_eq!(response.metadata().get("x-trace").unwrap(), &*id);
    ended.recv().await.unwrap();
    let route = format!("in POST {}", METHODS[0]);
    assert_eq!(log.take(), [route, "completed 200".to_owned()]);

    let answers = client_of.watch(request()).in_trace(trace.clone()).await.unwrap();
    let answers = answers.into_inner().collect::<Vec<_>>().await;
    assert_eq!(answers.len(), 4);
    let error = answers[3].as_ref().unwrap_err();
    assert_eq!((error.code(), error.message()), (Code::Aborted, &*id));
    ended.recv().await.unwrap();
    let route = format!("in POST {}", METHODS[1]);
    assert_eq!(log.take(), [route, "completed 200".to_owned()]);
}

#[tokio::test]
async fn targets_need_the_origin_of_a_channel() {
    let url = serve(&options().build().unwrap()).await;
    let host = url.authority().unwrap().to_string();
    let connector = service_fn(move |_: Uri| {
        let host = host.clone();
        async move { TcpStream::connect(host).await.map(TokioIo::new) }
    });
    for (origin, target, is_sent) in [
        (Some("https://stock.internal"), Some("stock.internal"), true),
        (Some("https://stock.internal"), Some("127.0.0.1"), false),
        (None, Some("stock.internal"), false),
        (None, None, true),
    ] {
        let channel = Endpoint::from(url.clone());
        let channel = channel.connect_with_connector(connector.clone()).await.unwrap();
        let propagator = match target {
            Some(host) => options().trace_propagation_targets([Target::host(host)]),
            None => options(),
        };
        let propagator = propagator.build().unwrap();
        let channel = ClientTracePropagationLayer::new(propagator.clone()).layer(channel);
        let mut client = match origin {
            Some(origin) => HealthClient::with_origin(channel, origin.parse().unwrap()),
            None => HealthClient::new(channel),
        };
        let trace = propagator.start_new_trace();
        let call = client.check(HealthCheckRequest::default()).in_trace(trace.clone());
        let response = call.await.unwrap();
        let is_in_trace =
            response.metadata().get("x-trace").unwrap() == &*trace.trace_id().to_string();
        assert_eq!(is_in_trace, is_sent, "{origin:?} {target:?}");
    }
}
