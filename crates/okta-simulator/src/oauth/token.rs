//! Access tokens that have been given. They are random; a client must not look into them anyway.

use std::collections::HashMap;

/// Forgetting begins when there are so many.
const MANY: usize = 10_000;

/// Whose a token is and what it opens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Grant {
    pub(crate) client_id: String,
    /// Separated by spaces.
    pub(super) scope: String,
}

impl Grant {
    /// Whether it opens what needs this scope; who may manage may read.
    pub(super) fn opens(&self, needed: &str) -> bool {
        let managing = needed.strip_suffix(".read").map(|beginning| format!("{beginning}.manage"));
        self.scope.split(' ').any(|scope| scope == needed || Some(scope) == managing.as_deref())
    }
}

/// A token that has been given.
#[derive(Clone, Debug)]
pub(super) struct Issued {
    pub(super) grant: Grant,
    /// Of the key to which it is bound.
    pub(super) thumbprint: Option<String>,
    expires_s: i64,
}

#[derive(Debug, Default)]
pub(super) struct Tokens {
    by_secret: HashMap<String, Issued>,
}

impl Tokens {
    /// Makes one.
    pub(super) fn issue(
        &mut self,
        client_id: &str,
        scope: &str,
        thumbprint: Option<String>,
        expires_s: i64,
    ) -> String {
        if self.by_secret.len() >= MANY {
            self.by_secret.retain(|_, issued| issued.expires_s + 3_600 > expires_s);
        }
        let secret: String = (0..64).map(|_| fastrand::alphanumeric()).collect();
        let grant = Grant { client_id: client_id.to_owned(), scope: scope.to_owned() };
        self.by_secret.insert(secret.clone(), Issued { grant, thumbprint, expires_s });
        secret
    }

    /// One that is good at `now_s`.
    pub(super) fn find(&self, secret: &str, now_s: i64) -> Option<Issued> {
        self.by_secret.get(secret).filter(|issued| now_s < issued.expires_s).cloned()
    }

    /// Makes all tokens of a client useless.
    pub(super) fn revoke(&mut self, client_id: &str) {
        self.by_secret.retain(|_, issued| issued.grant.client_id != client_id);
    }
}
