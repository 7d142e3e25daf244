//! What messages consist of: numbers, texts, lists, and messages within messages.

use anyhow::{Context as _, bail, ensure};
use kafka_protocol::messages::{GroupId, ProducerId, TopicName, TransactionalId};
use kafka_protocol::protocol::StrBytes;
use kafka_protocol::protocol::buf::{ByteBuf, ByteBufMut};
use uuid::Uuid;

/// Elements for which a list has room before they are read. *Ours*: how many there are is what its sender says.
const ROOM: usize = 64;
/// The bytes of a number of 32 bits in sevens.
const VARINT_BYTES: u32 = 5;

/// How a value is written: the version of its message, and whether that has compact lengths and tagged fields (KIP-482).
#[derive(Clone, Copy, Debug)]
pub(super) struct Form {
    pub(super) version: i16,
    pub(super) is_flexible: bool,
}

/// What can be a field.
pub(super) trait Value: Sized {
    /// Reads one.
    fn read<B: ByteBuf>(bytes: &mut B, form: Form) -> anyhow::Result<Self>;
    /// Writes it.
    fn write<B: ByteBufMut>(&self, bytes: &mut B, form: Form) -> anyhow::Result<()>;
    /// The bytes that it takes.
    fn size(&self, form: Form) -> usize;
}

macro_rules! numbers {
    ($($number:ty, $get:ident, $put:ident;)*) => { $(
        impl Value for $number {
            fn read<B: ByteBuf>(bytes: &mut B, _: Form) -> anyhow::Result<Self> {
                Ok(bytes.$get()?)
            }

            fn write<B: ByteBufMut>(&self, bytes: &mut B, _: Form) -> anyhow::Result<()> {
                bytes.$put(*self);
                Ok(())
            }

            fn size(&self, _: Form) -> usize {
                size_of::<Self>()
            }
        }
    )* };
}

numbers! {
    i8, try_get_i8, put_i8;
    i16, try_get_i16, put_i16;
    u16, try_get_u16, put_u16;
    i32, try_get_i32, put_i32;
    i64, try_get_i64, put_i64;
}

impl Value for ProducerId {
    fn read<B: ByteBuf>(bytes: &mut B, form: Form) -> anyhow::Result<Self> {
        i64::read(bytes, form).map(Self)
    }

    fn write<B: ByteBufMut>(&self, bytes: &mut B, form: Form) -> anyhow::Result<()> {
        self.0.write(bytes, form)
    }

    fn size(&self, form: Form) -> usize {
        self.0.size(form)
    }
}

impl Value for bool {
    fn read<B: ByteBuf>(bytes: &mut B, _: Form) -> anyhow::Result<Self> {
        Ok(bytes.try_get_u8()? != 0)
    }

    fn write<B: ByteBufMut>(&self, bytes: &mut B, _: Form) -> anyhow::Result<()> {
        bytes.put_u8((*self).into());
        Ok(())
    }

    fn size(&self, _: Form) -> usize {
        1
    }
}

impl Value for Uuid {
    fn read<B: ByteBuf>(bytes: &mut B, _: Form) -> anyhow::Result<Self> {
        Ok(Self::from_u128(bytes.try_get_u128()?))
    }

    fn write<B: ByteBufMut>(&self, bytes: &mut B, _: Form) -> anyhow::Result<()> {
        bytes.put_u128(self.as_u128());
        Ok(())
    }

    fn size(&self, _: Form) -> usize {
        size_of::<u128>()
    }
}

impl Value for Option<StrBytes> {
    fn read<B: ByteBuf>(bytes: &mut B, form: Form) -> anyhow::Result<Self> {
        let length = match form.is_flexible {
            true => read_count(bytes)?,
            false => absent_below_0(bytes.try_get_i16()?.into())?,
        };
        let Some(length) = length else { return Ok(None) };
        Ok(Some(StrBytes::from_utf8(bytes.try_get_bytes(length)?)?))
    }

    fn write<B: ByteBufMut>(&self, bytes: &mut B, form: Form) -> anyhow::Result<()> {
        match (self, form.is_flexible) {
            (text, true) => write_count(bytes, text.as_ref().map(|text| text.len()))?,
            (Some(text), false) => bytes.put_i16(text.len().try_into().context("a text is too long")?),
            (None, false) => bytes.put_i16(-1),
        }
        bytes.put_slice(self.as_ref().map(|text| text.as_bytes()).unwrap_or_default());
        Ok(())
    }

    fn size(&self, form: Form) -> usize {
        let length = self.as_ref().map(|text| text.len());
        let count = if form.is_flexible { size_of_count(length) } else { size_of::<i16>() };
        count + length.unwrap_or(0)
    }
}

macro_rules! texts {
    ($($text:ty)*) => { $(
        impl Value for $text {
            fn read<B: ByteBuf>(bytes: &mut B, form: Form) -> anyhow::Result<Self> {
                Option::<StrBytes>::read(bytes, form)?.map(Self::from).context("a text is null that may not be")
            }

            fn write<B: ByteBufMut>(&self, bytes: &mut B, form: Form) -> anyhow::Result<()> {
                Some(StrBytes::from(self.clone())).write(bytes, form)
            }

            fn size(&self, form: Form) -> usize {
                Some(StrBytes::from(self.clone())).size(form)
            }
        }
    )* };
}

