//! The clients that send requests.

use serde::Serialize;

/// The event's `userAgent`.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct UserAgent {
    raw_user_agent: &'static str,
    os: &'static str,
    browser: &'static str,
}

/// Browsers and what Okta calls the device they run on; the first three run on computers.
pub(super) const BROWSERS: [(UserAgent, &str); 5] = [
    (
        UserAgent {
            raw_user_agent: "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/127.0.0.0 Safari/537.36",
            os: "Mac OS X",
            browser: "CHROME",
        },
        "Computer",
    ),
    (
        UserAgent {
            raw_user_agent: "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36 Edg/126.0.0.0",
            os: "Windows 10",
            browser: "CHROMIUM_EDGE",
        },
        "Computer",
    ),
    (
        UserAgent {
            raw_user_agent: "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
            os: "Linux",
            browser: "FIREFOX",
        },
        "Computer",
    ),
    (
        UserAgent {
            raw_user_agent: "Mozilla/5.0 (iPhone; CPU iPhone OS 17_6_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.6 Mobile/15E148 Safari/604.1",
            os: "iOS",
            browser: "SAFARI",
        },
        "Mobile",
    ),
    (
        UserAgent {
            raw_user_agent: "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/127.0.0.0 Mobile Safari/537.36",
            os: "Android 14",
            browser: "CHROME",
        },
        "Mobile",
    ),
];

/// A client that is no browser.
pub(super) const SCRIPT: UserAgent =
    UserAgent { raw_user_agent: "python-requests/2.32.3", os: "Unknown", browser: "UNKNOWN" };
