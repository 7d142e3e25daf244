//! Access rules, in Kafka's words, and what follows from them.
//!
//! As Kafka's `StandardAuthorizer` decides it: a rule that denies goes before every one that allows, and without a rule that
//! allows nothing is allowed. Who may read, write, delete or alter something may describe it, and who may alter its configs may
//! describe them; to deny the one denies the other not.
//!
//! Pure: rules and a question → yes or no.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use kafka_protocol::ResponseError;
use serde::{Deserialize, Serialize};

/// Whoever, whatever, wherever.
pub(crate) const ANY: &str = "*";
/// Whoever, as a principal.
const ANYBODY: &str = "User:*";
/// The one name of the cluster (Kafka, `Resource.CLUSTER_NAME`).
pub(crate) const CLUSTER: &str = "kafka-cluster";

/// Names for the numbers of an enum of the protocol.
macro_rules! numbered {
    ($(#[$about:meta])* $name:ident { $($(#[$of:meta])* $variant:ident = $number:literal,)* }) => {
        $(#[$about])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
        pub(crate) enum $name { $($(#[$of])* $variant,)* }

        impl $name {
            /// All of them, in the order of their numbers.
            pub(crate) const ALL: &[Self] = &[$(Self::$variant),*];

            /// Its number in the protocol.
            pub(crate) const fn number(self) -> i8 {
                match self { $(Self::$variant => $number,)* }
            }

            /// The one with this number.
            pub(crate) fn numbered(number: i8) -> Option<Self> {
                Self::ALL.iter().copied().find(|it| it.number() == number)
            }
        }
    };
}

numbered! {
    /// What is done (Kafka, `AclOperation`).
    Operation {
        /// All of them.
        All = 2,
        /// To read records, or to be in a group.
        Read = 3,
        /// To write records.
        Write = 4,
        /// To make it.
        Create = 5,
        /// To delete it.
        Delete = 6,
        /// To change it.
        Alter = 7,
        /// To know that it is there.
        Describe = 8,
        /// What only brokers do.
        ClusterAction = 9,
        /// To see its configs.
        DescribeConfigs = 10,
        /// To change its configs.
        AlterConfigs = 11,
        /// To write without repeats.
        IdempotentWrite = 12,
        /// To make delegation tokens for a user.
        CreateTokens = 13,
        /// To see those of a user.
        DescribeTokens = 14,
        /// To let somebody else decide a transaction.
        TwoPhaseCommit = 15,
    }
}

numbered! {
    /// What it is done with (Kafka, `ResourceType`).
    Kind {
        /// A topic.
        Topic = 2,
        /// A group.
        Group = 3,
        /// Everything else of the gateway.
        Cluster = 4,
        /// A transactional id.
        TransactionalId = 5,
        /// A delegation token.
        DelegationToken = 6,
        /// A user.
        User = 7,
    }
}

numbered! {
    /// How a rule names its resources (Kafka, `PatternType`).
    Pattern {
        /// By a name, or by `*` for all.
        Literal = 3,
        /// By what their names begin with.
        Prefixed = 4,
    }
}

numbered! {
    /// What a rule says (Kafka, `AclPermissionType`).
    Verdict {
        /// No.
        Deny = 2,
        /// Yes.
        Allow = 3,
    }
}

impl Operation {
    /// Those that include it (Kafka, `StandardAuthorizerData`).
    fn including(self) -> &'static [Self] {
        match self {
            Self::Describe => &[Self::Describe, Self::Read, Self::Write, Self::Delete, Self::Alter],
            Self::DescribeConfigs => &[Self::DescribeConfigs, Self::AlterConfigs],
            _ => &[],
        }
    }
}

impl Kind {
    /// What can be done with it (Kafka, `AclEntry.supportedOperations`).
    pub(crate) fn operations(self) -> &'static [Operation] {
        use Operation::*;
        match self {
            Self::Topic => &[Read, Write, Create, Delete, Alter, Describe, DescribeConfigs, AlterConfigs],
            Self::Group => &[Read, Delete, Describe, DescribeConfigs, AlterConfigs],
            Self::Cluster => &[Create, Alter, Describe, ClusterAction, DescribeConfigs, AlterConfigs, IdempotentWrite],
            Self::TransactionalId => &[Write, Describe, TwoPhaseCommit],
            Self::DelegationToken => &[Describe],
            Self::User => &[CreateTokens, DescribeTokens],
        }
    }

    /// What is answered to who may not.
    pub(crate) fn denied(self) -> ResponseError {
        match self {
            Self::Topic => ResponseError::TopicAuthorizationFailed,
            Self::Group => ResponseError::GroupAuthorizationFailed,
            Self::Cluster | Self::User => ResponseError::ClusterAuthorizationFailed,
            Self::TransactionalId => ResponseError::TransactionalIdAuthorizationFailed,
            Self::DelegationToken => ResponseError::DelegationTokenAuthorizationFailed,
        }
    }
}

/// One rule.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub(crate) struct Rule {
    /// With what,
    pub(crate) kind: Kind,
    /// named how,
    pub(crate) pattern: Pattern,
    /// and by what.
    pub(crate) name: String,
    /// `User:NAME`, or `User:*` for whoever.
    pub(crate) principal: String,
    /// The address, or `*` for any.
    pub(crate) host: String,
    /// To do what.
    pub(crate) operation: Operation,
    /// Whether one may.
    pub(crate) verdict: Verdict,
}

/// Which rules are meant; what is `None` may be anything.
#[derive(Clone, Debug)]
pub(crate) struct Filter {
    pub(crate) kind: Option<Kind>,
    pub(crate) pattern: PatternFilter,
    pub(crate) name: Option<String>,
    pub(crate) principal: Option<String>,
    pub(crate) host: Option<String>,
    pub(crate) operation: Option<Operation>,
    pub(crate) verdict: Option<Verdict>,
}

/// Which patterns are meant.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum PatternFilter {
    /// Any with exactly the name of the filter.
    Any,
    /// Whatever would hold for a resource of that name.
    Match,
    /// This one.
    Only(Pattern),
}

impl Filter {
    /// Whether it means this rule (Kafka, `AclBindingFilter.matches`).
    pub(crate) fn matches(&self, rule: &Rule) -> bool {
        fn is<T: PartialEq>(wanted: &Option<T>, found: &T) -> bool {
            wanted.as_ref().is_none_or(|wanted| wanted == found)
        }
        let is_named = match (&self.name, self.pattern) {
            (None, PatternFilter::Any | PatternFilter::Match) => true,
            (None, PatternFilter::Only(pattern)) => pattern == rule.pattern,
            (Some(name), PatternFilter::Any) => *name == rule.name,
            (Some(name), PatternFilter::Only(pattern)) => pattern == rule.pattern && *name == rule.name,
            (Some(name), PatternFilter::Match) => match rule.pattern {
                Pattern::Literal => *name == rule.name || rule.name == ANY,
                Pattern::Prefixed => name.starts_with(&rule.name),
            },
        };
        is_named
            && is(&self.kind, &rule.kind)
            && is(&self.principal, &rule.principal)
            && is(&self.host, &rule.host)
            && is(&self.operation, &rule.operation)
            && is(&self.verdict, &rule.verdict)
    }
}

/// Who asks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asker<'a> {
    /// `User:NAME`.
    pub(crate) principal: &'a str,
    /// The address.
    pub(crate) host: &'a str,
}

