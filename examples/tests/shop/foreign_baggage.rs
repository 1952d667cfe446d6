//! Traces and baggage of other senders.

use crate::wire::Wire;
use crate::{CALLER, Shop, TRACE_ID, client, meta, storefront_of, telemetry, until};

#[actix_web::test]
async fn shop_continues_incoming_traces() {
    let shop = Shop::start();
    let baggage = format!("sentry-trace_id={TRACE_ID},sentry-sample_rand=0.25,sentry-x=%2f");
    let with_others = format!("userId=alice, {baggage}");
    let sentry_trace = format!("{TRACE_ID}-{CALLER}-0");
    let html = shop.page(&[("sentry-trace", &sentry_trace), ("baggage", &with_others)]).await;
    assert!(meta(&html, "sentry-trace").unwrap().starts_with(TRACE_ID));
    assert!(meta(&html, "sentry-trace").unwrap().ends_with("-0"));
    assert_eq!(meta(&html, "baggage").as_deref(), Some(baggage.as_str()));
    assert_eq!(shop.wire.seen()[0].header("baggage"), Some(baggage.as_str()));
}

#[actix_web::test]
async fn traces_of_other_organisations_are_not_continued() {
    let shop = Shop::with_telemetry(|telemetry| telemetry.org_id = Some(1));
    let sentry_trace = format!("{TRACE_ID}-{CALLER}-1");
    let html = shop.page(&[("sentry-trace", &sentry_trace), ("baggage", "sentry-org_id=2")]).await;
    let own = meta(&html, "sentry-trace").unwrap()[..32].to_owned();
    assert_ne!(own, TRACE_ID);
    let trace = shop.collector.trace(&own, 3, 1).await;
    for header in trace.trace_headers() {
        assert_eq!(header["org_id"], "1");
    }
    assert_eq!(shop.collector.json(&format!("/traces/{TRACE_ID}/json")).await, None);
}

#[actix_web::test]
async fn foreign_baggage_is_never_handed_on() {
    // One stands in for inventory, the other records all envelopes.
    let (inventory, spotlight) = (Wire::stand_in(), Wire::stand_in());
    let telemetry = telemetry::Options {
        spotlight: Some(format!("{}/stream", spotlight.url())),
        org_id: Some(0),
        ..telemetry::Options::default()
    };
    let storefront = storefront_of(inventory.url(), telemetry.clone());
    let shop = Shop::with_telemetry(|options| *options = telemetry);

    let trace = format!("{TRACE_ID}-{CALLER}-1");
    let ours = format!("sentry-trace_id={TRACE_ID},sentry-sample_rand=0.25");
    for (foreign, sentry_trace, sent) in [
        (format!("user=hush,{ours},xsentry-a=hush"), trace.as_str(), Some(ours.as_str())),
        (format!("{ours}, SENTRY-a=hush;hush=1"), &trace, Some(&ours)),
        ("user=hush".to_owned(), &trace, None),
        ("user=hush,sentry-org_id=1,sentry-a=hush".to_owned(), &trace, Some("")),
        (format!("user=hush,{ours},sentry-a=hush"), "malformed", Some("")),
    ] {
        for url in [storefront.url(), shop.storefront.url(), format!("{}/stock", shop.wire.url())] {
            let request = client().get(url).header("sentry-trace", sentry_trace);
            let answer = request.header("baggage", &foreign).send().await.unwrap();
            assert_eq!(answer.status(), 200);
            assert!(!format!("{:?}", answer.headers()).contains("hush"), "{foreign}");
            assert!(!answer.text().await.unwrap().contains("hush"), "{foreign}");
        }
        let [call] = inventory.seen().try_into().unwrap();
        assert!(!format!("{call:?}").contains("hush"), "{foreign}");
        let baggage = call.header("baggage");
        match sent {
            // A trace that the storefront started, with its own dynamic sampling context.
            Some("") => assert!(baggage.unwrap().contains("sentry-release=storefront%40")),
            sent => assert_eq!(baggage, sent, "{foreign}"),
        }
    }
    // In each round: a transaction for each of four requests, and an error for each of two requests to inventory.
    let mut seen = Vec::new();
    let envelopes = until(async || {
        seen.extend(spotlight.seen());
        (seen.len() >= 5 * (4 + 2)).then(|| seen.clone())
    });
    assert!(!format!("{:?}", envelopes.await).contains("hush"));
}
