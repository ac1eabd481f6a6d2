//! AWS credentials, from where AWS's own tools look for them, in their order: the environment, a web identity (EKS), the
//! shared credentials file, the container (ECS, EKS) and the EC2 instance. They are looked up for each token, so that what
//! was rotated is used.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use url::{Url, form_urlencoded};

use super::{TokenError, http};
use crate::config::Secret;

/// The host that a container asks if only a path is configured.
const CONTAINER_HOST: &str = "http://169.254.170.2";
/// Hosts that give credentials to their own machine over plain HTTP.
const PLAIN_HOSTS: [&str; 6] =
    ["169.254.170.2", "169.254.170.23", "[fd00:ec2::23]", "127.0.0.1", "[::1]", "localhost"];
const INSTANCE_HOST: &str = "http://169.254.169.254";

/// AWS credentials.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Credentials {
    pub(super) access_key_id: String,
    pub(super) secret_access_key: SecretString,
    /// The session token of temporary credentials.
    #[serde(alias = "Token")]
    pub(super) session_token: Option<SecretString>,
}

/// The value of an environment variable, if it has one.
type Variable = dyn Fn(&str) -> Option<String> + Send + Sync;

/// Where to look, as the environment says.
pub(super) struct Provider<'a> {
    region: &'a str,
    variable: Box<Variable>,
}

impl<'a> Provider<'a> {
    pub(super) fn of_environment(region: &'a str) -> Self {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        Self { region, variable: Box::new(variable) }
    }

    /// The first credentials that are found. Invalid ones are an error, and are not skipped.
    pub(super) async fn credentials(&self) -> Result<Credentials, TokenError> {
        if let Some(credentials) = self.of_variables() {
            return Ok(credentials);
        }
        if let (Some(file), Some(role)) =
            (self.variable("AWS_WEB_IDENTITY_TOKEN_FILE"), self.variable("AWS_ROLE_ARN"))
        {
            return self.of_web_identity(Path::new(&file), &role).await;
        }
        if let Some(credentials) = self.of_profile().await? {
            return Ok(credentials);
        }
        if let Some(url) = self.container()? {
            return self.of_container(&url).await;
        }
        self.of_instance().await.map_err(|err| {
            TokenError::NoCredentials(format!(
                "there are none in AWS_ACCESS_KEY_ID, AWS_WEB_IDENTITY_TOKEN_FILE, the shared credentials file or the \
                 container, and of an EC2 instance: {err}"
            ))
        })
    }

    fn of_variables(&self) -> Option<Credentials> {
        Some(Credentials {
            access_key_id: self.variable("AWS_ACCESS_KEY_ID")?,
            secret_access_key: SecretString::from(self.variable("AWS_SECRET_ACCESS_KEY")?),
            session_token: self.variable("AWS_SESSION_TOKEN").map(SecretString::from),
        })
    }

    /// What STS gives for the token that Kubernetes has put into `file`.
    async fn of_web_identity(&self, file: &Path, role: &str) -> Result<Credentials, TokenError> {
        #[derive(Deserialize)]
        struct ResponseBody {
            #[serde(rename = "AssumeRoleWithWebIdentityResponse")]
            response: Response,
        }
        #[derive(Deserialize)]
        struct Response {
            #[serde(rename = "AssumeRoleWithWebIdentityResult")]
            result: Assumed,
        }
        #[derive(Deserialize)]
        struct Assumed {
            #[serde(rename = "Credentials")]
            credentials: Credentials,
        }
        let token = tokio::fs::read_to_string(file).await;
        let token = token
            .map_err(|err| unusable(format!("AWS_WEB_IDENTITY_TOKEN_FILE {}: {err}", file.display())))?;
        let session = self.variable("AWS_ROLE_SESSION_NAME");
        let session = session.unwrap_or_else(|| format!("oktabus-{}", Timestamp::now().as_second()));
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("Action", "AssumeRoleWithWebIdentity").append_pair("Version", "2011-06-15");
        form.append_pair("RoleArn", role).append_pair("RoleSessionName", &session);
        form.append_pair("WebIdentityToken", token.trim());
        let url =
            self.url("AWS_ENDPOINT_URL_STS", &format!("https://sts.{}.{}/", self.region, self.domain()))?;
        let request = http::client(&url, None)?
            .post(url.clone())
            .header(ACCEPT, "application/json")
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(form.finish());
        let text = http::text(&url, request, aws_reason).await?;
        http::json(&url, &text).map(|answer: ResponseBody| answer.response.result.credentials)
    }

