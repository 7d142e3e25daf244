//! Base64 as bodies have it: the standard alphabet, padded.

use std::sync::LazyLock;

use base64::engine::general_purpose::PAD;

/// With the processor's vector instructions: what records are made of goes through here.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
pub(super) static BASE64: LazyLock<base64::engine::Simd> = LazyLock::new(|| base64::engine::Simd::standard(PAD));

/// The crate knows no others' vector instructions.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
pub(super) static BASE64: LazyLock<base64::engine::GeneralPurpose> =
    LazyLock::new(|| base64::engine::GeneralPurpose::new(&base64::alphabet::STANDARD, PAD));
