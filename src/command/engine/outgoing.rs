//! An outcome on its way out: with secrets only while it goes to the address that the command asked for, smaller if it must
//! be. Pure.

use crate::command::{
    Cut, Outcome,
    publisher::{Publication, PublishCure},
};

/// An outcome as it is told.
#[derive(Debug)]
pub(super) struct Told {
    /// To whoever reads outcomes.
    pub(super) openly: Outcome,
    /// With the secrets that came up, to the one who asked for them and may see them.
    pub(super) privately: Option<Outcome>,
}

impl Told {
    /// An outcome in which there is nothing to hide.
    pub(super) fn openly(outcome: Outcome) -> Self {
        Self { openly: outcome, privately: None }
    }

    /// What the one who asked is told.
    pub(super) fn for_asker(self) -> Outcome {
        self.privately.unwrap_or(self.openly)
    }
}

/// One outcome, as it is to be published next.
#[derive(Debug, Clone)]
pub(super) struct Outgoing<'a> {
    told: &'a Told,
    usual: Option<String>,
    cut: Cut,
    publication: Publication,
}

impl<'a> Outgoing<'a> {
    /// What is `told`, in `publication`: privately to the address that is `wanted`, else openly to the `usual` one.
    pub(super) fn new(
        told: &'a Told,
        publication: Publication,
        wanted: Option<String>,
        usual: Option<String>,
    ) -> Result<Self, serde_json::Error> {
        let publication = match wanted {
            Some(wanted) => publication.in_reply_to(wanted),
            None => Publication { address: usual.clone(), ..publication },
        };
        let mut outgoing = Self { told, usual, cut: Cut::Whole, publication };
        outgoing.write()?;
        Ok(outgoing)
    }

    /// What is to be published.
    pub(super) fn publication(&self) -> &Publication {
        &self.publication
    }

    /// Whether it asks for another address than the usual one.
    pub(super) fn is_reply(&self) -> bool {
        self.publication.is_reply
    }

    /// Does what cures a failure, if it can be done here.
    pub(super) fn change(&mut self, cure: PublishCure) -> Result<bool, serde_json::Error> {
        match cure {
            PublishCure::Smaller => match self.cut.further() {
                Some(further) => self.cut = further,
                // The limit is too low for any outcome.
                None => return Ok(false),
            },
            PublishCure::Elsewhere if self.publication.is_reply => {
                self.publication.is_reply = false;
                self.publication.address.clone_from(&self.usual);
            }
            // What is wrong with the usual address or its limit is for an operator to mend.
            PublishCure::Retry | PublishCure::Elsewhere => return Ok(false),
        }
        self.write()?;
        Ok(true)
    }

    fn write(&mut self) -> Result<(), serde_json::Error> {
        let Told { openly, privately } = self.told;
        let privately = privately.as_ref().filter(|_| self.publication.is_reply);
        self.publication.is_secret = privately.is_some();
        self.publication.payload = serde_json::to_vec(&privately.unwrap_or(openly).cut(self.cut))?.into();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::command::journal::tests::outcome;

    fn result(outgoing: &Outgoing<'_>) -> Value {
        serde_json::from_slice::<Value>(&outgoing.publication().payload).unwrap()["result"].take()
    }

    #[test]
    fn secrets_go_where_the_command_asks_and_nowhere_else() {
        let told = Told {
            openly: outcome(json!({ "id": "00u1", "withheld": ["link"] })),
            privately: Some(outcome(json!({ "id": "00u1", "link": "s3cret" }))),
        };
        let publication = || Publication::outcome("hr", &told.openly, None, 0).unwrap();
        let usual = || Some("outcomes".to_owned());
        let mut outgoing = Outgoing::new(&told, publication(), Some("private".to_owned()), usual()).unwrap();
        assert_eq!(result(&outgoing), json!({ "id": "00u1", "link": "s3cret" }));
        assert!(outgoing.change(PublishCure::Smaller).unwrap());
        assert_eq!(result(&outgoing), json!({ "id": "00u1", "link": "s3cret", "truncated": true }));

        assert!(outgoing.change(PublishCure::Elsewhere).unwrap());
        assert_eq!(outgoing.publication().address, usual());
        assert_eq!(result(&outgoing), json!({ "id": "00u1", "withheld": ["link"], "truncated": true }));
        while outgoing.change(PublishCure::Smaller).unwrap() {}
        assert_eq!(result(&outgoing), json!({ "truncated": true }));
        for cure in [PublishCure::Elsewhere, PublishCure::Smaller, PublishCure::Retry] {
            assert!(!outgoing.change(cure).unwrap(), "there is nothing left to change");
        }

        let outgoing = Outgoing::new(&told, publication(), None, usual()).unwrap();
        assert_eq!(result(&outgoing), json!({ "id": "00u1", "withheld": ["link"] }));
    }
}
