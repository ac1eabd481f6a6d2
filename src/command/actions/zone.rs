//! Blocked addresses: the gateways of a blocking network zone. Okta replaces a zone as a whole, so each change is made
//! from the current zone, and checked afterwards: a concurrent writer may have overwritten it.

use okta_client::{OktaError, zones};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Changes, Names,
    one_or_many::{names, one_or_many},
    row::Row,
};
use crate::command::{
    ActionFailure, IpRange, SuccessKind, ZoneSubject,
    execute::{
        Baseline,
        failure::Code,
        lookup::{self, back_off},
        work::{Finished, ROUNDS_MAX, Sent, Work},
    },
};

/// The zone for blocked addresses that every org has.
const BUILT_IN: &str = "BlockedIpZone";
/// The time of the last change of a zone.
const UPDATED: &str = "lastUpdated";

/// The row of `zone.block_ip`.
pub(super) const BLOCK: Row<ZoneAddresses> = Row {
    secrets: &[],
    names: |of| Ok(Names::zone(&of.zone).and_blocked(&of.ips)),
    renames: |_| None,
    changes: |of| Changes::Fixed(of.ips.len()),
    carry_out: |work, of| Box::pin(change(work, &of.ips, Desired::Blocked)),
};

/// The row of `zone.unblock_ip`.
pub(super) const UNBLOCK: Row<ZoneAddresses> = Row {
    secrets: &[],
    names: |of| Ok(Names::zone(&of.zone)),
    renames: |_| None,
    changes: |of| Changes::Fixed(of.ips.len()),
    carry_out: |work, of| Box::pin(change(work, &of.ips, Desired::Unblocked)),
};

/// Which addresses, and in which zone.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(try_from = "RawZoneAddresses")]
#[schemars(with = "RawZoneAddresses")]
pub struct ZoneAddresses {
    /// Id or exact name.
    pub zone: String,
    /// At least one.
    pub ips: Vec<IpRange>,
}

/// One of `ip` and `ips`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ZoneAddresses", extend("oneOf" = one_or_many("ip")))]
struct RawZoneAddresses {
    /// Id or exact name of an IP zone that blocks.
    #[serde(default = "built_in")]
    zone: String,
    /// An address, a block such as `198.51.100.0/24`, or a range such as `198.51.100.1-198.51.100.9`.
    ip: Option<String>,
    /// Several of them.
    #[serde(default)]
    ips: Vec<String>,
}

impl TryFrom<RawZoneAddresses> for ZoneAddresses {
    type Error = String;

    fn try_from(raw: RawZoneAddresses) -> Result<Self, String> {
        let ips = names("ip", raw.ip, raw.ips)?;
        Ok(Self { zone: raw.zone, ips: ips.iter().map(|ip| ip.parse()).collect::<Result<_, _>>()? })
    }
}

fn built_in() -> String {
    BUILT_IN.to_owned()
}

/// The desired state of the addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Desired {
    Blocked,
    Unblocked,
}

/// Blocks or unblocks addresses.
async fn change(work: &mut Work<'_>, ips: &[IpRange], desired: Desired) -> Result<Finished, ActionFailure> {
    if let Some(ip) = ips.iter().find(|ip| desired == Desired::Blocked && ip.is_too_wide()) {
        let message = format!("{ip} has too many addresses: up to a /16 is blocked, of IPv6 up to a /32");
        return Err(Code::InvalidParameters.because(message));
    }
    let subject = work.zone()?;
    let id = subject.id.as_str();
    let mut doubt: Option<OktaError> = None;
    // Okta has accepted a change of this attempt: an address that is missing now was overwritten a moment later.
    let mut is_confirmed = false;
    let mut is_as_before = true;
    for round in 1..=ROUNDS_MAX {
        let zone = lookup::one(work.okta, work.action, &zones::get(id)).await?;
        if let Some(zone) = &zone {
            work.saw(zones::get(id), zone);
        }
        let gone = || Code::ZoneNotFound.because(format!("zone {id} does not exist any more"));
        let zone = zone.ok_or_else(gone)?;
        must_be_named(subject, &zone)?;
        must_block(&zone, desired)?;
        work.before.get_or_insert_with(|| shown(&zone, ips));
        let Some(gateways) = next(&zone, ips, desired)? else {
            let kind = if work.may_have_sent() { SuccessKind::Done } else { SuccessKind::Already };
            return Ok(finished(kind, &zone, ips));
        };
        let updated = zone.get(UPDATED).cloned().unwrap_or_default();
        let has_sent = work.may_have_sent();
        let baseline = work.baseline(|| Baseline::of([(UPDATED.to_owned(), updated.clone())]));
        is_as_before = baseline.is(UPDATED, &updated);
        if has_sent && !is_confirmed && !is_as_before {
            return Err(Code::ChangedMeanwhile.because(format!(
                "zone {id} was changed since the command was begun, and is not as it asks: the change may have been made \
                 and taken back, so nothing more is sent"
            )));
        }
        match work.send(&zones::replace_gateways(id, &zone, gateways)).await? {
            Sent::Planned => return Ok(Finished::planned()),
            Sent::Done(_) => is_confirmed = true,
            Sent::Refused(error) => return Err(work.refused(&error)),
            Sent::InDoubt(error) => doubt = Some(error),
        }
        tokio::time::sleep(back_off(round)).await;
    }
    let what_is = format!("zone {id} is");
    Err(work.gave_up_unshown(doubt.as_ref(), is_confirmed && is_as_before, &what_is))
}

