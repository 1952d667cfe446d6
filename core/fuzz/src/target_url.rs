use tracehop::{Propagator, Target};
use url::{Host, Url};

/// Matches a target with a URL: if it matches, a client connects to the target's host.
///
/// The oracle is the crate `url`, by which reqwest reads URLs.
pub fn target_url(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let Some((target, url)) = text.split_once('\n') else { return };
    let contains = matches(Target::contains(target), url);
    assert_eq!(contains, !target.is_empty() && url.contains(target));

    let typed = [Target::host(target), Target::domain(target), Target::origin(target)];
    let [is_host, is_domain, is_origin] = typed.map(|target| matches(target, url));
    // No client can send a request to a malformed URL.
    let Ok(url) = Url::parse(url) else { return };
    let host_of = |url: &str| Url::parse(url).ok()?.host().map(|host| host.to_owned());
    let scheme = url.scheme();
    let wanted = host_of(&format!("{scheme}://{target}"));
    let host = url.host().map(|host| host.to_owned());
    if is_host {
        assert!(is_same(host.as_ref(), wanted.as_ref()), "{url}");
    }
    if is_domain && !is_same(host.as_ref(), wanted.as_ref()) {
        let Some(Host::Domain(name)) = &host else { panic!("{url}") };
        let labels = without_last_dot(name).to_ascii_lowercase();
        let labels = labels.strip_suffix(&without_last_dot(target).to_ascii_lowercase()).unwrap();
        assert!(labels.ends_with('.'), "{url}");
    }
    if is_origin {
        let target = Url::parse(target).unwrap();
        assert_eq!(target.scheme(), scheme);
        assert_eq!(target.port_or_known_default(), url.port_or_known_default());
        assert!(
            is_same(host.as_ref(), target.host().map(|host| host.to_owned()).as_ref()),
            "{url}"
        );
    }
}

fn matches(target: Target, url: &str) -> bool {
    let propagator = Propagator::builder().trace_propagation_targets([target]).build();
    propagator.is_ok_and(|propagator| propagator.start_new_trace().propagates_to(url))
}

/// A dot at the end of a host does not count.
fn without_last_dot(host: &str) -> &str {
    host.strip_suffix('.').unwrap_or(host)
}

/// Compares hosts. `url` keeps the case of a host if the scheme is unknown to browsers.
fn is_same(one: Option<&Host>, other: Option<&Host>) -> bool {
    match (one, other) {
        (Some(Host::Domain(one)), Some(Host::Domain(other))) => {
            without_last_dot(one).eq_ignore_ascii_case(without_last_dot(other))
        }
        (one, other) => one == other,
    }
}
