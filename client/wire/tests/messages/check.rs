//! What must hold of every message.

use std::fmt::Debug;
use std::ops::RangeInclusive;

use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::messages::{RequestHeader, ResponseHeader};
use kafka_protocol::protocol::{Decodable, Encodable, StrBytes};
use ottla_wire::{
    ApiKey, Data, Decode, DecodeError, Reader, Request, Version, decode_data, decode_response, encode_data,
    encode_request,
};

use crate::hostile;
use crate::pair::{Pair, Random, unknown_tags};

/// How many random values are tried in each version.
const CASES: u64 = 40;

/// A request is written as theirs is, header included, and theirs reads it as the same values.
pub(crate) fn request<Ours, Theirs>(versions: RangeInclusive<i16>)
where
    Ours: Request + Pair<Theirs> + Default + Debug,
    Theirs: Encodable + Decodable + Default + PartialEq + Debug,
{
    for (version, mut random) in cases::<Ours>(versions) {
        let random = &mut random;
        let (ours, theirs): (Ours, Theirs) = sometimes_default(random, version);
        let client_id = [None, Some(""), Some("tea"), Some("thé")][random.below(4)];
        let correlation_id = random.bits() as i32;

        let frame = encode_request(&ours, version.number, correlation_id, client_id).unwrap();
        let written = frame.slices().concat();
        assert_eq!(frame.len(), written.len());

        let mut expected = BytesMut::new();
        RequestHeader::default()
            .with_request_api_key(Ours::API_KEY.to_wire())
            .with_request_api_version(version.number)
            .with_correlation_id(correlation_id)
            .with_client_id(client_id.map(StrBytes::from_static_str))
            .encode(&mut expected, if version.flexible { 2 } else { 1 })
            .unwrap();
        let header = expected.len();
        theirs.encode(&mut expected, version.number).unwrap();
        assert_eq!(written[..4], (expected.len() as i32).to_be_bytes());
        assert_eq!(written[4..], expected, "{ours:?} in {version:?}");

        let mut body = Bytes::from(written).slice(4 + header..);
        assert_eq!(Theirs::decode(&mut body, version.number).unwrap(), theirs);
        assert!(body.is_empty());
    }
}

/// A response written by theirs is read as the same values, to the last byte; cut short anywhere it is an error.
pub(crate) fn response<R, Ours, Theirs>(versions: RangeInclusive<i16>)
where
    R: Request<Response = Ours>,
    Ours: Decode + Pair<Theirs> + Default + PartialEq + Debug,
    Theirs: Encodable + Default,
{
    for (version, mut random) in cases::<R>(versions) {
        let random = &mut random;
        let (ours, theirs): (Ours, Theirs) = sometimes_default(random, version);
        let mut body = BytesMut::new();
        theirs.encode(&mut body, version.number).unwrap();
        let body = body.freeze();

        assert_eq!(read::<Ours>(&body, version).unwrap(), (ours, 0), "in {version:?}");
        hostile::bytes(random, &body, |bytes| read::<Ours>(&bytes, version).map(|_| ()));

        let mut frame = BytesMut::new();
        let mut header = ResponseHeader::default().with_correlation_id(random.bits() as i32);
        let with_tags = version.flexible && R::API_KEY != ApiKey::ApiVersions;
        if with_tags {
            unknown_tags(random, &mut header.unknown_tagged_fields);
        }
        header.encode(&mut frame, i16::from(with_tags)).unwrap();
        frame.put(body.clone());
        let frame = frame.freeze();
        assert_eq!(ottla_wire::correlation_id(&frame), Ok(header.correlation_id));
        let whole = decode_response::<R>(frame, version.number).unwrap();
        assert_eq!(whole, read::<Ours>(&body, version).unwrap().0);
    }
}

/// What group members exchange is written as theirs is and read as theirs wrote it, after its version.
pub(crate) fn data<Ours, Theirs>(versions: RangeInclusive<i16>)
where
    Ours: Data + Pair<Theirs> + Default + PartialEq + Debug,
    Theirs: Encodable + Decodable + Default + PartialEq + Debug,
{
    assert_eq!(versions, Ours::MIN_VERSION..=Ours::MAX_VERSION);
    for number in versions {
        for seed in 0..CASES {
            let (random, version) = (&mut Random::new(seed), Version { number, flexible: false });
            let (ours, theirs): (Ours, Theirs) = sometimes_default(random, version);
            let mut expected = BytesMut::new();
            expected.put_i16(number);
            theirs.encode(&mut expected, number).unwrap();

            let written = encode_data(&ours, number).unwrap();
            assert_eq!(written, expected, "{ours:?} in {version:?}");
            assert_eq!(decode_data(written.clone()), Ok((ours, number)));
            assert_eq!(Theirs::decode(&mut written.slice(2..), number).unwrap(), theirs);
            hostile::bytes(random, &written, |bytes| decode_data::<Ours>(bytes).map(|_| ()));
        }
    }
}

/// Reads one value and says how many bytes are left.
fn read<Ours: Decode>(bytes: &Bytes, version: Version) -> Result<(Ours, usize), DecodeError> {
    let mut from = Reader::new(bytes.clone());
    let value = Ours::decode(&mut from, version)?;
    Ok((value, from.remaining()))
}

fn sometimes_default<Ours: Pair<Theirs> + Default, Theirs: Default>(
    random: &mut Random,
    version: Version,
) -> (Ours, Theirs) {
    if random.below(20) == 0 { Default::default() } else { Pair::pair(random, version) }
}

/// Every version, each with several seeds.
fn cases<R: Request>(versions: RangeInclusive<i16>) -> impl Iterator<Item = (Version, Random)> {
    versions.flat_map(|number| {
        let version = Version { number, flexible: R::is_flexible(number) };
        (0..CASES).map(move |seed| (version, Random::new(seed)))
    })
}
