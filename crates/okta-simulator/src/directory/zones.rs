//! Network zones: to create, find, replace and delete them.

use serde_json::{Value, json};

use super::change::Change;
use super::zone::Zone;
use super::{Directory, new_id};
use crate::okta_error::OktaError;

impl Directory {
    pub(super) fn zone(&self, id: &str) -> Result<&Zone, OktaError> {
        self.zones.get(id).ok_or_else(|| OktaError::missing(id, "NetworkZone"))
    }

    pub(super) fn create_zone(&mut self, body: &Value, now_ms: i64) -> Result<Zone, OktaError> {
        let zone = Zone::new(new_id("nzo"), false, body, now_ms)?;
        self.check_zone_name(zone.name(), &zone.id)?;
        self.keep_zone(zone.clone(), "zone.create");
        Ok(zone)
    }

    pub(super) fn replace_zone(&mut self, id: &str, body: &Value, now_ms: i64) -> Result<Zone, OktaError> {
        let mut zone = self.zone(id)?.clone();
        zone.replace(body, now_ms)?;
        self.check_zone_name(zone.name(), id)?;
        self.keep_zone(zone.clone(), "zone.update");
        Ok(zone)
    }

    pub(super) fn delete_zone(&mut self, id: &str) -> Result<(), OktaError> {
        let zone = self.zone(id)?;
        if zone.is_system {
            return Err(OktaError::access_denied());
        }
        let change = Change::of("zone.delete", [zone.party()]);
        self.changes.push(change);
        self.zones.remove(id);
        Ok(())
    }

    /// The zones that every org has.
    pub(super) fn lay_out_zones(&mut self, created_ms: i64) {
        for (name, kind, usage) in [
            ("LegacyIpZone", "IP", "POLICY"),
            ("BlockedIpZone", "IP", "BLOCKLIST"),
            ("DefaultEnhancedDynamicZone", "DYNAMIC_V2", "BLOCKLIST"),
        ] {
            let body = json!({ "type": kind, "name": name, "usage": usage, "gateways": [] });
            if let Ok(zone) = Zone::new(new_id("nzo"), true, &body, created_ms) {
                self.zones.insert(zone.id.clone(), zone);
            }
        }
    }

    fn check_zone_name(&self, name: &str, own: &str) -> Result<(), OktaError> {
        match self.zones.values().any(|zone| zone.id != own && zone.name() == name) {
            true => Err(OktaError::validation("name", "name: There is already a zone with the same name")),
            false => Ok(()),
        }
    }

    fn keep_zone(&mut self, zone: Zone, event_type: &'static str) {
        self.changes.push(Change::of(event_type, [zone.party()]));
        self.zones.insert(zone.id.clone(), zone);
    }
}
