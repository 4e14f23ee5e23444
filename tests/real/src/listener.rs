//! The listeners that brokers can have, and what a client needs to use one.

use std::fmt::Write as _;
use std::path::Path;

const SECURITY: &str = "org.apache.kafka.common.security";

/// A listener of every broker: one kind of security. All are on 127.0.0.1.
///
/// Users are `admin`, `alice` and `bob`; the password of each is its name and `-secret`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Listener {
    /// No security: the one that is always there.
    Plaintext,
    /// TLS, with a broker certificate for `localhost` and `127.0.0.1`.
    Tls,
    /// TLS that asks for a client certificate too.
    Mtls,
    /// SASL PLAIN without TLS.
    SaslPlain,
    /// SASL SCRAM-SHA-256 and SCRAM-SHA-512 without TLS.
    Scram,
    /// SASL OAUTHBEARER with unsecured tokens, without TLS.
    Oauth,
    /// SASL PLAIN and SCRAM over TLS.
    SaslTls,
}

impl Listener {
    /// Every listener there is.
    pub const ALL: [Self; 7] =
        [Self::Plaintext, Self::Tls, Self::Mtls, Self::SaslPlain, Self::Scram, Self::Oauth, Self::SaslTls];

    /// Its name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Plaintext => "plaintext",
            Self::Tls => "tls",
            Self::Mtls => "mtls",
            Self::SaslPlain => "sasl_plain",
            Self::Scram => "scram",
            Self::Oauth => "oauth",
            Self::SaslTls => "sasl_tls",
        }
    }

    /// The listener of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|listener| listener.name() == name)
    }

    /// `security.protocol` of a client.
    #[must_use]
    pub fn security_protocol(self) -> &'static str {
        match self {
            Self::Plaintext => "PLAINTEXT",
            Self::Tls | Self::Mtls => "SSL",
            Self::SaslPlain | Self::Scram | Self::Oauth => "SASL_PLAINTEXT",
            Self::SaslTls => "SASL_SSL",
        }
    }

    pub(crate) fn uses_tls(self) -> bool {
        matches!(self, Self::Tls | Self::Mtls | Self::SaslTls)
    }

    pub(crate) fn broker_name(self) -> String {
        self.name().to_uppercase()
    }

    /// What the broker is told about it, beyond its address.
    pub(crate) fn broker_properties(self, cluster: &Path) -> String {
        let prefix = format!("listener.name.{}", self.name());
        let mut text = String::new();
        let mut set = |key: &str, value: &str| {
            let _ = writeln!(text, "{prefix}.{key}={value}");
        };
        if self.uses_tls() {
            trust(&mut set, cluster);
            keys(&mut set, cluster, "broker");
        }
        if self == Self::Mtls {
            set("ssl.client.auth", "required");
        }
        let mechanisms: &[&str] = match self {
            Self::Plaintext | Self::Tls | Self::Mtls => &[],
            Self::SaslPlain => &["PLAIN"],
            Self::Scram => &["SCRAM-SHA-256", "SCRAM-SHA-512"],
            Self::Oauth => &["OAUTHBEARER"],
            Self::SaslTls => &["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"],
        };
        if !mechanisms.is_empty() {
            set("sasl.enabled.mechanisms", &mechanisms.join(","));
        }
        for mechanism in mechanisms {
            let module = login_module(mechanism);
            let options = match *mechanism {
                "PLAIN" => USERS.map(|user| format!(" user_{user}=\"{}\"", password(user))).concat(),
                "OAUTHBEARER" => " unsecuredLoginStringClaim_sub=\"admin\"".to_owned(),
                // The passwords of SCRAM are in the cluster's metadata.
                _ => String::new(),
            };
            let key = format!("{}.sasl.jaas.config", mechanism.to_lowercase());
            set(&key, &format!("{module} required{options};"));
        }
        text
    }

    /// The properties of a Java client, user `alice`, that uses it.
    pub(crate) fn client_properties(self, cluster: &Path) -> String {
        let mut text = String::new();
        let mut set = |key: &str, value: &str| {
            let _ = writeln!(text, "{key}={value}");
        };
        set("security.protocol", self.security_protocol());
        if self.uses_tls() {
            trust(&mut set, cluster);
        }
        if self == Self::Mtls {
            keys(&mut set, cluster, "alice");
        }
        let mechanism = match self {
            Self::Plaintext | Self::Tls | Self::Mtls => return text,
            Self::SaslPlain | Self::SaslTls => "PLAIN",
            Self::Scram => "SCRAM-SHA-512",
            Self::Oauth => "OAUTHBEARER",
        };
        let options = match self {
            Self::Oauth => "unsecuredLoginStringClaim_sub=\"alice\"".to_owned(),
            _ => format!("username=\"alice\" password=\"{}\"", password("alice")),
        };
        set("sasl.mechanism", mechanism);
        set("sasl.jaas.config", &format!("{} required {options};", login_module(mechanism)));
        text
    }
}

/// Who can log in.
pub(crate) const USERS: [&str; 3] = ["admin", "alice", "bob"];

/// The password of a user.
pub(crate) fn password(user: &str) -> String {
    format!("{user}-secret")
}

fn login_module(mechanism: &str) -> String {
    let module = match mechanism {
        "PLAIN" => "plain.PlainLoginModule",
        "OAUTHBEARER" => "oauthbearer.OAuthBearerLoginModule",
        _ => "scram.ScramLoginModule",
    };
    format!("{SECURITY}.{module}")
}

fn trust(set: &mut impl FnMut(&str, &str), cluster: &Path) {
    set("ssl.truststore.type", "PEM");
    set("ssl.truststore.location", &cluster.join("tls/ca.pem").display().to_string());
}

fn keys(set: &mut impl FnMut(&str, &str), cluster: &Path, name: &str) {
    set("ssl.keystore.type", "PEM");
    set("ssl.keystore.location", &cluster.join(format!("tls/{name}.pem")).display().to_string());
}
