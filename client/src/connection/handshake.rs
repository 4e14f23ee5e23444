//! Agreeing on versions: the first exchange on every connection (KIP-35, KIP-511).

use std::collections::BTreeMap;

use ottla_wire::messages::{ApiVersionsRequest, ApiVersionsResponse};
use ottla_wire::{ApiKey, Code, Request};

use crate::error::{Error, Kind};

/// The feature that says which protocol transactions follow (KIP-890).
const TRANSACTION_VERSION: &str = "transaction.version";

/// The versions of each API that one broker speaks.
#[derive(Clone, Debug, Default)]
pub(crate) struct Versions {
    apis: BTreeMap<i16, (i16, i16)>,
    pub(crate) features: Features,
}

/// What a cluster as a whole agreed on, as one broker knows it (KIP-584).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Features {
    /// Rises with every change; -1 if the broker said nothing.
    epoch: i64,
    /// The finalized `transaction.version`, 0 if there is none.
    pub(crate) transaction_version: i16,
    /// Some broker takes metrics of clients (KIP-714).
    pub(crate) takes_telemetry: bool,
}

impl Default for Features {
    fn default() -> Self {
        Self { epoch: -1, transaction_version: 0, takes_telemetry: false }
    }
}

impl Features {
    fn of(response: &ApiVersionsResponse) -> Self {
        let finalized = response.finalized_features.iter().find(|feature| feature.name.as_str() == TRANSACTION_VERSION);
        Self {
            epoch: response.finalized_features_epoch,
            transaction_version: finalized.map_or(0, |feature| feature.max_version_level),
            takes_telemetry: response.api_keys.iter().any(|api| api.api_key == ApiKey::PushTelemetry as i16),
        }
    }

    /// Takes what a broker says, unless something newer is known.
    pub(crate) fn learn(&mut self, said: Self) {
        let takes_telemetry = self.takes_telemetry || said.takes_telemetry;
        if said.epoch > self.epoch {
            *self = said;
        }
        self.takes_telemetry = takes_telemetry;
    }
}

/// What comes after an answer to ApiVersions.
#[derive(Debug)]
pub(crate) enum Step {
    /// The broker is older than the request: ask again with this version.
    Again(i16),
    Done(Versions),
}

/// The request to start with.
pub(crate) fn request() -> ApiVersionsRequest {
    ApiVersionsRequest {
        client_software_name: "ottla".into(),
        client_software_version: env!("CARGO_PKG_VERSION").into(),
    }
}

/// Reads the answer to version `asked`.
pub(crate) fn on_answer(response: &ApiVersionsResponse, asked: i16) -> Result<Step, Error> {
    let apis = response.api_keys.iter().map(|api| (api.api_key, (api.min_version, api.max_version))).collect();
    let versions = Versions { apis, features: Features::of(response) };
    match response.error_code {
        Code::None => Ok(Step::Done(versions)),
        // The answer says which versions of ApiVersions it knows; a broker of before KIP-511 says nothing.
        Code::UnsupportedVersion if asked > 0 => {
            let known = versions.apis.get(&(ApiKey::ApiVersions as i16)).map_or(0, |(_, max)| *max);
            Ok(Step::Again(known.clamp(0, asked - 1)))
        }
        code => Err(Error::broker(code, format!("ApiVersions v{asked}"))),
    }
}

impl Versions {
    /// A broker that speaks these and no others.
    #[cfg(test)]
    pub(crate) fn of(ranges: &[(ApiKey, i16, i16)]) -> Self {
        let apis = ranges.iter().map(|(api, min, max)| (*api as i16, (*min, *max))).collect();
        Self { apis, features: Features::default() }
    }

    /// The highest version of a request that both sides speak.
    pub(crate) fn choose<R: Request>(&self) -> Result<i16, Error> {
        self.choose_up_to::<R>(R::MAX_VERSION)
    }

