//! That no notation makes a risk lower than it is.

use super::*;

fn risk(text: &str) -> Risk<'static> {
    let json = serde_json::to_string(text).unwrap();
    let mut risk = Risk::default();
    risk.add(&json);
    risk.into_owned()
}

#[test]
fn a_high_risk_is_one_in_every_notation() {
    for text in [
        "{reasons=Anomalous Location, Anomalous Device, level=HIGH}",
        "{level=HIGH,reasons=Anomalous Location, Anomalous Device}",
        "reasons=Anomalous Location, Anomalous Device, level=HIGH",
        "level=HIGH;reasons=Anomalous Location, Anomalous Device",
        "{'level': 'high', 'reasons': 'Anomalous Location, Anomalous Device'}",
        "{reasons=Anomalous Location, Anomalous Device, level=HIGH",
        "[{name=sig-sci, level=HIGH, reasons=Anomalous Location}, {reasons=Anomalous Device, level=MEDIUM}]",
        r#"{"level":"HIGH","reasons":"Anomalous Location, Anomalous Device"}"#,
        r#"{"level":"High","reasons":["Anomalous Location","Anomalous Device"]}"#,
        r#"{"risk":{"level":"HIGH","reasons":"Anomalous Location,Anomalous Device"}}"#,
        r#"{"risk":"{level=HIGH, reasons=Anomalous Location, Anomalous Device}"}"#,
        r#"{\"level\":\"HIGH\",\"reasons\":\"Anomalous Location, Anomalous Device\"}"#,
    ] {
        let risk = risk(text);
        assert_eq!(risk.level, Some(Level::High), "{text}");
        assert_eq!(risk.reasons, ["Anomalous Location", "Anomalous Device"], "{text}");
        assert_eq!(risk.unread, None, "{text}");
    }
    assert_eq!(risk("HIGH").level, Some(Level::High));
    for text in [
        "Risk{level=HIGH, reasons=Anomalous Device}",
        "Risk {reasons=Anomalous Device, level=HIGH}",
        "Risk(level=HIGH, reasons=Anomalous Device)",
        "com.okta.risk.LogRisk(level=HIGH, reasons=[Anomalous Device])",
        "(level=HIGH, reasons=Anomalous Device)",
        "[Risk{level=LOW}, Risk{level=HIGH, reasons=Anomalous Device}]",
        "{Risk Level=HIGH, reasons=Anomalous Device}",
        "{risk-level: HIGH, reasons: Anomalous Device}",
        "{risk={level=HIGH, reasons=Anomalous Device}}",
        "\u{feff}{level=HIGH, reasons=Anomalous Device}",
        "\u{feff}{\"level\":\"HIGH\",\"reasons\":\"Anomalous Device\"}",
        "\u{200b}{level=HIGH, reasons=Anomalous Device}",
    ] {
        let risk = risk(text);
        assert_eq!((risk.level, risk.unread), (Some(Level::High), None), "{text}");
        assert_eq!(risk.reasons, ["Anomalous Device"], "{text}");
    }
    assert_eq!(risk("Risk{level=LOW}").word(), Some("LOW"));
}

#[test]
fn no_text_with_a_level_in_it_says_nothing() {
    for text in [
        "HIGH, reasons=x",
        "the risk is HIGH, reasons=x",
        "{reasons=x level=HIGH}",
        "{reasons=x|level=HIGH}",
        "{reasons=x\tlevel=HIGH}",
        "{reasons=the risk is HIGH}",
        "{threatLevel=HIGH, reasons=x}",
        "{overall=HIGH, reasons=x}",
        "{level=HIGH reasons=x}",
        "{level==HIGH}",
        "{level=HIGH (score 91)}",
        "{level=90}",
        "{\"reasons\":\"x level=HIGH\"}",
        "{\"reasons\":\"x level=high\"}",
        "{\"reasons\":\"x\\nhigh\"}",
        "{reasons=x level=high}",
        "{reasons=x\nlevel=High}",
        "{reasons=x|level=High}",
        "{reasons=x&level=high}",
        "Some Risk <level=HIGH, reasons=x>",
        "{reasons=x, severity=VERY_HIGH}",
        "{reasons=x, rating=SEVERE}",
        "{reasons=x, riskLabel=SEVERE}",
        "reasons=x&level=SEVERE",
        "reasons: x\nlevel: SEVERE",
    ] {
        let risk = risk(text);
        assert!(risk.level.is_none() && risk.unread.is_some(), "{text}: {risk:?}");
    }
}

#[test]
fn a_low_level_does_not_hide_a_higher_one_under_another_name() {
    for text in [
        r#"{"level":"LOW","overallRiskLevel":"HIGH"}"#,
        r#"{"level":"LOW","userRisk":{"level":"high"}}"#,
        r#"{"level":"LOW","riskScore":91}"#,
        r#"{"level":"LOW","finalLevel":"SEVERE"}"#,
        "{level=LOW, overallRisk=HIGH}",
        "{overallRisk=Very high, level=LOW}",
        r#"{"level":"LOW","user":{"level":"SEVERE"}}"#,
        r#"{"level":"LOW","user":{"riskScore":90}}"#,
        "{level=LOW, user={riskScore=90}}",
        "{level=LOW, reasons=A level=HIGH}",
        "{level=LOW, reasons=A&level=SEVERE}",
        r#"{"level":"LOW","reasons":["A level=HIGH"]}"#,
    ] {
        let mut risk = risk(text);
        risk.distrust_low();
        assert_eq!((risk.level, risk.word()), (None, Some(text)), "{text}");
    }
    for text in [
        r#"{"level":"LOW","overallRiskLevel":"LOW","source":"OKTA"}"#,
        r#"{"level":"LOW","previousRiskLevel":"HIGH","reasons":"High velocity"}"#,
        "{level=LOW, priorLevel=HIGH, id=r-1}",
        "{level=LOW, reasons=New City: far, user={level=LOW}}",
    ] {
        assert_eq!((risk(text).level, risk(text).unread), (Some(Level::Low), None), "{text}");
    }
}

