//! Presets: fields about persons, and fields that should not be widely shared.
//!
//! Okta's catalogue of event types (release 2026.08.1) marks fields of `debugContext.debugData`, of the details of actors
//! and targets, and of change details as personal or sensitive; these are their names, each marked for one event type at
//! least. It says nothing of the members that every event has: which of those tell of a person is our judgement, and stands
//! in [`ENVELOPE`].

/// A set of fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Preset {
    /// Identity and location of persons.
    Personal,
    /// What Okta marks as sensitive: secrets, device and directory identifiers, raw messages.
    Sensitive,
}

/// Where fields stand that Okta's catalogue marks.
const MARKED_IN: [&str; 5] = [
    "debugContext.debugData",
    "actor.detailEntry",
    "target[].detailEntry",
    "target[].changeDetails.from",
    "target[].changeDetails.to",
];

/// Personal fields among those that every event has.
const ENVELOPE: [&str; 15] = [
    "actor.id",
    "actor.alternateId",
    "actor.displayName",
    "target[].id",
    "target[].alternateId",
    "target[].displayName",
    "client.ipAddress",
    "client.geographicalContext.city",
    "client.geographicalContext.postalCode",
    "client.geographicalContext.geolocation",
    "request.ipChain[].ip",
    "request.ipChain[].geographicalContext.city",
    "request.ipChain[].geographicalContext.postalCode",
    "request.ipChain[].geographicalContext.geolocation",
    "device.name",
];

/// Types of actors and targets that are no persons, whose ids and names may be shown. What is of any other type may be
/// one.
const IMPERSONAL: [&str; 10] = [
    "actor[SystemPrincipal]",
    "actor[PublicClientApp]",
    "target[AppInstance]",
    "target[NetworkZoneEntity]",
    "target[PolicyEntity]",
    "target[PolicyRule]",
    "target[Rule]",
    "target[SystemPrincipal]",
    "target[TrustedOrigin]",
    "target[UserGroup]",
];

/// The identity of an actor or target.
const NAMES: [&str; 3] = ["id", "alternateId", "displayName"];

/// Marked as personal in Okta's catalogue.
const PERSONAL: [&str; 66] = [
    "access_review_principal_name",
    "access_reviewer_name",
    "admin_user_name",
    "app_username",
    "bindDN",
    "branch_comments",
    "campaign_item_principal_name",
    "campaign_item_reviewer_name",
    "changed_device_signals",
    "chrome_profile_permanent_id",
    "deprovision_user_external_id",
    "email",
    "email_address",
    "entitlement_external_id",
    "entitlement_value",
    "entitlements",
    "entries",
    "error_message",
    "error_msg",
    "existing_okta_user_id",
    "existing_user_external_id",
    "incoming_profile_source_username",
    "incoming_user_external_id",
    "issuer_common_name",
    "issuer_country_or_region",
    "issuer_distinguished_name_qualifier",
    "issuer_locality",
    "issuer_organization",
    "issuer_organizational_unit",
    "issuer_serial_number",
    "issuer_state_or_province",
    "justification",
    "macos_full_name",
    "macos_username",
    "name",
    "name_id",
    "new_ip_address",
    "object",
    "okta_user_email",
    "okta_username",
    "old_display_name",
    "original_principal",
    "phone_number",
    "previous_ip_address",
    "prioritized_profile_source_username",
    "profile",
    "sha_1_public_key_hash",
    "subject_alt_name_email",
    "subject_alt_name_upn",
    "subject_alt_name_uuid",
    "subject_common_name",
    "subject_key_identifier",
    "subject_name",
    "subject_organization",
    "subject_organizational_unit",
    "subject_serial_number",
    "subject_user_id",
    "transformed_user_name",
    "userProvidedUsername",
    "user_email",
    "user_external_id",
    "user_login",
    "user_name",
    "user_principal_name",
    "username_or_email",
    "workload_principal_custom_attributes",
];