    /// The highest version of a request that both sides speak, not above `limit`.
    pub(crate) fn choose_up_to<R: Request>(&self, limit: i16) -> Result<i16, Error> {
        let api = R::API_KEY;
        let (ours_min, ours_max) = (R::MIN_VERSION, R::MAX_VERSION.min(limit));
        let Some((min, max)) = self.apis.get(&(api as i16)) else {
            return Err(Error::new(
                Kind::UnsupportedVersion,
                format!("the broker does not know the API {}", api.name()),
            ));
        };
        let chosen = ours_max.min(*max);
        if chosen < ours_min.max(*min) {
            return Err(Error::new(
                Kind::UnsupportedVersion,
                format!(
                    "the broker speaks {} {min} to {max}, this client {ours_min} to {ours_max}: one of them is too old",
                    api.name()
                ),
            ));
        }
        Ok(chosen)
    }
}

#[cfg(test)]
mod tests {
    use ottla_wire::messages::api_versions_response::{ApiVersion, FinalizedFeatureKey};
    use ottla_wire::messages::{MetadataRequest, ProduceRequest};

    use super::*;

    fn answer(code: Code, ranges: &[(ApiKey, i16, i16)]) -> ApiVersionsResponse {
        ApiVersionsResponse {
            error_code: code,
            api_keys: ranges
                .iter()
                .map(|(api, min, max)| ApiVersion { api_key: *api as i16, min_version: *min, max_version: *max })
                .collect(),
            ..ApiVersionsResponse::default()
        }
    }

    fn versions(ranges: &[(ApiKey, i16, i16)]) -> Versions {
        match on_answer(&answer(Code::None, ranges), 4).unwrap() {
            Step::Done(versions) => versions,
            step => panic!("{step:?}"),
        }
    }

    /// edge 27: the highest epoch counts, whichever broker answers last.
    #[test]
    fn the_newest_features_count() {
        let mut features = Features::default();
        for (epoch, transaction_version) in [(3, 1), (5, 2), (4, 1), (-1, 0)] {
            let finalized = FinalizedFeatureKey {
                name: TRANSACTION_VERSION.into(),
                max_version_level: transaction_version,
                min_version_level: transaction_version,
            };
            features.learn(Features::of(&ApiVersionsResponse {
                finalized_features_epoch: epoch,
                finalized_features: vec![finalized],
                ..answer(Code::None, &[])
            }));
        }
        assert_eq!(features.transaction_version, 2);
    }

    /// edge 71: a broker that does not know the version answers with its range.
    #[test]
    fn asks_again_with_the_highest_version_that_the_broker_names() {
        let refused = answer(Code::UnsupportedVersion, &[(ApiKey::ApiVersions, 0, 2)]);
        assert!(matches!(on_answer(&refused, 4), Ok(Step::Again(2))));
        let silent = answer(Code::UnsupportedVersion, &[]);
        assert!(matches!(on_answer(&silent, 4), Ok(Step::Again(0))));
    }

    #[test]
    fn a_broker_that_refuses_version_0_is_an_error_and_no_loop() {
        let refused = answer(Code::UnsupportedVersion, &[(ApiKey::ApiVersions, 0, 2)]);
        assert_eq!(on_answer(&refused, 0).unwrap_err().code(), Some(Code::UnsupportedVersion));
    }

    /// edge 72: the highest version in both ranges, checked as a range.
    #[test]
    fn chooses_the_highest_version_of_both() {
        let versions = versions(&[(ApiKey::Metadata, 0, 9), (ApiKey::Produce, 0, 99)]);
        assert_eq!(versions.choose::<MetadataRequest>().unwrap(), 9);
        assert_eq!(versions.choose::<ProduceRequest>().unwrap(), ProduceRequest::MAX_VERSION);
        assert_eq!(versions.choose_up_to::<ProduceRequest>(11).unwrap(), 11);
    }

    /// edge 72: a broker may have dropped every version that this client knows, or never had one.
    #[test]
    fn ranges_that_do_not_meet_name_both_sides() {
        for (min, max) in [(90, 99), (0, 1)] {
            let error = versions(&[(ApiKey::Metadata, min, max)]).choose::<MetadataRequest>().unwrap_err();
            assert_eq!(error.kind(), Kind::UnsupportedVersion);
            assert!(error.to_string().contains(&format!("Metadata {min} to {max}")), "{error}");
        }
        let error = versions(&[]).choose::<MetadataRequest>().unwrap_err();
        assert!(error.to_string().contains("does not know the API Metadata"), "{error}");
    }
}
