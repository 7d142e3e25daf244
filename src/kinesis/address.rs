//! Which stream a request means: by name, by ARN, or by an id that AWS keeps for itself. The only place that decides it.

use std::sync::Arc;

use crate::aws::{Input, Refusal};
use crate::log::Stream;

use super::context::Context;
use super::refusal;

impl Context {
    /// The stream that `StreamName` or `StreamARN` names. The ARN counts where there is one, as AWS's own clients mean it;
    /// `StreamId` alone names nothing, since no answer ever has one.
    pub(super) fn stream(&self, input: &Input) -> Result<Arc<Stream>, Refusal> {
        let name = match (input.text("StreamARN"), input.text("StreamName")) {
            (Some(arn), _) => name_in(arn),
            (None, Some(name)) => name,
            (None, None) => return Err(refusal::no_stream_named()),
        };
        self.log.stream(name).ok_or_else(|| self.no_stream(name))
    }
}

/// The stream's name in its ARN, or in that of one of its consumers.
pub(super) fn name_in(arn: &str) -> &str {
    let name = arn.rsplit_once(":stream/").map_or(arn, |(_, name)| name);
    name.split_once('/').map_or(name, |(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arn_has_the_streams_name() {
        assert_eq!(name_in("arn:aws:kinesis:us-east-1:000000000000:stream/orders"), "orders");
        assert_eq!(name_in("arn:aws:kinesis:us-east-1:000000000000:stream/orders/consumer/c:1700000000"), "orders");
    }
}
