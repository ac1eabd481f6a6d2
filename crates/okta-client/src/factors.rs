//! Factors that users have enrolled (Okta, "User Factors").

use super::{Change, Target, request::Confirmation};

/// A user's enrolled factors.
pub fn list(user: &str) -> Target {
    Target::of(&["users", user, "factors"])
}

/// Removes one.
pub fn reset(user: &str, factor: &str) -> Change {
    Change::delete(Target::of(&["users", user, "factors", factor]))
}

/// Removes all.
pub fn reset_all(user: &str) -> Change {
    Change::post(Target::of(&["users", user, "lifecycle", "reset_factors"]), Confirmation::Status)
}
