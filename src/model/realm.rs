//! Accounts and regions: whose streams are where.

use std::fmt;

use serde::{Deserialize, Serialize};

/// An account in a region. Each has streams of its own, and the same name may be that of a stream in several.
///
/// One realm is home: its streams are Kafka's topics. Which account and region that is a [`Home`] says, so that streams stay at
/// home when it gets another name; streams of a realm whose name home takes are not seen as long as it has it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Realm(Option<Box<Abroad>>);

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
struct Abroad {
    region: String,
    account: String,
}

/// The names of the realm that is home.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Home {
    /// Its region, such as `us-east-1`.
    pub region: String,
    /// Its account: 12 digits.
    pub account: String,
}

impl Home {
    /// The realm of that account in that region.
    pub fn realm(&self, region: &str, account: &str) -> Realm {
        let is_home = region == self.region && account == self.account;
        Realm((!is_home).then(|| Box::new(Abroad { region: region.to_owned(), account: account.to_owned() })))
    }
}

impl Realm {
    /// Whether its streams are Kafka's topics.
    pub fn is_home(&self) -> bool {
        self.0.is_none()
    }

    /// Its region.
    pub fn region<'a>(&'a self, home: &'a Home) -> &'a str {
        self.0.as_ref().map_or(&home.region, |abroad| &abroad.region)
    }

    /// Its account.
    pub fn account<'a>(&'a self, home: &'a Home) -> &'a str {
        self.0.as_ref().map_or(&home.account, |abroad| &abroad.account)
    }
}

/// `eu-west-1/123456789012`, or `home`.
impl fmt::Display for Realm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            None => f.write_str("home"),
            Some(abroad) => write!(f, "{}/{}", abroad.region, abroad.account),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn home_is_the_realm_of_its_names() {
        let home = Home { region: "us-east-1".to_owned(), account: "000000000000".to_owned() };
        assert_eq!(home.realm("us-east-1", "000000000000"), Realm::default());
        let abroad = home.realm("eu-west-1", "000000000000");
        assert!(!abroad.is_home() && Realm::default().is_home());
        assert_eq!((abroad.region(&home), abroad.account(&home)), ("eu-west-1", "000000000000"));
        assert_eq!((Realm::default().region(&home), Realm::default().account(&home)), ("us-east-1", "000000000000"));
        assert_eq!((abroad.to_string(), Realm::default().to_string()), ("eu-west-1/000000000000".into(), "home".into()));
    }

    #[test]
    fn realms_are_kept_as_json() {
        let home = Home { region: "us-east-1".to_owned(), account: "000000000000".to_owned() };
        for realm in [Realm::default(), home.realm("eu-west-1", "123456789012")] {
            assert_eq!(serde_json::from_str::<Realm>(&serde_json::to_string(&realm).unwrap()).unwrap(), realm);
        }
    }
}
