//! Opening compressed records without trusting them.
//!
//! Serves [`Batch::records`](super::Batch::records) and, in the other direction, the [`Builder`](super::Builder). Every codec
//! is read as a stream that stops one byte behind the budget, so a bomb costs its budget and no more. Kafka has no such
//! budget; it trusts its memory. Left out: Kafka's broken LZ4 header checksums of before 0.10, which only formats 0 and 1
//! ever carried, and zstd windows beyond both 8 MiB and the budget, which only levels 20 to 22 write.

use std::io::{self, Read, Write};

use bytes::{Buf, Bytes};

use super::{Codec, Invalid};

/// Bytes fetched from a codec at once.
const STEP: usize = 16 << 10;

/// The window that every zstd decoder should support: 8 MiB (RFC 8878, 3.1.1.1.2), as a power of two.
const ZSTD_WINDOW_LOG: u32 = 23;
/// The largest that zstd's own decoder takes by default.
const ZSTD_WINDOW_LOG_MAX: u32 = 27;

/// What xerial's snappy for Java begins with; two version numbers of four bytes follow, then blocks behind their lengths.
const XERIAL_MAGIC: &[u8] = b"\x82SNAPPY\0";
const XERIAL_VERSIONS: usize = 8;

/// The most that one byte of snappy can stand for: its best element copies 64 bytes and takes 3.
const SNAPPY_RATIO_MAX: usize = 64 / 3 + 1;

/// Opens `packed` into at most `budget` bytes. While it grows, the output may for a moment take half as much again.
pub(super) fn decompress(codec: Codec, packed: &[u8], budget: usize) -> Result<Bytes, Invalid> {
    let failed = |error: io::Error| Invalid::Compression { codec, why: error.to_string() };
    let open = match codec {
        Codec::None => drain(packed, budget),
        Codec::Gzip => drain(flate2::bufread::MultiGzDecoder::new(packed), budget),
        Codec::Lz4 => drain(lz4_flex::frame::FrameDecoder::new(packed), budget),
        Codec::Zstd => zstd_decoder(packed, budget).and_then(|decoder| drain(decoder, budget)),
        Codec::Snappy => unsnap(packed, budget),
    };
    open.map_err(failed)?.map(Bytes::from).ok_or(Invalid::Budget { codec, budget })
}

fn zstd_decoder(packed: &[u8], budget: usize) -> io::Result<impl Read> {
    let mut decoder = zstd::stream::read::Decoder::with_buffer(packed)?;
    // The window may be as large as the output, which is granted anyway.
    decoder.window_log_max(budget.checked_ilog2().unwrap_or(0).clamp(ZSTD_WINDOW_LOG, ZSTD_WINDOW_LOG_MAX))?;
    Ok(decoder)
}

/// All that `source` gives; `None` if that is more than `budget` bytes.
fn drain(mut source: impl Read, budget: usize) -> io::Result<Option<Vec<u8>>> {
    let (mut output, mut step) = (Vec::new(), vec![0; STEP]);
    loop {
        match source.read(&mut step) {
            Ok(0) => return Ok(Some(output)),
            Ok(read) => {
                if read > budget - output.len() {
                    return Ok(None);
                }
                grow(&mut output, read, budget);
                output.extend_from_slice(step.get(..read).unwrap_or_default());
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Makes room for `more` bytes: twice as much as before, but never beyond the budget, which holds `more` too.
fn grow(output: &mut Vec<u8>, more: usize, budget: usize) {
    let needed = output.len() + more;
    if needed > output.capacity() {
        output.reserve_exact(output.capacity().saturating_mul(2).clamp(needed, budget) - output.len());
    }
}

/// Snappy as C, Rust and Go clients write it (one block) or as Java does (framed by xerial).
fn unsnap(packed: &[u8], budget: usize) -> io::Result<Option<Vec<u8>>> {
    let mut output = Vec::new();
    let Some(framed) = packed.strip_prefix(XERIAL_MAGIC) else {
        return Ok(unsnap_block(packed, &mut output, budget)?.then_some(output));
    };
    let mut blocks = framed.get(XERIAL_VERSIONS..).ok_or(io::ErrorKind::UnexpectedEof)?;
    while !blocks.is_empty() {
        let length = blocks.try_get_u32().map_err(|_| io::ErrorKind::UnexpectedEof)?;
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let (block, rest) = blocks.split_at_checked(length).ok_or(io::ErrorKind::UnexpectedEof)?;
        if !unsnap_block(block, &mut output, budget)? {
            return Ok(None);
        }
        blocks = rest;
    }
    Ok(Some(output))
}

/// Opens one raw block behind `output`; `false` if that would take it over `budget`. The length that the block declares is
/// held against the budget, and against what its bytes can stand for, before any room is made for it.
fn unsnap_block(block: &[u8], output: &mut Vec<u8>, budget: usize) -> io::Result<bool> {
    let declared = snap::raw::decompress_len(block)?;
    if declared > budget - output.len() {
        return Ok(false);
    }
    let possible = block.len().saturating_mul(SNAPPY_RATIO_MAX);
    if declared > possible {
        return Err(io::Error::other(format!(
            "a block declares {declared} bytes; its {} bytes hold at most {possible}",
            block.len()
        )));
    }
    let start = output.len();
    grow(output, declared, budget);
    output.resize(start + declared, 0);
    let written = snap::raw::Decoder::new().decompress(block, output.get_mut(start..).unwrap_or_default())?;
    output.truncate(start + written);
    Ok(true)
}

/// Packs `open` as the codec's usual client does; snappy as one raw block.
pub(super) fn compress(codec: Codec, open: &[u8]) -> Result<Vec<u8>, Invalid> {
    let packed = match codec {
        Codec::None => Ok(open.to_vec()),
        Codec::Gzip => {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
            encoder.write_all(open).and_then(|()| encoder.finish())
        }
        Codec::Snappy => snap::raw::Encoder::new().compress_vec(open).map_err(io::Error::from),
        Codec::Lz4 => {
            let mut encoder = lz4_flex::frame::FrameEncoder::new(Vec::new());
            encoder.write_all(open).and_then(|()| encoder.finish().map_err(io::Error::from))
        }
        Codec::Zstd => zstd::stream::encode_all(open, zstd::DEFAULT_COMPRESSION_LEVEL),
    };
    packed.map_err(|error| Invalid::Compression { codec, why: error.to_string() })
}
