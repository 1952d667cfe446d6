//! Pages as a browser reads them: through a real HTML parser.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use std::sync::Arc;

use askama::Template;
use scraper::{Html, Selector};
use tracehop_askama::tracehop::{PropagationContext, Propagator};
use tracehop_askama::{HasTrace, TraceMeta, filters};

const SENTRY_TRACE: &str = "771a43a4192642f0b136d5159a501700-b72fa28504b07285-1";

#[derive(Template)]
#[template(ext = "html", source = "<head>{{ trace|trace_meta }}<title>x</title></head>")]
struct Filter {
    trace: PropagationContext,
}

#[derive(Template)]
#[template(ext = "html", source = "<head>{{ trace|trace_meta }}<title>x</title></head>")]
struct BorrowedFilter<'a> {
    trace: &'a PropagationContext,
}

#[derive(Template)]
#[template(ext = "html", source = "<head>{{ trace|trace_meta }}<title>x</title></head>")]
struct Generic<T: HasTrace> {
    trace: T,
}

#[derive(Template)]
#[template(ext = "html", source = "<head>{{ trace.as_ref()|trace_meta }}<title>x</title></head>")]
struct GenericAsRef<T: AsRef<PropagationContext>> {
    trace: T,
}

#[derive(Template)]
#[template(
    ext = "html",
    source = "<head>{{ trace|trace_meta }}{{ trace|hx_headers }}{{ trace|sentry_trace }}{{ trace|baggage }}</head>"
)]
struct All {
    trace: Option<PropagationContext>,
}

#[derive(Template)]
#[template(ext = "html", source = "<body {{ trace|hx_headers }}></body>")]
struct Htmx {
    trace: PropagationContext,
}

#[derive(Template)]
#[template(ext = "html", source = "<head>{{ meta }}<title>x</title></head>")]
struct Value {
    meta: TraceMeta,
}

#[derive(Template)]
#[template(
    ext = "html",
    source = r#"<head>
<meta name="sentry-trace" content="{{ trace|sentry_trace }}">
<meta name="baggage" content="{{ trace|baggage }}">
<title>x</title></head>"#
)]
struct ByHand {
    trace: PropagationContext,
}

/// Name and content of every meta tag, and how many elements the head has besides.
fn tags(html: &str) -> (Vec<(String, String)>, usize) {
    let document = Html::parse_document(html);
    let all = Selector::parse("head > *").unwrap();
    let meta = Selector::parse("head > meta").unwrap();
    let attribute = |element: scraper::ElementRef<'_>, name| element.attr(name).unwrap().to_owned();
    let tags: Vec<_> = document
        .select(&meta)
        .map(|tag| {
            assert_eq!(tag.value().attrs().count(), 2, "{html}");
            (attribute(tag, "name"), attribute(tag, "content"))
        })
        .collect();
    let others = document.select(&all).count() - tags.len();
    (tags, others)
}

fn continued(baggage: impl AsRef<[u8]>) -> PropagationContext {
    let headers = [("sentry-trace", SENTRY_TRACE.as_bytes()), ("baggage", baggage.as_ref())];
    Propagator::builder().build().unwrap().continue_trace(&headers[..])
}

fn all_ways(trace: &PropagationContext) -> [String; 9] {
    [
        Filter { trace: trace.clone() }.render().unwrap(),
        BorrowedFilter { trace }.render().unwrap(),
        Value { meta: TraceMeta::new(trace) }.render().unwrap(),
        ByHand { trace: trace.clone() }.render().unwrap(),
        Generic { trace }.render().unwrap(),
        Generic { trace: Some(trace) }.render().unwrap(),
        Generic { trace: Arc::new(trace.clone()) }.render().unwrap(),
        Generic { trace: &Some(Arc::new(trace.clone())) }.render().unwrap(),
        GenericAsRef { trace }.render().unwrap(),
    ]
}

#[test]
fn tags_and_headers_carry_the_same_values() {
    for trace in [
        continued("sentry-trace_id=771a43a4192642f0b136d5159a501700,sentry-sample_rand=0.5"),
        Propagator::builder().release("shop@1.4.0").build().unwrap().start_new_trace(),
    ] {
        let expected: Vec<(String, String)> =
            trace.trace_data().iter().map(|(name, value)| (name.into(), value.into())).collect();
        assert_eq!(expected.len(), 2);
        for html in all_ways(&trace) {
            assert_eq!(tags(&html), (expected.clone(), 1), "{html}");
        }
    }
}

#[test]
fn received_values_cannot_break_out_of_a_tag() {
    let hostile = [
        "sentry-a=\"><script>alert(1)</script>,sentry-sample_rand=0.5",
        "sentry-a='><img/src=x/onerror=alert(1)>,sentry-sample_rand=0.5",
        "sentry-a=<!--,sentry-b=</head>,sentry-sample_rand=0.5",
        "sentry-a=&quot;&#34;&amp;lt,sentry-sample_rand=0.5",
        "sentry-a=1;p='<b>',sentry-'=&x;,sentry-sample_rand=0.5",
    ];
    for baggage in hostile {
        let trace = continued(baggage);
        let sent = trace.dsc().as_str().to_owned();
        assert!(trace.dsc().iter().count() > 1, "{sent}");
        for html in all_ways(&trace) {
            let (tags, others) = tags(&html);
            assert_eq!(others, 1, "{html}");
            assert_eq!(tags[1], ("baggage".to_owned(), sent.clone()), "{html}");
        }
    }
}

