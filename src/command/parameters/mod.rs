//! What each action takes, typed. Unknown parameters are refused; the JSON Schema comes from these types.

mod app;
mod credentials;
mod group;
mod list;
mod log;
mod user;

pub use app::{AppGroups, AppUsers, AssignUser};
pub use credentials::{
    ClearSessions, ExpirePassword, ForgotPassword, RecoveryQuestion, ResetFactor, ResetPassword, SetPassword,
};
pub use group::{CreateGroup, FindGroups, GroupList, Membership, OneGroup, UpdateGroup};
pub use log::{LogByIp, LogByUser, LogSearch, When};
pub use user::{
    ActivateUser, CreateUser, DeactivateUser, DeleteUser, OneUser, ReactivateUser, SearchUsers, UpdateUser,
    UserList,
};

/// Attributes as Okta names them, passed through: custom ones too.
pub type Profile = serde_json::Map<String, serde_json::Value>;

fn yes() -> bool {
    true
}
