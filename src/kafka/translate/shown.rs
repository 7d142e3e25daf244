//! A config as DescribeConfigs and CreateTopics show it.

/// One config with its value.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Shown {
    /// Its name.
    pub(crate) name: &'static str,
    /// Its value in force.
    pub(crate) value: String,
    /// The type of its value.
    pub(crate) kind: Kind,
    /// Whether requests cannot change it.
    pub(crate) read_only: bool,
    /// Where the value comes from.
    pub(crate) source: Source,
    /// Where else a value was looked for, the one in force first.
    pub(crate) synonyms: Vec<Synonym>,
    /// What it does here, in words.
    pub(crate) documentation: &'static str,
}

/// A config that gives another its value.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Synonym {
    /// Its name.
    pub(crate) name: &'static str,
    /// Its value.
    pub(crate) value: String,
    /// Where that value comes from.
    pub(crate) source: Source,
}

/// The type of a value, by its number in DescribeConfigs (Apache Kafka, `DescribeConfigsResponse.ConfigType`, 4.4).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(i8)]
pub(crate) enum Kind {
    /// `true` or `false`.
    Boolean = 1,
    /// Any text.
    String = 2,
    /// A whole number of 32 bits.
    Int = 3,
    /// A whole number of 64 bits.
    Long = 5,
    /// A number with a fraction.
    Double = 6,
    /// Texts separated by commas.
    List = 7,
}

/// Where a value comes from, by its number in DescribeConfigs (Apache Kafka, `DescribeConfigsResponse.ConfigSource`, 4.4).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(i8)]
pub(crate) enum Source {
    /// Set on the topic.
    Topic = 1,
    /// Set on the broker.
    Broker = 2,
    /// Set when the gateway was started.
    Start = 4,
    /// Nobody set it.
    Default = 5,
    /// Set on the group.
    Group = 8,
}
