//! The destinations that envelopes are sent to.

use crate::wire::Wire;
use crate::{Collector, Shop, data, meta, until};

#[actix_web::test]
async fn project_and_spotlight_get_the_same_envelopes() {
    let (project, spotlight) = (Wire::stand_in(), Wire::stand_in());
    let shop = Shop::with_telemetry(|telemetry| {
        telemetry.dsn = Some(format!(
            "{}/42",
            project.url().replace("://", "://49d0f7386ad645858ae85020e393bef3@")
        ));
        telemetry.spotlight = Some(format!("{}/stream", spotlight.url()));
    });
    let html = shop.page(&[]).await;
    let trace_id = meta(&html, "sentry-trace").unwrap()[..32].to_owned();
    shop.collector.trace(&trace_id, 3, 1).await;
    let [call] = shop.wire.seen().try_into().unwrap();
    assert_eq!(call.dsc()["public_key"], "49d0f7386ad645858ae85020e393bef3");
    for (wire, path) in [(&project, "/api/42/envelope/"), (&spotlight, "/stream")] {
        let mut seen = Vec::new();
        let envelopes = until(async || {
            seen.extend(wire.seen());
            (seen.len() >= 3).then(|| seen.clone())
        });
        for envelope in envelopes.await {
            assert_eq!(envelope.path, path);
            let header: serde_json::Value =
                serde_json::from_str(envelope.body.lines().next().unwrap()).unwrap();
            assert_eq!(header["trace"], call.dsc());
        }
    }
    let urls = [
        format!(
            "{}/api/42/envelope/?sentry_version=7&sentry_key=49d0f7386ad645858ae85020e393bef3",
            project.url()
        ),
        format!("{}/stream", shop.collector.0.url()),
        format!("{}/stream", spotlight.url()),
    ];
    assert_eq!(data(&html, "envelopes"), urls.join(" "));
}

#[actix_web::test]
async fn spotlight_works_without_a_collector() {
    let spotlight = Collector::start();
    let shop = Shop::with_telemetry(|telemetry| {
        telemetry.collector = None;
        telemetry.spotlight = Some(format!("{}/stream", spotlight.0.url()));
    });
    let html = shop.page(&[]).await;
    let trace = spotlight.trace(&meta(&html, "sentry-trace").unwrap()[..32], 3, 1).await;
    assert_eq!((trace.spans.len(), trace.events.len()), (3, 1));
}

#[actix_web::test]
async fn unreachable_spotlight_does_not_disturb_the_shop() {
    // Bound, but not listened on: connections are refused, and no other process can take the port.
    let closed = tokio::net::TcpSocket::new_v4().unwrap();
    closed.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    // Accepts connections, and never answers.
    let mute = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    for address in [closed.local_addr().unwrap(), mute.local_addr().unwrap()] {
        let shop = Shop::with_telemetry(|telemetry| {
            telemetry.spotlight = Some(format!("http://{address}/stream"));
        });
        for _ in 0..40 {
            let html = shop.page(&[]).await;
            shop.collector.trace(&meta(&html, "sentry-trace").unwrap()[..32], 3, 1).await;
        }
    }
}

#[actix_web::test]
async fn shop_works_without_any_destination() {
    let shop = Shop::with_telemetry(|telemetry| telemetry.collector = None);
    let html = shop.page(&[]).await;
    assert!(meta(&html, "sentry-trace").is_some());
    assert_eq!(data(&html, "envelopes"), "");
    let [call] = shop.wire.seen().try_into().unwrap();
    assert_eq!(Some(call.header("baggage").unwrap()), meta(&html, "baggage").as_deref());
    assert_eq!(shop.collector.json("/traces").await.unwrap(), serde_json::json!([]));
}
