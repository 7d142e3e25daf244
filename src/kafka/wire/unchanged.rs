//! A message whose newest versions have the form of an older one.

use std::ops::Deref;

use kafka_protocol::protocol::buf::{ByteBuf, ByteBufMut};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Message, Request, VersionRange};

/// A message of the crate in its versions and further ones up to `LAST`, which have the form of the crate's last.
#[derive(Clone, PartialEq, Default, Debug)]
pub struct Unchanged<M, const LAST: i16>(pub M);

impl<M: Message, const LAST: i16> Unchanged<M, LAST> {
    /// The version of the crate that has the form of this one.
    fn form(version: i16) -> i16 {
        if version > LAST { version } else { version.min(M::VERSIONS.max) }
    }
}

impl<M, const LAST: i16> From<M> for Unchanged<M, LAST> {
    fn from(message: M) -> Self {
        Self(message)
    }
}

impl<M, const LAST: i16> Deref for Unchanged<M, LAST> {
    type Target = M;

    fn deref(&self) -> &M {
        &self.0
    }
}

impl<M: Message, const LAST: i16> Message for Unchanged<M, LAST> {
    const VERSIONS: VersionRange = VersionRange { min: M::VERSIONS.min, max: LAST };
    const DEPRECATED_VERSIONS: Option<VersionRange> = M::DEPRECATED_VERSIONS;
}

impl<M: Message + Decodable, const LAST: i16> Decodable for Unchanged<M, LAST> {
    fn decode<B: ByteBuf>(bytes: &mut B, version: i16) -> anyhow::Result<Self> {
        M::decode(bytes, Self::form(version)).map(Self)
    }
}

impl<M: Message + Encodable, const LAST: i16> Encodable for Unchanged<M, LAST> {
    fn encode<B: ByteBufMut>(&self, bytes: &mut B, version: i16) -> anyhow::Result<()> {
        self.0.encode(bytes, Self::form(version))
    }

    fn compute_size(&self, version: i16) -> anyhow::Result<usize> {
        self.0.compute_size(Self::form(version))
    }
}

impl<M: Message + HeaderVersion, const LAST: i16> HeaderVersion for Unchanged<M, LAST> {
    fn header_version(version: i16) -> i16 {
        M::header_version(Self::form(version))
    }
}

impl<R: Request, const LAST: i16> Request for Unchanged<R, LAST> {
    const KEY: i16 = R::KEY;
    type Response = Unchanged<R::Response, LAST>;
}