/// Fails unless the zone still has the name in the command: it may have been looked up long ago.
fn must_be_named(subject: &ZoneSubject, zone: &Value) -> Result<(), ActionFailure> {
    let ZoneSubject { name, id } = subject;
    let now = zone.get("name").and_then(Value::as_str).unwrap_or_default();
    if name == id || now == name {
        return Ok(());
    }
    Err(Code::ChangedMeanwhile
        .because(format!("the zone that was named `{name}` is named `{now}` now: nothing more is sent")))
}

/// Fails unless the zone blocks addresses: in another one, an attacker would be let in.
fn must_block(zone: &Value, desired: Desired) -> Result<(), ActionFailure> {
    let text = |name: &str| zone.get(name).and_then(Value::as_str);
    let name = text("name").unwrap_or_default();
    let wrong = |reason: String| Err(Code::WrongZone.because(format!("zone {name} {reason}")));
    match (text("type"), text("usage"), text("status")) {
        (Some("IP"), Some("BLOCKLIST"), Some("INACTIVE")) if desired == Desired::Blocked => {
            wrong("is not active: nothing that is in it is blocked".to_owned())
        }
        (Some("IP"), Some("BLOCKLIST"), _) => Ok(()),
        (Some("IP"), usage, _) => {
            wrong(format!("does not block: its usage is {}", usage.unwrap_or("unknown")))
        }
        (kind, ..) => wrong(format!("has no addresses: its type is {}", kind.unwrap_or("unknown"))),
    }
}

/// The gateways that the zone needs; none if it has them.
fn next(zone: &Value, ips: &[IpRange], desired: Desired) -> Result<Option<Vec<Value>>, ActionFailure> {
    let gateways = gateways(zone);
    match desired {
        Desired::Blocked => {
            let is_missing = |ip: &&IpRange| !gateways.iter().any(|(_, range)| covers(*range, **ip));
            let missing: Vec<_> = ips.iter().filter(is_missing).map(|ip| written(*ip)).collect();
            let all = gateways.iter().map(|(gateway, _)| (*gateway).clone());
            Ok((!missing.is_empty()).then(|| all.chain(missing).collect()))
        }
        Desired::Unblocked => {
            let is_meant =
                |range: Option<IpRange>| ips.iter().any(|ip| range.is_some_and(|range| ip.covers(range)));
            let (meant, left): (Vec<_>, Vec<_>) = gateways.iter().partition(|(_, range)| is_meant(*range));
            for (ip, range) in left
                .iter()
                .filter_map(|(_, range)| *range)
                .flat_map(|range| ips.iter().map(move |ip| (ip, range)))
            {
                if range.overlaps(*ip) {
                    let message = format!(
                        "{ip} is blocked as a part of {range}: unblock that, and block the rest again"
                    );
                    return Err(Code::BlockedByRange.because(message));
                }
            }
            let left = left.into_iter().map(|(gateway, _)| (*gateway).clone());
            Ok((!meant.is_empty()).then(|| left.collect()))
        }
    }
}

