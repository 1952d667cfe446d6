use tracehop::{Dsn, Propagator};
use url::Url;

/// Reads a DSN as the crate `url` does, and never shows its keys.
pub fn dsn(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let built = Propagator::builder().dsn(&*text).build();
    let Ok(dsn) = text.parse::<Dsn>() else {
        match built {
            Ok(_) => assert!(text.is_empty()),
            Err(error) => assert!(!error.to_string().contains(char::is_control)),
        }
        return;
    };
    let key = dsn.public_key();
    assert!((1..=128).contains(&key.len()));
    assert!(key.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')));
    // A service writes key and organisation into its headers.
    let context = built.unwrap().start_new_trace();
    assert_eq!(context.dsc().public_key().as_deref(), Some(key));
    assert_eq!(context.dsc().org_id().as_deref(), dsn.org_id());
    if let Some(id) = dsn.org_id() {
        assert!(dsn.host().starts_with(&format!("o{id}.")));
    }
    assert_eq!(format!("{dsn:?}"), format!("Dsn {{ host: {:?}, .. }}", dsn.host()));
    // `url` reads numbers as IP addresses; we keep their text.
    if let Ok(url) = Url::parse(&text)
        && let Some(url::Host::Domain(host)) = url.host()
    {
        assert_eq!(dsn.host(), host);
        assert_eq!(url.username(), key);
    }
}
