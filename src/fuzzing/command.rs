//! A message of a queue: a command that is the same as plain JSON and as a CloudEvent, or a refusal with a reason.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use secrecy::SecretString;
use serde_json::json;

use crate::command::{
    OutcomeError,
    message::{
        Command, DecodedMessage, FingerprintKey, Headers, ID_BYTES_MAX, Undecodable, decode, decode_any,
        object, without_secrets,
    },
};

/// A reason is for people.
const TOLD_BYTES_MAX: usize = 16 << 10;

/// The lines of `data` before the first blank one are headers, with the id of the message as `message-id`; the rest is the
/// payload.
pub fn command(data: &[u8]) {
    let (head, payload) = match data.windows(2).position(|pair| pair == b"\n\n") {
        Some(end) => (&data[..end], &data[end + 2..]),
        None => (&data[..0], data),
    };
    let (headers, message_id) = headers(head);
    let payload = Bytes::copy_from_slice(payload);
    match decode_any(&payload, &headers, message_id.as_deref()) {
        Ok(DecodedMessage::Approval(approval)) => {
            require_good_id(&approval.id);
            assert!(decode(&payload, &headers, message_id.as_deref()).is_err(), "an approval is no command");
        }
        Ok(DecodedMessage::Command(command)) => {
            require_sound(&command, &payload, &headers, message_id.as_deref());
        }
        Err(Undecodable { id, is_id_in_payload, error, .. }) => {
            id.iter().for_each(|id| require_good_id(id));
            assert!(id.is_some() || !is_id_in_payload);
            require_told(&error);
        }
    }
}

fn headers(head: &[u8]) -> (Headers, Option<String>) {
    let (mut headers, mut message_id) = (Headers::new(), None);
    for line in head.split(|byte| *byte == b'\n') {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
        let (Ok(name), value) = (std::str::from_utf8(&line[..colon]), line[colon + 1..].trim_ascii()) else {
            continue;
        };
        match name {
            "message-id" => message_id = String::from_utf8(value.to_vec()).ok(),
            name => headers.push((name.to_owned(), Bytes::copy_from_slice(value))),
        }
    }
    (headers, message_id)
}

fn require_good_id(id: &str) {
    assert!(
        (1..=ID_BYTES_MAX).contains(&id.len()) && id.trim() == id && !id.contains(char::is_control),
        "{id:?}"
    );
}

fn require_told(error: &OutcomeError) {
    assert!(!error.code.is_empty() && !error.message.is_empty());
    assert!(error.message.len() <= TOLD_BYTES_MAX, "{} bytes", error.message.len());
}

fn saved(command: &Command) -> String {
    command
        .fingerprint
        .to_saved(&FingerprintKey::from_credential(&SecretString::from("a credential of the org")))
}

fn require_sound(command: &Command, payload: &Bytes, headers: &Headers, message_id: Option<&str>) {
    require_good_id(&command.id);
    let again = decode(payload, headers, message_id).map(|again| saved(&again));
    assert_eq!(again.as_ref(), Ok(&saved(command)), "another time another command");
    let Some(shown) = without_secrets(payload, headers) else { unreachable!("it is a command") };
    if let Some(parameters) = shown.get("parameters") {
        let secret =
            command.request.action().secrets().iter().find(|secret| parameters.get(secret).is_some());
        assert_eq!(secret, None, "a secret is shown");
    }
    let Ok(plain) = object(payload) else { unreachable!("it is an object") };
    let is_structured = plain.contains_key("specversion")
        || headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type"));
    if is_structured {
        return;
    }
    // Numbers are written anew, so that only what any program writes alike is compared.
    let event = json!({"specversion": "1.0", "type": "t", "source": "s", "id": command.id, "data": plain});
    let encoded = json!({
        "specversion": "1.0", "type": "t", "source": "s", "id": command.id, "data_base64": STANDARD.encode(payload)
    });
    for form in [event, encoded] {
        let around = decode(&Bytes::from(form.to_string()), &Headers::new(), None);
        let Ok(around) = around else { unreachable!("{form} is no command: {around:?}") };
        assert_eq!((&around.id, saved(&around)), (&command.id, saved(command)), "{form} is another command");
    }
}
