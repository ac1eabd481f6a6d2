//! The org's rate limits, one a bucket (Okta, "Rate limits", as last published for workforce orgs).

use super::Options;
use super::endpoint::Bucket;
use super::quota::Quotas;

/// The buckets of the directory, with the requests a minute that Okta allows.
const DIRECTORY: [(Bucket, u32); 6] = [
    (Bucket::Users, 600),
    (Bucket::User, 2_000),
    (Bucket::UserWrites, 600),
    (Bucket::Groups, 500),
    (Bucket::Group, 1_000),
    (Bucket::Other, 1_200),
];

/// All buckets but that of the token endpoint.
#[derive(Debug)]
pub(super) struct Buckets {
    /// Of `/api/v1/logs`; the second consumer takes from this one.
    pub(super) logs: Quotas,
    directory: [(Bucket, Quotas); 6],
}

impl Buckets {
    /// Buckets whose windows begin at `anchor_ms`.
    pub(super) fn new(options: &Options, anchor_ms: i64) -> Self {
        let share = options.token_share_percent;
        Self {
            logs: Quotas::new(options.rate_limit, share, anchor_ms),
            directory: DIRECTORY.map(|(bucket, usual)| {
                let limit = options.directory_rate_limit.unwrap_or(usual);
                (bucket, Quotas::new(limit, share, anchor_ms))
            }),
        }
    }

    pub(super) fn of(&self, bucket: Bucket) -> &Quotas {
        let found = self.directory.iter().find(|(other, _)| *other == bucket);
        found.map_or(&self.logs, |(_, quotas)| quotas)
    }
}
