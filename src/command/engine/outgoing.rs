//! An outcome on its way out: with secrets only while it goes to the address that the command asked for, smaller if it must
//! be. Pure.

use super::verdicts;
use crate::command::{
    Outcome, Revealed,
    journal::small_part,
    outlet::{OutletCure, Parcel},
};

/// One outcome, as it is to be published next.
#[derive(Debug)]
pub(super) struct Outgoing<'a> {
    outcome: &'a Outcome,
    revealed: &'a [Revealed],
    usual: Option<String>,
    is_small: bool,
    parcel: Parcel,
}

impl<'a> Outgoing<'a> {
    /// `outcome`, which has no secrets, in `parcel`: to `wanted`, with what is `revealed` there, else to the `usual` address.
    pub(super) fn new(
        outcome: &'a Outcome,
        revealed: &'a [Revealed],
        parcel: Parcel,
        wanted: Option<String>,
        usual: Option<String>,
    ) -> Result<Self, serde_json::Error> {
        let parcel = match wanted {
            Some(wanted) => parcel.in_reply_to(wanted),
            None => Parcel { address: usual.clone(), ..parcel },
        };
        let mut outgoing = Self { outcome, revealed, usual, is_small: false, parcel };
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
        let mut outcome = self.outcome.clone();
        if self.parcel.is_reply {
            outcome.result = verdicts::with(outcome.result, self.revealed);
        }
        if self.is_small {
            outcome.result = small_part(&outcome.result);
        }
        self.parcel.payload = serde_json::to_vec(&outcome)?.into();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use secrecy::SecretString;
    use serde_json::{Value, json};

    use super::*;
    use crate::command::journal::tests::outcome;

    fn result(outgoing: &Outgoing<'_>) -> Value {
        serde_json::from_slice::<Value>(&outgoing.parcel().payload).unwrap()["result"].take()
    }

    #[test]
    fn secrets_go_where_the_command_asks_and_nowhere_else() {
        let revealed = [Revealed { name: "link", secret: SecretString::from("s3cret") }];
        let names = ["link"];
        let outcome = outcome(verdicts::without(json!({ "id": "00u1" }), &names, true));
        let parcel = || Parcel::outcome("hr", &outcome, None, 0).unwrap();
        let usual = || Some("outcomes".to_owned());
        let mut outgoing =
            Outgoing::new(&outcome, &revealed, parcel(), Some("private".to_owned()), usual()).unwrap();
        assert_eq!(result(&outgoing), json!({ "id": "00u1", "link": "s3cret" }));
        assert!(outgoing.change(OutletCure::Smaller).unwrap());
        assert_eq!(result(&outgoing), json!({ "id": "00u1", "link": "s3cret", "truncated": true }));

        assert!(outgoing.change(OutletCure::Elsewhere).unwrap());
        assert_eq!(outgoing.parcel().address, usual());
        let withheld = json!({ "id": "00u1", "withheld_on_repeat": ["link"], "truncated": true });
        assert_eq!(result(&outgoing), withheld);
        for cure in [OutletCure::Elsewhere, OutletCure::Smaller, OutletCure::Retry] {
            assert!(!outgoing.change(cure).unwrap(), "there is nothing left to change");
        }

        let outgoing = Outgoing::new(&outcome, &revealed, parcel(), None, usual()).unwrap();
        assert_eq!(result(&outgoing), json!({ "id": "00u1", "withheld_on_repeat": ["link"] }));
    }
}