#[test]
fn the_report_of_a_partner_names_its_events_beside_the_issuer() {
    let report = r#"{
  "issuer" : "https://example.eventprovider.com",
  "https://schemas.okta.com/secevent/okta/event-type/user-risk-change" : {
"subject" : { "user" : { "format" : "email", "email" : "joe.alex@example.com" } },
"current_level" : "high", "previous_level" : "low", "event_timestamp" : 1709484521,
"reason_admin" : { "en" : "Malware detected" }
  }
}"#;
    let told = risk(report);
    assert_eq!((told.level, told.previous_level), (Some(Level::High), Some(Level::Low)));
    assert_eq!((told.reasons, told.unread), (vec!["Malware detected".into()], None));
    let ended = r#"{"issuer":"https://p.example","https://schemas.openid.net/secevent/caep/event-type/session-revoked":{"event_timestamp":1709484521,"reason_admin":{"en":"Malware detected"}}}"#;
    assert_eq!(risk(ended).word(), None);
}

#[test]
fn a_device_with_a_clever_name_makes_no_risk_lower() {
    assert_eq!(risk(r#"{reasons=Device named "x, level=LOW", level=HIGH}"#).level, Some(Level::High));
    assert_eq!(risk(r#"{level=HIGH, reasons=Device named "till 4"}"#).reasons, [r#"Device named "till 4""#]);
}

#[test]
fn a_change_has_both_levels_and_what_found_it() {
    for text in [
        "{previousLevel=LOW, level=MEDIUM, detectionName=Session Influenced User Risk, reasons=X, issuer=OKTA}",
        r#"{"riskLevel":"MEDIUM","priorRiskLevel":"LOW","direction":"increase","reasonCode":"X","detectionName":"Session Influenced User Risk"}"#,
    ] {
        let risk = risk(text);
        assert_eq!((risk.level, risk.previous_level), (Some(Level::Medium), Some(Level::Low)), "{text}");
        assert_eq!(risk.detection.as_deref(), Some("Session Influenced User Risk"), "{text}");
        assert_eq!(risk.reasons, ["X"]);
    }
}

#[test]
fn what_a_partner_reports_is_read_from_its_token() {
    let token = r#"{"type":"https://schemas.okta.com/secevent/okta/event-type/user-risk-change","claims":{"current_level":"high","previous_level":"low","reason_admin":{"en":"Seen at two places"}}}"#;
    let risk = risk(token);
    assert_eq!((risk.level, risk.previous_level), (Some(Level::High), Some(Level::Low)));
    assert_eq!(risk.reasons, ["Seen at two places"]);
}

#[test]
fn a_token_names_its_events_by_their_address() {
    for token in [
        r#"{"iss":"x","events":{"https://x/user-risk-change":{"current_level":"high","previous_level":"low"}}}"#,
        r#"{"iss":"x","events":{"https://x/user-risk-change":{"claims":{"currentLevel":"high"}}}}"#,
    ] {
        assert_eq!(risk(token).word(), Some("HIGH"), "{token}");
    }
    let no_risk = r#"{"type":"https://x/ip-change","claims":{"current_ip_address":["203.0.113.31"],"initiating_entity":"policy"}}"#;
    assert_eq!(risk(no_risk).word(), None);
}

#[test]
fn a_level_under_a_name_that_nobody_knows_is_not_taken_for_none() {
    for text in [
        r#"{"user":{"level":"HIGH"}}"#,
        r#"{"riskScore":"HIGH"}"#,
        r#"{"value":"HIGH"}"#,
        r#"{"levels":["HIGH"]}"#,
        r#"{"level":null,"score":90}"#,
        r#"{"reasons":"x","riskScore":"HIGH"}"#,
        r#"{"reasons":"x","issuer":"OKTA","user":{"level":"HIGH"}}"#,
        "{user={level=HIGH}}",
        "{score=HIGH}",
        "{reasons=x, score=HIGH}",
    ] {
        let risk = risk(text);
        assert_eq!((risk.level, risk.word()), (None, Some(text)), "{text}");
    }
    for (text, level) in
        [(r#"{"level":["HIGH"]}"#, r#"["HIGH"]"#), (r#"{"level":3}"#, "3"), (r#"{"level":true}"#, "true")]
    {
        assert_eq!(risk(text).word(), Some(level), "{text}");
    }
    for no_level in ["{reasons=Anomalous Location}", r#"{"issuer":"OKTA","reasons":["x"]}"#] {
        assert_eq!(risk(no_level).word(), None, "{no_level}");
    }
}

#[test]
fn what_cannot_be_read_is_kept_and_what_says_nothing_is_nothing() {
    for (text, unread) in [
        ("{level=PURPLE}", "PURPLE"),
        (r#"{"level":"VERY_HIGH"}"#, "VERY_HIGH"),
        ("level is HIGH", "level is HIGH"),
        (r#"{"level":"HIG"#, "HIG"),
        (r#"{"risk":{"level":"HIG"#, "HIG"),
    ] {
        let risk = risk(text);
        assert_eq!((risk.level, risk.unread.as_deref()), (None, Some(unread)), "{text}");
    }
    for nothing in ["{}", "{level=, reasons=}", "", "null", "{level=NONE}", r#"{"risk":{},"behaviors":{}}"#] {
        let risk = risk(nothing);
        assert!(risk.word().is_none() && risk.reasons.is_empty(), "{nothing}");
    }
}
