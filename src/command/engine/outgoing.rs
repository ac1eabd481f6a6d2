//! An outcome on its way out: with secrets only while it goes to the address that the command asked for, smaller if it must
//! be. Pure.

use crate::command::{
    Outcome,
    journal::small_part,
    outlet::{OutletCure, Parcel},
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
    is_small: bool,
    parcel: Parcel,
}

impl<'a> Outgoing<'a> {
    /// What is `told`, in `parcel`: privately to the address that is `wanted`, else openly to the `usual` one.
    pub(super) fn new(
        told: &'a Told,
        parcel: Parcel,
        wanted: Option<String>,
        usual: Option<String>,
    ) -> Result<Self, serde_json::Error> {
        let parcel = match wanted {
            Some(wanted) => parcel.in_reply_to(wanted),
            None => Parcel { address: usual.clone(), ..parcel },
        };
        let mut outgoing = Self { told, usual, is_small: false, parcel };
        outgoing.write()?;
        Ok(outgoing)
    }

    /// What is to be published.
    pub(super) fn parcel(&self) -> &Parcel {
        &self.parcel
    }

    /// Whether it asks for another address than the usual one.
    pub(super) fn is_reply(&self) -> bool {
        self.parcel.is_reply
    }

    /// Does what cures a failure, if it can be done here.
    pub(super) fn change(&mut self, cure: OutletCure) -> Result<bool, serde_json::Error> {
        match cure {
            OutletCure::Smaller if !self.is_small => self.is_small = true,
            OutletCure::Elsewhere if self.parcel.is_reply => {
                self.parcel.is_reply = false;
                self.parcel.address.clone_from(&self.usual);
            }
            // What is wrong with the usual address or its limit is for an operator to mend.
            OutletCure::Retry | OutletCure::Smaller | OutletCure::Elsewhere => return Ok(false),
        }
        self.write()?;
        Ok(true)
    }

    fn write(&mut self) -> Result<(), serde_json::Error> {
        let Told { openly, privately } = self.told;
        let outcome = privately.as_ref().filter(|_| self.parcel.is_reply).unwrap_or(openly);
        let written = match self.is_small {
            true => serde_json::to_vec(&Outcome { result: small_part(&outcome.result), ..outcome.clone() }),
            false => serde_json::to_vec(outcome),
        };
        self.parcel.payload = written?.into();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::command::journal::tests::outcome;

    fn result(outgoing: &Outgoing<'_>) -> Value {
        serde_json::from_slice::<Value>(&outgoing.parcel().payload).unwrap()["result"].take()
    }

    #[test]
    fn secrets_go_where_the_command_asks_and_nowhere_else() {
        let told = Told {
            openly: outcome(json!({ "id": "00u1", "withheld": ["link"] })),
            privately: Some(outcome(json!({ "id": "00u1", "link": "s3cret" }))),
        };
        let parcel = || Parcel::outcome("hr", &told.openly, None, 0).unwrap();
        let usual = || Some("outcomes".to_owned());
        let mut outgoing = Outgoing::new(&told, parcel(), Some("private".to_owned()), usual()).unwrap();
        assert_eq!(result(&outgoing), json!({ "id": "00u1", "link": "s3cret" }));
        assert!(outgoing.change(OutletCure::Smaller).unwrap());
        assert_eq!(result(&outgoing), json!({ "id": "00u1", "link": "s3cret", "truncated": true }));

        assert!(outgoing.change(OutletCure::Elsewhere).unwrap());
        assert_eq!(outgoing.parcel().address, usual());
        assert_eq!(result(&outgoing), json!({ "id": "00u1", "withheld": ["link"], "truncated": true }));
        for cure in [OutletCure::Elsewhere, OutletCure::Smaller, OutletCure::Retry] {
            assert!(!outgoing.change(cure).unwrap(), "there is nothing left to change");
        }

        let outgoing = Outgoing::new(&told, parcel(), None, usual()).unwrap();
        assert_eq!(result(&outgoing), json!({ "id": "00u1", "withheld": ["link"] }));
    }
}
