//! Nonces that the server wants to see in proofs: a new one every day, the old ones good for three.

const NEW_AFTER_S: i64 = 24 * 3_600;
const GOOD_FOR_S: i64 = 3 * NEW_AFTER_S;

#[derive(Debug, Default)]
pub(super) struct Nonces {
    /// With the times at which they were made, the newest last.
    made: Vec<(String, i64)>,
}

impl Nonces {
    /// The one to be used now.
    pub(super) fn current(&mut self, now_s: i64) -> String {
        self.made.retain(|(_, made_s)| now_s < made_s + GOOD_FOR_S);
        match self.made.last() {
            Some((nonce, made_s)) if now_s < made_s + NEW_AFTER_S => nonce.clone(),
            _ => {
                let nonce: String = (0..32).map(|_| fastrand::alphanumeric()).collect();
                self.made.push((nonce.clone(), now_s));
                nonce
            }
        }
    }

    /// Whether a proof may carry it.
    pub(super) fn is_known(&self, nonce: &str, now_s: i64) -> bool {
        self.made.iter().any(|(known, made_s)| known == nonce && now_s < made_s + GOOD_FOR_S)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nonce_is_renewed_daily_and_good_for_three_days() {
        let mut nonces = Nonces::default();
        let first = nonces.current(0);
        assert_eq!(nonces.current(NEW_AFTER_S - 1), first);
        let second = nonces.current(NEW_AFTER_S);
        assert_ne!(second, first);
        assert!(nonces.is_known(&first, GOOD_FOR_S - 1) && !nonces.is_known(&first, GOOD_FOR_S));
        assert!(!nonces.is_known("made up", 0));
    }
}
