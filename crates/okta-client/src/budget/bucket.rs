//! Which rate-limit bucket a request counts on. Okta documents no machine-readable map; this one was made from Okta's
//! published tables and from recorded answers: what acts on a user below its own URL counts on `/api/v1/users`, and
//! membership counts on `/api/v1/groups`.

/// A rate-limit bucket of an org.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, strum::IntoStaticStr, strum::VariantArray,
)]
#[strum(serialize_all = "snake_case")]
pub(crate) enum Bucket {
    /// `/api/v1/logs`, alone.
    Logs,
    /// `/api/v1/users`: list, create, and all below one user: lifecycle, credentials, groups, sessions.
    Users,
    /// `GET /api/v1/users/{id}`.
    UserRead,
    /// `POST`, `PUT` and `DELETE /api/v1/users/{id}`.
    UserWrite,
    /// `/api/v1/groups`: list, create, members and membership.
    Groups,
    /// `/api/v1/groups/{id}`.
    Group,
    /// `/oauth2/v1/clients`.
    Clients,
    /// `/oauth2/v1/token`.
    Token,
    /// Everything else.
    Other,
}

impl Bucket {
    /// All buckets.
    pub(crate) const ALL: &'static [Self] = <Self as strum::VariantArray>::VARIANTS;

    /// The bucket of `method` on `path`.
    pub(crate) fn of(method: &str, path: &str) -> Self {
        let mut segments = path.split('/').filter(|segment| !segment.is_empty());
        let root = [segments.next(), segments.next(), segments.next()].map(Option::unwrap_or_default);
        // The object's id, and whatever comes below it.
        let (id, below) = (segments.next(), segments.next());
        match (root, id, below) {
            (["api", "v1", "logs"], _, _) => Self::Logs,
            (["api", "v1", "users"], Some(_), None) if method == "GET" => Self::UserRead,
            (["api", "v1", "users"], Some(_), None) => Self::UserWrite,
            (["api", "v1", "users"], _, _) => Self::Users,
            (["api", "v1", "groups"], Some(_), None) => Self::Group,
            (["api", "v1", "groups"], _, _) => Self::Groups,
            (["oauth2", "v1", "clients"], _, _) => Self::Clients,
            (["oauth2", "v1", "token"], None, None) => Self::Token,
            _ => Self::Other,
        }
    }

    /// Its name in metrics.
    pub(crate) fn name(self) -> &'static str {
        self.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_count_where_okta_counts_them() {
        for (method, path, bucket) in [
            ("GET", "/api/v1/logs", Bucket::Logs),
            ("GET", "/api/v1/users", Bucket::Users),
            ("POST", "/api/v1/users", Bucket::Users),
            ("GET", "/api/v1/users/00u1", Bucket::UserRead),
            ("GET", "/api/v1/users/ada%2Fx@acme.com", Bucket::UserRead),
            ("POST", "/api/v1/users/00u1", Bucket::UserWrite),
            ("DELETE", "/api/v1/users/00u1", Bucket::UserWrite),
            ("POST", "/api/v1/users/00u1/lifecycle/suspend", Bucket::Users),
            ("POST", "/api/v1/users/00u1/credentials/forgot_password", Bucket::Users),
            ("GET", "/api/v1/users/00u1/groups", Bucket::Users),
            ("DELETE", "/api/v1/users/00u1/sessions", Bucket::Users),
            ("GET", "/api/v1/groups", Bucket::Groups),
            ("GET", "/api/v1/groups/00g1", Bucket::Group),
            ("GET", "/api/v1/groups/00g1/users", Bucket::Groups),
            ("PUT", "/api/v1/groups/00g1/users/00u1", Bucket::Groups),
            ("POST", "/oauth2/v1/token", Bucket::Token),
            ("GET", "/oauth2/v1/clients", Bucket::Clients),
            ("GET", "/api/v1/apps", Bucket::Other),
            ("GET", "/", Bucket::Other),
        ] {
            assert_eq!(Bucket::of(method, path), bucket, "{method} {path}");
        }
    }
}
