//! Evidence for a finding: whose activity was found, from where, against whom; and where somebody reports it, who reports.
//!
//! Who reports is not who is reported. The client of a report is the reporter's, and what it is about stands in the debug data;
//! of every other finding the client is where the activity came from.

use std::borrow::Cow;

use super::{
    super::{
        facts::reported_addresses,
        log_event::LogEvent,
        party::{Kind, Party},
        words::is_ip,
        writer::{ArrayWriter, ObjectWriter},
    },
    endpoint,
    notes::{Notes, Observed},
    resource,
    routing::Routing,
    user::{self, ActorOf, User},
};

/// Events that tell what somebody else has found or seen.
const REPORTS: [&str; 4] = [
    "user.account.report_suspicious_activity_by_enduser",
    "security.events.provider.receive_event",
    "security.internal.dco_malicious_ip_report",
    "security.internal.dco_user_risk_report",
];

pub(super) fn is_report(event_type: &str) -> bool {
    REPORTS.contains(&event_type)
}

/// Writes `evidences`, in a report with the reporter as `actor`, and `resources`.
pub(super) fn write<'a>(
    event: &LogEvent<'a>,
    event_type: &str,
    targets_max: usize,
    out: &mut ObjectWriter<'_>,
    notes: &mut Notes<'a>,
) {
    let is_report = is_report(event_type);
    if is_report {
        notes.uses_host |= user::write_actor(event, ActorOf::Other, "actor.user", out, notes);
    }
    out.array("evidences", |out| {
        let users = Users::of(event);
        out.object(|out| {
            if is_report {
                write_reported(event, out, notes);
            } else {
                let has_actor =
                    user::write_actor(event, ActorOf::Other, "evidences[0].actor.user", out, notes);
                let has_source = endpoint::write_source(event, false, endpoint::EVIDENCE, out, notes);
                // A request alone is no evidence to OCSF.
                if has_actor || has_source || users.only.is_some() {
                    endpoint::write_http_request(event, "evidences[0].http_request", out, notes);
                }
            }
            if let Some(user) = users.only.and_then(User::of) {
                user.write("user", "evidences[0].user", out, notes);
            }
        });
        write_acting_address(event, out, notes);
        if is_report {
            write_reported_addresses(event, targets_max, out, notes);
        }
        users.several.iter().take(targets_max).for_each(|user| write_user(user, out, notes));
    });
    let is_resource = |target: &Party<'_>| !target.kind.is_policy() && !target.kind.is_account();
    resource::write_all(event, is_resource, targets_max, out, notes);
}

/// Where the actor is an address, it is told by the client, or it is evidence too.
fn write_acting_address<'a>(event: &LogEvent<'a>, out: &mut ArrayWriter<'_>, notes: &mut Notes<'a>) {
    let actor = &event.actor.object;
    if event.actor.kind != Kind::Address {
        return;
    }
    let Some(ip) = actor.peek("displayName").filter(|ip| is_ip(ip)) else { return };
    actor.mark("displayName");
    if event.client.peek("ipAddress").as_ref() == Some(&ip) {
        return;
    }
    out.object(|out| {
        out.object("src_endpoint", |out| out.text("ip", &ip));
    });
    notes.observe(Observed::IpAddress, "evidences[].src_endpoint", "ip", Some(&ip));
}

/// The users among the targets. Where there are several, each is evidence by itself.
struct Users<'e, 'a> {
    only: Option<&'e Party<'a>>,
    several: Vec<&'e Party<'a>>,
}

impl<'e, 'a> Users<'e, 'a> {
    fn of(event: &'e LogEvent<'a>) -> Self {
        let is_user = |target: &&Party<'_>| target.kind == Kind::User && target.is_identified();
        let users = || event.targets.iter().filter(is_user);
        let several: Vec<_> = if users().nth(1).is_some() { users().collect() } else { Vec::new() };
        let only =
            event.target(Kind::User).filter(|_| several.is_empty()).or_else(|| event.target(Kind::AppUser));
        Self { only, several }
    }
}

fn write_user<'a>(user: &Party<'a>, out: &mut ArrayWriter<'_>, notes: &mut Notes<'a>) {
    let Some(user) = User::of(user) else { return };
    out.object(|out| user.write("user", "evidences[].user", out, notes));
}

/// The activity that is reported: from where, and with what.
fn write_reported<'a>(event: &LogEvent<'a>, out: &mut ObjectWriter<'_>, notes: &mut Notes<'a>) {
    let data = &event.debug_data;
    let Some(ip) = data.peek("suspiciousActivityEventIp").filter(|ip| is_ip(ip)) else { return };
    data.mark("suspiciousActivityEventIp");
    let country = endpoint::read_country(data, "suspiciousActivityEventCountry");
    out.object("src_endpoint", |out| {
        out.text("ip", &ip);
        endpoint::write_os(data.take("suspiciousActivityOs").as_deref(), None, out);
        let place = [
            ("city", data.take("suspiciousActivityEventCity")),
            ("region", data.take("suspiciousActivityEventState")),
            ("country", country.clone()),
        ];
        out.object("location", |out| {
            place.iter().for_each(|(member, name)| out.text_if(member, name.as_deref()));
        });
    });
    notes.observe(Observed::IpAddress, endpoint::EVIDENCE, "ip", Some(&ip));
    notes.observe(Observed::Country, endpoint::EVIDENCE_LOCATION, "country", country.as_ref());
}

/// The addresses that a session has and had by the report of a provider, each evidence by itself. The report stays whole with
/// what is not mapped.
fn write_reported_addresses<'a>(
    event: &LogEvent<'a>,
    addresses_max: usize,
    out: &mut ArrayWriter<'_>,
    notes: &mut Notes<'a>,
) {
    for (name, ip) in reported_addresses(event).into_iter().take(addresses_max) {
        out.object(|out| {
            out.text("name", name);
            out.object("src_endpoint", |out| out.text("ip", &ip));
        });
        notes.observe(Observed::IpAddress, "evidences[].src_endpoint", "ip", Some(&Cow::Owned(ip)));
    }
}

/// Writes `related_events` of the finding: the event that is reported, which is a message of its own.
pub(super) fn write_related_events(event: &LogEvent<'_>, event_type: &str, out: &mut ObjectWriter<'_>) {
    let data = &event.debug_data;
    if !is_report(event_type) {
        return;
    }
    let Some(uid) = data.take("suspiciousActivityEventId") else { return };
    let kind: Option<Cow<'_, str>> = data.take("suspiciousActivityEventType");
    out.array("related_events", |out| {
        out.object(|out| {
            // The same as its `metadata.uid`.
            out.text("uid", &[&uid, ":ocsf"].concat());
            if let Some(kind) = &kind {
                let Routing { class, activity, .. } = Routing::of(Some(kind));
                out.text("type", kind);
                out.text("type_name", &format!("{}: {}", class.name, class.activity(activity)));
                out.integer("type_uid", class.type_uid(activity));
            }
        });
    });
}