texts! { StrBytes GroupId TopicName TransactionalId }

impl<V: Value> Value for Option<Vec<V>> {
    fn read<B: ByteBuf>(bytes: &mut B, form: Form) -> anyhow::Result<Self> {
        let count = if form.is_flexible { read_count(bytes)? } else { absent_below_0(bytes.try_get_i32()?)? };
        let Some(count) = count else { return Ok(None) };
        // Each takes a byte at least.
        ensure!(count <= bytes.remaining(), "a list of {count} has {} bytes", bytes.remaining());
        let mut values = Vec::with_capacity(count.min(ROOM));
        for _ in 0..count {
            values.push(V::read(bytes, form)?);
        }
        Ok(Some(values))
    }

    fn write<B: ByteBufMut>(&self, bytes: &mut B, form: Form) -> anyhow::Result<()> {
        match (self, form.is_flexible) {
            (values, true) => write_count(bytes, values.as_ref().map(Vec::len))?,
            (Some(values), false) => bytes.put_i32(values.len().try_into().context("a list is too long")?),
            (None, false) => bytes.put_i32(-1),
        }
        self.iter().flatten().try_for_each(|value| value.write(bytes, form))
    }

    fn size(&self, form: Form) -> usize {
        let count = if form.is_flexible { size_of_count(self.as_ref().map(Vec::len)) } else { size_of::<i32>() };
        count + self.iter().flatten().map(|value| value.size(form)).sum::<usize>()
    }
}

impl<V: Value> Value for Vec<V> {
    fn read<B: ByteBuf>(bytes: &mut B, form: Form) -> anyhow::Result<Self> {
        Option::read(bytes, form)?.context("a list is null that may not be")
    }

    fn write<B: ByteBufMut>(&self, bytes: &mut B, form: Form) -> anyhow::Result<()> {
        match form.is_flexible {
            true => write_count(bytes, Some(self.len()))?,
            false => bytes.put_i32(self.len().try_into().context("a list is too long")?),
        }
        self.iter().try_for_each(|value| value.write(bytes, form))
    }

    fn size(&self, form: Form) -> usize {
        let count = if form.is_flexible { size_of_count(Some(self.len())) } else { size_of::<i32>() };
        count + self.iter().map(|value| value.size(form)).sum::<usize>()
    }
}

/// Whether a struct follows that may be null.
pub(super) fn read_presence<B: ByteBuf>(bytes: &mut B) -> anyhow::Result<bool> {
    Ok(bytes.try_get_i8()? >= 0)
}

/// Says whether a struct follows; takes one byte.
pub(super) fn write_presence<B: ByteBufMut>(bytes: &mut B, is_there: bool) {
    bytes.put_i8(if is_there { 1 } else { -1 });
}

/// Passes over the tagged fields at the end of a message, none of which is known.
pub(super) fn skip_tags<B: ByteBuf>(bytes: &mut B) -> anyhow::Result<()> {
    for _ in 0..read_varint(bytes)? {
        let _tag = read_varint(bytes)?;
        let length = read_varint(bytes)? as usize;
        bytes.try_get_bytes(length)?;
    }
    Ok(())
}

/// Says that there are no tagged fields; takes one byte.
pub(super) fn write_no_tags<B: ByteBufMut>(bytes: &mut B) {
    bytes.put_u8(0);
}

fn absent_below_0(count: i32) -> anyhow::Result<Option<usize>> {
    match count {
        -1 => Ok(None),
        count => Ok(Some(usize::try_from(count).with_context(|| format!("{count} is no length"))?)),
    }
}

/// A compact length: one more than it is, 0 for null.
fn read_count<B: ByteBuf>(bytes: &mut B) -> anyhow::Result<Option<usize>> {
    Ok(read_varint(bytes)?.checked_sub(1).map(|count| count as usize))
}

/// Writes one.
pub(in crate::kafka) fn write_count<B: ByteBufMut>(bytes: &mut B, count: Option<usize>) -> anyhow::Result<()> {
    let mut rest = compact(count).context("a length does not fit 32 bits")?;
    while rest >= 0x80 {
        bytes.put_u8(rest as u8 | 0x80);
        rest >>= 7;
    }
    bytes.put_u8(rest as u8);
    Ok(())
}

/// Bytes that it takes.
pub(in crate::kafka) fn size_of_count(count: Option<usize>) -> usize {
    let bits = u32::BITS - compact(count).unwrap_or(u32::MAX).leading_zeros();
    bits.div_ceil(7).max(1) as usize
}

fn compact(count: Option<usize>) -> Option<u32> {
    count.map_or(Some(0), |count| u32::try_from(count).ok()?.checked_add(1))
}

fn read_varint<B: ByteBuf>(bytes: &mut B) -> anyhow::Result<u32> {
    let mut number = 0_u64;
    for at in 0..VARINT_BYTES {
        let byte = bytes.try_get_u8()?;
        number |= u64::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return u32::try_from(number).context("a number has more than 32 bits");
        }
    }
    bail!("a number has more than {VARINT_BYTES} bytes")
}
