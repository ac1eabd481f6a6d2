//! Second factors of users, as `GET /api/v1/users/{id}/factors` lists them.

use serde::Deserialize;
use serde_json::{Value, json};

use super::new_id;
use crate::clock;

/// One enrolled factor.
#[derive(Clone, Debug)]
pub(super) struct Factor {
    pub(super) id: String,
    pub(super) kind: FactorKind,
    pub(super) created_ms: i64,
}

/// What a factor is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum FactorKind {
    /// Okta Verify with push.
    Push,
    /// Okta Verify's codes.
    Totp,
    /// The codes of another app, whose seed is given out and not yet proved to be in use.
    PendingTotp,
    Sms,
}

impl FactorKind {
    /// Three characters with which ids of its kind begin.
    fn prefix(self) -> &'static str {
        match self {
            Self::Push => "opf",
            Self::Totp => "ost",
            Self::PendingTotp => "uft",
            Self::Sms => "sms",
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Push => "push",
            Self::Totp | Self::PendingTotp => "token:software:totp",
            Self::Sms => "sms",
        }
    }

    /// What goes with it when it is unenrolled: Okta Verify is one app.
    pub(super) fn takes_along(self, other: Self) -> bool {
        self == other || (self == Self::Push && other == Self::Totp)
    }
}

impl Factor {
    pub(super) fn new(kind: FactorKind, created_ms: i64) -> Self {
        Self { id: new_id(kind.prefix()), kind, created_ms }
    }

    /// As Okta writes it.
    pub(super) fn view(&self, base: &str, user: &str, login: &str) -> Value {
        let own = match self.kind {
            FactorKind::Sms => json!({ "phoneNumber": "+12025550100" }),
            _ => json!({ "credentialId": login }),
        };
        let is_pending = self.kind == FactorKind::PendingTotp;
        let provider = if is_pending { "GOOGLE" } else { "OKTA" };
        let time = clock::date_time(self.created_ms);
        let mut view = json!({
            "id": self.id,
            "factorType": self.kind.name(),
            "provider": provider,
            "vendorName": provider,
            "status": if is_pending { "PENDING_ACTIVATION" } else { "ACTIVE" },
            "created": time,
            "lastUpdated": time,
            "profile": own,
            "_links": { "self": {
                "href": format!("{base}/api/v1/users/{user}/factors/{}", self.id),
                "hints": { "allow": ["GET", "DELETE"] },
            } },
        });
        if is_pending {
            let seed = format!("JBSWY3DPEHPK3PXP{}", &self.id[3..]);
            view["_embedded"] = json!({ "activation": {
                "timeStep": 30, "sharedSecret": seed, "encoding": "base32", "keyLength": 16,
            } });
        }
        view
    }
}
