//! How a message is written down.

/// Structs of the fields that a message has, in the order of Kafka's schema.
///
/// `name: Type [versions] = default`: without versions a field is in all of them, without a default it is empty or 0. What a
/// version does not have is read as the default, and left out when it is written. An `Option` may be null.
///
/// A struct that is a message of its own is followed by `versions FIRST to LAST, flexible from N, header H`: `H` is the version of
/// the header before N: 1 for a request, 0 for an answer; from N it is one more.
macro_rules! message {
    ($(
        $(#[$about:meta])*
        struct $name:ident $(versions $first:literal to $last:literal, flexible from $flexible:literal, header $header:literal)? {
            $($field:ident: $type:ty $([$versions:expr])? $(= $default:expr)?,)*
        }
    )*) => { $(
        $(#[$about])*
        #[derive(Clone, PartialEq, Debug)]
        #[allow(missing_docs, reason = "Kafka's schema says what each field is")]
        pub struct $name {
            $(pub $field: $type,)*
        }

        impl Default for $name {
            fn default() -> Self {
                Self { $($field: message!(@default $($default)?),)* }
            }
        }

        impl $crate::kafka::wire::value::Value for $name {
            fn read<B: ::kafka_protocol::protocol::buf::ByteBuf>(
                bytes: &mut B,
                form: $crate::kafka::wire::value::Form,
            ) -> anyhow::Result<Self> {
                let read = Self { $(
                    $field: match message!(@has form $($versions)?) {
                        true => $crate::kafka::wire::value::Value::read(bytes, form)?,
                        false => message!(@default $($default)?),
                    },
                )* };
                if form.is_flexible {
                    $crate::kafka::wire::value::skip_tags(bytes)?;
                }
                Ok(read)
            }

            fn write<B: ::kafka_protocol::protocol::buf::ByteBufMut>(
                &self,
                bytes: &mut B,
                form: $crate::kafka::wire::value::Form,
            ) -> anyhow::Result<()> {
                $(if message!(@has form $($versions)?) {
                    $crate::kafka::wire::value::Value::write(&self.$field, bytes, form)?;
                })*
                if form.is_flexible {
                    $crate::kafka::wire::value::write_no_tags(bytes);
                }
                Ok(())
            }

            fn size(&self, form: $crate::kafka::wire::value::Form) -> usize {
                let mut size = usize::from(form.is_flexible);
                $(if message!(@has form $($versions)?) {
                    size += $crate::kafka::wire::value::Value::size(&self.$field, form);
                })*
                size
            }
        }

        impl $crate::kafka::wire::value::Value for Option<$name> {
            fn read<B: ::kafka_protocol::protocol::buf::ByteBuf>(
                bytes: &mut B,
                form: $crate::kafka::wire::value::Form,
            ) -> anyhow::Result<Self> {
                let is_there = $crate::kafka::wire::value::read_presence(bytes)?;
                is_there.then(|| $crate::kafka::wire::value::Value::read(bytes, form)).transpose()
            }

            fn write<B: ::kafka_protocol::protocol::buf::ByteBufMut>(
                &self,
                bytes: &mut B,
                form: $crate::kafka::wire::value::Form,
            ) -> anyhow::Result<()> {
                $crate::kafka::wire::value::write_presence(bytes, self.is_some());
                self.iter().try_for_each(|value| $crate::kafka::wire::value::Value::write(value, bytes, form))
            }

            fn size(&self, form: $crate::kafka::wire::value::Form) -> usize {
                1 + self.as_ref().map_or(0, |value| $crate::kafka::wire::value::Value::size(value, form))
            }
        }

        $(
            impl $name {
                fn form(version: i16) -> anyhow::Result<$crate::kafka::wire::value::Form> {
                    anyhow::ensure!(($first..=$last).contains(&version), "version {version} is unknown");
                    Ok($crate::kafka::wire::value::Form { version, is_flexible: version >= $flexible })
                }
            }

            impl ::kafka_protocol::protocol::Message for $name {
                const VERSIONS: ::kafka_protocol::protocol::VersionRange =
                    ::kafka_protocol::protocol::VersionRange { min: $first, max: $last };
                const DEPRECATED_VERSIONS: Option<::kafka_protocol::protocol::VersionRange> = None;
            }

            impl ::kafka_protocol::protocol::Decodable for $name {
                fn decode<B: ::kafka_protocol::protocol::buf::ByteBuf>(bytes: &mut B, version: i16) -> anyhow::Result<Self> {
                    $crate::kafka::wire::value::Value::read(bytes, Self::form(version)?)
                }
            }

            impl ::kafka_protocol::protocol::Encodable for $name {
                fn encode<B: ::kafka_protocol::protocol::buf::ByteBufMut>(
                    &self,
                    bytes: &mut B,
                    version: i16,
                ) -> anyhow::Result<()> {
                    $crate::kafka::wire::value::Value::write(self, bytes, Self::form(version)?)
                }

                fn compute_size(&self, version: i16) -> anyhow::Result<usize> {
                    Ok($crate::kafka::wire::value::Value::size(self, Self::form(version)?))
                }
            }

            impl ::kafka_protocol::protocol::HeaderVersion for $name {
                fn header_version(version: i16) -> i16 {
                    if version >= $flexible { $header + 1 } else { $header }
                }
            }
        )?
    )* };
    (@default) => { Default::default() };
    (@default $default:expr) => { $default };
    (@has $form:ident) => { true };
    (@has $form:ident $versions:expr) => { ($versions).contains(&$form.version) };
}

pub(super) use message;
