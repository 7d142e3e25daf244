//! Where a record belongs, as AWS places it.

use md5::{Digest, Md5};

use crate::aws::Refusal;
use crate::log::Stream;
use crate::model::{HashKey, Shard};

use super::context::Context;
use super::refusal::argument;

/// The hash key of a partition key: its MD5 as a number, most significant byte first.
pub(super) fn of_partition_key(key: &str) -> HashKey {
    HashKey(u128::from_be_bytes(Md5::digest(key.as_bytes()).into()))
}

/// The hash key that somebody wrote.
///
/// # Errors
/// InvalidArgumentException if it is beyond the last one.
pub(super) fn explicit(text: &str) -> Result<HashKey, Refusal> {
    text.parse().map(HashKey).map_err(|_| {
        argument(format!(
            "Invalid ExplicitHashKey. ExplicitHashKey must be in the range: [0, 2^128-1]. Specified value was {text}"
        ))
    })
}

/// The hash key at which a shard is to be split.
///
/// # Errors
/// InvalidArgumentException if it is beyond the last one, in the words for one that is not within the shard.
pub(super) fn of_split(cx: &Context, stream: &Stream, shard: &Shard, text: &str) -> Result<HashKey, Refusal> {
    text.parse().map(HashKey).map_err(|_| cx.no_split_there(text, shard.id, stream.name(), shard.keys))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_hashed_as_by_aws() {
        assert_eq!(of_partition_key("a"), HashKey(16_955_237_001_963_240_173_058_271_559_858_726_497));
        assert_eq!(of_partition_key("1"), HashKey(261_578_874_264_819_908_609_102_035_485_573_088_411));
    }

    #[test]
    fn the_key_space_has_an_end() {
        assert_eq!(explicit("340282366920938463463374607431768211455").unwrap(), HashKey(u128::MAX));
        assert_eq!(
            explicit("340282366920938463463374607431768211456").unwrap_err().message(),
            "Invalid ExplicitHashKey. ExplicitHashKey must be in the range: [0, 2^128-1]. Specified value was \
             340282366920938463463374607431768211456"
        );
    }
}
