//! Addresses that may have a user and a password in them: these are neither shown nor used.

/// Whether `address` has something before its host.
pub(super) fn has_userinfo(address: &str) -> bool {
    address.contains('@')
}

/// `address` as it may be shown. An address that is wrong may have its password anywhere before the last `@`.
pub(super) fn shown(address: &str) -> String {
    let Some((before, host)) = address.rsplit_once('@') else { return address.to_owned() };
    match before.split_once("://") {
        Some((scheme, _)) => format!("{scheme}://***@{host}"),
        None => format!("***@{host}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_before_the_host_is_not_shown() {
        assert_eq!(shown("nats://ada:hunter2@a:4222"), "nats://***@a:4222");
        assert_eq!(shown("nats://ada:hun/te@r2@a:4222"), "nats://***@a:4222");
        assert_eq!(shown("ada:hunter2@a"), "***@a");
        assert_eq!(shown("https://acme.okta.com"), "https://acme.okta.com");
        assert!(has_userinfo("nats://token@a") && !has_userinfo("a:4222"));
    }
}