    /// None if there is no such file.
    async fn of_profile(&self) -> Result<Option<Credentials>, TokenError> {
        let file = self.variable("AWS_SHARED_CREDENTIALS_FILE").map(PathBuf::from);
        let home = || self.variable("HOME").map(|home| Path::new(&home).join(".aws/credentials"));
        let Some(file) = file.or_else(home).filter(|file| file.exists()) else { return Ok(None) };
        let profile = self.variable("AWS_PROFILE").unwrap_or_else(|| "default".to_owned());
        let secret = Secret::File(file.clone());
        let text =
            tokio::task::spawn_blocking(move || secret.read()).await.map_err(|_| TokenError::Closing)?;
        let what = "the shared credentials file of AWS";
        let text = text.map_err(|source| TokenError::Secret { what, source })?;
        let credentials = credentials_of(text.expose_secret(), &profile);
        let missing = || {
            let file = file.display();
            unusable(format!(
                "the profile `{profile}` in {file} has no aws_access_key_id and aws_secret_access_key"
            ))
        };
        credentials.ok_or_else(missing).map(Some)
    }

    fn container(&self) -> Result<Option<Url>, TokenError> {
        if let Some(path) = self.variable("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI") {
            return parsed(&format!("{CONTAINER_HOST}{path}")).map(Some);
        }
        let Some(url) = self.variable("AWS_CONTAINER_CREDENTIALS_FULL_URI") else { return Ok(None) };
        let url = parsed(&url)?;
        if url.scheme() != "https" && !url.host_str().is_some_and(|host| PLAIN_HOSTS.contains(&host)) {
            let reason = "AWS_CONTAINER_CREDENTIALS_FULL_URI: plain http is for this machine and the container's own agent";
            return Err(unusable(reason.to_owned()));
        }
        Ok(Some(url))
    }

    async fn of_container(&self, url: &Url) -> Result<Credentials, TokenError> {
        let mut request = http::client(url, None)?.get(url.clone());
        let token = match self.variable("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE") {
            Some(file) => {
                let text = tokio::fs::read_to_string(&file).await;
                let unreadable =
                    |err| unusable(format!("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE {file}: {err}"));
                Some(text.map_err(unreadable)?)
            }
            None => self.variable("AWS_CONTAINER_AUTHORIZATION_TOKEN"),
        };
        if let Some(token) = token {
            request = request.header(AUTHORIZATION, sensitive(token.trim())?);
        }
        http::json(url, &http::text(url, request, aws_reason).await?)
    }

    /// The role of the EC2 instance, by the second version of its metadata service.
    async fn of_instance(&self) -> Result<Credentials, TokenError> {
        let base = self.url("AWS_EC2_METADATA_SERVICE_ENDPOINT", INSTANCE_HOST)?;
        let at = |path: &str| base.join(path).map_err(|err| unusable(err.to_string()));
        let client = http::client(&base, None)?;
        let url = at("latest/api/token")?;
        let request = client.put(url.clone()).header("x-aws-ec2-metadata-token-ttl-seconds", "60");
        let token = sensitive(&http::text(&url, request, aws_reason).await?)?;
        let get = async |url: &Url| {
            let request = client.get(url.clone()).header("x-aws-ec2-metadata-token", token.clone());
            http::text(url, request, aws_reason).await
        };
        let url = at("latest/meta-data/iam/security-credentials/")?;
        let role = get(&url).await?;
        let url =
            url.join(role.lines().next().unwrap_or_default()).map_err(|err| unusable(err.to_string()))?;
        http::json(&url, &get(&url).await?)
    }

    fn url(&self, variable: &str, otherwise: &str) -> Result<Url, TokenError> {
        parsed(&self.variable(variable).unwrap_or_else(|| otherwise.to_owned()))
    }

    fn domain(&self) -> &'static str {
        if self.region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" }
    }

    fn variable(&self, name: &str) -> Option<String> {
        (self.variable)(name)
    }
}

/// The credentials of `profile` in a file of sections and `name = value` lines.
fn credentials_of(file: &str, profile: &str) -> Option<Credentials> {
    let mut lines = file.lines().map(str::trim);
    let header = format!("[{profile}]");
    lines.find(|line| *line == header)?;
    let section: Vec<_> =
        lines.take_while(|line| !line.starts_with('[')).filter_map(|line| line.split_once('=')).collect();
    let value = |name: &str| {
        let (_, value) = section.iter().find(|(key, _)| key.trim() == name)?;
        Some(value.trim().to_owned())
    };
    Some(Credentials {
        access_key_id: value("aws_access_key_id")?,
        secret_access_key: SecretString::from(value("aws_secret_access_key")?),
        session_token: value("aws_session_token").map(SecretString::from),
    })
}

/// Why AWS refuses.
fn aws_reason(text: &str) -> Option<String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct ErrorBody {
        error: Reason,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Reason {
        code: String,
        message: String,
    }
    let ErrorBody { error } = serde_json::from_str(text).ok()?;
    Some(http::first_sentence(&format!("{}: {}", error.code, error.message)))
}