impl Rule {
    fn is_about(&self, asker: Asker<'_>) -> bool {
        (self.principal == ANYBODY || self.principal == asker.principal) && (self.host == ANY || self.host == asker.host)
    }
}

/// Rules, by what they are about.
#[derive(Default, Debug)]
pub(crate) struct Rules {
    literal: HashMap<(Kind, String), Vec<Arc<Rule>>>,
    prefixed: HashMap<(Kind, String), Vec<Arc<Rule>>>,
    /// How long the prefixes are, in bytes.
    lengths: BTreeSet<usize>,
}

impl FromIterator<Arc<Rule>> for Rules {
    fn from_iter<I: IntoIterator<Item = Arc<Rule>>>(rules: I) -> Self {
        let mut sorted = Self::default();
        for rule in rules {
            let named = match rule.pattern {
                Pattern::Literal => &mut sorted.literal,
                Pattern::Prefixed => {
                    sorted.lengths.insert(rule.name.len());
                    &mut sorted.prefixed
                }
            };
            named.entry((rule.kind, rule.name.clone())).or_default().push(rule);
        }
        sorted
    }
}

impl Rules {
    /// Whether `asker` may do `operation` with the resource.
    pub(crate) fn allow(&self, asker: Asker<'_>, operation: Operation, kind: Kind, name: &str) -> bool {
        let including = operation.including();
        let mut is_allowed = false;
        for rule in self.of(kind, name).filter(|rule| rule.is_about(asker)) {
            let is_meant = matches!(rule.operation, Operation::All) || rule.operation == operation;
            match rule.verdict {
                Verdict::Deny if is_meant => return false,
                Verdict::Deny => {}
                Verdict::Allow => is_allowed |= is_meant || including.contains(&rule.operation),
            }
        }
        is_allowed
    }

