//! Whom a quota is for, and what it limits, in Kafka's words.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

use serde::{Deserialize, Serialize};

/// Bytes of the name of a user or a client. *Ours*: names are kept in memory.
pub(crate) const NAME_BYTES_MAX: usize = 255;

/// What a quota limits (Kafka, `QuotaConfig`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub(crate) enum Limit {
    /// Bytes of Produce requests in a second.
    ProducerByteRate,
    /// Bytes of Fetch answers in a second.
    ConsumerByteRate,
    /// Time of a thread, in percent of one.
    RequestPercentage,
    /// Partitions created and deleted in a second.
    ControllerMutationRate,
    /// Connections opened in a second.
    ConnectionCreationRate,
}

impl Limit {
    /// All of them.
    pub(crate) const ALL: [Self; 5] = [
        Self::ProducerByteRate,
        Self::ConsumerByteRate,
        Self::RequestPercentage,
        Self::ControllerMutationRate,
        Self::ConnectionCreationRate,
    ];

    /// Its name in Kafka.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::ProducerByteRate => "producer_byte_rate",
            Self::ConsumerByteRate => "consumer_byte_rate",
            Self::RequestPercentage => "request_percentage",
            Self::ControllerMutationRate => "controller_mutation_rate",
            Self::ConnectionCreationRate => "connection_creation_rate",
        }
    }

    /// The one of this name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|limit| limit.name() == name)
    }

    /// Whether `value` can be its value, or why not.
    pub(crate) fn check(self, value: f64) -> Result<(), String> {
        let name = self.name();
        // The first number that Kafka's type cannot hold (`ConfigDef.Type`), if it has to be whole.
        let end = match self {
            Self::ProducerByteRate | Self::ConsumerByteRate => Some(2_f64.powi(63)),
            Self::ConnectionCreationRate => Some(2_f64.powi(31)),
            Self::RequestPercentage | Self::ControllerMutationRate => None,
        };
        match end {
            _ if !value.is_finite() => Err(format!("{name} is {value}; a finite number above 0 is accepted")),
            _ if value <= 0.0 => Err(format!("{name} is {value}; it must be greater than 0")),
            Some(end) if value >= end => Err(format!("{name} is {value}; less than {end} is accepted")),
            Some(_) if value.fract() > 1e-6 => Err(format!("{name} is {value}; it cannot have a fraction")),
            _ => Ok(()),
        }
    }
}

/// The name in an entity.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub(crate) enum Name {
    /// Whoever has no quota of their own.
    Default,
    /// This one.
    Of(String),
}

impl Name {
    /// As in the protocol, where null is the default.
    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Self::Default => None,
            Self::Of(name) => Some(name),
        }
    }
}

/// Whom a quota is for.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub(crate) enum Entity {
    /// Users, clients, or clients of users. One of both is there.
    Client {
        /// The user.
        user: Option<Name>,
        /// The client's name for itself.
        client: Option<Name>,
    },
    /// Those who connect from an address.
    Ip(Name),
}

impl Entity {
    /// Kafka's name for a user in an entity (`ClientQuotaEntity`).
    pub(crate) const USER: &str = "user";
    /// That for a client.
    pub(crate) const CLIENT: &str = "client-id";
    /// That for an address.
    pub(crate) const IP: &str = "ip";

    /// Whether it can have quotas of this kind.
    pub(crate) fn takes(&self, limit: Limit) -> bool {
        matches!(self, Self::Ip(_)) == (limit == Limit::ConnectionCreationRate)
    }

    /// Its parts: what each is, and its name.
    pub(crate) fn parts(&self) -> impl Iterator<Item = (&'static str, &Name)> {
        let (user, client, ip) = match self {
            Self::Client { user, client } => (user.as_ref(), client.as_ref(), None),
            Self::Ip(ip) => (None, None, Some(ip)),
        };
        [(Self::USER, user), (Self::CLIENT, client), (Self::IP, ip)].into_iter().filter_map(|(of, name)| Some((of, name?)))
    }
}

/// No two entities read the same.
impl fmt::Display for Entity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (of, name)) in self.parts().enumerate() {
            let between = if at == 0 { "" } else { ", " };
            match name {
                Name::Default => write!(f, "{between}{of} by default")?,
                Name::Of(name) => write!(f, "{between}{of} {name:?}")?,
            }
        }
        Ok(())
    }
}

/// The address that the name of an entity means. Names of hosts are not looked up, but for the one that everybody knows.
pub(crate) fn address(name: &str) -> Option<IpAddr> {
    if name == "localhost" { Some(Ipv4Addr::LOCALHOST.into()) } else { name.parse::<IpAddr>().ok().map(|ip| ip.to_canonical()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_have_the_values_that_kafka_gives_them() {
        use Limit::*;
        for (limit, value, is_right) in [
            (ProducerByteRate, 1.0, true),
            (ProducerByteRate, 9e18, true),
            (ProducerByteRate, 9.3e18, false),
            (ConsumerByteRate, 1.5, false),
            (ConsumerByteRate, 0.0, false),
            (ConsumerByteRate, f64::NAN, false),
            (RequestPercentage, 0.01, true),
            (RequestPercentage, 1e300, true),
            (RequestPercentage, f64::INFINITY, false),
            (RequestPercentage, -1.0, false),
            (ControllerMutationRate, 1.5, true),
            (ConnectionCreationRate, 2_147_483_647.0, true),
            (ConnectionCreationRate, 2_147_483_648.0, false),
            (ConnectionCreationRate, 0.5, false),
        ] {
            assert_eq!(limit.check(value).is_ok(), is_right, "{} {value}", limit.name());
            assert_eq!(Limit::named(limit.name()), Some(limit));
        }
    }

    #[test]
    fn no_two_entities_read_the_same() {
        let named = |name: &str| Some(Name::Of(name.to_owned()));
        let of = |user, client| Entity::Client { user, client };
        let entities = [
            of(named("a"), None),
            of(None, named("a")),
            of(named("a"), named("a")),
            of(named("a"), Some(Name::Default)),
            of(Some(Name::Default), None),
            of(named("by default"), None),
            of(named(r#"a", client-id "a"#), None),
            Entity::Ip(Name::Default),
            Entity::Ip(Name::Of("::1".to_owned())),
        ];
        let texts: std::collections::BTreeSet<_> = entities.iter().map(Entity::to_string).collect();
        assert_eq!(texts.len(), entities.len(), "{texts:?}");
    }

    #[test]
    fn an_address_is_one_however_it_is_written() {
        assert_eq!(address("0:0::1"), address("::1"));
        assert_eq!(address("::ffff:127.0.0.1"), address("localhost"));
        assert_eq!(address("example.com"), None);
    }
}
