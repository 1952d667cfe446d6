use proptest::prelude::*;
use tracehop::{Dsn, Propagator, Target};
use url::Url;

use crate::config;

fn matches(target: Target, url: &str) -> bool {
    let propagator = Propagator::builder().trace_propagation_targets([target]).build();
    propagator.is_ok_and(|propagator| propagator.start_new_trace().propagates_to(url))
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn parts_of_a_dsn_are_found(
        scheme in "https?|HTTPS", key in "[A-Za-z0-9_-]{1,140}", secret in "(:[!$-.0-9:;=A-Z_a-z~]{0,20})?",
        org in "[0-9]{1,20}", rest in "[a-z]{1,9}(\\.[a-z]{2,9}){0,2}", port in "(:[0-9]{1,4})?",
        path in "(/[a-z0-9]{1,5}){0,2}", project in "[0-9]{1,9}",
    ) {
        let host = format!("o{org}.{rest}");
        let text = format!("{scheme}://{key}{secret}@{host}{port}{path}/{project}");
        let dsn = text.parse::<Dsn>();
        assert_eq!(dsn.is_ok(), key.len() <= 128);
        let Ok(dsn) = dsn else { return Ok(()) };
        assert_eq!(dsn.public_key(), &key);
        assert_eq!(dsn.host(), &host);
        assert_eq!(dsn.org_id(), Some(org.as_str()));
        let propagator = Propagator::builder().dsn(text).build().unwrap();
        assert_eq!(propagator.dsn(), Some(&dsn));
        let context = propagator.start_new_trace();
        assert_eq!(context.dsc().public_key().as_deref(), Some(key.as_str()));
        assert_eq!(context.dsc().org_id().as_deref(), Some(org.as_str()));
    }

    #[test]
    fn any_text_is_a_dsn_or_an_error(
        text in "\\PC*|https?://[a-z:@/?#\\\\\\[\\]. ]{0,20}",
    ) {
        let dsn = text.parse::<Dsn>();
        assert_eq!(dsn.is_ok() || text.is_empty(), Propagator::builder().dsn(&text).build().is_ok());
        if let (Ok(dsn), Ok(url)) = (dsn, Url::parse(&text))
            && let Some(url::Host::Domain(host)) = url.host()
        {
            assert_eq!(dsn.host(), host);
        }
    }

    #[test]
    fn typed_targets_compare_only_the_authority(
        host in "[a-z]{1,3}(\\.[a-z]{2,3}){1,3}", cut in any::<prop::sample::Index>(),
        userinfo in "([a-z.@]{1,9}(:[a-z.@]{0,5})?@)?", port in 1_u16..,
        behind in "([/?#][a-z./?#@:]{0,20})?", sub in "([a-z]{1,5}\\.){0,2}",
    ) {
        let url = format!("https://{userinfo}{sub}{host}:{port}{behind}");
        assert_eq!(matches(Target::host(host.as_str()), &url), sub.is_empty());
        assert!(matches(Target::host(format!("{sub}{host}")), &url));
        assert!(matches(Target::domain(host.as_str()), &url));
        assert!(matches(Target::origin(format!("https://{sub}{host}:{port}")), &url));
        assert!(!matches(Target::origin(format!("http://{sub}{host}:{port}")), &url));
        // The end of a host matches as a domain only if it starts at a label.
        let whole = format!("{sub}{host}");
        let (before, end) = whole.split_at(cut.index(whole.len()));
        assert_eq!(matches(Target::host(end), &url), before.is_empty());
        assert_eq!(matches(Target::domain(end), &url), before.is_empty() || before.ends_with('.'));
    }

    #[test]
    fn any_text_is_a_target_or_an_error(
        target in "\\PC{0,12}|[a-z0-9.:/\\[\\]-]{0,12}", url in "\\PC*|https?://[a-z0-9:@/?#\\\\\\[\\]. ]{0,20}",
    ) {
        let found = matches(Target::contains(target.as_str()), &url);
        assert_eq!(found, !target.is_empty() && url.contains(&target));
        let is_host = matches(Target::host(target.as_str()), &url);
        let is_domain = matches(Target::domain(target.as_str()), &url);
        assert!(is_domain || !is_host || target.starts_with('['));
        matches(Target::origin(target.as_str()), &url);
    }
}