fn covers(range: Option<IpRange>, ip: IpRange) -> bool {
    range.is_some_and(|range| range.covers(ip))
}

/// The zone's gateways, with the addresses of those that can be parsed. Others are left unchanged.
fn gateways(zone: &Value) -> Vec<(&Value, Option<IpRange>)> {
    let all = zone.get("gateways").and_then(Value::as_array).into_iter().flatten();
    all.map(|gateway| (gateway, gateway.get("value").and_then(|value| value.as_str()?.parse().ok())))
        .collect()
}

/// A gateway in Okta's form.
fn written(ip: IpRange) -> Value {
    json!({ "type": if ip.is_block() { "CIDR" } else { "RANGE" }, "value": ip.to_string() })
}

/// The blocked ones among the addresses, for the outcome.
fn shown(zone: &Value, ips: &[IpRange]) -> Value {
    let gateways = gateways(zone);
    let is_blocked = |ip: &&IpRange| gateways.iter().any(|(_, range)| covers(*range, **ip));
    let blocked: Vec<_> = ips.iter().filter(is_blocked).map(IpRange::to_string).collect();
    json!({ "blocked": blocked, "gateways": gateways.len() })
}

fn finished(kind: SuccessKind, zone: &Value, ips: &[IpRange]) -> Finished {
    let zone_of = json!({ "id": zone.get("id"), "name": zone.get("name") });
    let asked: Vec<_> = ips.iter().map(IpRange::to_string).collect();
    Finished::new(kind, json!({ "zone": zone_of, "ips": asked })).after(shown(zone, ips))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zone(gateways: &[&str]) -> Value {
        let gateways: Vec<_> =
            gateways.iter().map(|value| json!({ "type": "CIDR", "value": value })).collect();
        json!({ "id": "nzo1", "type": "IP", "usage": "BLOCKLIST", "status": "ACTIVE", "gateways": gateways })
    }

    fn ips(ips: &[&str]) -> Vec<IpRange> {
        ips.iter().map(|ip| ip.parse().unwrap()).collect()
    }

    fn values(next: Option<Vec<Value>>) -> Option<Vec<String>> {
        next.map(|all| all.iter().map(|one| one["value"].as_str().unwrap().to_owned()).collect())
    }

    #[test]
    fn what_is_blocked_already_stays_and_what_cannot_be_understood_too() {
        let zone = zone(&["198.51.100.7/24", "strange"]);
        let blocked = |asked: &[&str]| values(next(&zone, &ips(asked), Desired::Blocked).unwrap());
        assert_eq!(blocked(&["198.51.100.1"]), None);
        let all = blocked(&["198.51.100.1", "192.0.2.1", "192.0.2.5-192.0.2.7"]).unwrap();
        assert_eq!(all, ["198.51.100.7/24", "strange", "192.0.2.1/32", "192.0.2.5-192.0.2.7"]);
    }

    #[test]
    fn a_part_of_a_block_cannot_be_unblocked() {
        let zone = zone(&["198.51.100.0/24", "192.0.2.1/32", "192.0.2.2/32"]);
        let left = |asked: &[&str]| next(&zone, &ips(asked), Desired::Unblocked).map(values);
        assert_eq!(left(&["203.0.113.1"]).unwrap(), None);
        assert_eq!(left(&["192.0.2.0/24"]).unwrap().unwrap(), ["198.51.100.0/24"]);
        assert_eq!(left(&["198.51.100.1"]).unwrap_err().error.code, "blocked_by_range");
    }

    #[test]
    fn only_zones_that_block_addresses_are_changed() {
        for (member, value, desired, is_right) in [
            ("usage", "POLICY", Desired::Blocked, false),
            ("usage", "POLICY", Desired::Unblocked, false),
            ("type", "DYNAMIC_V2", Desired::Blocked, false),
            ("status", "INACTIVE", Desired::Blocked, false),
            ("status", "INACTIVE", Desired::Unblocked, true),
            ("status", "ACTIVE", Desired::Blocked, true),
        ] {
            let mut zone = zone(&[]);
            zone[member] = json!(value);
            assert_eq!(must_block(&zone, desired).is_ok(), is_right, "{member} {value} {desired:?}");
        }
    }
}