#[test]
fn no_byte_breaks_out_of_a_tag() {
    for byte in 0..=255_u8 {
        for line in [
            [b"sentry-a=x", &[byte][..], b"y>,sentry-sample_rand=0.5"].concat(),
            [b"sentry-a=1;p=x", &[byte][..], b"y>,sentry-sample_rand=0.5"].concat(),
            [b"sentry-a", &[byte][..], b"b=<y>,sentry-sample_rand=0.5"].concat(),
            [b"sentry-a=%", format!("{byte:02X}").as_bytes(), b">,sentry-sample_rand=0.5"].concat(),
            [b"sentry-sample_rand=0.5,sentry-a=<script>", &[byte][..]].concat(),
            [b"sentry-sample_rand=0.5,sentry-a=&quot", &[byte][..]].concat(),
        ] {
            let trace = continued(&line);
            let shown = String::from_utf8_lossy(&line);
            assert_eq!(trace.dsc().sample_rand().map(|rand| rand.get()), Some(0.5), "{shown:?}");
            let expected: Vec<(String, String)> = trace
                .trace_data()
                .iter()
                .map(|(name, value)| (name.into(), value.into()))
                .collect();
            for html in all_ways(&trace) {
                assert_eq!(tags(&html), (expected.clone(), 1), "{shown:?}: {html}");
            }
        }
    }
}

#[test]
fn traces_without_a_dsc_have_one_tag() {
    let trace = continued("other=1");
    let html = Filter { trace: trace.clone() }.render().unwrap();
    let expected = ("sentry-trace".to_owned(), trace.trace_data().sentry_trace().to_owned());
    assert_eq!(tags(&html), (vec![expected], 1));
}

#[test]
fn templates_without_a_trace_render_nothing() {
    assert_eq!(All { trace: None }.render().unwrap(), "<head></head>");
}

/// The JSON of the attribute, as a browser reads it.
fn hx_headers(html: &str) -> Vec<(String, String)> {
    let document = Html::parse_document(html);
    let body = document.select(&Selector::parse("body").unwrap()).next().unwrap();
    assert_eq!(body.value().attrs().count(), 1, "{html}");
    let json = serde_json::from_str(body.attr("hx-headers").unwrap()).unwrap();
    let serde_json::Value::Object(headers) = json else { panic!("{html}") };
    headers.into_iter().map(|(name, value)| (name, value.as_str().unwrap().to_owned())).collect()
}

#[test]
fn htmx_gets_the_values_of_the_headers() {
    for baggage in [
        "sentry-a='><img/src=x/onerror=alert(1)>,sentry-sample_rand=0.5",
        "sentry-a=1;p='{\"'}&quot;,sentry-sample_rand=0.5",
        "sentry-a=\\u0022\\,sentry-sample_rand=0.5",
        "other=1",
    ] {
        let trace = continued(baggage);
        let mut expected: Vec<(String, String)> =
            trace.trace_data().iter().map(|(name, value)| (name.into(), value.into())).collect();
        expected.sort();
        assert_eq!(hx_headers(&Htmx { trace }.render().unwrap()), expected);
    }
}

#[test]
fn indented_tags_stay_tags() {
    #[derive(Template)]
    #[template(
        ext = "html",
        source = "<head>\n    {{ trace|trace_meta|indent(4)|safe }}<title>x</title></head>"
    )]
    struct Filter {
        trace: PropagationContext,
    }

    #[derive(Template)]
    #[template(
        ext = "html",
        source = "<head>\n    {% filter indent(4)|safe %}{{ trace|trace_meta }}{% endfilter %}<title>x</title></head>"
    )]
    struct Block {
        trace: PropagationContext,
    }

    let trace = continued("sentry-a='<b>,sentry-sample_rand=0.5");
    let expected: Vec<(String, String)> =
        trace.trace_data().iter().map(|(name, value)| (name.into(), value.into())).collect();
    for html in [
        Filter { trace: trace.clone() }.render().unwrap(),
        Block { trace: trace.clone() }.render().unwrap(),
    ] {
        assert_eq!(tags(&html), (expected.clone(), 1), "{html}");
        assert!(html.contains("\n    <meta name=\"baggage\""), "{html}");
    }
}

#[test]
fn rendering_freezes_the_dsc() {
    let propagator = Propagator::builder().traces_sample_rate(1.0).build().unwrap();
    let trace = propagator.start_new_trace();
    let page = Filter { trace: trace.clone() };
    trace.set_transaction("GET /page");
    let first = page.render().unwrap();
    trace.set_transaction("late");
    assert_eq!(page.render().unwrap(), first);
    assert_eq!(trace.dsc().transaction().as_deref(), Some("GET /page"));
}

#[test]
fn tags_are_html_in_templates_of_any_format() {
    #[derive(Template)]
    #[template(ext = "txt", source = "{{ meta }}")]
    struct Text {
        meta: TraceMeta,
    }

    let trace = continued("sentry-a='");
    let meta = TraceMeta::new(&trace);
    assert!(meta.to_string().contains("content=\"sentry-a=&#39;"));
    assert_eq!(Text { meta: meta.clone() }.render().unwrap(), meta.to_string());
}
