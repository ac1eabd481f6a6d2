//! Why an event is rendered as it is: in words, for people who write rules.

use super::{Format, ecs::Category, ocsf, udm};
use crate::event::Event;

/// What decided how `event` is rendered.
pub fn explanation(format: Format, event: &Event<'_>) -> String {
    let event_type = event.event_type();
    let name = event_type.unwrap_or("no event type");
    match format {
        Format::Okta => format!("{name}: as Okta sent it"),
        Format::Ocsf => {
            let ocsf::Routing { class, activity, rule, pattern, reason, .. } = ocsf::Routing::of(event_type);
            let (uid, class, caption) = (class.uid, class.name, class.activity(activity));
            format!("{name}: {uid}/{activity} {class}: {caption}; {rule} rule `{pattern}`: {reason}")
        }
        Format::Ecs => {
            let category = Category::of(event_type);
            let categories = Vec::from_iter(category.categories()).join(", ");
            let types = Vec::from_iter(category.types()).join(", ");
            let Category { rule, pattern, reason, .. } = category;
            format!("{name}: category {categories}, type {types}; {rule} rule `{pattern}`: {reason}")
        }
        Format::Udm => {
            let routing = ocsf::Routing::of(event_type);
            let wanted = udm::EventType::wanted(&routing).name();
            let ocsf::Routing { class, activity, rule, pattern, reason, .. } = routing;
            let caption = class.activity(activity);
            format!(
                "{name}: {wanted} or wider, as {}: {caption} in OCSF; {rule} rule `{pattern}`: {reason}",
                class.name
            )
        }
    }
}
