//! What requests and answers are made of, whatever they are written in.

use std::fmt;

use bytes::Bytes;

use crate::model::Timestamp;

/// A value as both codecs know it.
#[derive(Clone, PartialEq, Debug)]
pub enum Value {
    /// Nothing; in a structure the same as an absent member.
    Null,
    /// True or false.
    Bool(bool),
    /// A whole number.
    Integer(i64),
    /// Any other number, and whole ones that are too large.
    Double(f64),
    /// Text.
    Text(Text),
    /// Bytes: base64 in JSON.
    Bytes(Bytes),
    /// A point in time: seconds with a fraction in JSON, milliseconds under tag 1 in CBOR.
    Timestamp(Timestamp),
    /// Values in order.
    List(Vec<Value>),
    /// Values by name.
    Map(Structure),
    /// The same in an answer, where the names are not those of members: XML tells them apart.
    Entries(Structure),
}

/// Text that shares the memory it was found in: a request's body, or the program itself.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Text(Bytes);

impl Text {
    /// Text that is part of the program.
    pub const fn of(text: &'static str) -> Self {
        Self(Bytes::from_static(text.as_bytes()))
    }

    /// The text in `bytes`, which are not copied; `None` if they are not UTF-8.
    pub fn shared(bytes: Bytes) -> Option<Self> {
        std::str::from_utf8(&bytes).is_ok().then_some(Self(bytes))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        // Checked when it was made; looking again takes a tenth of a nanosecond per byte, not looking takes unsafe code.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// The text as UTF-8.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

/// Members by name, in the order in which they were written.
#[derive(Clone, PartialEq, Default, Debug)]
pub struct Structure(Vec<(Text, Value)>);

/// What an operation is given: the members that its rules name, of the kinds that they say, within their constraints.
pub type Input = Structure;

impl Structure {
    /// One with room for `members` members.
    pub fn with_capacity(members: usize) -> Self {
        Self(Vec::with_capacity(members))
    }

    /// With this member too; without it if the value is null.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.push(Text::of(name), value.into());
        self
    }

    /// Adds a member, unless its value is null.
    pub fn push(&mut self, name: Text, value: Value) {
        if value != Value::Null {
            self.0.push((name, value));
        }
    }

    /// The member of that name; the last one, if a request has several.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.iter().rev().find(|(key, _)| key.as_bytes() == name.as_bytes()).map(|(_, value)| value)
    }

    /// The text that the member has.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(Value::as_text)
    }

    /// The text of a member that the rules require.
    pub fn required_text(&self, name: &str) -> &str {
        self.text(name).unwrap_or_default()
    }

    /// The whole number that the member has.
    pub fn integer(&self, name: &str) -> Option<i64> {
        match self.get(name) {
            Some(Value::Integer(number)) => Some(*number),
            _ => None,
        }
    }

    /// The number that the member has.
    pub fn double(&self, name: &str) -> Option<f64> {
        match self.get(name) {
            Some(Value::Double(number)) => Some(*number),
            _ => None,
        }
    }

    /// What the member says; `false` if it is not there, as AWS takes it.
    pub fn is_set(&self, name: &str) -> bool {
        matches!(self.get(name), Some(Value::Bool(true)))
    }

    /// The bytes that the member has, sharing their memory.
    pub fn bytes(&self, name: &str) -> Option<&Bytes> {
        match self.get(name) {
            Some(Value::Bytes(bytes)) => Some(bytes),
            _ => None,
        }
    }

    /// The bytes of a member that the rules require.
    pub fn required_bytes(&self, name: &str) -> &Bytes {
        static NONE: Bytes = Bytes::new();
        self.bytes(name).unwrap_or(&NONE)
    }

    /// The time that the member has.
    pub fn timestamp(&self, name: &str) -> Option<Timestamp> {
        match self.get(name) {
            Some(Value::Timestamp(at)) => Some(*at),
            _ => None,
        }
    }

    /// The structure or map that the member has.
    pub fn structure(&self, name: &str) -> Option<&Structure> {
        self.get(name).and_then(Value::as_structure)
    }

    /// The list that the member has; an empty one if it has none.
    pub fn list(&self, name: &str) -> &[Value] {
        match self.get(name) {
            Some(Value::List(values)) => values,
            _ => &[],
        }
    }

    /// The structures in the list that the member has.
    pub fn structures(&self, name: &str) -> impl Iterator<Item = &Structure> {
        self.list(name).iter().filter_map(Value::as_structure)
    }

    /// The texts in the list that the member has.
    pub fn texts(&self, name: &str) -> impl Iterator<Item = &str> {
        self.list(name).iter().filter_map(Value::as_text)
    }

    /// All members in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// How many members it has.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn take(&mut self, name: &str) -> Option<Value> {
        let at = self.0.iter().rposition(|(key, _)| key.as_bytes() == name.as_bytes())?;
        Some(self.0.swap_remove(at).1)
    }

    pub(super) fn members(&mut self) -> &mut Vec<(Text, Value)> {
        &mut self.0
    }
}

impl Value {
    /// Its text, if it is one.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text.as_str()),
            _ => None,
        }
    }

    /// Its members, if it has some.
    pub fn as_structure(&self) -> Option<&Structure> {
        match self {
            Self::Map(members) | Self::Entries(members) => Some(members),
            _ => None,
        }
    }
}

impl From<&'static str> for Value {
    fn from(text: &'static str) -> Self {
        Self::Text(Text::of(text))
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text.into())
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl From<Text> for Value {
    fn from(text: Text) -> Self {
        Self::Text(text)
    }
}

impl From<bool> for Value {
    fn from(on: bool) -> Self {
        Self::Bool(on)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}

impl From<u32> for Value {
    fn from(number: u32) -> Self {
        Self::Integer(number.into())
    }
}

impl From<f64> for Value {
    fn from(number: f64) -> Self {
        Self::Double(number)
    }
}

impl From<Bytes> for Value {
    fn from(bytes: Bytes) -> Self {
        Self::Bytes(bytes)
    }
}

impl From<Timestamp> for Value {
    fn from(at: Timestamp) -> Self {
        Self::Timestamp(at)
    }
}

impl From<Structure> for Value {
    fn from(members: Structure) -> Self {
        Self::Map(members)
    }
}

impl<V: Into<Value>> From<Vec<V>> for Value {
    fn from(values: Vec<V>) -> Self {
        Self::List(values.into_iter().map(Into::into).collect())
    }
}

/// Nothing where there is nothing: members whose values are null are left out.
impl<V: Into<Value>> From<Option<V>> for Value {
    fn from(value: Option<V>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

impl<V: Into<Value>> FromIterator<V> for Value {
    fn from_iter<I: IntoIterator<Item = V>>(values: I) -> Self {
        Self::List(values.into_iter().map(Into::into).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_is_found_under_its_name_and_as_what_it_is() {
        let found = Structure::with_capacity(4).with("A", "text").with("B", 7_i64).with("C", true).with("D", Option::<i64>::None);
        assert_eq!((found.text("A"), found.integer("B"), found.is_set("C")), (Some("text"), Some(7), true));
        assert_eq!((found.text("B"), found.integer("A"), found.is_set("A"), found.get("D")), (None, None, false, None));
        assert_eq!(found.len(), 3);
    }

    #[test]
    fn of_members_with_the_same_name_the_last_one_counts() {
        let mut found = Structure::default().with("A", 1_i64).with("A", 2_i64);
        assert_eq!(found.integer("A"), Some(2));
        assert_eq!(found.take("A"), Some(Value::Integer(2)));
    }
}