fn sensitive(value: &str) -> Result<HeaderValue, TokenError> {
    let value = HeaderValue::try_from(value);
    let mut value =
        value.map_err(|_| unusable("an authorization token has control characters in it".to_owned()))?;
    value.set_sensitive(true);
    Ok(value)
}

fn parsed(url: &str) -> Result<Url, TokenError> {
    url.parse().map_err(|err| unusable(format!("`{url}` is not a URL: {err}")))
}

fn unusable(reason: String) -> TokenError {
    TokenError::NoCredentials(reason)
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, fs, os::unix::fs::PermissionsExt as _};

    use axum::{Json, Router, extract::State, http::HeaderMap};
    use serde_json::{Value, json};

    use super::*;

    fn provider(variables: &[(&str, &str)]) -> Provider<'static> {
        let owned = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let variables: BTreeMap<String, String> = owned.collect();
        Provider { region: "eu-west-1", variable: Box::new(move |name| variables.get(name).cloned()) }
    }

    /// A server that answers everything with `answer`, if it is asked with this authorization.
    async fn server(authorization: Option<&'static str>, answer: Value) -> String {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let answered = move |State(answer): State<Value>, headers: HeaderMap| async move {
            let given = headers.get(AUTHORIZATION).map(|value| value.to_str().unwrap().to_owned());
            assert_eq!(given.as_deref(), authorization);
            Json(answer)
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let app = Router::new().fallback(answered).with_state(answer);
        tokio::spawn(async move { axum::serve(listener, app).await });
        format!("http://{address}/")
    }

    fn shown(credentials: &Credentials) -> (&str, &str, Option<&str>) {
        let token = credentials.session_token.as_ref().map(ExposeSecret::expose_secret);
        (&credentials.access_key_id, credentials.secret_access_key.expose_secret(), token)
    }

    fn file(content: &str, mode: u32) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), content).unwrap();
        fs::set_permissions(file.path(), fs::Permissions::from_mode(mode)).unwrap();
        file
    }

    #[tokio::test]
    async fn the_environment_comes_first_and_then_the_profile() {
        let profiles = file(
            "[default]\naws_access_key_id = A\naws_secret_access_key = a\n[ops]\naws_access_key_id=B\n\
             aws_secret_access_key=b=c\naws_session_token = t\n",
            0o600,
        );
        let path = profiles.path().to_str().unwrap();
        let file = ("AWS_SHARED_CREDENTIALS_FILE", path);
        let of = async |more: &[(&str, &str)]| provider(&[&[file], more].concat()).credentials().await;
        assert_eq!(shown(&of(&[]).await.unwrap()), ("A", "a", None));
        assert_eq!(shown(&of(&[("AWS_PROFILE", "ops")]).await.unwrap()), ("B", "b=c", Some("t")));
        let missing = of(&[("AWS_PROFILE", "dev")]).await.unwrap_err().to_string();
        assert!(missing.contains("`dev`") && missing.contains(path), "{missing}");
        let variables = [("AWS_ACCESS_KEY_ID", "C"), ("AWS_SECRET_ACCESS_KEY", "c")];
        assert_eq!(shown(&of(&variables).await.unwrap()), ("C", "c", None));
    }

    #[tokio::test]
    async fn a_web_identity_is_exchanged_for_credentials() {
        let credentials =
            json!({ "AccessKeyId": "A", "SecretAccessKey": "a", "SessionToken": "t", "Expiration": 1.7e9 });
        let result = json!({ "AssumeRoleWithWebIdentityResult": { "Credentials": credentials } });
        let url = server(None, json!({ "AssumeRoleWithWebIdentityResponse": result })).await;
        let token = file("ey.J.x\n", 0o644);
        let provider = provider(&[
            ("AWS_WEB_IDENTITY_TOKEN_FILE", token.path().to_str().unwrap()),
            ("AWS_ROLE_ARN", "arn:aws:iam::1:role/oktabus"),
            ("AWS_ENDPOINT_URL_STS", &url),
        ]);
        assert_eq!(shown(&provider.credentials().await.unwrap()), ("A", "a", Some("t")));
    }

    #[tokio::test]
    async fn a_container_gives_its_credentials_to_whoever_has_its_token() {
        let url =
            server(Some("secret"), json!({ "AccessKeyId": "A", "SecretAccessKey": "a", "Token": "t" })).await;
        let token = file("secret\n", 0o644);
        let token = ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", token.path().to_str().unwrap());
        let credentials =
            provider(&[token, ("AWS_CONTAINER_CREDENTIALS_FULL_URI", &url)]).credentials().await;
        assert_eq!(shown(&credentials.unwrap()), ("A", "a", Some("t")));
        let abroad = ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://example.com/");
        let refusal = provider(&[token, abroad]).credentials().await.unwrap_err().to_string();
        assert!(refusal.contains("plain http"), "{refusal}");
    }
}
