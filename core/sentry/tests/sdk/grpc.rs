//! gRPC with tonic: the HTTP status of a call is 200, also if the call failed.

use futures_util::{Stream, StreamExt as _, stream};
use sentry_core::Hub;
use tokio::net::TcpListener;
use tonic::codegen::BoxStream;
use tonic::transport::Endpoint;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::health_server::{Health, HealthServer};
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};
use tower::Layer as _;
use tracehop::InTrace as _;
use tracehop::tower::{ClientTracePropagationLayer, TracePropagationLayer};
use tracehop_sentry::SentryRecorder;

use crate::{capturing, options, sdk};

/// Answers with the status that the request names, at once or at the end of a stream.
struct Answering;

fn answer(request: &Request<HealthCheckRequest>) -> Result<HealthCheckResponse, Status> {
    match &*request.get_ref().service {
        "" => Ok(HealthCheckResponse::default()),
        code => Err(Status::new(code.parse::<i32>().unwrap().into(), "on purpose")),
    }
}

#[tonic::async_trait]
impl Health for Answering {
    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        answer(&request).map(Response::new)
    }

    type WatchStream = BoxStream<HealthCheckResponse>;

    async fn watch(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let last = answer(&request);
        let answers = stream::iter([Ok(HealthCheckResponse::default()), last]);
        Ok(Response::new(answers.boxed()))
    }
}

async fn read_all<T>(answers: impl Stream<Item = T>) {
    answers.for_each(|_| async {}).await;
}

#[tokio::test]
async fn failed_calls_have_the_status_of_grpc() {
    let recorder = SentryRecorder::new();
    let (sent, hub) = capturing(&recorder, sdk());
    Hub::current().bind_client(hub.client());
    let propagator = options().traces_sample_rate(1.0).recorder(recorder.clone()).build().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url: tonic::codegen::http::Uri =
        format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    let server = tonic::transport::Server::builder()
        .layer(TracePropagationLayer::new(propagator.clone()))
        .add_service(HealthServer::new(Answering))
        .serve_with_incoming(TcpIncoming::from(listener));
    tokio::spawn(server);
    let channel = Endpoint::from(url.clone()).connect().await.unwrap();
    let channel = ClientTracePropagationLayer::new(propagator.clone()).layer(channel);
    let mut client = HealthClient::with_origin(channel, url);

    for (code, at_server, is_streamed, at_client) in [
        ("", "ok", false, "ok"),
        ("5", "not_found", false, "not_found"),
        ("16", "unauthenticated", false, "unauthenticated"),
        ("99", "unknown_error", false, "unknown_error"),
        ("", "ok", true, "ok"),
        // The span of the client ends with the head, before the status at the end of the stream.
        ("10", "aborted", true, "ok"),
    ] {
        let job = recorder.start_transaction(
            &propagator.start_new_trace(),
            Hub::new_from_top(&hub).into(),
            "job",
            "task",
        );
        let request = HealthCheckRequest { service: code.to_owned() };
        if is_streamed {
            let watch = client.watch(request).in_trace(job.context().clone()).await;
            read_all(watch.unwrap().into_inner()).await;
        } else {
            let _ = client.check(request).in_trace(job.context().clone()).await;
        }
        job.finish(sentry_core::protocol::SpanStatus::Ok);
        // The transaction of the request ends before or after that of the job.
        let mut all = sent.take();
        for _ in 0..100_000 {
            if all.len() == 2 {
                break;
            }
            tokio::task::yield_now().await;
            all.extend(sent.take());
        }
        assert_eq!(all.len(), 2, "{code} {is_streamed}");
        let (jobs, requests): (Vec<_>, Vec<_>) =
            all.iter().partition(|sent| sent.payload["transaction"] == "job");
        assert_eq!(requests[0].trace("status"), at_server, "{code} {is_streamed}");
        let [span] = jobs[0].spans() else { panic!("{jobs:#?}") };
        assert_eq!(span["status"], at_client, "{code} {is_streamed}");
        let data = &requests[0].payload["contexts"]["trace"]["data"];
        let expected = code
            .parse::<u8>()
            .ok()
            .filter(|code| *code < 17)
            .unwrap_or(if code.is_empty() { 0 } else { 2 });
        assert_eq!(data["rpc.grpc.status_code"], expected, "{data}");
        assert_eq!(data["http.response.status_code"], 200);
    }
}