    /// The rules about a resource.
    fn of(&self, kind: Kind, name: &str) -> impl Iterator<Item = &Rule> {
        let exact = [name, ANY].into_iter().take(if name == ANY { 1 } else { 2 });
        let exact = exact.filter_map(move |name| self.literal.get(&(kind, name.to_owned())));
        let beginnings = self.lengths.range(..=name.len()).filter_map(|&length| name.get(..length));
        let beginnings = beginnings.filter_map(move |beginning| self.prefixed.get(&(kind, beginning.to_owned())));
        exact.chain(beginnings).flatten().map(AsRef::as_ref)
    }

    /// Whether there may be a resource of this kind with which `asker` may do `operation` (Kafka,
    /// `Authorizer.authorizeByResourceType`).
    pub(crate) fn allow_any(&self, asker: Asker<'_>, operation: Operation, kind: Kind) -> bool {
        let is_meant = |rule: &&Rule, verdict| {
            rule.verdict == verdict && rule.is_about(asker) && (rule.operation == operation || rule.operation == Operation::All)
        };
        let denies = |found: Option<&Vec<Arc<Rule>>>| {
            found.is_some_and(|rules| rules.iter().map(AsRef::as_ref).any(|rule| is_meant(&rule, Verdict::Deny)))
        };
        let is_denied = |rule: &Rule| {
            let whole = rule.pattern == Pattern::Literal && denies(self.literal.get(&(kind, rule.name.clone())));
            let mut beginnings = self.lengths.range(..=rule.name.len()).filter_map(|&length| rule.name.get(..length));
            whole || beginnings.any(|beginning| denies(self.prefixed.get(&(kind, beginning.to_owned()))))
        };
        if denies(self.literal.get(&(kind, ANY.to_owned()))) {
            return false;
        }
        let all = self.literal.iter().chain(&self.prefixed).filter(|((of, _), _)| *of == kind);
        let mut allowing = all.flat_map(|(_, rules)| rules).map(AsRef::as_ref).filter(|rule| is_meant(rule, Verdict::Allow));
        allowing.any(|rule| rule.pattern == Pattern::Literal && rule.name == ANY || !is_denied(rule))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(verdict: Verdict, principal: &str, host: &str, operation: Operation, name: &str) -> Arc<Rule> {
        let (pattern, name) = match name.strip_suffix('~') {
            Some(name) => (Pattern::Prefixed, name),
            None => (Pattern::Literal, name),
        };
        let (name, principal, host) = (name.to_owned(), format!("User:{principal}"), host.to_owned());
        Arc::new(Rule { kind: Kind::Topic, pattern, name, principal, host, operation, verdict })
    }

    const ALICE: Asker<'_> = Asker { principal: "User:alice", host: "10.0.0.9" };

    /// Each line: rules, and what alice may do with which topic. A name that ends in `~` is what names begin with.
    #[test]
    fn rules_decide_as_kafkas_do() {
        use Operation::{All, Alter, AlterConfigs, Create, Describe, DescribeConfigs, Read, Write};
        use Verdict::{Allow, Deny};
        let allow = |operation, name| rule(Allow, "alice", ANY, operation, name);
        let deny = |operation, name| rule(Deny, "alice", ANY, operation, name);
        for (rules, asked, name, expected) in [
            (vec![], Read, "orders", false),
            (vec![allow(Read, "orders")], Read, "orders", true),
            (vec![allow(Read, "orders")], Describe, "orders", true),
            (vec![allow(Alter, "orders")], Describe, "orders", true),
            (vec![allow(Create, "orders")], Describe, "orders", false),
            (vec![allow(AlterConfigs, "orders")], DescribeConfigs, "orders", true),
            (vec![allow(AlterConfigs, "orders")], Describe, "orders", false),
            (vec![allow(Describe, "orders")], Read, "orders", false),
            (vec![allow(Read, "orders")], Read, "orders2", false),
            (vec![allow(Read, "order~")], Read, "orders", true),
            (vec![allow(Read, "orders~")], Read, "order", false),
            (vec![allow(Read, "*")], Read, "orders", true),
            (vec![allow(All, "*")], Write, "orders", true),
            (vec![allow(All, "orders"), deny(Write, "*")], Write, "orders", false),
            (vec![allow(All, "orders"), deny(Write, "o~")], Write, "orders", false),
            (vec![allow(All, "orders"), deny(All, "orders")], Describe, "orders", false),
            // To deny the one denies not what it includes.
            (vec![allow(Describe, "orders"), deny(Read, "orders")], Describe, "orders", true),
            (vec![allow(Read, "orders"), deny(Describe, "orders")], Describe, "orders", false),
            (vec![allow(Read, "orders"), deny(Describe, "orders")], Read, "orders", true),
            (vec![rule(Allow, "*", ANY, Read, "orders")], Read, "orders", true),
            (vec![rule(Allow, "bob", ANY, Read, "orders")], Read, "orders", false),
            (vec![rule(Allow, "alice", "10.0.0.9", Read, "orders")], Read, "orders", true),
            (vec![rule(Allow, "alice", "10.0.0.8", Read, "orders")], Read, "orders", false),
            (vec![allow(Read, "orders"), rule(Deny, "*", "10.0.0.9", Read, "*")], Read, "orders", false),
            (vec![allow(Read, "Ö~")], Read, "Österreich", true),
        ] {
            let all: Rules = rules.iter().cloned().collect();
            assert_eq!(all.allow(ALICE, asked, Kind::Topic, name), expected, "{asked:?} {name} by {rules:?}");
            assert!(!all.allow(ALICE, asked, Kind::Group, name));
        }
    }

    #[test]
    fn some_topic_may_be_written_if_not_all_that_are_allowed_are_denied() {
        use Operation::{All, Read, Write};
        use Verdict::{Allow, Deny};
        let allow = |operation, name| rule(Allow, "alice", ANY, operation, name);
        let deny = |name| rule(Deny, "alice", ANY, Write, name);
        for (rules, expected) in [
            (vec![], false),
            (vec![allow(Read, "a")], false),
            (vec![allow(Write, "a")], true),
            (vec![allow(All, "a~")], true),
            (vec![allow(Write, "a"), deny("a")], false),
            (vec![allow(Write, "a"), deny("*")], false),
            (vec![allow(Write, "ab"), deny("a~")], false),
            (vec![allow(Write, "ab~"), deny("ab")], true),
            (vec![allow(Write, "a~"), deny("ab~")], true),
            (vec![allow(Write, "ab"), allow(Write, "b"), deny("a~")], true),
            (vec![allow(Write, "*"), deny("a~")], true),
            (vec![rule(Allow, "bob", ANY, Write, "a")], false),
        ] {
            let all: Rules = rules.iter().cloned().collect();
            assert_eq!(all.allow_any(ALICE, Write, Kind::Topic), expected, "{rules:?}");
        }
    }

    #[test]
    fn filters_mean_what_kafkas_mean() {
        let filter = |pattern, name: Option<&str>| Filter {
            kind: None,
            pattern,
            name: name.map(str::to_owned),
            principal: None,
            host: None,
            operation: None,
            verdict: None,
        };
        let rules = ["orders", "*", "ord~", "orders~"].map(|name| rule(Verdict::Allow, "a", ANY, Operation::Read, name));
        use PatternFilter::{Any, Match, Only};
        for (filter, matched) in [
            (filter(Any, None), [true, true, true, true]),
            (filter(Any, Some("orders")), [true, false, false, true]),
            (filter(Match, Some("orders")), [true, true, true, true]),
            (filter(Match, Some("order")), [false, true, true, false]),
            (filter(Only(Pattern::Literal), None), [true, true, false, false]),
            (filter(Only(Pattern::Prefixed), Some("ord")), [false, false, true, false]),
            (Filter { kind: Some(Kind::Group), ..filter(Any, None) }, [false; 4]),
            (Filter { principal: Some("User:a".to_owned()), ..filter(Any, None) }, [true; 4]),
            (Filter { host: Some("10.0.0.1".to_owned()), ..filter(Any, None) }, [false; 4]),
            (Filter { operation: Some(Operation::Write), ..filter(Any, None) }, [false; 4]),
            (Filter { verdict: Some(Verdict::Deny), ..filter(Any, None) }, [false; 4]),
        ] {
            assert_eq!(rules.each_ref().map(|rule| filter.matches(rule)), matched, "{filter:?}");
        }
    }

    #[test]
    fn what_may_be_done_with_everything_is_what_kafka_says() {
        let bits = |kind: Kind| kind.operations().iter().fold(0, |bits, operation| bits | 1 << operation.number());
        assert_eq!((bits(Kind::Topic), bits(Kind::Group), bits(Kind::Cluster)), (0b1101_1111_1000, 0b1101_0100_1000, 8_096));
    }
}