/// Marked as sensitive in Okta's catalogue.
const SENSITIVE: [&str; 75] = [
    "UserComment",
    "ad_attr_name",
    "admin_user_name",
    "app_principal_id",
    "app_user_id",
    "app_username",
    "bindDN",
    "campaign_item_principal_name",
    "campaign_item_reviewer_name",
    "chrome_profile_permanent_id",
    "client_secret",
    "credentials_client_secret",
    "credentials_signing_private_key",
    "device_display_name",
    "device_fingerprint",
    "dirsync_status",
    "distinguishedname",
    "domain",
    "email",
    "email_address",
    "error_message",
    "error_msg",
    "errors",
    "idv_flow_id",
    "idv_reference_id",
    "idv_request_id",
    "incoming_profile_source_username",
    "issuer_common_name",
    "issuer_country_or_region",
    "issuer_distinguished_name_qualifier",
    "issuer_locality",
    "issuer_organization",
    "issuer_organizational_unit",
    "issuer_serial_number",
    "issuer_state_or_province",
    "macos_udid",
    "msft_tenant",
    "name",
    "name_id",
    "new_domain_federation_settings",
    "o365_immutableId",
    "object",
    "okta_attr_name",
    "okta_mobile_id",
    "okta_user_email",
    "okta_username",
    "old_display_name",
    "old_domain_federation_settings",
    "phone_number",
    "prioritized_profile_source_username",
    "provisioning_type",
    "response",
    "sha_1_public_key_hash",
    "shared_password",
    "subject_alt_name_email",
    "subject_alt_name_upn",
    "subject_alt_name_uuid",
    "subject_common_name",
    "subject_key_identifier",
    "subject_name",
    "subject_organization",
    "subject_organizational_unit",
    "subject_serial_number",
    "subject_user_id",
    "target",
    "transformed_user_name",
    "userProvidedUsername",
    "user_email",
    "user_login",
    "user_name",
    "user_principal_name",
    "username",
    "username_or_email",
    "username_typing_pattern",
    "windows_security_identifier",
];

impl Preset {
    /// The paths of its fields.
    pub(super) fn paths(self) -> Vec<String> {
        let (marked, envelope): (&[&str], &[&str]) = match self {
            Self::Personal => (&PERSONAL, &ENVELOPE),
            Self::Sensitive => (&SENSITIVE, &[]),
        };
        let mut paths: Vec<_> = envelope.iter().map(|path| (*path).to_owned()).collect();
        for place in MARKED_IN {
            for name in marked {
                // The catalogue writes what an event writes in another way.
                paths.push(format!("{place}.{name}"));
                paths.push(format!("{place}.{}", camel_case(name)));
            }
        }
        paths
    }

    /// The paths of what is named like a field of it and is none.
    pub(super) fn exceptions(self) -> Vec<String> {
        match self {
            Self::Personal => {
                IMPERSONAL.iter().flat_map(|party| NAMES.map(|name| format!("{party}.{name}"))).collect()
            }
            Self::Sensitive => Vec::new(),
        }
    }
}

/// `user_email` becomes `userEmail`.
fn camel_case(name: &str) -> String {
    let mut camel = String::with_capacity(name.len());
    let mut begins_word = false;
    for c in name.chars() {
        match c {
            '_' => begins_word = true,
            c => {
                camel.push(if begins_word { c.to_ascii_uppercase() } else { c });
                begins_word = false;
            }
        }
    }
    camel
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_catalogue_and_of_the_wire() {
        let paths = Preset::Personal.paths();
        for path in [
            "client.ipAddress",
            "debugContext.debugData.user_email",
            "debugContext.debugData.userEmail",
            "actor.detailEntry.bindDN",
            "target[].changeDetails.to.userName",
        ] {
            assert!(paths.iter().any(|known| known == path), "{path}");
        }
        assert!(
            Preset::Sensitive.paths().iter().any(|path| path == "target[].changeDetails.from.clientSecret")
        );
        assert_eq!(camel_case("sha_1_public_key_hash"), "sha1PublicKeyHash");
    }
}
