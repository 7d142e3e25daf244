//! **The window on what is measured**: what AWS clients ask of CloudWatch, on the port of the Kinesis API.
//!
//! In JSON 1.0 (boto3, the CLI), Smithy RPC v2 CBOR (Java's SDK) and AWS Query (KPL, older SDKs).
//!
//! Answers the metrics of `AWS/Kinesis` from the meters of the log's streams: whole minutes of the last three hours. What clients
//! measure themselves (KCL, KPL) is accepted and not kept. Never imports a door or `store`.

mod get_metric_data;
mod get_metric_statistics;
mod list_metrics;
mod metric;
mod put_metric_data;

use crate::aws::{Caller, Dialect, Entry, Found, Refusal, Service, entry};
use crate::log::Log;
use crate::model::{Home, Realm};

/// What comes before an operation's name in its target.
const TARGET: &str = "GraniteServiceVersion20100801.";

/// AWS Query, which KPL and older SDKs and CLIs speak; Java's before 2.41.
const DIALECT: Dialect = Dialect { version: "2010-08-01", namespace: "http://monitoring.amazonaws.com/doc/2010-08-01/" };

/// Every operation that is served.
const TABLE: &[Entry<View>] = &[
    entry::<get_metric_data::GetMetricData, _>(),
    entry::<get_metric_statistics::GetMetricStatistics, _>(),
    entry::<list_metrics::ListMetrics, _>(),
    entry::<put_metric_data::PutMetricData, _>(),
];

/// The service.
pub struct Watch {
    log: Log,
    home: Home,
}

/// What an operation sees: the streams of who asks.
struct View {
    log: Log,
    realm: Realm,
}

impl Watch {
    /// One that tells of the streams of `log`, to those who name no account or no region, of those at `home`.
    pub fn of(log: Log, home: Home) -> Self {
        Self { log, home }
    }
}

impl Service for Watch {
    fn target(&self) -> &'static str {
        TARGET
    }

    fn content_types(&self) -> &'static [&'static str] {
        &["application/x-amz-json-1.0", "application/cbor"]
    }

    fn find(&self, target: &str) -> Result<Found, Refusal> {
        let name = target.strip_prefix(TARGET);
        let entry = TABLE.iter().find(|entry| Some(entry.name) == name).ok_or_else(Refusal::unknown_operation)?;
        let (log, home) = (self.log.clone(), self.home.clone());
        let perform = move |caller: Caller, input| {
            let (region, account) = (caller.region.as_deref(), caller.account.as_deref());
            let realm = home.realm(region.unwrap_or(&home.region), account.unwrap_or(&home.account));
            (entry.perform)(View { log, realm }, input)
        };
        Ok(Found { rules: entry.rules, answer_bytes: entry.answer_bytes, perform: Box::new(perform) })
    }

    fn dialect(&self) -> Option<Dialect> {
        Some(DIALECT)
    }
}
