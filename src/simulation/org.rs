//! The org that is simulated, as its configuration says.

use std::sync::{Arc, LazyLock};

use okta_client::Client;

static CLIENT: LazyLock<Arc<Client>> = LazyLock::new(|| {
    let client = Client::new(crate::config::acme("https://acme.okta.com")).unwrap();
    // The budget of the log is made where it is asked for first, out of the random numbers of that world.
    client.logs_budget();
    Arc::new(client)
});

/// A client that tells of its org, and that no simulation asks. There is one for all worlds, since to make one takes longer
/// than to play many a seed: it reads the certificates of the system.
pub(crate) fn client() -> Arc<Client> {
    Arc::clone(&CLIENT)
}
